"""The MVE form's constants: every channel and every input is in some vector, and counts once in a sum."""

from __future__ import annotations

import numpy as np
import pytest
from engine_inputs import CLASS_COUNTS

from common.description import TAUS, channels
from engine import pack_mve
from engine.network import Dense

WIDTHS = sorted({width for tau in TAUS for width in channels(tau)[:-1]})


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("places", (pack_mve.even_starts, lambda count: pack_mve.starts(count, 8)))
def test_vectors_cover_every_channel_and_end_with_the_last(width, places):
    at = places(width)
    assert sorted({start + lane for start in at for lane in range(8)}) == list(range(width))
    assert len(at) == -(-width // 8)


@pytest.mark.parametrize("lanes", (8, 16))
@pytest.mark.parametrize("width", (*WIDTHS, 25))
def test_overlapping_inputs_count_once(width, lanes):
    rng = np.random.default_rng(width)
    weight, x = rng.integers(-127, 128, (5, width)).astype(np.int8), rng.integers(-128, 128, width)
    packed = pack_mve.inputs(weight, lanes)
    behind = np.append(x, np.full(lanes, 1_000_000))  # what a vector reads beyond its inputs must not count
    total = sum(
        packed[:, i].astype(np.int64) @ behind[start : start + lanes]
        for i, start in enumerate(pack_mve.starts(width, lanes))
    )
    np.testing.assert_array_equal(total, weight.astype(np.int64) @ x)


@pytest.mark.parametrize("outputs", (*CLASS_COUNTS, 4, 18, 30))
def test_bias_makes_up_for_the_offset_of_the_inputs(outputs):
    rng = np.random.default_rng(outputs)
    layer = Dense(
        rng.integers(-127, 128, (outputs, 24)).astype(np.int8),
        rng.integers(-10_000, 10_000, outputs).astype(np.int32),
        np.arange(1, outputs + 1, dtype=np.int16),
    )
    x = rng.integers(0, 256, 24)
    packed = pack_mve.groups(layer, 16, offset=128)
    places = pack_mve.starts(max(outputs, 4), 4)
    for group, first in enumerate(places):
        total = packed.bias[group].astype(np.int64)
        for vector, start in enumerate(pack_mve.starts(24, 16)):
            total = total + packed.weight[group, vector].astype(np.int64) @ (x[start : start + 16] - 128)
        expected = layer.weight.astype(np.int64) @ x + layer.bias
        there = min(4, outputs)
        np.testing.assert_array_equal(total[:there], expected[first : first + there])
        np.testing.assert_array_equal(packed.multiplier[group, :there] >> 16, layer.multiplier[first : first + there])


def test_temporal_bias_stays_within_32_bits():
    bias = np.array([-(1 << 31), 0, (1 << 31) - 1], np.int32)
    half = 1 << (pack_mve.SILU_SHIFT - 1)
    np.testing.assert_array_equal(pack_mve.temporal_bias(bias), [-(1 << 31), -half, (1 << 31) - 1 - half])
