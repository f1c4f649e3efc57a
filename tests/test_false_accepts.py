"""False accepts an hour: words in recordings are found where they are, and rates have exact intervals."""
from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import stats

from benchmarks import false_accepts
from benchmarks.decisions import EXAMPLE, RULES
from training.audio import read_wav
from training.description import FEATURES
from training.intervals import poisson

EXAMPLES = Path(__file__).parents[1] / "examples"
SECOND = FEATURES.sample_rate
WORDS = {"left": 3, "right": 7, "go": 11}
"""The words in the recording, and the seconds at which their clips begin."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    """A quarter of a minute with three words in it, and silence of a minute at 8 kHz and in stereo."""
    folder = tmp_path_factory.mktemp("recordings")
    samples = np.zeros(15 * SECOND, np.int16)
    for word, start in WORDS.items():
        samples[start * SECOND:(start + 1) * SECOND] = read_wav(EXAMPLES / f"{word}.wav")
    soundfile.write(folder / "words.wav", samples, SECOND)
    soundfile.write(folder / "silence.flac", np.zeros((60 * 8000, 2)), 8000)
    return folder


def run(recordings: Path, build: Path, capsys, *options: str) -> str:
    assert false_accepts.main([str(recordings), "--build", str(build), *options]) in (None, 0)
    return capsys.readouterr().out


def test_what_is_said_is_reported_at_the_second_of_its_middle(recordings, tau1_build, capsys):
    found = re.findall(r"words\.wav at ([\d.]+) s: (\w+)", run(recordings, tau1_build, capsys, "--list"))
    assert [word for _, word in found] == [*WORDS]
    for (second, _), start in zip(found, WORDS.values()):
        assert float(second) == pytest.approx(start + 0.5, abs=0.3)


def test_excerpts_of_a_recording_are_counted_from_its_beginning(recordings, tau1_build, capsys, monkeypatch):
    whole = run(recordings, tau1_build, capsys, "--list")
    monkeypatch.setattr(false_accepts, "EXCERPT", 5)
    halves = run(recordings, tau1_build, capsys, "--list")
    seconds = [[float(value) for value in re.findall(r"at ([\d.]+) s", text)] for text in (whole, halves)]
    np.testing.assert_allclose(*seconds, atol=0.05)


def test_every_rule_has_its_rate(recordings, tau1_build, capsys):
    text = run(recordings, tau1_build, capsys)
    assert "0.02 hours, 2 recordings" in text and "words.wav" not in text
    rows = [re.fullmatch(r" *(\d+) of 255 +(\d+) +(\d+) +([\d.]+)  \[([\d.]+), ([\d.]+)\] *(.*)", line)
            for line in text.splitlines()[2:2 + len(RULES)]]
    assert [(int(row[1]), int(row[2])) for row in rows] == [*RULES]
    own = rows[RULES.index(EXAMPLE)]
    assert own[7] == "left 1, right 1, go 1" and float(own[4]) == pytest.approx(3 / (75 / 3600), abs=0.05)
    low, high = poisson(int(own[3]))
    assert [float(own[5]), float(own[6])] == pytest.approx([low / (75 / 3600), high / (75 / 3600)], abs=0.05)


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
