"""A network for own words is judged on what it was not trained with; the worst sounds are found and can be listened to."""

from __future__ import annotations

import base64
import io
import re
import shutil
from pathlib import Path

import axe
import numpy as np
import pytest
import soundfile

from benchmarks.keyword import __main__ as command, measure, page
from benchmarks.keyword.measure import Found, Measured, Said
from benchmarks.listening import continuous, thresholds, tune
from benchmarks.listening.continuous import Scored
from benchmarks.listening.thresholds import Answers, Counts
from common.description import FEATURES, LABELS, SILENCE, UNKNOWN
from common.errors import UserError
from common.shipped import checkpoint_path
from convert import calibration
from detector.settings import PAUSE_MS, SENSITIVITIES, Settings, Threshold, every_word, preset_of
from training.data import clip_folder
from training.keyword import held_out, material, speech
from training.keyword.speech import Item

NAMES = (SILENCE, UNKNOWN, "computer")
RATE = FEATURES.sample_rate


def answers(*runs: tuple[int, int, int]) -> Answers:
    """(hops, class, probability) in a row."""
    return Answers(*(np.concatenate([np.full(run[0], run[which], np.uint8) for run in runs]) for which in (1, 2)))


def scored(path: Path, heard: Answers) -> Scored:
    return Scored(path, len(heard.winner) * FEATURES.hop, *heard)


def test_the_surest_false_accepts_come_first_and_one_is_listed_once(tmp_path):
    amid_speech = (300, 1, 250), (50, 2, 255), (300, 1, 250)
    heard = answers((300, 0, 250), (40, 2, 200), (300, 0, 250), (30, 2, 240), *amid_speech)
    path = tmp_path / "radio.wav"
    soundfile.write(path, np.arange(len(heard.winner) * FEATURES.hop) % 30000 / 32768, RATE)
    found = measure.worst_false_accepts([scored(path, heard)], [2], NAMES, 0)
    assert [row.probability for row in found] == [240, 200]
    seconds = [float(re.search(r"at ([\d.]+) s", row.name)[1]) for row in found]
    first = continuous.FIRST_MS / 1000
    assert seconds == pytest.approx([6.55 + first, 3.2 + first], abs=0.2)  # the middles of the runs
    assert all(len(row.sound) == 2 * RATE for row in found)


def test_recordings_of_the_user_lead_the_misses():
    said = Said([np.zeros(9, np.int16)] * 3, np.array([2, 2, 2]), ["a", "b", "c"], np.array([False, False, True]))
    heard = [answers((99, 1, 250)), answers((99, 2, 250)), answers((99, 2, 100), (9, 1, 9))]
    assert [row.name for row in measure.worst_misses(said, heard)] == ["c", "a", "b"]


@pytest.mark.parametrize("recordings", [1, 2, 4, 7])
def test_few_recordings_are_shared_out_word_by_word_and_a_single_one_is_reported_on(recordings):
    names = [f"word-{number}.wav" for number in range(40)] + [f"{number}-take.wav" for number in range(2 * recordings)]
    target = np.array([2, 3] * 20 + [2] * recordings + [3] * recordings)
    said = Said([], target, names, np.arange(len(names)) >= 40)
    side = measure.halves(said)
    for word in (2, 3):
        own = side[said.recorded & (target == word)]
        assert abs((own == 1).sum() - (own == 0).sum()) <= 1
        voices = side[~said.recorded & (target == word)]
        assert (voices == 1).sum() == (voices == 0).sum() == 10
    one = said._replace(target=target[:41], names=names[:41], recorded=said.recorded[:41])
    assert measure.halves(one)[40] == 1


@pytest.mark.parametrize("clips", [1, 2, 5, 40])
def test_no_word_that_is_reported_on_is_among_those_that_an_epoch_is_chosen_by(clips, tmp_path):
    labels = (*NAMES, "lights out")
    kinds = [(kind, word) for word in labels[2:] for kind in (speech.WORD, speech.ALIKE)]
    items = [Item(kind, word) for kind, word in kinds for _ in range(clips)] + [Item(speech.RUNNING, "")] * clips
    audio = np.arange(1, len(items) + 1, dtype=np.int16)[:, None].repeat(RATE, 1)
    test = material.Spoken(items, audio, [])
    held_out.save_test(tmp_path / held_out.TEST, test, labels)
    said = measure.words_said(tmp_path, labels)
    side, last = measure.halves(said), np.array([sound[-1] for sound in said.sounds])
    chosen = held_out.to_choose_on(test, labels)
    target = speech.target([item.name for item in chosen.items], labels)
    assert {*chosen.audio[target != labels.index(UNKNOWN), 0]} == {*last[side == 0]}
    assert not {*chosen.audio[:, 0]} & {*last[side == 1]}
    assert all(abs(int(np.sum(2 * side[said.target == word] - 1))) <= 1 for word in (2, 3))
    assert abs(len(chosen.items) - len(items) / 2) <= len(labels)


def test_negatives_in_which_the_word_is_said_are_refused(tmp_path):
    word, speech = answers((50, 1, 250), (60, 2, 250), (50, 1, 250)), answers((160, 1, 250))
    preset = preset_of(every_word(NAMES, Threshold(204, 20)), PAUSE_MS, NAMES)
    measure.check_negatives([scored(tmp_path / f"{n}.wav", speech if n % 2 else word) for n in range(6)], preset)
    with pytest.raises(UserError, match="heard in 6 of 6"):
        measure.check_negatives([scored(tmp_path / f"{n}.wav", word) for n in range(6)], preset)
    synthetic = [scored(tmp_path / f"{held_out.SYNTHETIC}-{n}.flac", word) for n in range(6)]
    measure.check_negatives(synthetic, preset)


def test_no_recording_without_words_is_in_both_halves_where_there_are_enough(tmp_path):
    def pieces(recordings: int, number: int = 3) -> list[Scored]:
        names = [f"radio {r}-{60 * n}-{r * number + n}.flac" for r in range(recordings) for n in range(number + r % 2)]
        names += [f"{held_out.SYNTHETIC}-{n}.flac" for n in range(90, 99)]
        return [scored(tmp_path / name, answers((600, r % 9, 255))) for r, name in enumerate(names)]

    for recordings, shared in ((6, False), (tune.LEAST, False), (tune.LEAST - 1, True), (1, True), (0, False)):
        own, synthetic = measure.halved(pieces(recordings))
        assert own.shared == shared and not synthetic.shared and [*map(len, synthetic.parts)] == [5, 4]
        assert abs(own.hours[0] - own.hours[1]) <= 4 * 6 / 3600
        assert sum(own.hours) == pytest.approx(6 * sum(3 + r % 2 for r in range(recordings)) / 3600)
    assert [*map(len, measure.halved(pieces(1, 1))[0].parts)] == [1, 0]
    assert held_out.recording_of(Path("synthetic-60-3.flac")) == "synthetic", "a recording of that name"
    assert not held_out.is_synthetic(Path("synthetic-60-3.flac"))


def test_that_minutes_of_the_same_recordings_are_chosen_and_reported_on_is_told():
    assert command.doubts(measured(90, 7)._replace(shared=True))[0].startswith("fewer than 4 recordings of NEGATIVES")


def test_how_much_of_the_hours_is_recorded_is_told():
    found = command.figures(measured(90, 7))["negatives"]
    assert found.startswith("2.00 hours to report on, 1.50 of recordings of yours and 0.50 of synthetic speech; 1 hour to ")


def measured(hit: int, recordings: int | None, reports: int = thresholds.FEW) -> Measured:
    """A network that hears `hit` of 100 words in voices, and so many of 8 recordings, at every threshold; of `reports` false
    accepts in 3 hours to choose on, and none in 2 hours to report on."""

    def counts(said: int, hit: int, reports: int = 0, hours: float = 2.0) -> Counts:
        rows = np.zeros((len(thresholds.GRID), 3), np.int64)
        rows[:, 2] = hit
        return Counts(rows, np.array([0, 0, said]), np.full_like(rows, reports), hours)

    presets = dict.fromkeys(SENSITIVITIES, every_word(NAMES, thresholds.GRID[0]))
    own = None if recordings is None else counts(8, recordings)
    points = [{"rate": 4.0, "missed": 0.0, "words": {}}, {"rate": 0.5, "missed": 0.2, "words": {}}]
    found = [Found("radio <1>.wav", 200.0, np.arange(50, dtype=np.int16))]
    made, on = Settings(NAMES, presets, "1 hour", "abc"), counts(100, hit, reports, 3.0)
    return Measured(made, counts(100, hit), own, points, found, found, 1.5, False, on)


def test_the_figures_are_of_voices_and_of_recordings_apart():
    found = command.figures(measured(90, 2))["medium sensitivity"]
    assert "0.0 [0.0, 1.8] false accepts an hour" in found
    assert "10.0 [5.5, 17.4] % of 100 words in held-out voices missed" in found
    assert "75.0 [40.9, 92.9] % of 8 held-back recordings missed" in found
    assert "recordings missed" not in command.figures(measured(90, None))["medium sensitivity"]


def test_recordings_that_are_mostly_missed_are_doubted():
    assert "6 of 8" in command.doubts(measured(90, 2))[0]
    assert command.doubts(measured(90, 7)) == command.doubts(measured(90, None)) == []


def test_a_network_that_hears_little_and_negatives_that_tell_little_are_told():
    assert "misses 60 of 100 words: more CLIPS" in command.doubts(measured(40, None))[0]
    lines = command.doubts(measured(90, None, 0))
    assert [line.split(":")[0] for line in lines] == [*SENSITIVITIES]
    assert "in 3.00 hours, 0 were counted" in lines[0], "of the hours to choose on, not of those to report on"


def test_the_page_holds_its_sounds_and_its_curve():
    text = page.page("computer", ["a < b"], measured(90, 7))
    data = re.findall(r'src="data:audio/wav;base64,([^"]+)"', text)
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(data[0])), dtype="int16")
    assert len(data) == 2 and rate == RATE and (samples == np.arange(50)).all()
    assert "a &lt; b" in text and "radio &lt;1&gt;.wav" in text and "http" not in text
    left, right = (point.split(",") for point in re.search(r'<polyline points="([^"]+)"', text)[1].split()[::-1])
    assert float(left[0]) < float(right[0]) and float(left[1]) < float(right[1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_in_the_page(chromium, tmp_path, scheme):
    path = tmp_path / "keyword.html"
    path.write_text(page.page("computer", ["a < b"], measured(90, 7)), "utf-8")
    chromium.problems = []
    chromium.open(path.as_uri())
    axe.put_into(chromium)
    chromium.shape(700, 900, scheme)
    found = axe.check(chromium)
    assert found["violations"] == [] and found["undecided"] == [] and "color-contrast" in found["passed"]
    players = "[...document.querySelectorAll('audio')].map((player) => player.getAttribute('aria-label'))"
    assert chromium.evaluate(players) == ["radio <1>.wav"] * 2 and chromium.problems == []


def test_the_calibration_clips_beside_a_checkpoint_for_other_words_are_taken(tmp_path):
    path = tmp_path / "keyword.safetensors"
    assert calibration.for_checkpoint(path, NAMES).source == calibration.shipped().source
    rows = [NAMES[index % 3] for index in range(calibration.CLIPS)]
    audio = np.random.default_rng(0).integers(-9000, 9000, (len(rows), RATE), np.int16)
    clip_folder.write(calibration.beside(path), rows, 0, [(0, audio)])
    clips = calibration.for_checkpoint(path, NAMES)
    assert len(clips.names) == calibration.CLIPS and calibration.missing_words(clips, NAMES) == []
    assert calibration.for_checkpoint(path, LABELS).source == calibration.shipped().source
    clip_folder.write(calibration.beside(path), rows[:9], 0, [(0, audio[:9])])
    with pytest.raises(UserError, match="9 clips, but"):
        calibration.for_checkpoint(path, NAMES)


def test_where_nothing_was_trained_one_line_says_what_to_run(failure, tmp_path):
    assert "run `make keyword" in failure(command.main, "--words=computer", f"--out={tmp_path}")
    path = tmp_path / command.NAME
    shutil.copy(checkpoint_path(1), path)
    (tmp_path / held_out.MARK).write_text(f"{64 * '0'}\n")
    line = failure(command.main, "--words=computer", f"--out={tmp_path}")
    assert "what is held back there is of another network than keyword.safetensors" in line and "run `make keyword`" in line
    assert "above 0" in failure(command.main, "--words=computer", "--false-accepts=0", f"--out={tmp_path}")
