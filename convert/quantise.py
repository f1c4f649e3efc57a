"""Float .tflite -> full-int8 .tflite, with activation ranges chosen by one of METHODS.

The float model runs over the calibration clips, and each activation's range is chosen from its values there. TensorFlow's
quantiser does the rest (int8 weights per channel, int8 input and output). The input's range is that of the int8 features,
whatever the clips are.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tensorflow.lite.python.util import modify_model_io_type

from common.description import FEATURES
from convert import flatbuffer
from convert.flatbuffer import schema
from convert.ranges import choose_range

SAMPLES = 2048
"""Values drawn from each activation of each clip; its minimum and maximum are added."""
SEED = 0
METHODS = ("minmax", "p99.999", "p99.995", "p99.99", "mse")


def activation_samples(model: bytes, features: np.ndarray) -> dict[int, np.ndarray]:
    """Run the float model over float features [clips, 40, 101]; sample each activation by tensor index."""
    interpreter = tf.lite.Interpreter(
        model_content=model,
        experimental_preserve_all_tensors=True,
        # The same floats, and so the same bytes of the model, on every processor.
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]
    graph = flatbuffer.read(model).subgraphs[0]
    activations = sorted({int(i) for op in graph.operators for i in op.outputs})
    rng = np.random.default_rng(SEED)
    picks: dict[int, np.ndarray] = {}
    samples: dict[int, list[np.ndarray]] = {index: [] for index in activations}
    for clip in features:
        interpreter.set_tensor(source["index"], clip.reshape(source["shape"]))
        interpreter.invoke()
        for index in activations:
            values = interpreter.get_tensor(index).ravel()
            extremes = [values.min(), values.max()]
            if values.size > SAMPLES:
                if index not in picks:
                    picks[index] = rng.integers(0, values.size, SAMPLES)
                values = values[(picks[index] + rng.integers(values.size)) % values.size]
            samples[index].append(np.concatenate([values, extremes]))
    return {index: np.concatenate(rows) for index, rows in samples.items()}


def quantise(model: bytes, samples: dict[int, np.ndarray], method: str) -> bytes:
    """Float .tflite -> full-int8 .tflite, names and metadata stripped."""
    mended = flatbuffer.read(model)
    graph = mended.subgraphs[0]
    ranges = {index: choose_range(values, method) for index, values in samples.items()}
    scale, zero = FEATURES.int8_scale, FEATURES.int8_zero_point
    ranges[int(graph.inputs[0])] = ((-128 - zero) * scale, (127 - zero) * scale)
    for index, (low, high) in ranges.items():
        quantization = schema.QuantizationParametersT()
        quantization.min, quantization.max = [np.float32(low)], [np.float32(high)]
        graph.tensors[index].quantization = quantization
    quantised = mlir_quantize(flatbuffer.write(mended), fully_quantize=True)
    quantised = modify_model_io_type(quantised, tf.int8, tf.int8)
    stripped = flatbuffer.read(bytes(quantised))
    flatbuffer.strip(stripped)
    return flatbuffer.write(stripped)
