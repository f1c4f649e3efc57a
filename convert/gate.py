"""The gate: a graph that a microcontroller could not run, or not run truly, fails the build with the reason."""
from __future__ import annotations

import numpy as np

from convert import fidelity, flatbuffer
from training.description import FEATURES
from training.errors import UserError

TFLM_OPS = frozenset("""
    ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS
    BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE
    DIV ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND
    GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOG_SOFTMAX
    LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK
    PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_MAX RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR
    ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE
    SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM
    UNPACK VAR_HANDLE WHILE ZEROS_LIKE
""".split())
"""What TensorFlow Lite Micro's MicroMutableOpResolver has an `Add…` for."""


class GateError(UserError):
    """The graph must not ship."""


def check_structure(data: bytes, classes: int) -> None:
    """Raise GateError for an op, a type, a shape or an input scale that must not be there."""
    model = flatbuffer.read(data)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        name = flatbuffer.op_name(model, operator)
        if name == "TRANSPOSE":
            raise GateError("the graph holds a TRANSPOSE: the converter lost the layout of a tensor")
        if name not in TFLM_OPS:
            raise GateError(f"the graph holds {name}, which TFLM's resolver does not have")
        if name == "CONV_2D":
            source, weight = (graph.tensors[operator.inputs[i]].shape for i in (0, 1))
            if source[3] != weight[3]:
                raise GateError(f"the graph holds a grouped CONV_2D ({source[3]} channels in groups of {weight[3]})")
    for tensor in graph.tensors:
        kind = flatbuffer.TYPE_NAMES[tensor.type]
        if kind not in ("INT8", "INT32"):
            raise GateError(f"the graph holds a tensor of type {kind}, of shape {list(tensor.shape)}")
    source, sink = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    for name, tensor, shape in (("input", source, [1, FEATURES.mels, FEATURES.frames, 1]),
                                ("output", sink, [1, classes])):
        if list(tensor.shape) != shape or flatbuffer.TYPE_NAMES[tensor.type] != "INT8":
            raise GateError(f"the {name} is {flatbuffer.TYPE_NAMES[tensor.type]} {list(tensor.shape)}, not INT8 {shape}")
    scale, zero = float(source.quantization.scale[0]), int(source.quantization.zeroPoint[0])
    if (scale, zero) != (FEATURES.int8_scale, FEATURES.int8_zero_point):
        raise GateError(f"the input has scale {scale} and zero point {zero}, but the features are defined with "
                        f"{FEATURES.int8_scale} and {FEATURES.int8_zero_point}")


def check_bit_exact(reference: np.ndarray, tflm: np.ndarray) -> None:
    """Raise GateError unless int8 logits of BUILTIN_REF and TFLM, [clips, classes], are equal."""
    differing = int((reference != tflm).any(1).sum())
    if differing:
        raise GateError(f"TFLite's reference kernels and TFLM differ on {differing} of {len(reference)} clips")


def check_fidelity(facts: dict) -> None:
    """Raise GateError where int8 is too far from float on the calibration clips, by `fidelity.facts`."""
    fault = fidelity.fault(facts, "int8")
    if fault:
        raise GateError(f"{fault}; use the other GRAPH, or train longer")
