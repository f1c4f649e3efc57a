"""Folded network -> ONNX, as one of two graphs that become TFLite without a TRANSPOSE.

SubSpectralNorm is an affine map per (channel, band), which no TFLite convolution has:

`small`     depthwise convolution, then MUL and ADD with a constant per (channel, band). The common
            part of each channel's scales and shifts moves into the convolution, so that MUL and ADD
            carry only what differs by band.
`accurate`  one depthwise convolution per band with the band's scale and shift folded in, joined by a
            CONCATENATION; in a normal block the identity shortcut sits in the centre tap.

In both, the frequency mean in front of the temporal branch, being linear in the block's input, is
one depthwise convolution over all rows of that input.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from common.description import BANDS
from convert.fold import FoldedBlock, FoldedNetwork

OPSET = 17


class _Builder:
    """Collects nodes and constants; every method returns the name of its output."""

    def __init__(self):
        self.nodes, self.constants = [], []
        self.scope = ""

    def constant(self, name: str, value: np.ndarray, dtype=np.float32) -> str:
        name = f"{self.scope}{name}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype), name))
        return name

    def node(self, op: str, name: str, *inputs: str, **attributes) -> str:
        name = f"{self.scope}{name}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def conv(self, name: str, x: str, weight: np.ndarray, bias: np.ndarray | None = None, **attributes) -> str:
        """2-D convolution; weight (out, in / group, frequency, time)."""
        inputs = [x, self.constant(f"{name}_weight", weight)]
        if bias is not None:
            inputs.append(self.constant(f"{name}_bias", bias))
        return self.node("Conv", name, *inputs, kernel_shape=list(weight.shape[2:]), **attributes)

    def depthwise(self, name: str, x: str, weight: np.ndarray, bias: np.ndarray | None = None, **attributes) -> str:
        """Depthwise convolution; weight (channels, frequency, time)."""
        return self.conv(name, x, weight[:, None], bias, group=len(weight), **attributes)

    def relu(self, x: str) -> str:
        return self.node("Relu", f"{x.removeprefix(self.scope)}_relu", x)


def build(network: FoldedNetwork, graph: str) -> onnx.ModelProto:
    """The ONNX model of `graph`: features float [1,1,40,columns of the window] -> logits float [1,classes]."""
    b = _Builder()
    weight, bias = network.head
    x = b.relu(b.conv("head", "features", weight[:, None], bias, strides=[2, 1], pads=[2, 2, 2, 2]))
    rows, columns = network.features.mels // 2, network.features.frames
    for index, block in enumerate(network.blocks):
        b.scope = f"block{index}_"
        x = _block(b, x, block, rows, columns, graph)
        rows //= block.stride
    b.scope = "classifier_"
    x = b.depthwise("depthwise", x, network.classifier_depthwise, pads=[0, 2, 0, 2])
    weight, bias = network.classifier
    x = b.relu(b.conv("pointwise", x, weight[:, :, None, None], bias))
    x = b.node("ReduceMean", "mean", x, axes=[2, 3], keepdims=1)
    weight, bias = network.output
    x = b.conv("output", x, weight[:, :, None, None], bias)
    b.scope = ""
    classes = len(network.labels)
    b.node("Reshape", "logits", x, b.constant("logits_shape", np.array([1, classes]), np.int64))
    value = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            b.nodes,
            "bcresnet",
            [value("features", onnx.TensorProto.FLOAT, [1, 1, network.features.mels, columns])],
            [value("logits", onnx.TensorProto.FLOAT, [1, classes])],
            b.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return onnx.shape_inference.infer_shapes(model)


def _block(b: _Builder, x: str, block: FoldedBlock, rows: int, columns: int, graph: str) -> str:
    """One block on `rows` rows and T `columns` of input. x: (1, C_in, rows, T) -> (1, C, rows / stride, T)."""
    normal = block.transition is None
    if block.transition is not None:
        weight, bias = block.transition
        x = b.relu(b.conv("transition", x, weight[:, :, None, None], bias))
    mean = b.depthwise("mean", x, *mean_weights(block, rows))
    d = block.dilation
    z = b.depthwise("temporal", mean, block.temporal[:, None, :], block.temporal_bias, dilations=[1, d], pads=[0, d, 0, d])
    z = b.node("Mul", "silu", z, b.node("Sigmoid", "sigmoid", z))
    z = b.conv("pointwise", z, block.pointwise[:, :, None, None])
    if graph == "accurate":
        a = _bandwise(b, x, block, rows, shortcut=normal)
    else:
        a = _scaled(b, x, block, rows, columns)
        if normal:
            a = b.node("Add", "shortcut", a, x)
    return b.relu(b.node("Add", "broadcast", a, z))


def mean_weights(block: FoldedBlock, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The frequency mean of (depthwise + SubSpectralNorm) as weights [C, rows, 1] on the block's input, and bias [C]."""
    rows_out = rows // block.stride
    weight = np.zeros((block.channels, rows + 2))
    for row in range(rows_out):
        scale = block.scale[:, row * BANDS // rows_out, None]
        weight[:, row * block.stride : row * block.stride + 3] += scale * block.frequency / rows_out
    return weight[:, 1:-1, None], block.shift.mean(1)


def split_bands(block: FoldedBlock) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Split scale and shift into a part of the channel and a part of the band.

    Returns sigma [C], beta [C], ratio [C, 5], rest [C, 5] with
    scale * y + shift = ratio * (sigma * y + beta) + rest. sigma is the RMS of the channel's
    scales, which unlike their mean is not 0; beta is the least-squares fit of the shifts.
    """
    sigma = np.sqrt((block.scale**2).mean(1))
    sigma = np.where(sigma > 0, sigma, 1.0)
    ratio = block.scale / sigma[:, None]
    beta = (ratio * block.shift).sum(1) / np.maximum((ratio**2).sum(1), 1e-12)
    return sigma, beta, ratio, block.shift - ratio * beta[:, None]


def _scaled(b: _Builder, x: str, block: FoldedBlock, rows: int, columns: int) -> str:
    """Depthwise convolution, MUL and ADD.

    The constants span all columns, because onnx2tf converts no others; they are equal along time, and
    `flatbuffer.narrow_constants` cuts them to one column.
    """
    sigma, beta, ratio, rest = split_bands(block)
    rows_out = rows // block.stride
    taps = block.frequency * sigma[:, None]
    if block.stride == 2:
        # A fourth tap of zero makes the padding TFLite's own "SAME" and saves a PAD.
        taps = np.pad(taps, ((0, 0), (0, 1)))
    y = b.depthwise("frequency", x, taps[:, :, None], beta, strides=[block.stride, 1], pads=[1, 0, 1, 0])

    def full(array: np.ndarray) -> np.ndarray:
        column = np.repeat(array, rows_out // BANDS, 1)[None, :, :, None]
        return np.broadcast_to(column, (1, block.channels, rows_out, columns))

    y = b.node("Mul", "ratio", y, b.constant("ratio_constant", full(ratio)))
    return b.node("Add", "rest", y, b.constant("rest_constant", full(rest)))


def _bandwise(b: _Builder, x: str, block: FoldedBlock, rows: int, shortcut: bool) -> str:
    """One depthwise convolution per band, its scale and shift folded in, joined along frequency."""
    per_band = rows // BANDS  # input rows
    bands = []
    for band in range(BANDS):
        weight = block.frequency * block.scale[:, band, None]
        if shortcut:
            weight = weight + np.array([0.0, 1.0, 0.0])
        first, last = band * per_band - 1, (band + 1) * per_band  # inclusive, with the halo
        if block.stride == 2:
            last -= 1
        if per_band == block.stride:
            # A band that is one row of output: a kernel over all rows, without a slice.
            kernel = np.zeros((block.channels, rows + 2))
            kernel[:, first + 1 : first + 4] = weight
            bands.append(b.depthwise(f"band{band}", x, kernel[:, 1:-1, None], block.shift[:, band]))
            continue
        top, bottom = max(0, -first), max(0, last - rows + 1)
        ends = [np.array([value]) for value in (first + top, last - bottom + 1, 2, 1)]
        names = ("starts", "ends", "axes", "steps")
        rows_of_band = b.node(
            "Slice", f"slice{band}", x, *(b.constant(f"slice{band}_{n}", e, np.int64) for n, e in zip(names, ends))
        )
        bands.append(
            b.depthwise(
                f"band{band}",
                rows_of_band,
                weight[:, :, None],
                block.shift[:, band],
                strides=[block.stride, 1],
                pads=[top, 0, bottom, 0],
            )
        )
    return b.node("Concat", "bands", *bands, axis=2)
