"""The constants of the Arm DSP form as 32-bit words, in the order in which kws_dsp.c reads them.

Two 16-bit values make up a word, the first in the lower half, as SMLAD multiplies them; or four 8-bit values. Layers of
many outputs compute four at a time: four biases, their words by groups of inputs, two words of multipliers.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from common.description import BANDS
from engine.network import Block, Dense

GROUP = 4
"""Outputs that are computed at a time; the number of inputs is padded to a multiple of it too."""
FIVE = (0, 3, 1, 4, 2)
"""Order of the rows in a column of five: the word of the first four splits into pairs of neighbours."""


def halves(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Two 16-bit values, uint32 of their shape.

    >>> [hex(word) for word in halves(np.array([1, -1]), np.array([-2, 3]))]
    ['0xfffe0001', '0x3ffff']
    """
    return (np.asarray(low).astype(np.int64) & 0xFFFF | (np.asarray(high).astype(np.int64) & 0xFFFF) << 16).astype(np.uint32)


def full(values: np.ndarray) -> np.ndarray:
    """32-bit values as uint32.

    >>> hex(full(np.array([-2]))[0])
    '0xfffffffe'
    """
    return (np.asarray(values).astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)


def padded(values: np.ndarray, axis: int) -> np.ndarray:
    """The values with zeros appended along an axis, up to a multiple of `GROUP`.

    >>> padded(np.array([1, 2, 3]), 0)
    array([1, 2, 3, 0])
    """
    missing = -values.shape[axis] % GROUP
    return np.pad(values, [(0, missing if i == axis else 0) for i in range(values.ndim)])


def pairs(weight: np.ndarray) -> np.ndarray:
    """Weights [outputs, inputs] -> words [outputs, inputs / 2] of two neighbours; inputs are padded to a multiple of four.

    >>> pairs(np.array([[1, 2, 3]])).tolist()
    [[131073, 3]]
    """
    weight = padded(weight, 1)
    return halves(weight[:, 0::2], weight[:, 1::2])


def octets(values: np.ndarray) -> np.ndarray:
    """8-bit values [..., 4 n] -> words [..., n], the first in the lowest byte.

    >>> hex(octets(np.array([1, -1, 2, 3]))[0])
    '0x302ff01'
    """
    values = values.astype(np.int64) & 0xFF
    return (values[..., 0::4] | values[..., 1::4] << 8 | values[..., 2::4] << 16 | values[..., 3::4] << 24).astype(np.uint32)


def quads(weight: np.ndarray) -> np.ndarray:
    """Weights [outputs, inputs] -> words [outputs, inputs / 4] in the order 0, 2, 1, 3: SXTB16 gives neighbours.

    >>> [hex(word) for word in quads(np.array([[1, 2, 3, 4, -1]]))[0]]
    ['0x4020301', '0xff']
    """
    weight = padded(weight, 1)
    return octets(weight.reshape(len(weight), -1, GROUP)[:, :, [0, 2, 1, 3]].reshape(weight.shape))


def groups(words: np.ndarray, bias: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    """Words [outputs, steps] of a layer -> for every four outputs their biases, words by step, multipliers.

    >>> groups(np.array([[1], [2], [3]]), np.array([4, 5, 6]), np.array([7, 8, 9])).tolist()
    [4, 5, 6, 0, 1, 2, 3, 0, 524295, 9]
    """
    words, bias, k = padded(words, 0), padded(bias, 0), padded(multiplier, 0)
    steps = words.reshape(-1, GROUP, words.shape[1]).swapaxes(1, 2).reshape(len(bias) // GROUP, -1)
    return np.hstack([full(bias).reshape(-1, GROUP), steps, halves(k[0::2], k[1::2]).reshape(-1, 2)]).ravel()


def head(layer: Dense) -> np.ndarray:
    """The head: for each of five columns rows (0, 2) and (1, 3), then the fifth rows of two columns each."""
    weight = layer.weight.transpose(0, 2, 1)  # [C, time, frequency]
    first = np.stack([halves(weight[:, :, 0], weight[:, :, 2]), halves(weight[:, :, 1], weight[:, :, 3])], 2)
    last = np.pad(weight[:, :, 4], ((0, 0), (0, 1)))
    words = np.hstack([first.reshape(len(weight), -1), halves(last[:, 0::2], last[:, 1::2])])
    return groups(words, layer.bias, layer.multiplier)


def transition(layer: Dense) -> np.ndarray:
    """A 1x1 convolution on 8-bit activations: words of two weights."""
    return groups(pairs(layer.weight), layer.bias, layer.multiplier)


def vector(layer: Dense) -> np.ndarray:
    """A fully connected layer: words of four weights."""
    return groups(quads(layer.weight), layer.bias, layer.multiplier)


def ordered(weight: np.ndarray) -> np.ndarray:
    """Weights [..., rows] in the order of a column's bytes."""
    return weight[..., FIVE] if weight.shape[-1] == len(FIVE) else weight


def mean(block: Block) -> np.ndarray:
    """The frequency mean: for each channel its bias and words of four rows' weights, the last two of 10 rows as a pair;
    of 5 rows for two channels, whose last rows are a pair."""
    weight = ordered(block.mean)
    fours = weight.shape[1] // GROUP * GROUP
    words = np.hstack([full(block.mean_bias)[:, None], octets(weight[:, :fours])])
    if block.rows == BANDS:
        last = halves(weight[0::2, 4:], weight[1::2, 4:])
        words = words.reshape(len(last), -1)
    else:
        last = halves(weight[:, fours::2], weight[:, fours + 1 :: 2])
    return np.hstack([words, last]).ravel()


def frequency(block: Block) -> np.ndarray:
    """The frequency convolution: for each channel and band outer taps, middle tap with multiplier, bias.

    5 rows: 13 words a channel, 5 for the first two rows, 3 for the middle one, 5 for the last two; a row at an edge has
    no third tap and keeps its bias beside the multiplier.
    """
    below, at, above = block.taps.transpose(2, 0, 1)
    k, bias = block.multiplier, full(block.bias)
    if block.rows != BANDS:
        return np.stack([halves(below, above), halves(at, k), bias], 2).ravel()
    return np.stack(
        [
            halves(at, above)[:, 0],
            halves(block.bias, k)[:, 0],
            halves(below, at)[:, 1],
            halves(above, k)[:, 1],
            bias[:, 1],
            halves(below, above)[:, 2],
            halves(at, k)[:, 2],
            bias[:, 2],
            halves(at, above)[:, 3],
            halves(below, k)[:, 3],
            bias[:, 3],
            halves(below, at)[:, 4],
            halves(block.bias, k)[:, 4],
        ],
        1,
    ).ravel()


def temporal(block: Block) -> np.ndarray:
    """The temporal convolution, five words for two channels: taps (0, 1) of each, tap 2 of both, the two biases."""
    taps, bias = block.temporal, full(block.temporal_bias)
    return np.stack(
        [
            halves(taps[0::2, 0], taps[0::2, 1]),
            halves(taps[1::2, 0], taps[1::2, 1]),
            halves(taps[0::2, 2], taps[1::2, 2]),
            bias[0::2],
            bias[1::2],
        ],
        1,
    ).ravel()


def depthwise(weight: np.ndarray) -> np.ndarray:
    """The classifier's depthwise convolution [C, 5, 5] (frequency, time): seven words a channel, the middle row's four
    first weights, its last, then for each of five columns those of the other rows."""
    weight = ordered(weight.transpose(0, 2, 1))  # [C, time, rows]
    return np.hstack([octets(weight[:, :4, 4]), full(weight[:, 4:, 4]), octets(weight[:, :, :4])[:, :, 0]]).ravel()


def literals(words: Iterable[int]) -> list[str]:
    """Words as C constants.

    >>> literals(np.array([255], np.uint32))
    ['0x000000ffu']
    """
    return [f"0x{int(word):08x}u" for word in words]
