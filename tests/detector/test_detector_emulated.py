"""The detector's C on emulated cores equals the model in Python, from the engine's scores to words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from emulated import need_emulator
from engine_inputs import numbered

from benchmarks.cost import bench, detector_on_core
from benchmarks.cost.emulator import CORES
from benchmarks.cost.engine_on_core import Firmware
from common.description import LABELS, SILENCE
from detector import render, settings
from detector.settings import NEVER, SENSITIVITIES, Preset, Threshold, preset_of
from engine import render as engine_render
from engine.random_network import random_network

CLASSES = {12: LABELS, 35: numbered(35)}
FIRST_MS = 2**32 - 700
"""So that the time goes round."""


@pytest.fixture(scope="module", params=CLASSES)
def firmware(request, tmp_path_factory) -> Firmware:
    """Generated sources of an engine of random weights and its detector, in one folder."""
    need_emulator()
    network, folder = random_network(1, labels=CLASSES[request.param]), tmp_path_factory.mktemp("sources")
    for name, text in (engine_render.sources(network) | render.sources(settings.default(network.labels))).items():
        (folder / name).write_text(text)
    return Firmware(network, folder)


def inputs(labels: Sequence[str]) -> tuple[np.ndarray, list[int], Preset]:
    """Scores int16 [n, classes], hops and a preset: all sizes, hops from 0 to 255, and a class that is no word."""
    classes = len(labels)
    rng = np.random.default_rng(classes)
    scores = detector_on_core.hard_scores(classes, seed=classes)
    hops = rng.choice([0, 1, 1, 1, 1, 1, 1, 2, 10, 255], len(scores))
    thresholds = [Threshold(int(rng.integers(120)), int(rng.choice([1, 3, 8]))) for _ in range(classes)]
    pause = settings.LONGEST_PAUSE_MS if SILENCE in labels else 0
    return scores, hops.tolist(), preset_of([NEVER, *thresholds[1:]], pause, labels)


@pytest.mark.parametrize("core", CORES)
def test_every_core_reports_the_words_of_the_model(firmware, tmp_path, core):
    scores, hops, preset = inputs(firmware.network.labels)
    image = detector_on_core.build(CORES[core], firmware.folder, firmware, tmp_path / "detector.elf")
    done = detector_on_core.words(image, scores, hops, preset, FIRST_MS)
    expected = detector_on_core.expected(firmware.network, scores, hops, preset, FIRST_MS)
    assert done.events == expected and len({event.word for event in expected if event}) > 3
    presets = settings.default(firmware.network.labels).presets
    assert np.array_equal(done.presets, [presets[name] for name in SENSITIVITIES])
    assert done.state_bytes == render.state_bytes(len(preset.thresholds)) and 0 < done.stack < 200
    assert len(done.run.calls[detector_on_core.HOP]) == len(scores)


def test_the_bench_is_exact_whether_the_network_knows_silence_or_not(firmware):
    words, _, _ = inputs(firmware.network.labels)
    scores = np.concatenate([np.zeros((200, words.shape[1]), np.int16), words])  # so long without a word
    assert bench.measure_detector(CORES["cortex-m3"], firmware.folder, firmware, scores)["bit_exact"]


def test_inputs_that_do_not_fit_are_refused(firmware, tmp_path):
    scores, hops, preset = inputs(firmware.network.labels)
    image = detector_on_core.build(CORES["cortex-m3"], firmware.folder, firmware, tmp_path / "detector.elf")
    for wrong in (scores.astype(np.int32), scores[1:], scores[:, 1:]):
        with pytest.raises(ValueError, match="scores int16"):
            detector_on_core.words(image, wrong, hops, preset)
