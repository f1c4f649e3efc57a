"""Read, rewrite, strip and write .tflite flatbuffers. No change here alters an output bit. Needs no TensorFlow."""

from __future__ import annotations

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT64: np.int64,
}
OP_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
TYPE_NAMES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}


def read(data: bytes) -> schema.ModelT:
    """Bytes -> the model as plain objects."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def write(model: schema.ModelT) -> bytes:
    """Plain objects -> bytes."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def op_code(model: schema.ModelT, operator: schema.OperatorT) -> int:
    """The builtin operator that `operator` runs."""
    code = model.operatorCodes[operator.opcodeIndex]
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def op_name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    """Its name, such as CONV_2D."""
    return OP_NAMES[op_code(model, operator)]


def constant(model: schema.ModelT, tensor: schema.TensorT) -> np.ndarray | None:
    """The values of a constant tensor; None for an activation."""
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    return np.frombuffer(bytes(data), DTYPES[tensor.type]).reshape(tensor.shape)


def set_constant(model: schema.ModelT, tensor: schema.TensorT, values: np.ndarray) -> None:
    """Give a tensor new values and their shape, in a buffer of its own."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(values, DTYPES[tensor.type]).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
    tensor.shape = np.array(values.shape, np.int32)
    tensor.shapeSignature = None


def _code_index(model: schema.ModelT, builtin: int) -> int:
    """Index of an operator code, added where there is none."""
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def depthwise_from_grouped(model: schema.ModelT) -> None:
    """Turn each CONV_2D with one input channel per group into the equal DEPTHWISE_CONV_2D.

    TensorFlow has no depthwise convolution with unequal strides and writes grouped ones.
    """
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if op_code(model, operator) != schema.BuiltinOperator.CONV_2D:
            continue
        tensor = graph.tensors[operator.inputs[1]]
        channels = graph.tensors[operator.inputs[0]].shape[3]
        if tensor.shape[3] != 1 or channels == 1 or tensor.shape[0] != channels:
            continue
        weight = constant(model, tensor)  # (channels, height, width, 1)
        assert weight is not None  # the filter of a convolution is a constant
        set_constant(model, tensor, weight.transpose(3, 1, 2, 0))
        old, new = operator.builtinOptions, schema.DepthwiseConv2DOptionsT()
        for field in ("padding", "strideW", "strideH", "dilationWFactor", "dilationHFactor", "fusedActivationFunction"):
            setattr(new, field, getattr(old, field))
        new.depthMultiplier = 1
        operator.builtinOptions = new
        operator.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
        operator.opcodeIndex = _code_index(model, schema.BuiltinOperator.DEPTHWISE_CONV_2D)


def narrow_constants(model: schema.ModelT) -> None:
    """Cut constants of MUL and ADD that are equal along time, [1, F, T, C], to [1, F, 1, C]: they broadcast."""
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if op_code(model, operator) not in (schema.BuiltinOperator.MUL, schema.BuiltinOperator.ADD):
            continue
        for index in operator.inputs:
            tensor = graph.tensors[index]
            values = constant(model, tensor)
            if values is not None and values.ndim == 4 and values.shape[2] > 1:
                if not (values == values[:, :, :1]).all():
                    raise ValueError(f"constant {tensor.name} differs along time")
                set_constant(model, tensor, values[:, :, :1])


def strip(model: schema.ModelT) -> None:
    """Remove what an interpreter on a microcontroller never reads.

    Names, metadata, signatures, the calibration's minima and maxima, quantisation parameters of
    biases, and unused buffers.
    """
    model.description = None
    model.metadata = None
    model.metadataBuffer = None
    model.signatureDefs = None
    for graph in model.subgraphs:
        graph.name = None
        biases = {
            int(op.inputs[2])
            for op in graph.operators
            if op_name(model, op) in ("CONV_2D", "DEPTHWISE_CONV_2D") and len(op.inputs) > 2
        }
        for index, tensor in enumerate(graph.tensors):
            tensor.name = None
            tensor.shapeSignature = None
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
                if index in biases or tensor.quantization.scale is None:
                    tensor.quantization = None
    _drop_unused(model)


def _drop_unused(model: schema.ModelT) -> None:
    """Renumber tensors, buffers and operator codes so that only those in use remain."""
    graph = model.subgraphs[0]
    used = sorted(
        {int(i) for op in graph.operators for i in (*op.inputs, *op.outputs) if i >= 0}
        | {int(i) for i in (*graph.inputs, *graph.outputs)}
    )
    place = {old: new for new, old in enumerate(used)}
    place[-1] = -1
    graph.tensors = [graph.tensors[old] for old in used]

    def renumber(indices):
        return np.array([place[int(i)] for i in indices], np.int32)

    for op in graph.operators:
        op.inputs, op.outputs = renumber(op.inputs), renumber(op.outputs)
    graph.inputs, graph.outputs = renumber(graph.inputs), renumber(graph.outputs)
    empty = schema.BufferT()
    buffers, seen = [empty], {}
    for tensor in graph.tensors:
        data = model.buffers[tensor.buffer].data
        if data is None or len(data) == 0:
            tensor.buffer = 0  # all activations refer to the empty buffer
            continue
        key = bytes(data)
        if key not in seen:
            seen[key] = len(buffers)
            buffers.append(model.buffers[tensor.buffer])
        tensor.buffer = seen[key]
    model.buffers = buffers
    codes = sorted({op.opcodeIndex for op in graph.operators})
    for op in graph.operators:
        op.opcodeIndex = codes.index(op.opcodeIndex)
    model.operatorCodes = [model.operatorCodes[code] for code in codes]
