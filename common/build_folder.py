"""Names of the files in build/tau<T>/, and the reading of the conversion's record. Needs no TensorFlow."""
from __future__ import annotations

import json
import re
from pathlib import Path

from common.errors import UserError

CONVERSION = "conversion.json"
MODEL = "model_int8.tflite"
ONNX = "model.onnx"
CALIBRATION = "calibration.txt"
GRAPHS = "graphs"
NATIVE = "native.npz"
VERIFY, BENCH, MANIFEST = "verify.json", "bench.json", "firmware/manifest.json"
VERIFY_FEWER = "verify_fewer.json"
"""A verification over fewer clips than the one in VERIFY."""
REPORT_JSON, REPORT_MARKDOWN, REPORT_HTML = "report.json", "report.md", "report.html"
KEYS = frozenset({"tau", "labels", "graph", "features", "checkpoint", "parameters", "macs", "macs_counting", "calibration",
                  "input", "output", "graphs", "native", "versions", "fingerprint", "files"})
"""Keys of conversion.json. `files`: SHA-256 of each of the conversion's files by its path in the build folder, without the
two copies of the chosen graph's files."""


def default_build(tau: float) -> Path:
    """build/tau1, build/tau1.5, …"""
    return Path(f"build/tau{tau:g}")


def build_of(tau: float) -> Path:
    """The default build folder of a tau, which may be missing; UserError where it holds the conversion of another tau."""
    build = default_build(tau)
    if (build / CONVERSION).is_file():
        load(build)
    return build


def load(build: Path) -> dict:
    """The content of conversion.json; UserError where it is missing or damaged, or a model file is missing."""
    path = Path(build, CONVERSION)
    tau = path.parent.name.removeprefix("tau")
    remedy = f"run `make quantize TAU={tau}`"
    try:
        result = json.loads(path.read_text())
        missing = sorted(KEYS - result.keys())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no converted model here; {remedy}") from None
    except (ValueError, AttributeError):
        raise UserError(f"{path}: damaged; {remedy}") from None
    if missing:
        raise UserError(f"{path}: damaged, it lacks {missing[0]}; {remedy}")
    if re.fullmatch(r"\d+(\.\d+)?", tau) and result["tau"] != float(tau):
        raise UserError(f"{path}: holds tau {result['tau']}, not {tau}; {remedy}")
    for name in (MODEL, ONNX):
        if not Path(build, name).is_file():
            raise UserError(f"{Path(build, name)}: missing; {remedy}")
    return result
