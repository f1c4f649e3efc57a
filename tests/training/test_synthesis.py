"""Synthetic words and running speech: the list, the plan, the sound of a clip, and what is said where they fail."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from common.description import FEATURES, KEYWORDS
from training.data import clip_folder
from training.data.clip_folder import ARRAY, LIST
from training.spoken import synthesis, voices
from training.spoken.synthesisers import espeak, flite, program

SECOND = FEATURES.clip_samples
HOMOPHONES = {"know", "write", "rite", "wright", "knows", "oh"}


@pytest.fixture
def tones(monkeypatch):
    """Synthesisers replaced by half a second a word of a tone at 22,050 Hz; returns the texts they are given."""
    texts = []

    def say(text, accents, rng):
        texts.append((text, accents))
        return 0.5 * np.sin(2 * np.pi * 700 * np.arange(11025 * len(text.split())) / 22050), 22050

    monkeypatch.setattr(synthesis.voices, "say", say)
    return texts


@pytest.fixture
def needs_synthesisers():
    for name in voices.SYNTHESISERS:
        if shutil.which(name) is None:
            pytest.skip(f"needs {name}")


def test_hundreds_of_other_words_and_none_sounds_like_a_keyword():
    words = set(synthesis.other_words())
    assert len(words) > 500 and not words & (set(KEYWORDS) | HOMOPHONES)
    assert set(synthesis.DATASET_WORDS) <= words and len(synthesis.DATASET_WORDS) == 25


def test_the_plan_has_each_keyword_equally_often_and_the_data_sets_words_more_often_than_others():
    words = synthesis.plan(20_000, 100, 50, seed=0)
    count = Counter(words)
    assert len(words) == 20_150 and {count[word] for word in KEYWORDS} == {10} and count[synthesis.RUNNING] == 50
    rest = set(count) - set(KEYWORDS) - set(synthesis.DATASET_WORDS) - {synthesis.RUNNING}
    ratio = np.mean([count[w] for w in synthesis.DATASET_WORDS]) / np.mean([count[w] for w in rest])
    assert 3 < ratio < 5
    assert synthesis.plan(20_000, 100, 50, seed=0) == words != synthesis.plan(20_000, 100, 50, seed=1)


def test_clips_differ_in_level_and_place_and_each_depends_on_its_seed_alone(tones):
    clips = synthesis.chunk(["bed"] * 40, seed=3, first=10)
    assert clips.shape == (40, SECOND) and clips.dtype == np.int16
    np.testing.assert_array_equal(clips[7], synthesis.clip("bed", (3, 17)))
    peak = np.abs(clips.astype(int)).max(1) / 32767
    assert peak.min() < 0.15 and peak.max() > 0.6 and peak.max() <= 1
    loudest = np.abs(clips.astype(int)).argmax(1)
    assert np.ptp(loudest) > SECOND / 4


def test_running_speech_is_a_second_out_of_many_other_words_none_of_them_the_data_sets(tones):
    clips = synthesis.chunk([synthesis.RUNNING] * 30, seed=3, first=0)
    assert clips.shape == (30, SECOND) and clips.dtype == np.int16
    text, accents = zip(*tones)
    assert {len(words.split()) for words in text} == {*range(*synthesis.WORDS_AT_ONCE)}
    spoken = {word for words in text for word in words.split()}
    assert spoken <= set(synthesis.other_words()) - set(synthesis.DATASET_WORDS) and {*accents} == {voices.LANGUAGES}
    tenths = np.sqrt(np.square(clips.astype(float)).reshape(30, 10, -1).mean(2))
    assert (tenths.min(1) > 0.3 * tenths.max(1)).all(), "it fills the second"


def test_each_synthesiser_speaks_in_voices_of_its_own(needs_synthesisers, monkeypatch):
    commands, run = [], program.run
    for module in (espeak, flite):
        monkeypatch.setattr(module, "run", lambda command: commands.append(command) or run(command))
    for seed in range(12):
        samples, rate = voices.say("seven", voices.ACCENTS, np.random.default_rng(seed))
        assert np.abs(samples).max() > 0.05 and 0.2 < len(samples) / rate < 2
    count = Counter(command[0] for command in commands)
    assert {*count} == {*voices.SYNTHESISERS} and len({tuple(command) for command in commands}) == 12
    again = voices.say("seven", voices.ACCENTS, np.random.default_rng(11))
    assert np.array_equal(again[0], samples) and again[1] == rate


def test_a_synthesiser_that_fails_is_one_line(needs_synthesisers):
    with pytest.raises(voices.UserError, match="espeak-ng -v nowhere.*is espeak-ng complete"):
        program.run(["espeak-ng", "-v", "nowhere", "--stdout", "seven"])


def test_what_is_written_is_read_back_the_same_by_one_process_or_two(needs_synthesisers, tmp_path):
    words = synthesis.plan(101, 10, 10, seed=0)
    for processes in (1, 2):
        synthesis.generate(words, 0, tmp_path / str(processes), processes)
    (first, spoken), (second, _) = (synthesis.load(tmp_path / name) for name in "12")
    assert spoken == words and np.array_equal(first, second)
    assert (np.abs(first.astype(int)).max(1) > 500).all(), "every clip has a sound in it"


@pytest.fixture
def spoken(tones, tmp_path, monkeypatch) -> Path:
    """A folder that the stand-in has spoken."""
    monkeypatch.setattr(voices, "missing", list)
    words = synthesis.plan(60, 20, 20, seed=5)
    clip_folder.write(tmp_path / "made", words, 5, [(0, synthesis.chunk(words, 5, 0))])
    return tmp_path / "made"


def say_otherwise(monkeypatch, folder: Path) -> None:
    say = synthesis.voices.say
    monkeypatch.setattr(synthesis.voices, "say", lambda *a: (say(*a)[0] ** 3, say(*a)[1]))


def place_otherwise(monkeypatch, folder: Path) -> None:
    placed = synthesis.placed
    monkeypatch.setattr(synthesis, "placed", lambda *a: placed(*a)[::-1])


def know_another_word(monkeypatch, folder: Path) -> None:
    words = synthesis.other_words()
    monkeypatch.setattr(synthesis, "other_words", lambda: sorted([*words, "zzz"]))


def forget_the_seed(monkeypatch, folder: Path) -> None:
    record = json.loads((folder / LIST).read_text())
    (folder / LIST).write_text(json.dumps({"words": record["words"]}))


def record_another_seed(monkeypatch, folder: Path) -> None:
    record = json.loads((folder / LIST).read_text())
    (folder / LIST).write_text(json.dumps({**record, "seed": 6}))


@pytest.mark.parametrize("change", [say_otherwise, place_otherwise, know_another_word, forget_the_seed, record_another_seed])
def test_a_folder_that_would_be_spoken_otherwise_now_is_refused(spoken, monkeypatch, change):
    synthesis.check(spoken)
    change(monkeypatch, spoken)
    with pytest.raises(synthesis.UserError, match="made: made by another version .* make it again with `python -m training"):
        synthesis.check(spoken)


def test_clips_that_another_processor_rounded_are_the_same(spoken):
    audio = np.load(spoken / ARRAY)
    np.save(spoken / ARRAY, audio.clip(-30_000, 30_000) + (audio % 2).astype(np.int16))
    synthesis.check(spoken)


def test_without_a_synthesiser_nothing_is_compared_and_a_line_says_so(spoken, monkeypatch, capsys):
    monkeypatch.setattr(voices, "missing", lambda: ["flite"])
    say_otherwise(monkeypatch, spoken)
    synthesis.check(spoken)
    assert "taken as it is, for flite is not here" in capsys.readouterr().out


def test_clips_that_others_spoke_as_well_are_taken_as_they_are(spoken, monkeypatch, capsys):
    audio, words = synthesis.load(spoken)
    clip_folder.write(spoken, words, 5, [(0, np.array(audio))], speakers=["flite", "pico"])
    say_otherwise(monkeypatch, spoken)
    synthesis.check(spoken)
    assert "taken as it is, for pico spoke as well, and is not compared" in capsys.readouterr().out


def test_words_are_said_by_whom_the_caller_names_and_a_note_tells_it(needs_synthesisers, tones, tmp_path, monkeypatch):
    mix = [synthesis.Voice("flite", "slt"), synthesis.Voice("espeak-ng", "en-gb+f1")]
    monkeypatch.setattr(synthesis.speakers, "say", lambda text, voice, rng: synthesis.voices.say(text, voice.name, rng))
    synthesis.chunk(["seven"] * 20 + [synthesis.RUNNING], 0, 0, mix)
    assert {by for text, by in tones} == {"slt", "en-gb+f1", voices.LANGUAGES}
    synthesis.generate(synthesis.plan(3, 2, 1, seed=0), 0, tmp_path / "made", 1, mix)
    assert clip_folder.speakers_of(tmp_path / "made") == ["espeak-ng", "flite"]


def test_a_command_killed_between_two_renames_leaves_no_list_beside_other_clips(spoken, monkeypatch):
    def killed(*arguments):
        raise KeyboardInterrupt

    words = synthesis.plan(60, 20, 20, seed=6)
    monkeypatch.setattr(clip_folder, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        clip_folder.write(spoken, words, 6, [(0, synthesis.chunk(words, 6, 0))])
    with pytest.raises(synthesis.UserError, match="no synthetic words here"):
        synthesis.load(spoken)


@pytest.mark.parametrize(
    "name, content",
    [
        (LIST, b"[]"),
        (LIST, b'{"words": 3}'),
        (LIST, b'{"words": [3]}'),
        (LIST, b"\xff"),
        (ARRAY, b""),
        (ARRAY, b"\x93NUMPY"),
        (ARRAY, b"no array"),
    ],
    ids=str,
)
def test_a_damaged_folder_is_one_line(spoken, name, content):
    (spoken / name).write_bytes(content)
    with pytest.raises(synthesis.UserError, match="make them (again )?with `python -m training.synthesis"):
        synthesis.load(spoken)


def test_without_the_synthesiser_one_line_names_the_remedy_and_nothing_is_written(tmp_path, monkeypatch, failure):
    monkeypatch.setenv("PATH", str(tmp_path))
    line = failure(synthesis.main, "--out", tmp_path / "out")
    assert "espeak-ng is not installed" in line and "apt-get install espeak-ng flite" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options", [("--others", 0), ("--keywords", 0), ("--running", 0), ("--processes", 0), ("--seed", -1)], ids=str
)
def test_a_bad_option_gives_one_line(tmp_path, failure, options):
    assert options[0] in failure(synthesis.main, "--out", tmp_path / "out", *options)


def test_a_folder_without_synthetic_words_is_one_line_that_names_the_command(tmp_path):
    with pytest.raises(synthesis.UserError, match="python -m training.synthesis --out"):
        synthesis.load(tmp_path)


def test_clips_that_do_not_match_their_list_are_refused(tmp_path):
    np.save(tmp_path / ARRAY, np.zeros((2, SECOND), np.int16))
    (tmp_path / LIST).write_text('{"words": ["bed"]}')
    with pytest.raises(synthesis.UserError, match="2 clips but 1 words"):
        synthesis.load(tmp_path)
