"""Recordings as one stream: the scores of each are those of the whole stream, and each report has its place in it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.listening import continuous
from benchmarks.listening.continuous import Report, Scored
from common import build_folder, resampling
from common.audio import read_wav
from common.description import FEATURES
from common.labels import silence_index
from detector.golden import Detector
from detector.settings import RISE_MS, Preset, Threshold
from engine import golden, network
from engine.binding import Engine
from engine.render import STREAM_COLUMNS
from frontend import binding
from training.data import recordings

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.wav"))
HOP, SECOND = FEATURES.hop, FEATURES.sample_rate


@pytest.fixture(scope="module")
def native(tau1_build) -> Path:
    return tau1_build / build_folder.NATIVE


@pytest.fixture(scope="module")
def engine(native) -> Engine:
    return Engine(network.load(native))


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> list[Path]:
    """Words without a pause before or behind them, at several rates, none as long as whole hops; and an empty one."""
    folder = tmp_path_factory.mktemp("recordings")
    for index, (path, rate) in enumerate(zip(EXAMPLES, itertools.cycle((16000, 22050, 16000, 8000)))):
        soundfile.write(folder / f"{index}.wav", np.tile(read_wav(path), 1 + index % 3)[: -index - 1], rate)
    soundfile.write(folder / "empty.wav", np.zeros(0), SECOND)
    return recordings.find([folder]).paths


@pytest.fixture(scope="module")
def scored(native, paths) -> list[Scored]:
    return continuous.listen(native, paths, 1)


def sound(path: Path) -> np.ndarray:
    """A recording at 16 kHz, int16 [samples]."""
    blocks = resampling.to_16_khz(recordings.blocks(path, 1), recordings.header(path)[1])
    return np.concatenate([np.zeros(0, np.int16), *blocks])


def one_stream(engine: Engine, sounds: list[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """All scores of recordings, int16 [hops, classes], and the samples at which each begins."""
    parts, starts = [continuous.pause(0)], []
    for samples in sounds:
        starts.append(sum(map(len, parts)))
        parts += [samples, continuous.pause(len(samples))]
    return engine.stream(binding.Stream().feed(np.concatenate(parts))), starts


def same(one: list[Scored], other: list[Scored]) -> bool:
    return all(
        a[:2] == b[:2] and np.array_equal(a.winner, b.winner) and np.array_equal(a.probability, b.probability)
        for a, b in zip(one, other, strict=True)
    )


def test_scores_of_the_recordings_are_those_of_one_stream(engine, scored):
    scores, starts = one_stream(engine, [sound(each.path) for each in scored])
    winner, probability = (np.concatenate([each[field] for each in scored]) for field in (2, 3))
    assert len(winner) == len(scores) + engine.network.delay + STREAM_COLUMNS - starts[0] // HOP
    assert np.array_equal(winner, scores.argmax(1)[-len(winner) :])
    assert np.array_equal(probability, golden.probability(engine.network, scores).max(1)[-len(winner) :])
    assert len(np.unique(winner)) > 6


def test_any_number_of_processes_gives_the_same_scores(native, paths, scored, monkeypatch):
    for size, processes in ((1, 2), (3, 1)):
        monkeypatch.setattr(continuous, "CHUNK", size)
        assert same(continuous.listen(native, paths, processes), scored)


def test_blocks_in_which_a_recording_is_read_make_no_difference(engine, paths, scored, monkeypatch):
    monkeypatch.setattr(continuous, "BLOCK", 1)
    listener = continuous.Listener(engine)
    assert same([made for path in paths if (made := listener.score(path)).samples], scored)


def test_every_sample_is_scored_and_a_recording_without_any_is_left_out(paths, scored):
    assert [each.path for each in scored] == [path for path in paths if path.name != "empty.wav"]
    for each in scored:
        assert each.samples == len(sound(each.path))
        assert len(each.winner) == len(each.probability) == -(-each.samples // HOP) + continuous.PAUSE // HOP


def test_scores_do_not_depend_on_the_recording_before(engine, paths, tmp_path):
    loud = np.random.default_rng(0).integers(-32768, 32767, SECOND + 1, np.int16)
    soundfile.write(tmp_path / "loud.wav", loud, SECOND)
    listener = continuous.Listener(engine)
    first = [listener.score(path) for path in paths[:2]]
    listener.score(tmp_path / "loud.wav")
    assert same([listener.score(path) for path in paths[:2]], first)


def test_a_score_is_of_the_look_back_and_a_pause_is_half_a_second_longer(engine):
    rng = np.random.default_rng(0)
    samples = rng.integers(-9999, 9999, 4 * SECOND, np.int16)
    others = np.concatenate([rng.integers(-9999, 9999, SECOND, np.int16), samples[SECOND:]])
    one, other = (engine.stream(binding.Stream().feed(some)) for some in (samples, others))
    last = np.flatnonzero((one != other).any(1))[-1]
    arrival = (last + engine.network.delay + STREAM_COLUMNS - 1) * HOP + FEATURES.window // 2
    assert SECOND + continuous.LOOK_BACK - SECOND / 5 < arrival <= SECOND + continuous.LOOK_BACK
    assert continuous.PAUSE - continuous.LOOK_BACK >= SECOND / 2


def test_a_pause_is_noise_of_the_stated_level_and_ends_with_a_hop_and_always_alike():
    for samples in (0, 1, HOP - 1, HOP, 16001):
        pause = continuous.pause(samples)
        assert continuous.PAUSE <= len(pause) < continuous.PAUSE + HOP and (samples + len(pause)) % HOP == 0
        assert np.array_equal(pause[-continuous.PAUSE :], continuous.pause(0))
    level = 10 * np.log10(np.square(continuous.ROOM / 32768).mean())
    assert level == pytest.approx(continuous.ROOM_DBFS, abs=0.1) and round(level) == -60


def test_a_room_alone_is_silence(engine, tmp_path):
    soundfile.write(tmp_path / "silence.wav", continuous.ROOM, SECOND)
    made = continuous.Listener(engine).score(tmp_path / "silence.wav")
    assert set(made.winner) == {silence_index(engine.network.labels)}


def test_a_report_lies_where_the_stream_has_it(engine, scored):
    preset = Preset((Threshold(1, 1),) * engine.classes)  # nearly every change of the best class
    scores, starts = one_stream(engine, [sound(each.path) for each in scored])
    first = len(scores) - sum(len(each.winner) for each in scored)
    best, probability = scores[first:].argmax(1), golden.probability(engine.network, scores[first:]).max(1)
    arrival = (np.arange(first, len(scores)) + engine.network.delay + STREAM_COLUMNS - 1) * HOP + FEATURES.window // 2
    detector, expected = Detector(preset), []
    for hop, answer in enumerate(zip(best.tolist(), probability.tolist())):
        if event := detector.push(*answer):
            last = max(index for index, start in enumerate(starts) if start < arrival[hop])
            middle = 10 * (first + (event.ms - RISE_MS) // 10) + 5 * (STREAM_COLUMNS - 1) + RISE_MS
            second = max(0, middle / 1000 - starts[last] / SECOND)
            expected.append((scored[last].path, event.word, pytest.approx(second, abs=1e-9)))
    found = continuous.reports(scored, preset, engine.network.delay)
    assert len(found) > 10 and [tuple(report) for report in found] == expected


def test_the_detector_goes_on_from_one_recording_to_the_next():
    hops = np.full(10, 4, np.uint8)
    stream = [Scored(Path(name), 1600, hops, np.full(10, 250, np.uint8)) for name in "ab"]

    def found(probability: int, hops: int) -> list[Report]:
        return continuous.reports(stream, Preset((Threshold(probability, hops),) * 12), 58)

    assert [report.path.name for report in found(250, 10)] == ["a"]
    assert [report.path.name for report in found(250, 11)] == ["b"]
    assert found(251, 1) == [] == continuous.reports([], Preset((Threshold(1, 1),) * 12), 58)
    assert [(report.path, report.word) for report in found(1, 1)] == [(Path("a"), 4)]
