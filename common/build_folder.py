"""Names of the files in build/tau<T>/, and the reading of conversion.json. Needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from common.description import FeatureDescription
from common.errors import UserError
from common.reading import json_object, sha256_of
from common.schema import Each, Either, check

CONVERSION = "conversion.json"
MODEL = "model_int8.tflite"
ONNX = "model.onnx"
CALIBRATION = "calibration.txt"
GRAPHS = "graphs"
NATIVE = "native.npz"
VERIFY, BENCH, MANIFEST = "verify.json", "bench.json", "firmware/manifest.json"
VERIFY_FEWER = "verify_fewer.json"
"""A verification over fewer clips than the one in VERIFY."""
FIELD = "field.json"
NPU = "npu.json"
"""What Vela estimates of the model on NPUs."""
CURVE = "detector_curve.json"
"""Misses against false accepts, as `make tune` found them."""
REPORT_JSON, REPORT_MARKDOWN, REPORT_HTML = "report.json", "report.md", "report.html"
NUMBER = r"\d+(\.\d+)?"
"""Of a tau, in a folder's name."""
KEYS = frozenset(
    {
        "tau",
        "labels",
        "graph",
        "features",
        "checkpoint",
        "parameters",
        "macs",
        "macs_counting",
        "calibration",
        "input",
        "output",
        "graphs",
        "native",
        "versions",
        "fingerprint",
        "files",
    }
)
"""Keys of conversion.json. `files`: SHA-256 of each converted file by its path in the build folder, except MODEL and ONNX,
which are copies of the chosen graph's files."""
TENSOR = {"shape": [int], "scale": float, "zero_point": int}
REFUSED = {"refused": str}
GRAPH = {
    "input": TENSOR,
    "output": TENSOR,
    "tflite": str,
    "onnx": str,
    "sha256": str,
    "tflite_bytes": int,
    "arena_bytes": int,
    "ops": Each(int),
    "op_table": [{"op": str, "count": int, "macs": int, "bytes": int}],
    "agreement": float,
    "sqnr_db": float,
    "bit_exact_with_tflm": bool,
    "ranges": str,
    "ranges_sqnr_db": Each(float),
}
NETWORK = {
    "file": str,
    "sha256": str,
    "delay_columns": int,
    "ranges": str,
    "agreement": float,
    "sqnr_db": float,
    "ranges_sqnr_db": Each(float),
}
FORM = {
    "tau": float,
    "labels": [str],
    "graph": str,
    "features": {"id": str, **{field.name: float for field in dataclasses.fields(FeatureDescription)}},
    "checkpoint": {"path": str, "sha256": str, "training": Each(Either(str, float))},
    "parameters": int,
    "macs": int,
    "macs_counting": str,
    "calibration": {"source": str, "clips": int, "sha256": str, "ranges": str},
    "input": TENSOR,
    "output": TENSOR,
    "graphs": Each(Either(REFUSED, GRAPH)),
    "native": Either(REFUSED, NETWORK),
    "versions": Each(str),
    "fingerprint": str,
    "files": Each(str),
}
"""Schema of conversion.json, of the keys that later stages read: see `common.schema`."""


def default_build(tau: float) -> Path:
    """build/tau1, build/tau1.5, …"""
    return Path(f"build/tau{tau:g}")


def build_of(tau: float) -> Path:
    """The default build folder of a tau, which may be missing; UserError where it holds the conversion of another tau."""
    build = default_build(tau)
    if (build / CONVERSION).is_file():
        load(build)
    return build


def remedy(build: Path) -> str:
    """The command that makes the build folder: run `make quantize TAU=1` for build/tau1. For a folder of another name, which
    says no tau, that other one as well."""
    tau = Path(build).name.removeprefix("tau")
    if re.fullmatch(NUMBER, tau):
        return f"run `make quantize TAU={tau}`"
    return "run `make quantize` and name its folder, such as build/tau1"


def load(build: Path) -> dict:
    """The content of conversion.json; UserError where it is missing or damaged, or a model file is missing."""
    path = Path(build, CONVERSION)
    tau = path.parent.name.removeprefix("tau")
    try:
        result = json_object(path.read_bytes())
        missing = sorted(KEYS - result.keys())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no converted model here; {remedy(build)}") from None
    except ValueError:
        raise UserError(f"{path}: damaged; {remedy(build)}") from None
    if missing:
        raise UserError(f"{path}: damaged, it lacks {missing[0]}; {remedy(build)}")
    try:
        check(result, FORM)
        check(result["graphs"].get(result["graph"]), GRAPH, f"graphs.{result['graph']}")
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}); {remedy(build)}") from None
    if re.fullmatch(NUMBER, tau) and result["tau"] != float(tau):
        raise UserError(f"{path}: holds tau {result['tau']}, not {tau}; {remedy(build)}")
    for name in (MODEL, ONNX):
        if not Path(build, name).is_file():
            raise UserError(f"{Path(build, name)}: missing; {remedy(build)}")
    return result


def converted_model(build: Path, conversion: dict) -> bytes:
    """The .tflite that `conversion`, the content of conversion.json, describes; UserError where the file is another one."""
    path, chosen = build / MODEL, conversion["graphs"][conversion["graph"]]
    model, size = path.read_bytes(), int(chosen["tflite_bytes"])
    if len(model) < size:
        raise UserError(f"{path}: truncated, {len(model)} of {size} bytes; {remedy(build)}")
    if sha256_of(model) != chosen["sha256"] or len(model) != size:
        raise UserError(f"{path}: not the model that {CONVERSION} describes; {remedy(build)}")
    return model
