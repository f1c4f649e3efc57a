"""Equalised channels: the same function, and reaches that differ by half as many orders of magnitude."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_fold import random_network, scaled_error

from common.description import FEATURES, TAUS
from convert import fold
from convert.equalise import LEAST, STEPS, STRENGTH, equalised, factors, observe, stages


@pytest.fixture(scope="module")
def logmel() -> np.ndarray:
    return np.random.default_rng(1).normal(-4, 4, (3, FEATURES.mels, FEATURES.frames))


@pytest.mark.parametrize("tau", TAUS)
def test_the_logits_stay(tau, logmel):
    network = fold.fold(random_network(tau)[1])
    assert scaled_error(fold.forward(equalised(network, logmel), logmel), fold.forward(network, logmel)) < 1e-12


def test_reaches_come_closer_by_the_strength(logmel):
    network = fold.fold(random_network(1)[1])
    before, after = observe(network, logmel), observe(equalised(network, logmel), logmel)
    transitions = [f"transition{i}" for i, block in enumerate(network.blocks) if block.transition is not None]
    for name in ("head", "depthwise", "classifier", *transitions):
        counted = before[name] > 1.01 * LEAST * before[name].max()
        assert counted.sum() >= 2, name
        moved = np.log2(after[name][counted]) - (1 - STRENGTH) * np.log2(before[name][counted])
        assert np.ptp(moved) <= 1 / STEPS + 1e-9, name


def test_blocks_of_a_stage_share_their_factors(logmel):
    network = fold.fold(random_network(1)[1])
    before, after = observe(network, logmel), observe(equalised(network, logmel), logmel)
    assert [len(stage) for stage in stages(network)] == [2, 2, 2, 2, *[4] * 8]
    for stage in stages(network):
        alive = np.min([before[f"block{i}"] for i in stage], axis=0) > 0
        ratios = [after[f"block{i}"][alive] / before[f"block{i}"][alive] for i in stage]
        assert np.ptp(ratios[0]) > 0  # something was done
        for ratio in ratios:
            np.testing.assert_allclose(ratio, ratios[0], rtol=1e-9)


def test_a_dead_channel_and_a_silent_layer_are_survived(logmel):
    network = fold.fold(random_network(1)[1])
    weight, bias = network.head
    dead = dataclasses.replace(network, head=(weight, np.where(np.arange(len(bias)) == 0, -1e9, bias)))
    assert scaled_error(fold.forward(equalised(dead, logmel), logmel), fold.forward(dead, logmel)) < 1e-12
    assert (factors(np.zeros(3)) == 1).all()
