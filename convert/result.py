"""What a conversion leaves in build/tau<T>/, and how later stages read it. Needs no TensorFlow."""
from __future__ import annotations

import dataclasses
from pathlib import Path

from training.description import FeatureDescription
from training.errors import UserError
from training.form import Each, Either, check
from training.reading import json_object

CONVERSION = "conversion.json"
MODEL = "model_int8.tflite"
ONNX = "model.onnx"
CALIBRATION = "calibration.txt"
GRAPHS = "graphs"
NATIVE = "native.npz"
KEYS = frozenset({"tau", "labels", "graph", "features", "checkpoint", "parameters", "macs", "macs_counting", "calibration",
                  "input", "output", "graphs", "native", "versions", "fingerprint"})
"""What conversion.json holds."""
TENSOR = {"shape": [int], "scale": float, "zero_point": int}
REFUSED = {"refused": str}
GRAPH = {"input": TENSOR, "output": TENSOR, "tflite": str, "onnx": str, "sha256": str, "tflite_bytes": int,
         "arena_bytes": int, "ops": Each(int), "op_table": [{"op": str, "count": int, "macs": int, "bytes": int}],
         "agreement": float, "sqnr_db": float, "bit_exact_with_tflm": bool, "ranges": str, "ranges_sqnr_db": Each(float)}
NETWORK = {"file": str, "sha256": str, "delay_columns": int, "ranges": str, "agreement": float, "sqnr_db": float,
           "ranges_sqnr_db": Each(float)}
FORM = {"tau": float, "labels": [str], "graph": str,
        "features": {"id": str, **{field.name: float for field in dataclasses.fields(FeatureDescription)}},
        "checkpoint": {"path": str, "sha256": str, "training": Each(Either(str, float))}, "parameters": int, "macs": int,
        "macs_counting": str, "calibration": {"source": str, "clips": int, "sha256": str, "ranges": str}, "input": TENSOR,
        "output": TENSOR, "graphs": Each(Either(REFUSED, GRAPH)), "native": Either(REFUSED, NETWORK), "versions": Each(str),
        "fingerprint": str}
"""Which form that has, as far as a later stage reads it: see `training.form`."""


def default_build(tau: float) -> Path:
    """build/tau1, build/tau1.5, …"""
    return Path(f"build/tau{tau:g}")


def load(build: Path) -> dict:
    """The conversion's facts, from conversion.json; UserError where there are none."""
    path = Path(build, CONVERSION)
    tau = path.parent.name.removeprefix("tau")
    remedy = f"run `make quantize TAU={tau}`"
    try:
        result = json_object(path.read_bytes())
        missing = sorted(KEYS - result.keys())
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no converted model here; {remedy}") from None
    except ValueError:
        raise UserError(f"{path}: damaged; {remedy}") from None
    if missing:
        raise UserError(f"{path}: damaged, it lacks {missing[0]}; {remedy}")
    try:
        check(result, FORM)
        check(result["graphs"].get(result["graph"]), GRAPH, f"graphs.{result['graph']}")
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}); {remedy}") from None
    for name in (MODEL, ONNX):
        if not Path(build, name).is_file():
            raise UserError(f"{Path(build, name)}: missing; {remedy}")
    return result
