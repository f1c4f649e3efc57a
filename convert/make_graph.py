"""Folded network -> int8 .tflite of one graph that passed the gate; runs in a process of its own."""

from __future__ import annotations

import collections
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator

import numpy as np

from common.description import FEATURES
from common.reading import sha256_of
from convert import fidelity, interpreters
from convert.fold import FoldedNetwork, forward

FLOAT_TOLERANCE = 1e-5
"""Largest difference of a float graph's logits from the folded network's, relative to their magnitude."""


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[str], int]]:
    """Hide what TensorFlow's C++ prints; append it to the error where the block fails.

    Yields a function that prints a line nevertheless.
    """
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1")
    with tempfile.TemporaryFile() as log:
        saved = [os.dup(stream) for stream in (1, 2)]
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        try:
            yield lambda line: os.write(saved[0], f"{line}\n".encode())
        except Exception as error:
            log.seek(0)
            error.add_note(log.read().decode(errors="replace")[-2000:])
            raise
        finally:
            for stream, copy in zip((1, 2), saved):
                os.dup2(copy, stream)
                os.close(copy)


def make(network: FoldedNetwork, name: str, features: np.ndarray) -> dict:
    """Convert one graph and choose its ranges on int8 features [clips, 40, columns of the window].

    Returns `tflite` and `onnx` (bytes) and `facts` for conversion.json; or, where the gate refuses the graph, `refused`,
    the reason, and `facts` with it.
    """
    with quiet() as say:
        from convert.gate import GateError

        try:
            return _make(network, name, features, lambda step: say(f"  {name}: {step}"))
        except GateError as error:
            return {"refused": str(error), "facts": {"refused": str(error)}}


def _make(network: FoldedNetwork, name: str, features: np.ndarray, say: Callable[[str], int | None]) -> dict:
    # These import TensorFlow, whose C++ reads the environment set by `quiet` on import.
    from convert import flatbuffer, gate, graph, op_table, quantise, tflite

    classes = len(network.labels)
    logmel = FEATURES.dequantize(features)
    expected = forward(network, logmel)
    say("folded network -> ONNX -> TFLite")
    onnx_model = graph.build(network, name)
    float_model = tflite.float_tflite(onnx_model)
    check_float(float_model, logmel[:4], expected[:4])
    say(f"observing activations on {len(features)} clips")
    samples = quantise.activation_samples(float_model, logmel)
    candidates = {}
    for method in quantise.METHODS:
        say(f"trying ranges {method}")
        data = quantise.quantise(float_model, samples, method)
        gate.check_structure(data, classes, network.features)
        int8 = interpreters.reference_logits(data, features)
        candidates[method] = (fidelity.sqnr_db(expected, dequantise(data, int8)), data, int8)
    say("comparing with TFLM")
    ranges, inexact = choose_ranges(candidates, features)
    _, data, int8 = candidates[ranges]
    found = fidelity.facts(expected, dequantise(data, int8))
    gate.check_fidelity(found)
    model = flatbuffer.read(data)
    details = interpreters.reference_interpreter(data)
    ops = collections.Counter(flatbuffer.op_name(model, op) for op in model.subgraphs[0].operators)
    return {
        "tflite": data,
        "onnx": onnx_model.SerializeToString(deterministic=True),
        "facts": {
            "input": port(details.get_input_details()[0]),
            "output": port(details.get_output_details()[0]),
            "tflite": f"graphs/{name}.tflite",
            "onnx": f"graphs/{name}.onnx",
            "sha256": sha256_of(data),
            "tflite_bytes": len(data),
            "arena_bytes": interpreters.tflm_arena_bytes(data),
            "ops": dict(ops.most_common()),
            "op_table": op_table.op_table(data),
            **found,
            "bit_exact_with_tflm": True,  # checked by the gate
            "ranges": ranges,
            "ranges_inexact": inexact,
            "ranges_sqnr_db": {method: row[0] for method, row in candidates.items()},
        },
    }


def choose_ranges(candidates: dict[str, tuple[float, bytes, np.ndarray]], features: np.ndarray) -> tuple[str, list[str]]:
    """The method of highest SQNR whose model TFLM computes bit-exactly, and those of higher SQNR where it does not.

    candidates: SQNR, model and its reference logits by method. TFLite's reference LOGISTIC and TFLM's round differently
    where one of the 256 results lies halfway between two integers, which depends on the scale of its input. GateError
    where no method is left.
    """
    from convert import gate

    inexact: list[str] = []
    for method in sorted(candidates, key=lambda method: candidates[method][0], reverse=True):
        _, model, reference = candidates[method]
        try:
            gate.check_bit_exact(reference, interpreters.tflm_logits(model, features))
            return method, inexact
        except gate.GateError as error:
            refused = error
            inexact.append(method)
    raise refused


def dequantise(model: bytes, logits: np.ndarray) -> np.ndarray:
    """int8 logits of `model` -> float."""
    scale, zero = interpreters.reference_interpreter(model).get_output_details()[0]["quantization"]
    return (logits.astype(np.float64) - zero) * scale


def port(details: dict) -> dict:
    """Shape, scale (the exact float32) and zero point of an interpreter's input or output."""
    scale, zero = details["quantization"]
    return {"shape": [int(size) for size in details["shape"]], "scale": float(scale), "zero_point": int(zero)}


def check_float(model: bytes, logmel: np.ndarray, expected: np.ndarray) -> None:
    """Raise GateError unless a float .tflite computes the folded network's logits."""
    from convert.gate import GateError

    interpreter = interpreters.reference_interpreter(model)
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    for clip, row in zip(logmel, expected):
        interpreter.set_tensor(source["index"], clip.reshape(source["shape"]))
        interpreter.invoke()
        error = np.abs(interpreter.get_tensor(sink["index"])[0] - row).max()
        if error > FLOAT_TOLERANCE * max(1.0, np.abs(row).max()):
            raise GateError(
                f"the float .tflite differs from the folded network by {error:.2g}: "
                "the converter changed what the graph computes"
            )
