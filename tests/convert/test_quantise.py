"""Ranges, and the repairs of the flatbuffer, against what they claim."""

from __future__ import annotations

import numpy as np
import pytest

from convert import quantise, ranges


def error(values: np.ndarray, low: float, high: float) -> float:
    return ranges.quantisation_error(values, np.ones(len(values)), low, high)


@pytest.fixture(scope="module")
def heavy_tailed() -> np.ndarray:
    return np.random.default_rng(0).standard_t(3, 100_000)


def test_every_range_holds_zero():
    for values in (np.linspace(2, 3, 1000), np.linspace(-3, -2, 1000)):
        for method in quantise.METHODS:
            low, high = ranges.choose_range(values, method)
            assert low <= 0 <= high and low < high


def test_minmax_holds_every_value(heavy_tailed):
    assert ranges.choose_range(heavy_tailed, "minmax") == (heavy_tailed.min(), heavy_tailed.max())


def test_percentile_leaves_out_its_share(heavy_tailed):
    low, high = ranges.choose_range(heavy_tailed, "p99.99")
    outside = ((heavy_tailed < low) | (heavy_tailed > high)).mean()
    assert outside == pytest.approx(1e-4, abs=3e-5)


def test_mse_range_has_less_error_than_minmax_on_heavy_tails(heavy_tailed):
    best = error(heavy_tailed, *ranges.choose_range(heavy_tailed, "mse"))
    assert best < 0.9 * error(heavy_tailed, *ranges.choose_range(heavy_tailed, "minmax"))


def test_quantisation_error_of_uniform_noise_is_a_twelfth_of_a_step_squared():
    values = np.random.default_rng(0).uniform(-1, 1, 200_000)
    step = 2 / 255
    assert error(values, -1, 1) == pytest.approx(step**2 / 12, rel=0.02)


def test_relu_ranges_start_at_zero(heavy_tailed):
    for method in quantise.METHODS:
        assert ranges.choose_range(np.maximum(heavy_tailed, 0), method)[0] == 0
