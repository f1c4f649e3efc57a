"""False accepts an hour: words in recordings are found where they are, and rates have exact intervals."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import stats

from benchmarks.listening import continuous, false_accepts
from common import build_folder
from common.audio import read_wav
from common.description import FEATURES
from common.intervals import poisson
from common.resampling import by_spectrum
from detector import settings
from detector.settings import SENSITIVITIES
from training.spoken import acoustics

EXAMPLES = Path(__file__).parents[2] / "examples"
SECOND = FEATURES.sample_rate
WORDS = {"left": 3, "right": 7, "go": 11}
"""The words in the recording, and the seconds at which their clips begin."""


def example(word: str) -> np.ndarray:
    return read_wav(EXAMPLES / f"{word}.wav")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """A quarter of a minute with three words in it, silence of a minute at 8 kHz and in stereo, and two to pass over."""
    folder = tmp_path_factory.mktemp("recordings")
    samples = np.zeros(15 * SECOND, np.int16)
    for word, start in WORDS.items():
        samples[start * SECOND : (start + 1) * SECOND] = example(word)
    soundfile.write(folder / "words.wav", samples, SECOND)
    soundfile.write(folder / "silence.flac", np.zeros((60 * 8000, 2)), 8000)
    for name in ("no.wav", "deep/Yes.WAV"):
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, example("no"), SECOND)
    return folder


def run(recordings: Path, build: Path, capsys, *options: str) -> str:
    assert false_accepts.main([str(recordings), "--build", str(build), *options]) in (None, 0)
    return capsys.readouterr().out


def listed(text: str) -> list[tuple[str, float, str]]:
    """The file's name, second and word of every report of a list."""
    found = re.findall(r"^\S*?([\w.]+) at (-?[\d.]+) s: (\w+)$", text, re.M)
    return [(name, float(second), word) for name, second, word in found]


def test_what_is_said_is_reported_at_the_second_of_its_middle(recordings, tau1_build, capsys):
    found = listed(run(recordings, tau1_build, capsys, "--list", "high"))
    assert [(name, word) for name, _, word in found] == [("words.wav", word) for word in WORDS]
    for (_, second, _), start in zip(found, WORDS.values()):
        assert second == pytest.approx(start + 0.5, abs=0.3)


@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_seconds_and_hours_are_those_of_a_recording_of_any_rate(tau1_build, tmp_path, capsys, rate):
    sound = np.concatenate([np.zeros(7 * SECOND), example("yes"), np.zeros(10 * SECOND)])
    soundfile.write(tmp_path / "some.wav", by_spectrum(sound / 32768, rate / SECOND), rate)
    text = run(tmp_path, tau1_build, capsys, "--list", "high")
    ((name, second, word),) = listed(text)
    assert (name, word) == ("some.wav", "yes") and second == pytest.approx(7.5, abs=0.3)
    rate_an_hour = re.search(r"^ *high +1 +([\d.]+) ", text, re.M)[1]
    assert float(rate_an_hour) == pytest.approx(3600 / 18, abs=0.1)


def test_a_word_at_the_very_end_of_a_recording_is_reported_of_it_and_one_at_the_beginning_too(tau1_build, tmp_path, capsys):
    word = np.rint(32768 * acoustics.trim(example("yes") / 32768)).astype(np.int16)
    between = np.zeros(3 * SECOND, np.int16)
    soundfile.write(tmp_path / "1.wav", np.concatenate([between, word]), SECOND)
    soundfile.write(tmp_path / "2.wav", between, SECOND)
    soundfile.write(tmp_path / "3.wav", np.concatenate([word, between]), SECOND)
    soundfile.write(tmp_path / "4.wav", np.concatenate([between, example("yes")]), SECOND)
    found = listed(run(tmp_path, tau1_build, capsys, "--list", "high"))
    assert [(name, word) for name, _, word in found] == [("1.wav", "yes"), ("3.wav", "yes"), ("4.wav", "yes")]
    half = len(word) / SECOND / 2
    assert [second for _, second, _ in found] == pytest.approx([3 + half, half, 3.5], abs=0.3)


def test_every_sensitivity_has_its_rate(recordings, tau1_build, capsys):
    text = run(recordings, tau1_build, capsys)
    _, table = text.split("sensitivity   reports")
    assert not listed(text)
    rows = [
        re.fullmatch(r" *(\w+) +(\d+) +([\d.]+)  \[([\d.]+), ([\d.]+)\] *(.*)", line)
        for line in table.splitlines()[1 : 1 + len(SENSITIVITIES)]
    ]
    assert [row[1] for row in rows] == [*SENSITIVITIES]
    high = rows[-1]
    assert high[6] == "left 1, right 1, go 1" and float(high[3]) == pytest.approx(3 / (75 / 3600), abs=0.05)
    low, up = poisson(int(high[2]))
    assert [float(high[4]), float(high[5])] == pytest.approx([low / (75 / 3600), up / (75 / 3600)], abs=0.05)


def test_the_output_states_the_protocol_and_what_was_passed_over(recordings, tau1_build, capsys):
    passed, first, *protocol = run(recordings, tau1_build, capsys).split("sensitivity   reports")[0].splitlines()
    assert "0.02 hours, 2 recordings" in first
    assert passed == f"passed over 2 sound files ({recordings / 'deep' / 'Yes.WAV'}, …) named after a keyword"
    assert "\n".join(protocol).rstrip() == continuous.PROTOCOL
    assert "-60 dBFS" in continuous.PROTOCOL and "for 2 s before" in continuous.PROTOCOL


def test_files_named_after_words_of_the_network_are_passed_over_and_those_after_others_words_are_heard(
    tau1_build, tmp_path, capsys
):
    build, folder = shutil.copytree(tau1_build, tmp_path / "tau1"), tmp_path / "recordings"
    folder.mkdir()
    path = build / build_folder.CONVERSION
    conversion = json.loads(path.read_text())
    conversion["labels"][conversion["labels"].index("off")] = "hey computer"
    path.write_text(json.dumps(conversion))
    for name in ("Hey_Computer.wav", "off.wav", "on.wav"):
        soundfile.write(folder / name, np.zeros(3 * SECOND), SECOND)
    passed, first, *_ = run(folder, build, capsys).splitlines()
    assert passed == f"passed over 2 sound files ({folder / 'Hey_Computer.wav'}, …) named after a keyword"
    assert ", 1 recordings of" in first


def test_recordings_that_are_all_passed_over_are_one_line(tau1_build, tmp_path, failure):
    soundfile.write(tmp_path / "go.wav", example("go"), SECOND)
    line = failure(false_accepts.main, tmp_path, "--build", tau1_build)
    assert "all recordings are named after keywords, as go.wav; name a folder of others" in line


@pytest.mark.parametrize("count", [0, 1, 2, 17, 400])
def test_the_interval_of_a_count_is_the_exact_one(count):
    exact = (stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0, stats.chi2.ppf(0.975, 2 * count + 2) / 2)
    assert poisson(count) == pytest.approx(exact, rel=1e-9)


def test_a_folder_without_sound_or_a_missing_build_is_one_line(recordings, tau1_build, tmp_path, failure):
    assert "RECORDINGS=DIR" in failure(false_accepts.main, "--build", tau1_build)
    assert "no recordings here" in failure(false_accepts.main, tmp_path, "--build", tau1_build)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), SECOND)
    assert "no sound in these recordings" in failure(false_accepts.main, tmp_path, "--build", tau1_build)
    assert "make quantize" in failure(false_accepts.main, recordings, "--build", tmp_path / "nowhere")


def test_what_is_reported_is_cut_out_and_heard_again(recordings, tau1_build, tmp_path, capsys):
    folder = tmp_path / "saved"
    run(recordings, tau1_build, capsys, "--save", str(folder))
    saved = sorted(folder.iterdir())
    assert [path.name.split("-")[1] for path in saved] == [*WORDS]
    for path in saved:
        samples, rate = soundfile.read(path, dtype="int16")
        word = path.name.split("-")[1]
        assert rate == SECOND and len(samples) == (false_accepts.BEFORE + false_accepts.AFTER) * SECOND
        loud = np.abs(samples.astype(float))
        assert np.square(loud).sum() > 0.9 * np.square(example(word).astype(float)).sum()


def test_where_nothing_was_reported_nothing_is_saved(tau1_build, tmp_path, capsys):
    soundfile.write(tmp_path / "quiet.wav", np.zeros(3 * SECOND), SECOND)
    assert false_accepts.main([str(tmp_path), "--build", str(tau1_build), "--save", str(tmp_path / "saved")]) in (None, 0)
    assert "saved: not written, for nothing was falsely accepted" in capsys.readouterr().out
    assert not (tmp_path / "saved").exists()


def test_counts_of_other_thresholds_are_not_recorded_which_is_told_before_anything_is_heard(
    recordings, tau1_build, tmp_path, failure, monkeypatch
):
    build = shutil.copytree(tau1_build, tmp_path / "tau1")
    conversion = build_folder.load(build)
    made = settings.default(conversion["labels"])
    settings.save(build / settings.FILE, dataclasses.replace(made, native=conversion["native"]["sha256"]))
    monkeypatch.setattr(continuous, "listen", None)
    line = failure(false_accepts.main, recordings, "--build", build, "--record", "radio")
    assert "--record: the build's thresholds are not those of tau1.detector.json; run `make quantize TAU=1 DETECTOR=" in line


def test_a_place_for_excerpts_that_cannot_be_written_is_told_before_anything_is_heard(
    recordings, tau1_build, tmp_path, failure, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(continuous, "listen", None)
    line = failure(false_accepts.main, recordings, "--build", tau1_build, "--save", tmp_path / "file")
    assert "file: not a folder" in line
