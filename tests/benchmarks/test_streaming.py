"""Clips in streams: where they lie, which hops count, which one decides, and that all of it is the C engine's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import clips
from benchmarks.listening import decisions, stream_choices, streaming
from benchmarks.listening.decisions import Rule
from common import build_folder
from common.description import DETECTION_THRESHOLD, FEATURES, LABELS, SILENCE, UNKNOWN
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
    stream = streaming.embed(np.full(CLIP, 32767, np.int16), [np.full(streaming.SAMPLES, 30_000, np.int16)])
    assert (stream[19_200 : 19_200 + CLIP] == 32767).all()


def test_speech_to_noise_is_a_ratio_of_powers():
    clip = np.full(CLIP, 1000, np.int16)
    noise = [np.full(streaming.SAMPLES, 1000, np.int16)]
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


@pytest.mark.parametrize("columns", [1, 30, 101])
def test_hops_count_whose_average_is_centred_within_300_ms_of_the_clips_middle(columns):
    hops = np.arange(281 - columns + 1)[:, None]  # each has its own number as its score
    counted = streaming.due(hops, columns)[:, 0]
    middles = counted + (columns - 1) / 2 - 170  # columns from the clip's middle
    assert np.abs(middles).max() <= 30.5 and len(counted) in (60, 61)
    assert (np.diff(counted) == 1).all()


@pytest.mark.parametrize("columns", [1, 30, 31, 101])
def test_a_hop_is_due_the_headers_lag_before_it_comes(made, columns):
    engine = binding.Engine(made, (f"-DKWS_STREAM_COLUMNS={columns}",))
    silence, pushed = np.zeros(FEATURES.mels, np.int8), 0
    while engine.scores_stream()[0] == binding.Status.NOT_YET:
        engine.push(silence)
        pushed += 1
    newest = 10 * (pushed - 1)  # ms at which the last column is centred
    first = newest - streaming.lag_ms(made.delay, columns)
    assert streaming.middles_ms(3, columns).tolist() == [first, first + 10, first + 20]
    hops = np.arange(281 - columns + 1)  # the clip's middle is at 1,700 ms
    assert streaming.due(hops, columns).tolist() == [hop for hop in hops if 1400 <= first + 10 * hop <= 2000]


def test_what_counts_is_out_of_sight_of_the_reset(made, audio, noises):
    columns = frontend.Stream().feed(streaming.embed(audio[0], noises))
    engine = binding.Engine(made)
    spoilt = columns.copy()
    spoilt[0] = 127
    assert not np.array_equal(engine.stream(columns), engine.stream(spoilt))
    before, after = (streaming.due(engine.stream(some), render.STREAM_COLUMNS) for some in (columns, spoilt))
    assert np.array_equal(before, after)


def decided(network, scores, *rest):
    return streaming.decide(scores, streaming.winner_probability(network, scores), *rest)


def test_the_most_certain_hop_of_those_whose_answer_is_not_silence_decides(made):
    unit = round(1 / made.score_scale)  # a logit more
    hops = np.array([[60, 0, 0, 0], [0, 9, 5, 0], [5, 0, 12, 1], [20, 0, 0, 19]], np.int16) * unit
    assert decided(made, hops, 0).tolist() == hops[2].tolist()
    assert decided(made, hops[[0, 3]], 0).tolist() == hops[0].tolist()
    assert decided(made, hops, None).tolist() == hops[0].tolist()
    extremes = np.array([[-32768, 32767, -32768], [0, 32767, 32766]], np.int16)
    assert decided(made, extremes[::-1], 0).tolist() == extremes[0].tolist()


def test_where_no_probability_is_high_enough_silence_is_the_answer_although_another_class_wins(made):
    unit = round(1 / made.score_scale)
    doubtful = np.array([[0, 5, 4, 4], [3, 4, 4, 3]], np.int16) * unit
    assert golden.probability(made, doubtful).max(1).tolist() == [146, 93]
    assert decided(made, doubtful, 0, 146).argmax() == 1
    answer = decided(made, doubtful, 0, 147)
    assert answer.argmax() == 0 and answer[1:].tolist() == doubtful[1, 1:].tolist(), "the hop nearest to silence"
    full = np.array([[0, 32767, 32767]], np.int16)
    assert decided(made, full, 0).tolist() == [32768, 32767, 32767]


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
    assert streaming.settings(made.delay)["lag_ms"] == eval(formula, {}, values)


def test_the_sweep_names_the_shortest_average_that_loses_nothing_significant():
    target = np.arange(400) % 12
    right, wrong = np.eye(12, dtype=np.int16)[target], np.eye(12, dtype=np.int16)[(target + 1) % 12]
    poor, fair = right.copy(), right.copy()
    poor[:40], fair[:2] = wrong[:40], wrong[:2]
    text = stream_choices.lengths_table({10: poor, 20: fair, 30: right, 40: fair}, target, LABELS, 58)
    assert "best: 30" in text and "significantly against it: 20;" in text
    lines = text.splitlines()
    assert [int(line.split()[0]) for line in lines[1:5]] == [10, 20, 30, 40]
    assert lines[1].split()[1:3] == ["630", "90.00%"] and "10.00" in lines[1]
    assert SILENCE in lines[0] and UNKNOWN in lines[0]


def test_a_word_is_reported_once_it_was_sure_often_enough_while_it_won_and_the_examples_rule_is_the_one_measured():
    winner = np.array([3] * 10 + [4] * 4 + [3] * 5 + [1] * 9 + [3] * 9)
    probability = np.array([200] * 10 + [255] * 4 + [200] * 5 + [255] * 9 + [200, 99] * 4 + [200])
    assert decisions.word_classes(LABELS) == set(range(2, 12))
    assert decisions.reported(winner, probability, {3, 4}, Rule(100, 5)) == [(4, 3), (18, 3), (36, 3)]
    assert decisions.reported(winner, probability, {3, 4}, Rule(200, 5)) == [(4, 3), (18, 3), (36, 3)]
    assert decisions.reported(winner, probability, {3, 4}, Rule(201, 4)) == [(13, 4)]
    assert decisions.reported(winner, probability, {3, 4}, Rule(255, 4)) == [(13, 4)]
    assert decisions.reported(winner, probability, {3, 4}, Rule(201, 5)) == []
    for example in ("examples/baremetal/main.c", "firmware_gen/templates/export/_listen.j2"):
        source = (Path(__file__).parents[2] / example).read_text()
        own = [re.search(rf"\b{name} = (\d+)", source)[1] for name in ("DETECTION_THRESHOLD", "AGREEING_HOPS")]
        assert [*map(int, own)] == [*decisions.EXAMPLE] and decisions.EXAMPLE in decisions.RULES


def test_what_the_example_reports_is_counted_by_what_was_said():
    target = np.array([0, 0, 1, 1, 2, 3, 4, 5])
    words = {Rule(200, 7): np.array([-1, 7, -1, -1, 2, 2, -2, -1])}
    line = stream_choices.rules_table(words, target, LABELS).splitlines()[1]
    assert line.split() == ["200", "of", "255", "7", "25.0%", "50.0%", "25.0%", "50.0%", "0.0%"]


def test_the_sweep_runs_over_validation_clips(tau1_build, tiny_speech_commands, capsys):
    stream_choices.main(["--build", str(tau1_build), "--data", str(tiny_speech_commands)])
    said = capsys.readouterr().out
    assert "validation split" in said and f"the default is {render.STREAM_COLUMNS}" in said
    assert f"the default is {DETECTION_THRESHOLD}" in said
    assert len(said.splitlines()) == 9 + sum(
        len(some) for some in (stream_choices.COLUMNS, stream_choices.PROBABILITIES, decisions.RULES)
    )


def test_the_sweep_without_validation_clips_is_one_line(tau1_build, tiny_speech_commands, failure, monkeypatch):
    test_set = tiny_speech_commands / dataset.archive_names(2)[1]
    assert "validation" in failure(stream_choices.main, "--build", tau1_build, "--data", test_set)
    monkeypatch.delenv("GSC_ROOT", raising=False)
    assert "GSC_ROOT" in failure(stream_choices.main, "--build", tau1_build)
