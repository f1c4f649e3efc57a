"""Fold BatchNorm and SubSpectralNorm into plain arrays: the network that both targets are made from.

A folded network computes in NumPy what the checkpoint computes at inference. The ONNX graphs and the native engine are
made from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from common.checkpoint import Checkpoint
from common.description import BANDS, FEATURES, STAGES, FeatureDescription, channels
from common.errors import UserError
from convert import exact

EPSILON = 1e-5  # of BatchNorm


@dataclasses.dataclass(frozen=True)
class FoldedBlock:
    """One BC-ResNet block of C channels; all arrays float64.

    transition: (weight [C, C_in], bias [C]) of the 1x1 convolution in front, with ReLU; None in a
        normal block, which has an identity shortcut instead.
    frequency: [C, 3] depthwise taps along frequency, with `stride`.
    scale, shift: [C, 5] of the SubSpectralNorm after it, per (channel, band).
    temporal: [C, 3] depthwise taps along time, `dilation` columns apart; temporal_bias [C].
    pointwise: [C, C] (out, in), no bias.
    """

    transition: tuple[np.ndarray, np.ndarray] | None
    stride: int
    frequency: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    dilation: int
    temporal: np.ndarray
    temporal_bias: np.ndarray
    pointwise: np.ndarray

    @property
    def channels(self) -> int:
        return len(self.frequency)


@dataclasses.dataclass(frozen=True)
class FoldedNetwork:
    """The whole network.

    head: weight [C, 5, 5] (frequency, time), stride (2, 1), padding 2, and bias [C]; ReLU.
    classifier: depthwise [C, 5, 5], padding (0, 2); then weight [K, C], bias [K], ReLU; then the
        mean over time; then output weight [classes, K], bias [classes].
    """

    head: tuple[np.ndarray, np.ndarray]
    blocks: tuple[FoldedBlock, ...]
    classifier_depthwise: np.ndarray
    classifier: tuple[np.ndarray, np.ndarray]
    output: tuple[np.ndarray, np.ndarray]
    labels: tuple[str, ...]
    features: FeatureDescription = FEATURES


class _Tensors:
    """The checkpoint's tensors in float64, each taken once, with its shape checked."""

    def __init__(self, checkpoint: Checkpoint):
        self.left = {name: array.astype(np.float64) for name, array in checkpoint.tensors.items()}

    def take(self, name: str, *shape: int | None, fits: str = "its tau") -> np.ndarray:
        array = self.left.pop(name, None)
        if array is None:
            raise UserError(f"the checkpoint lacks {name}; it is no BC-ResNet of this project, train it again")
        if len(array.shape) != len(shape) or any(w is not None and w != g for w, g in zip(shape, array.shape)):
            raise UserError(f"the checkpoint's {name} has shape {array.shape}, which does not fit {fits}; train it again")
        return array

    def norm(self, name: str, channels: int) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift [channels] of a BatchNorm at inference."""
        gamma, beta, mean, variance = (
            self.take(f"{name}.{part}", channels) for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        return scale, beta - mean * scale


def fold(checkpoint: Checkpoint) -> FoldedNetwork:
    """Checkpoint -> FoldedNetwork; UserError where a tensor is missing or of another shape."""
    tensors = _Tensors(checkpoint)
    head_channels, *widths, tail = channels(checkpoint.tau)
    weight = tensors.take("head.0.weight", head_channels, 1, 5, 5)[:, 0]
    scale, shift = tensors.norm("head.1", head_channels)
    head = (weight * scale[:, None, None], shift)
    blocks: list[FoldedBlock] = []
    c_in = head_channels
    for c, (count, stride, dilation) in zip(widths, STAGES):
        for index in range(count):
            blocks.append(
                _block(tensors, f"blocks.{len(blocks)}", c_in, c, stride if index == 0 else 1, dilation, index == 0)
            )
            c_in = c
    depthwise = tensors.take("classifier.0.weight", c_in, 1, 5, 5)[:, 0]
    weight = tensors.take("classifier.1.weight", tail, c_in, 1, 1)[:, :, 0, 0]
    scale, shift = tensors.norm("classifier.2", tail)
    classes = len(checkpoint.labels)
    fits = f"its {classes} labels and its tau"
    output = (tensors.take("output.weight", classes, tail, fits=fits), tensors.take("output.bias", classes, fits=fits))
    if tensors.left:
        raise UserError(f"the checkpoint holds {min(tensors.left)}, which BC-ResNet does not have; train it again")
    return FoldedNetwork(
        head, tuple(blocks), depthwise, (weight * scale[:, None], shift), output, checkpoint.labels, checkpoint.features
    )


def _block(tensors: _Tensors, name: str, c_in: int, c: int, stride: int, dilation: int, transition: bool) -> FoldedBlock:
    folded_transition = None
    if transition:
        weight = tensors.take(f"{name}.transition.0.weight", c, c_in, 1, 1)[:, :, 0, 0]
        scale, shift = tensors.norm(f"{name}.transition.1", c)
        folded_transition = (weight * scale[:, None], shift)
    ssn_scale, ssn_shift = tensors.norm(f"{name}.ssn.norm", c * BANDS)
    temporal_scale, temporal_shift = tensors.norm(f"{name}.norm", c)
    return FoldedBlock(
        folded_transition,
        stride,
        tensors.take(f"{name}.frequency.weight", c, 1, 3, 1)[:, 0, :, 0],
        ssn_scale.reshape(c, BANDS),
        ssn_shift.reshape(c, BANDS),
        dilation,
        tensors.take(f"{name}.temporal.weight", c, 1, 1, 3)[:, 0, 0] * temporal_scale[:, None],
        temporal_shift,
        tensors.take(f"{name}.pointwise.weight", c, c, 1, 1)[:, :, 0, 0],
    )


def parameters(checkpoint: Checkpoint) -> int:
    """Trainable parameters, as PyTorch counts them (the running statistics of norms are not)."""
    return sum(array.size for name, array in checkpoint.tensors.items() if "running_" not in name)


Observer = Callable[[str, np.ndarray], None]


def forward(network: FoldedNetwork, logmel: np.ndarray, observe: Observer = lambda name, x: None) -> np.ndarray:
    """Float log-mel [clips, 40, T] -> logits float64 [clips, classes], in NumPy: the same bits on every processor.

    observe: called with name and value, [clips, C, F, T], of the outputs `head`, `transition<i>`, `block<i>`, `depthwise`
    and `classifier`.
    """
    x = np.asarray(logmel, np.float64)[:, None]  # (N, C, F, T)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    weight, bias = network.head
    windows = np.lib.stride_tricks.sliding_window_view(padded[:, 0], (5, 5), (1, 2))[:, ::2]  # type: ignore[call-overload]  # its stub lacks tuples
    patches = windows.transpose(0, 3, 4, 1, 2).reshape(len(x), 25, *windows.shape[1:3])
    x = _dense_relu(patches, weight.reshape(len(weight), 25), bias)
    observe("head", x)
    for index, block in enumerate(network.blocks):
        shortcut: np.ndarray | float = x
        if block.transition is not None:
            x = _dense_relu(x, *block.transition)
            observe(f"transition{index}", x)
            shortcut = 0.0
        x = np.maximum(_branches(block, x) + shortcut, 0)
        observe(f"block{index}", x)
    x = classifier_depthwise(network, x)[:, :, None]
    observe("depthwise", x)
    x = _dense_relu(x, *network.classifier)
    observe("classifier", x)
    weight, bias = network.output
    return exact.contract(weight, x.mean((2, 3))) + bias


def classifier_depthwise(network: FoldedNetwork, x: np.ndarray) -> np.ndarray:
    """The last block's output [clips, C, 5, T] through the classifier's 5x5 depthwise convolution, [clips, C, T]."""
    columns = x.shape[3]
    padded = np.pad(x, ((0, 0), (0, 0), (0, 0), (2, 2)))
    weight = network.classifier_depthwise.astype(x.dtype)
    return sum(weight[:, row, tap, None] * padded[:, :, row, tap : tap + columns] for row in range(5) for tap in range(5))


def _dense_relu(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x [clips, in, F, T], weight [out, in] -> [clips, out, F, T]."""
    return np.maximum(exact.contract(weight, x) + bias[:, None, None], 0)


def _branches(block: FoldedBlock, x: np.ndarray) -> np.ndarray:
    """The frequency branch plus the temporal branch of a block: (N, C, F, T) -> (N, C, F / stride, T)."""
    rows = x.shape[2] // block.stride
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    a = sum(block.frequency[:, k, None, None] * padded[:, :, k : k + rows * block.stride : block.stride] for k in range(3))
    per_row = rows // BANDS
    a = a * np.repeat(block.scale, per_row, 1)[:, :, None] + np.repeat(block.shift, per_row, 1)[:, :, None]
    mean = a.mean(2)
    d, columns = block.dilation, x.shape[3]
    padded = np.pad(mean, ((0, 0), (0, 0), (d, d)))
    z = sum(block.temporal[:, k, None] * padded[:, :, k * d : k * d + columns] for k in range(3))
    z = z + block.temporal_bias[:, None]
    return a + exact.contract(block.pointwise, z * exact.sigmoid(z))[:, :, None]
