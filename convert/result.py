"""What a conversion leaves in build/tau<T>/, and how later stages read it. Needs no TensorFlow."""
from __future__ import annotations

import json
from pathlib import Path

from training.errors import UserError

CONVERSION = "conversion.json"
MODEL = "model_int8.tflite"
ONNX = "model.onnx"
CALIBRATION = "calibration.txt"
GRAPHS = "graphs"
NATIVE = "native.npz"
KEYS = frozenset({"tau", "labels", "graph", "features", "checkpoint", "parameters", "macs", "macs_counting", "calibration",
                  "input", "output", "graphs", "native", "versions", "fingerprint"})
"""What conversion.json holds."""


def default_build(tau: float) -> Path:
    """build/tau1, build/tau1.5, …"""
    return Path(f"build/tau{tau:g}")


def load(build: Path) -> dict:
    """The conversion's facts, from conversion.json; UserError where there are none."""
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
    for name in (MODEL, ONNX):
        if not Path(build, name).is_file():
            raise UserError(f"{Path(build, name)}: missing; {remedy}")
    return result
