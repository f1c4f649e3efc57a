"""Portable C, DSP and MVE equal the integer model to the bit where that is hardest: for any number of classes, and where
every sum is as high or as low as `network.check` lets it be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from emulated import need_emulator
from engine_inputs import CLASS_COUNTS, SEED, at_the_ends, extremes, numbered

from benchmarks.cost import engine_on_core
from benchmarks.cost.emulator import CORES
from engine import golden, render
from engine.binding import Status
from engine.network import BASE_MAX, HALF, HIDDEN_MAX, Network
from engine.random_network import HIGHEST, LOWEST, random_features, random_network

FORMS = {"portable": "cortex-m0", "DSP": "cortex-m4", "MVE": "cortex-m55"}
"""Each form and a core that has it; a Cortex-M0 traps every unaligned access as well."""


def assert_equals_the_integer_model(made: Network, form: str, clips: np.ndarray, columns: np.ndarray, folder: Path) -> None:
    """Of windows int8 [n, 40, 101] and a stream int8 [n, 40], on the core of this form."""
    need_emulator()
    for name, text in render.sources(made).items():
        (folder / name).write_text(text)
    image = engine_on_core.build(CORES[FORMS[form]], engine_on_core.Firmware(made, folder), folder / "engine.elf")
    done = engine_on_core.run(image, [*map(engine_on_core.window, clips), *engine_on_core.stream(columns)], ())
    streamed = engine_on_core.stream_scores(made, columns, render.STREAM_COLUMNS)
    assert len(streamed) and done.status[-len(streamed) :] == [Status.OK] * len(streamed)
    np.testing.assert_array_equal(done.scores[: len(clips)], golden.window(made, clips))
    np.testing.assert_array_equal(done.scores[-len(streamed) :], streamed)


def columns_of(clip: np.ndarray, made: Network) -> np.ndarray:
    """As many columns of a clip int8 [40, 101] as give scores of a stream three times."""
    return clip.T[: made.delay + render.STREAM_COLUMNS + 2]


@pytest.mark.parametrize("classes", CLASS_COUNTS)
@pytest.mark.parametrize("form", FORMS)
def test_every_number_of_classes_equals_the_integer_model(form, classes, tmp_path):
    made = random_network(1, labels=numbered(classes))
    clips = random_features(1, 3)
    assert_equals_the_integer_model(made, form, clips, columns_of(clips[0], made), tmp_path)


@pytest.mark.parametrize("tau", (1, 1.5))
@pytest.mark.parametrize("form", FORMS)
def test_every_sum_at_its_ends_equals_the_integer_model(form, tau, tmp_path):
    made = at_the_ends(random_network(tau, SEED))
    clips = np.concatenate([random_features(1, 3), extremes()])
    assert len(np.unique(golden.window(made, clips), axis=0)) == len(clips)  # one that never changes would always pass
    assert_equals_the_integer_model(made, form, clips, columns_of(clips[0], made), tmp_path)


def test_ends_are_reached_in_every_block():
    made = at_the_ends(random_network(1, SEED))
    x = golden.activation(made.head, golden.head_windows(random_features(1)))
    for index, block in enumerate(made.blocks):
        high, low = index % 2, 1 - index % 2
        inputs = x if block.transition is None else golden.activation(block.transition, x)
        means = golden.mean(block, inputs)
        assert (means[:, high] == HIGHEST).all() and (means[:, low] == LOWEST).all()
        base = golden.base(block.pointwise, golden.activated(made.silu, block.temporal, block.temporal_bias, [means] * 3))
        added = golden.frequency(block, inputs)
        assert (base[:, high] == BASE_MAX).all() and (added[:, high] == HIGHEST * HIGHEST >> 16).all()
        # With the half taken off, as the MVE form has it, this is more than 16 bits hold.
        assert (added[:, low].max((1, 2)) + base[:, low].max() - HALF < LOWEST).all()
        x = golden.run_block(made, block, x)
        assert (x[:, high] == 255).all() and (x[:, low] == 0).all()
    vector = golden.depthwise(made.depthwise, x)
    hidden = golden.hidden(made.classifier, vector)
    assert (hidden[:, 0] == HIDDEN_MAX).all() and (hidden[:, 1] == 0).all()
