"""The constants of the Arm DSP form: read as kws_dsp.c reads them, they give what engine/golden.py computes."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from engine_inputs import CLASS_COUNTS

from common.description import BANDS
from engine import golden, pack_dsp
from engine.network import Block, Dense, mean_shift

CHANNELS = 6


def random_block(rows: int, stride: int = 1) -> Block:
    """A block of random constants; what the packing of frequency branch and mean does not see is left out."""
    rng = np.random.default_rng(rows + stride)

    def integers(low: int, high: int, *shape: int) -> np.ndarray:
        return rng.integers(low, high, shape)

    return Block(
        None,
        stride,
        1,
        integers(-20, 21, CHANNELS, BANDS, 3).astype(np.int8),
        integers(-9000, 9000, CHANNELS, BANDS).astype(np.int16),
        integers(1, 32768, CHANNELS, BANDS).astype(np.int16),
        integers(-128, 128, CHANNELS, rows).astype(np.int8),
        integers(-9000, 9000, CHANNELS).astype(np.int32),
        None,
        None,
        None,
    )


def activations(rows: int) -> np.ndarray:
    """Random columns [clips, C, rows, 1]."""
    return np.random.default_rng(1).integers(0, 256, (50, CHANNELS, rows, 1))


def signed(words: np.ndarray) -> np.ndarray:
    return words.astype(np.uint32).view(np.int32).astype(np.int64)


def lower(words: np.ndarray) -> np.ndarray:
    return (words & 0xFFFF).astype(np.uint16).view(np.int16).astype(np.int64)


def upper(words: np.ndarray) -> np.ndarray:
    return lower(words >> 16)


def byte(words: np.ndarray, index: int) -> np.ndarray:
    return (words >> 8 * index & 0xFF).astype(np.uint8).view(np.int8).astype(np.int64)


def test_examples_in_the_docstrings_hold():
    result = doctest.testmod(pack_dsp)
    assert result.attempted > 5 and result.failed == 0


@pytest.mark.parametrize("rows", (20, 10, 5))
def test_words_of_the_mean_give_the_golden_mean(rows):
    block, x = random_block(rows), activations(rows)
    column = pack_dsp.ordered(x[..., 0])  # [clips, C, rows] as the bytes lie
    words = pack_dsp.mean(block)
    if rows == BANDS:
        words = words.reshape(CHANNELS // 2, 5)
        last = np.stack([lower(words[:, 4]), upper(words[:, 4])], 1).reshape(CHANNELS, 1)
        words = words[:, :4].reshape(CHANNELS, 2)
    else:
        words = words.reshape(CHANNELS, -1)
        last = np.stack([lower(words[:, 3]), upper(words[:, 3])], 1) if rows == 10 else np.zeros((CHANNELS, 0), np.int64)
        words = words[:, : 1 + rows // 4]
    fours = np.stack([byte(words[:, 1:], i) for i in range(4)], 2).reshape(CHANNELS, -1)
    total = signed(words[:, 0]) + (np.hstack([fours, last]) * column).sum(2)
    np.testing.assert_array_equal(total >> mean_shift(rows), golden.mean(block, x)[..., 0])


@pytest.mark.parametrize("rows, stride", ((20, 1), (20, 2), (10, 1), (10, 2)))
def test_words_of_a_band_give_the_golden_frequency_branch(rows, stride):
    block, x = random_block(rows, stride), activations(rows)
    words = pack_dsp.frequency(block).reshape(CHANNELS, BANDS, 3).repeat(rows // stride // BANDS, 1)
    below, at, above = golden.neighbours(x[..., 0, None], stride)[..., 0]
    total = signed(words[..., 2]) + lower(words[..., 0]) * below + upper(words[..., 0]) * above + lower(words[..., 1]) * at
    np.testing.assert_array_equal(total * upper(words[..., 1]) >> 16, golden.frequency(block, x)[..., 0])


def test_words_of_five_rows_give_the_golden_frequency_branch():
    block, x = random_block(5), activations(5)
    w = pack_dsp.frequency(block).reshape(CHANNELS, 13).T
    x0, x1, x2, x3, x4 = np.moveaxis(x[..., 0], 2, 0)
    expected = golden.frequency(block, x)[..., 0]
    rows = (
        (lower(w[0]) * x0 + upper(w[0]) * x1 + lower(w[1]), w[1]),
        (lower(w[2]) * x0 + upper(w[2]) * x1 + lower(w[3]) * x2 + signed(w[4]), w[3]),
        (lower(w[5]) * x1 + lower(w[6]) * x2 + upper(w[5]) * x3 + signed(w[7]), w[6]),
        (lower(w[9]) * x2 + lower(w[8]) * x3 + upper(w[8]) * x4 + signed(w[10]), w[9]),
        (lower(w[11]) * x3 + upper(w[11]) * x4 + lower(w[12]), w[12]),
    )
    for row, (total, word) in enumerate(rows):
        np.testing.assert_array_equal(total * upper(word) >> 16, expected[:, :, row])


@pytest.mark.parametrize("outputs, inputs", ((12, 8), (18, 18), (30, 24), *((count, 32) for count in CLASS_COUNTS)))
def test_groups_of_four_outputs_give_the_sums_whatever_the_width(outputs, inputs):
    rng = np.random.default_rng(2)
    layer = Dense(
        rng.integers(-128, 128, (outputs, inputs)).astype(np.int8),
        rng.integers(-(2**31), 2**31, outputs).astype(np.int32),
        rng.integers(1, 32768, outputs).astype(np.int16),
    )
    x = rng.integers(-100, 100, inputs)
    even = np.pad(x, (0, -inputs % 4))
    for words, per_word in ((pack_dsp.transition(layer), 2), (pack_dsp.vector(layer), 4)):
        steps = len(even) // per_word
        rows = words.reshape(-(-outputs // 4), 4 + 4 * steps + 2)
        bias, weights, k = rows[:, :4], rows[:, 4:-2].reshape(-1, steps, 4), rows[:, -2:]
        parts = [lower(weights), upper(weights)] if per_word == 2 else [byte(weights, i) for i in (0, 2, 1, 3)]
        total = signed(bias) + sum((part * even[i::per_word, None]).sum(1) for i, part in enumerate(parts))
        np.testing.assert_array_equal(total.ravel()[:outputs], layer.weight.astype(np.int64) @ x + layer.bias)
        np.testing.assert_array_equal(np.stack([lower(k), upper(k)], 2).ravel()[:outputs], layer.multiplier)
        assert not total.ravel()[outputs:].any()
