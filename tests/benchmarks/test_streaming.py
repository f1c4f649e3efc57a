"""Clips in streams: where they lie, what answers for them, and that all of it is the generated C."""

from __future__ import annotations

import re

import numpy as np
import pytest

from benchmarks.accuracy import clips
from benchmarks.listening import streaming
from common import build_folder
from common.description import FEATURES, LABELS
from detector import settings
from detector.binding import Detector
from engine import binding, golden, network, render
from frontend import binding as frontend
from training import augment
from training.data import dataset

CLIP = FEATURES.clip_samples


@pytest.fixture(scope="module")
def made(tau1_build) -> network.Network:
    return network.load(tau1_build / build_folder.NATIVE)


@pytest.fixture(scope="module")
def audio(tiny_speech_commands) -> np.ndarray:
    """A few clips, int16 [4, 16000]."""
    test_set = tiny_speech_commands / dataset.archive_names(2)[1]
    return dataset.read_clips(dataset.folder_clips(test_set)[::6])


@pytest.fixture(scope="module")
def noises(tiny_speech_commands) -> list[np.ndarray]:
    return clips.background(tiny_speech_commands).noises


def test_a_stream_is_noise_with_the_clip_in_its_middle(audio, noises):
    stream = streaming.embed(audio[0], noises).astype(int)
    noise = streaming.noise_for(audio[0], noises)
    assert len(stream) == len(noise) == CLIP + 2 * 19_200
    assert np.abs(noise).max() > 10
    within = np.zeros(len(noise))
    within[19_200 : 19_200 + CLIP] = audio[0]
    assert np.abs(stream - noise - within).max() <= 0.5
    assert np.array_equal(streaming.noisy_clip(audio[0], noises), stream[19_200 : 19_200 + CLIP])


def test_a_clip_has_the_same_noise_wherever_it_is_measured_and_another_clip_other_noise(audio, noises):
    again = [streaming.embed(clip, noises) for clip in audio[::-1]][::-1]
    for clip, stream in zip(audio, again):
        assert np.array_equal(streaming.embed(clip, noises), stream)
    assert not np.array_equal(again[0][:19_200], again[1][:19_200])


def test_noise_is_as_loud_as_training_adds_it(noises):
    assert streaming.NOISE_LEVEL == augment.NOISE_LEVEL
    loudest = max(np.abs(noise.astype(int)).max() for noise in noises)
    levels = [np.abs(streaming.noise_for(np.full(CLIP, value, np.int16), noises)).max() for value in range(50)]
    assert max(levels) <= 0.1 * loudest and np.std(levels) > 0.01 * loudest


def test_loud_clips_saturate(noises):
    stream = streaming.embed(np.full(CLIP, 32767, np.int16), [np.full(CLIP, 30_000, np.int16)])
    assert (stream[19_200 : 19_200 + CLIP] == 32767).all()


def test_speech_to_noise_is_a_ratio_of_powers():
    clip = np.full(CLIP, 1000, np.int16)
    noise = [np.full(CLIP, 1000, np.int16)]
    level = streaming.noise_for(clip, noise)[0] / 1000
    assert streaming.snr_db(clip[None], noise)[0] == pytest.approx(-20 * np.log10(level))
    assert streaming.snr_db(clip[None], [np.zeros(100, np.int16)])[0] == np.inf


def test_the_noise_is_the_datas_own_and_synthetic_where_there_is_none(tiny_speech_commands, tmp_path):
    archive, test_set = (tiny_speech_commands / name for name in dataset.archive_names(2))
    for data in (tiny_speech_commands, archive):
        found = clips.background(data)
        assert archive.name in found.origin and len(found.noises) == 2
    made = clips.background(test_set)
    assert "seeded" in made.origin and np.std(made.noises[0]) == pytest.approx(streaming.SYNTHETIC_RMS, rel=0.01)
    assert np.array_equal(made.noises[0], clips.background(tmp_path).noises[0])


@pytest.mark.parametrize("columns", [1, 30, 31, 101])
def test_the_first_scores_are_about_what_the_header_says_and_come_its_lag_later(made, columns):
    engine = binding.Engine(made, (f"-DKWS_STREAM_COLUMNS={columns}",))
    silence, pushed = np.zeros(FEATURES.mels, np.int8), 0
    while engine.scores_stream()[0] == binding.Status.NOT_YET:
        engine.push(silence)
        pushed += 1
    newest = 10 * (pushed - 1)  # ms at which the last column is centred
    assert newest - streaming.lag_ms(made.delay, columns) <= streaming.first_ms(columns) <= newest


@pytest.fixture(scope="module")
def engine(made) -> binding.Engine:
    return binding.Engine(made)


def hops_of(made, winner: list[int], logit: float = 20.0) -> np.ndarray:
    """Scores int16 [hops, classes] with these best classes, all but sure."""
    scores = np.zeros((len(winner), len(made.labels)), np.int16)
    scores[np.arange(len(winner)), winner] = round(logit / made.score_scale)
    return scores


def test_the_first_word_that_the_detector_reports_is_the_answer(made, engine):
    detector = Detector(settings.default(made.labels).preset("medium"))
    scores = hops_of(made, [0] * 10 + [4] * 19 + [0] + [5] * 30 + [0] * 10 + [4] * 30)
    assert streaming.answer(engine, detector, scores, 0).argmax() == 5
    assert np.array_equal(streaming.answer(engine, detector, scores, 0), scores[49])
    assert streaming.answer(engine, detector, scores[60:], 0).argmax() == 4, "from a reset"


def test_where_no_word_is_reported_silence_is_the_answer_whatever_won(made, engine):
    detector = Detector(settings.default(made.labels).preset("medium"))
    scores = hops_of(made, [1] * 50 + [4] * 19)
    assert streaming.answer(engine, detector, scores, 0).argmax() == 0
    unsure = hops_of(made, [4] * 90, 0.5)
    assert streaming.answer(engine, detector, unsure, 0).argmax() == 0
    assert streaming.answer(engine, detector, scores, None).argmax() == 1


def test_nothing_reported_is_right_for_unknown_words_and_for_nothing_else():
    scores = np.zeros((4, 12), np.int32)
    scores[[0, 1, 2, 3], [0, 0, 0, 4]] = 9
    target = np.array([0, 1, 5, 1])
    assert streaming.rejected(scores, target, LABELS).argmax(1).tolist() == [0, 1, 0, 4]
    assert np.array_equal(streaming.rejected(scores, target, LABELS[2:]), scores)


def test_averages_in_numpy_equal_those_of_the_engine(made, audio, noises):
    clip = audio[1]
    columns = frontend.Stream().feed(streaming.embed(clip, noises))
    logits = binding.Engine(made, ("-DKWS_STREAM_COLUMNS=1",)).stream(columns)
    assert np.array_equal(logits, golden.stream(made, columns))
    for count in (1, render.STREAM_COLUMNS, 101):
        engine = binding.Engine(made, (f"-DKWS_STREAM_COLUMNS={count}",))
        assert np.array_equal(golden.moving_average(logits, count), streaming.hops(engine, clip, noises))


def test_the_lag_is_the_one_that_the_header_states(made):
    header = render.sources(made)["kws_model.h"]
    formula = re.search(r"#define KWS_STREAM_LAG_MS (.*)", header)[1].replace("/", "//")
    values = {"KWS_DELAY_COLUMNS": made.delay, "KWS_STREAM_COLUMNS": render.STREAM_COLUMNS}
    assert streaming.settings(made.delay, settings.default(made.labels))["lag_ms"] == eval(formula, {}, values)
