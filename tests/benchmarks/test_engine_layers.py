"""The instructions of the engine by layer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from emulated import need_emulator

from benchmarks.cost import engine_layers, engine_on_core
from benchmarks.cost.emulator import CORES, GuestError
from benchmarks.cost.engine_layers import FUNCTIONS
from common.description import FEATURES
from engine import render
from engine.random_network import random_features, random_network


@pytest.fixture(scope="module")
def network():
    return random_network(1)


def test_every_layer_has_as_many_calls_as_the_window_has_columns(network):
    order = engine_layers.order(network)
    assert all(order.count(call) == FEATURES.frames for call in set(order))
    transitions = [call for call in set(order) if call[0] == "transition"]
    assert {block for _, block in transitions} == {0, 2, 4, 8} and len(set(order)) == 4 + 4 + 4 * 12


def test_a_window_on_a_core_makes_exactly_these_calls_and_block_by_block_they_are_alike(network, tmp_path):
    need_emulator()
    for name, text in render.sources(network).items():
        (tmp_path / name).write_text(text)
    image = engine_on_core.build(CORES["cortex-m3"], engine_on_core.Firmware(network, tmp_path), tmp_path / "a.elf")
    done = engine_on_core.run(
        image, [engine_on_core.window(random_features(1)[0])], (engine_on_core.WINDOW, *FUNCTIONS.values())
    )
    order = engine_layers.order(network)
    for stage, function in FUNCTIONS.items():
        assert len(done.run.calls[function]) == sum(called == stage for called, _ in order)
    (total,) = done.run.calls[engine_on_core.WINDOW]
    blocks = engine_layers.by_layer(network, done.run.calls, total)["blocks"]
    shapes = [(block.channels, block.rows, block.stride) for block in network.blocks]
    for (shape, row), (other_shape, other) in itertools.combinations(zip(shapes, blocks), 2):
        for stage in ("mean", "base", "frequency"):
            if shape == other_shape:
                assert row[stage] == pytest.approx(other[stage], rel=0.03)
        if shape[0] < other_shape[0]:
            assert row["base"] < 0.95 * other["base"] and row["temporal"] < 0.95 * other["temporal"]


def test_calls_go_to_layers_in_the_order_of_execution(network):
    order = engine_layers.order(network)
    calls = {
        function: [1000 * (block or 0) + 1 for called, block in order if called == stage]
        for stage, function in FUNCTIONS.items()
    }
    total = sum(map(sum, calls.values())) + 7
    layers = engine_layers.by_layer(network, calls, total)
    for index, row in enumerate(layers["blocks"]):
        has_transition = network.blocks[index].transition is not None
        assert row == {
            stage: (stage != "transition" or has_transition) * FEATURES.frames * (1000 * index + 1) for stage in row
        }
    assert layers["rest"] == 7 and layers["hidden"] == FEATURES.frames
    text = engine_layers.table(network, layers)
    assert text.splitlines()[-1].split() == ["window", f"{total:,}"] and max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    "spoil, reason",
    [
        (lambda calls: calls["kws_base"].pop(), "calls kws_base less often"),
        (lambda calls: calls["kws_head"].append(0) or calls["kws_head"].insert(0, 10**9), "the layers of a window take"),
    ],
)
def test_calls_that_are_no_window_are_refused(network, spoil, reason):
    calls = {
        function: [1] * sum(called == stage for called, _ in engine_layers.order(network))
        for stage, function in FUNCTIONS.items()
    }
    spoil(calls)
    with pytest.raises(GuestError, match=reason):
        engine_layers.by_layer(network, calls, 10**6)


def test_stream_scores_are_averages_of_the_latest_logits():
    made, columns = random_network(1), random_features(1)[0].T
    logits = engine_on_core.golden.stream(made, columns).astype(int)
    scores = engine_on_core.stream_scores(made, columns, 30)
    assert len(scores) == len(columns) - made.delay - 30 + 1
    expected = [np.floor(logits[i : i + 30].sum(0) / 30 + 0.5) for i in range(len(scores))]
    assert np.array_equal(scores, expected)
