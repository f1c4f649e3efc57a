"""The gate: refuse a graph that TFLM cannot run, or that gives other answers than the float network."""

from __future__ import annotations

import numpy as np

from common.description import FEATURES, FeatureDescription
from common.errors import UserError
from convert import fidelity, flatbuffer
from convert.tflm_ops import ADD_FUNCTIONS


class GateError(UserError):
    """The graph must not ship."""


def check_structure(data: bytes, classes: int, features: FeatureDescription = FEATURES) -> None:
    """Raise GateError for an op, type, shape or input scale that TFLM or the firmware does not support.

    features: what the model takes."""
    model = flatbuffer.read(data)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        name = flatbuffer.op_name(model, operator)
        if name == "TRANSPOSE":
            raise GateError("the graph holds a TRANSPOSE: the converter lost the layout of a tensor")
        if name not in ADD_FUNCTIONS:
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
    for name, tensor, shape in (("input", source, [1, features.mels, features.frames, 1]), ("output", sink, [1, classes])):
        if list(tensor.shape) != shape or flatbuffer.TYPE_NAMES[tensor.type] != "INT8":
            raise GateError(f"the {name} is {flatbuffer.TYPE_NAMES[tensor.type]} {list(tensor.shape)}, not INT8 {shape}")
    scale, zero = float(source.quantization.scale[0]), int(source.quantization.zeroPoint[0])
    if (scale, zero) != (features.int8_scale, features.int8_zero_point):
        raise GateError(
            f"the input has scale {scale} and zero point {zero}, but the features are defined with "
            f"{features.int8_scale} and {features.int8_zero_point}"
        )


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
