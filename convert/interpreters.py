"""Run an int8 .tflite: TFLite's reference kernels, and TensorFlow Lite Micro itself.

Only the reference kernels (`BUILTIN_REF`) equal TFLM bit for bit; the optimised kernels of the default interpreter differ on
nearly every clip and are not used.
"""

from __future__ import annotations

import os
import re
import tempfile

import numpy as np

try:
    from tflite_runtime import interpreter as tflite
except ImportError:  # no wheels after Python 3.11
    from ai_edge_litert import interpreter as tflite
from tflite_micro import runtime

ARENA = 4 << 20
"""Arena given to TFLM, bytes; the part that the model uses is measured."""


def reference_interpreter(model: bytes) -> tflite.Interpreter:
    """An allocated interpreter with the reference kernels."""
    interpreter = tflite.Interpreter(model_content=model, experimental_op_resolver_type=tflite.OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    return interpreter


def reference_logits(model: bytes, features: np.ndarray) -> np.ndarray:
    """int8 features [clips, 40, 101] -> int8 logits [clips, classes], TFLite's reference kernels."""
    interpreter = reference_interpreter(model)
    source, sink = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    out = np.empty((len(features), sink["shape"][-1]), np.int8)
    for row, clip in zip(out, features):
        interpreter.set_tensor(source["index"], clip.reshape(source["shape"]))
        interpreter.invoke()
        row[:] = interpreter.get_tensor(sink["index"])[0]
    return out


def tflm_logits(model: bytes, features: np.ndarray) -> np.ndarray:
    """int8 features [clips, 40, 101] -> int8 logits [clips, classes], TensorFlow Lite Micro."""
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    shape = interpreter.get_input_details(0)["shape"]
    rows = []
    for clip in features:
        interpreter.set_input(clip.reshape(shape), 0)
        interpreter.invoke()
        rows.append(interpreter.get_output(0)[0].copy())
    return np.array(rows, np.int8)


def tflm_arena_bytes(model: bytes) -> int:
    """Arena that the model uses in TFLM on this 64-bit host with reference kernels, bytes."""
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=ARENA)
    # TFLM reports its allocations on the C library's standard error only.
    with tempfile.TemporaryFile() as log:
        saved = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            interpreter.print_allocations()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        log.seek(0)
        text = log.read().decode()
    found = re.search(r"Arena allocation total (\d+) bytes", text)
    if not found:
        raise RuntimeError(f"tflite-micro printed no arena size: {text[:200]!r}")
    return int(found[1])
