"""The native engine in NumPy: the definition of what the C sources compute, to the bit.

    window(network, features)          whole clips at once, zero padding at both ends
    Stream(network).push(column)       a column at a time, with rings as on the device
    Stream(network).window(columns)    the same clip that way: equals `window` exactly

Arrays of activations are (clips, channel, frequency, time). Sums are exact in int64; `network.check` proves that those
of the C sources are, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.description import BANDS, FEATURES
from engine.network import (
    ACTIVATION_MAX,
    BASE_MAX,
    CLASSIFIER_TAPS,
    DEPTHWISE_SHIFT,
    FRACTION,
    HALF,
    HEAD_TAPS,
    HIDDEN_MAX,
    SILU_ENTRIES,
    SILU_SHIFT,
    Block,
    Dense,
    Network,
    mean_shift,
)
from engine.tables import exponentials

CHUNK = 64
"""Clips that are computed at once."""


def scaled(total: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """floor(total * multiplier / 2^16): the one way of requantising."""
    return total * multiplier.astype(np.int64) >> 16


def to_activation(fractional: np.ndarray) -> np.ndarray:
    """Values with `FRACTION` fractional bits, to which `HALF` was added -> 0 ... 255."""
    return np.clip(fractional >> FRACTION, 0, ACTIVATION_MAX)


def per_channel(values: np.ndarray) -> np.ndarray:
    """[C] or [C, rows], reshaped to broadcast against (clips, C, rows, time)."""
    values = values.astype(np.int64)
    return values[:, None, None] if values.ndim == 1 else values[:, :, None]


def product(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """weight [out, in] times x [clips, in, ...] over `in`, exactly: float64 holds these integers."""
    return np.rint(np.einsum("oi,ni...->no...", weight.astype(np.float64), x.astype(np.float64), optimize=True)).astype(
        np.int64
    )


def head_windows(features: np.ndarray) -> np.ndarray:
    """Features [clips, 40, T] -> patches [clips, 5 x 5 (frequency, time), 20, T]; padding is real 0."""
    pad = HEAD_TAPS // 2
    padded = np.pad(features, ((0, 0), (pad, pad), (pad, pad)), constant_values=FEATURES.int8_zero_point)
    # NumPy's stub lacks the tuple of axes.
    windows = np.lib.stride_tricks.sliding_window_view(padded, (HEAD_TAPS, HEAD_TAPS), (1, 2))[:, ::2]  # type: ignore[call-overload]
    n, rows, columns = windows.shape[:3]
    return windows.transpose(0, 3, 4, 1, 2).reshape(n, HEAD_TAPS**2, rows, columns)


def activation(layer: Dense, x: np.ndarray) -> np.ndarray:
    """A layer over the channel axis with ReLU: x [clips, in, F, T] -> 0 ... 255, [clips, out, F, T]."""
    total = product(layer.weight.reshape(len(layer.weight), -1), x) + per_channel(layer.bias)
    return to_activation(scaled(total, per_channel(layer.multiplier)) + HALF)


def neighbours(x: np.ndarray, stride: int) -> np.ndarray:
    """x [..., F, T] -> [3, ..., F / stride, T]: the rows below, at and above each output row, zero outside."""
    rows = x.shape[-2]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 2) + [(1, 1), (0, 0)])
    return np.stack([padded[..., k : k + rows : stride, :] for k in range(3)])


def frequency(block: Block, x: np.ndarray) -> np.ndarray:
    """Depthwise convolution, norm and shortcut: x [clips, C, F, T] -> [clips, C, F / stride, T] with `FRACTION` bits."""
    below, at, above = neighbours(x.astype(np.int64), block.stride)
    repeat = at.shape[2] // BANDS

    def rows(values: np.ndarray) -> np.ndarray:
        return per_channel(np.repeat(values, repeat, 1))

    total = sum(rows(block.taps[:, :, k]) * part for k, part in enumerate((below, at, above))) + rows(block.bias)
    return scaled(total, rows(block.multiplier))


def mean(block: Block, x: np.ndarray) -> np.ndarray:
    """Frequency mean of the normalised convolution, from the block's input [clips, C, F, T]: int16's, [clips, C, T]."""
    total = np.einsum("cf,ncft->nct", block.mean.astype(np.int64), x.astype(np.int64))
    return total + block.mean_bias.astype(np.int64)[:, None] >> mean_shift(block.rows)


def activated(silu: np.ndarray, taps: np.ndarray, bias: np.ndarray, means: Sequence[np.ndarray]) -> np.ndarray:
    """Temporal convolution and SiLU of the means of three columns, oldest first: each [clips, C, ...] -> int16 values of
    that shape."""
    shape = (-1,) + (1,) * (means[0].ndim - 2)
    total = sum(taps[:, k].astype(np.int64).reshape(shape) * part for k, part in enumerate(means))
    total = total + bias.astype(np.int64).reshape(shape)
    return silu[np.clip(total >> SILU_SHIFT, 0, SILU_ENTRIES - 1)]


def base(point: Dense, silu: np.ndarray) -> np.ndarray:
    """SiLU's values [clips, C, ...] -> the temporal branch's contribution with `FRACTION` fractional bits, plus `HALF`."""
    shape = (-1,) + (1,) * (silu.ndim - 2)
    total = product(point.weight, silu) + point.bias.astype(np.int64).reshape(shape)
    return np.clip(scaled(total, point.multiplier.reshape(shape)) + HALF, -BASE_MAX - 1, BASE_MAX)


def run_block(network: Network, block: Block, x: np.ndarray) -> np.ndarray:
    """A whole window through a block: [clips, C_in, F, T] -> [clips, C, F / stride, T], 0 ... 255."""
    if block.transition is not None:
        x = activation(block.transition, x)
    d, columns = block.dilation, x.shape[3]
    padded = np.pad(mean(block, x), ((0, 0), (0, 0), (d, d)))
    means = [padded[:, :, k * d : k * d + columns] for k in range(3)]
    added = base(block.pointwise, activated(network.silu, block.temporal, block.temporal_bias, means))
    return to_activation(frequency(block, x) + added[:, :, None])


def linear(layer: Dense, x: np.ndarray) -> np.ndarray:
    """A fully connected layer: x [clips, in, T] -> requantised sums [clips, out, T]."""
    total = product(layer.weight, x) + layer.bias.astype(np.int64)[:, None]
    return scaled(total, layer.multiplier[:, None])


def depthwise(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The classifier's depthwise convolution [C, 5, 5]: x [clips, C, 5, T] -> int16's, [clips, C, T - 4]."""
    windows = np.lib.stride_tricks.sliding_window_view(x, CLASSIFIER_TAPS, 3)
    total = np.einsum("ncftj,cfj->nct", windows.astype(np.int64), weight.astype(np.int64))
    return total + (1 << (DEPTHWISE_SHIFT - 1)) >> DEPTHWISE_SHIFT


def hidden(classifier: Dense, vector: np.ndarray) -> np.ndarray:
    """The layer in front of the logits with ReLU: [clips, C, T] -> 0 ... HIDDEN_MAX, [clips, K, T]."""
    return np.clip(linear(classifier, vector), 0, HIDDEN_MAX)


def column_logits(network: Network, x: np.ndarray) -> np.ndarray:
    """The last block's output [clips, C, 5, T], padded by two columns at both ends -> logits of each column,
    [clips, classes, T - 4]."""
    units = hidden(network.classifier, depthwise(network.depthwise, x))
    return np.clip(linear(network.output, units), -(1 << 15), (1 << 15) - 1)


def average(total: np.ndarray, columns: int) -> np.ndarray:
    """Sum of the logits of so many columns -> their average, rounded to nearest: int16."""
    return ((total + columns // 2) // columns).astype(np.int16)


def moving_average(logits: np.ndarray, columns: int) -> np.ndarray:
    """Logits of every column [n, classes] -> a stream's scores, their average over so many columns: int16
    [n - columns + 1, classes]."""
    sums = np.cumsum(np.pad(logits.astype(np.int64), ((1, 0), (0, 0))), 0)
    return average(sums[columns:] - sums[:-columns], columns)


def window(network: Network, features: np.ndarray) -> np.ndarray:
    """Clips int8 [clips, 40, T] -> scores int16 [clips, classes]."""
    rows = []
    for start in range(0, len(features), CHUNK):
        x = activation(network.head, head_windows(features[start : start + CHUNK]))
        for block in network.blocks:
            x = run_block(network, block, x)
        pad = CLASSIFIER_TAPS // 2
        logits = column_logits(network, np.pad(x, ((0, 0), (0, 0), (0, 0), (pad, pad))))
        rows.append(average(logits.sum(2), features.shape[2]))
    return np.concatenate(rows)


def probability(network: Network, scores: np.ndarray) -> np.ndarray:
    """Scores int16 [..., classes] -> softmax in 255ths, uint8 [..., classes]."""
    table = exponentials(network.score_scale)
    values = table.values.astype(np.int64)
    below = (scores.max(-1, keepdims=True).astype(np.int64) - scores) >> table.shift
    weights = np.where(below < len(values), values[np.minimum(below, len(values) - 1)], 0)
    total = weights.sum(-1, keepdims=True)
    return ((255 * weights + total // 2) // total).astype(np.uint8)


class _Ring:
    """A block's memory: its latest `dilation` inputs and 2 * `dilation` means."""

    def __init__(self, block: Block):
        self.block, self.position = block, 0
        self.inputs: list[np.ndarray | None] = [None] * block.dilation
        self.means = [np.zeros((1, block.channels), np.int64)] * (2 * block.dilation)

    def step(self, network: Network, x: np.ndarray | None) -> np.ndarray | None:
        """One column in, [1, C_in, F, 1], or None after the end; one out, or None before the first."""
        block, d, now = self.block, self.block.dilation, self.position
        if x is not None and block.transition is not None:
            x = activation(block.transition, x)
        newest = np.zeros((1, block.channels), np.int64) if x is None else mean(block, x)[:, :, 0]
        oldest, middle = self.means[now % (2 * d)], self.means[(now + d) % (2 * d)]
        out, delayed = None, self.inputs[now % d]
        if delayed is not None:
            silu = activated(network.silu, block.temporal, block.temporal_bias, (oldest, middle, newest))
            out = to_activation(frequency(block, delayed) + base(block.pointwise, silu)[:, :, None, None])
        self.inputs[now % d], self.means[now % (2 * d)] = x, newest
        self.position += 1
        return out


class Stream:
    """The engine's own order of execution: each column advances every layer by one."""

    def __init__(self, network: Network):
        self.network = network
        self.reset()

    def reset(self) -> None:
        """As `kws_reset`: columns before this count as real 0."""
        self.columns = 0
        silence = np.full((FEATURES.mels, 1), FEATURES.int8_zero_point, np.int8)
        self.mel = [silence] * HEAD_TAPS
        self.rings = [_Ring(block) for block in self.network.blocks]
        last = self.network.blocks[-1]
        self.zero = np.zeros((1, last.channels, last.rows, 1), np.int64)
        self.tail = [self.zero] * CLASSIFIER_TAPS
        self.heads = self.tails = 0

    def _step(self, column: np.ndarray | None) -> np.ndarray | None:
        """Advance every layer by one column; the logits [classes] of the column that is complete, or None."""
        silence = np.full((FEATURES.mels, 1), FEATURES.int8_zero_point, np.int8)
        self.mel = self.mel[1:] + [silence if column is None else column.reshape(-1, 1)]
        self.heads += 1
        x = None
        if self.heads > HEAD_TAPS // 2 and self.heads - HEAD_TAPS // 2 <= self.columns:
            patch = head_windows(np.concatenate(self.mel, 1)[None])[..., HEAD_TAPS // 2 : HEAD_TAPS // 2 + 1]
            x = activation(self.network.head, patch)
        started = self.heads > HEAD_TAPS // 2
        for ring in self.rings:
            if not started:
                return None
            started = ring.position >= ring.block.dilation
            x = ring.step(self.network, x)
        if not started:
            return None
        self.tail = self.tail[1:] + [self.zero if x is None else x]
        self.tails += 1
        if self.tails <= CLASSIFIER_TAPS // 2:
            return None
        return column_logits(self.network, np.concatenate(self.tail, 3))[0, :, 0]

    def push(self, column: np.ndarray) -> np.ndarray | None:
        """A column int8 [40] -> logits int64 [classes] of the column `network.delay` before it, or None."""
        self.columns += 1
        return self._step(column)

    def window(self, columns: np.ndarray) -> np.ndarray:
        """A whole clip, int8 [T, 40], drained layer by layer -> scores int16 [classes]; ends reset."""
        self.reset()
        logits = [self.push(column) for column in columns]
        logits += [self._step(None) for _ in range(self.network.delay)]
        self.reset()
        found = [row for row in logits if row is not None]
        return average(np.sum(found, 0), len(found))


def stream(network: Network, columns: np.ndarray) -> np.ndarray:
    """A stream from its reset, int8 [columns, 40] -> logits int16 [columns - delay, classes] of every column.

    Whole arrays at once: equal to `Stream.push`, since no output depends on columns that it does not wait for.
    """
    x = activation(network.head, head_windows(columns.T[None]))
    for block in network.blocks:
        x = run_block(network, block, x)
    pad = CLASSIFIER_TAPS // 2
    logits = column_logits(network, np.pad(x, ((0, 0), (0, 0), (0, 0), (pad, pad))))
    return logits[0].T[: max(0, len(columns) - network.delay)].astype(np.int16)
