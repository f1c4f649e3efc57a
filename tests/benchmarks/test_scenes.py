"""Scenes hold the words where their truth says, at the level it says, and reports are counted against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.listening import continuous, matching, scenes
from benchmarks.listening.matching import Matched
from benchmarks.listening.scenes import Said
from common.audio import read_wav
from detector.golden import Event

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("yes", "no", "left", "stop")


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return np.stack(
        [np.resize(np.append(read_wav(EXAMPLES / f"{name}.wav"), np.zeros(16000, np.int16)), 16000) for name in NAMES]
    )


def compose(clips, snr=None, sounds=None, seed=1, **more):
    return scenes.compose("some", sounds, clips, np.arange(len(clips)), snr, (seed,), continuous.ROOM, **more)


def test_the_span_of_a_word_is_where_its_energy_is():
    clip = np.zeros(16000, np.int16)
    clip[5000:9000] = 3000 * np.sin(np.arange(4000) / 3)
    clip[12000:12100] = 20  # far below the word
    start, end = scenes.span(clip)
    assert 4400 <= start <= 5000 and 9000 <= end <= 9600


def test_a_phrase_reaches_over_the_pauses_between_its_words():
    for samples, reaches in ((16_000, 9600), (20_800, 16_000)):
        clip = np.zeros(samples, np.int16)
        for start, loud in ((5000, 3000), (12_000, 2000)):  # 220 ms apart
            clip[start : start + 3500] = loud * np.sin(np.arange(3500) / 3)
        assert reaches - 1600 < scenes.span(clip)[1] <= reaches


def test_words_lie_where_the_truth_says(clips):
    made = compose(clips)
    quiet = made.audio.astype(int)
    for word, clip in zip(made.said, clips):
        start, end = scenes.span(clip)
        assert word.end - word.start == end - start
        difference = quiet[word.start : word.end] - clip[start:end]
        assert np.abs(difference).max() <= continuous.ROOM_PEAK + 1
    gaps = [b.start - a.end for a, b in zip(made.said, made.said[1:])]
    assert min(gaps) >= 1.2 * 16000 and len(set(gaps)) == len(gaps)


@pytest.mark.parametrize("snr", [5.0, 20.0])
def test_a_word_is_as_far_above_the_background_as_stated(clips, snr):
    noise = np.random.default_rng(0).normal(0, 500, 32000).astype(np.int16)
    silent = np.zeros_like(noise)
    made, empty = (compose(clips, snr, [sounds]) for sounds in (noise, silent))
    between = made.audio[: made.said[0].start].astype(float)
    assert 20 * np.log10(between.std() / 32768) == pytest.approx(scenes.BACKGROUND_DBFS, abs=0.3)
    for word in empty.said:
        loudest = scenes.loudest_rms(empty.audio[word.start : word.end])
        assert 20 * np.log10(loudest / 32768) == pytest.approx(scenes.BACKGROUND_DBFS + snr, abs=0.2)


def test_the_same_seed_gives_the_same_scene_and_another_other_gaps(clips):
    one, again, other = compose(clips, seed=1), compose(clips, seed=1), compose(clips, seed=2)
    assert np.array_equal(one.audio, again.audio) and one.said == again.said and one.said != other.said


def test_words_that_are_said_twice_stand_300_ms_apart(clips):
    said = compose(clips, twice=True).said
    assert [word.word for word in said] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert {second.start - first.end for first, second in zip(said[::2], said[1::2])} == {4800}


def event(word: int, ms: int) -> Event:
    return Event(word, 255, ms)


def test_reports_are_counted_by_the_word_that_is_near():
    said = [Said(3, 16000, 24000), Said(3, 28800, 36800), Said(4, 160000, 168000)]  # middles at 1250, 2050, 10250 ms
    assert matching.match([event(3, 1200), event(3, 2100), event(4, 10700)], said) == (Matched(3, 3, 0, 0, 0), [True] * 3)
    assert matching.match([event(3, 1500), event(3, 1900)], said)[0] == Matched(3, 2, 0, 0, 0), "both near both"
    assert matching.match([event(3, 1250)] * 3, said)[0] == Matched(3, 1, 0, 2, 0)
    assert matching.match([event(5, 1250)], said)[0] == Matched(3, 0, 1, 0, 0)
    assert matching.match([event(4, 10751)], said) == (Matched(3, 0, 0, 0, 1), [False] * 3)
    assert matching.match([event(3, 2551)], said)[0] == Matched(3, 0, 0, 0, 1)
    assert matching.match([event(3, 1600), event(3, 2000), event(3, 2100)], said)[0] == Matched(3, 2, 0, 1, 0)
