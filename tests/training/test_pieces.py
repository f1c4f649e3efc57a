"""Pieces of recorded speech: where recordings are cut, what is written, and what happens without any."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from common.description import FEATURES
from training.data.recordings import excerpts, folders_of, read
from training.spoken import pieces
from training.spoken.acoustics import RATE

SECOND = FEATURES.clip_samples


def tone(seconds: float, level: float = 0.5, rate: int = RATE) -> np.ndarray:
    return level * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)


def cut(samples: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    return list(pieces.pieces(samples, np.random.default_rng(seed)))


@pytest.fixture
def recordings(tmp_path) -> Path:
    """Two recordings, of 30 and of 2 seconds, in stereo at 44.1 kHz; one named after a keyword; one without a sample."""
    folder = tmp_path / "recordings"
    (folder / "deep").mkdir(parents=True)
    words = np.tile(np.concatenate([tone(0.5, rate=44100), np.zeros(11025)]), 40)
    for name, samples in (
        ("long.flac", words),
        ("deep/short.ogg", words[:88200]),
        ("deep/no.wav", words[:88200]),
        ("empty.wav", words[:0]),
    ):
        soundfile.write(folder / name, np.stack([samples, 0.5 * samples], 1), 44100)
    return folder


def test_words_between_pauses_are_pieces_and_pauses_are_none():
    silence = np.zeros(RATE // 2)
    found = cut(np.concatenate([silence, tone(0.4), silence, tone(0.6, 0.2), silence]))
    assert len(found) == 2
    for piece, spoken in zip(found, (tone(0.4), tone(0.6, 0.2))):
        assert np.square(piece).sum() == pytest.approx(np.square(spoken).sum(), rel=0.1)
    assert cut(silence) == [] and cut(tone(0.1)) == [] and cut(np.zeros(0)) == []
    assert cut(tone(1.0, pieces.FAINTEST / 2)) == []


def test_speech_without_a_pause_is_cut_where_it_is_quietest_into_pieces_as_long_as_a_word():
    samples = np.concatenate([tone(0.4), tone(0.03, 0.2), tone(1.57)])
    for seed in range(10):
        found = cut(samples, seed)
        lengths = np.array([len(piece) for piece in found]) / RATE
        assert lengths[0] == pytest.approx(0.415, abs=0.04), "it ends within the dip"
        assert (lengths[:-1] >= pieces.SHORTEST).all() and (lengths <= pieces.LONGEST).all()
        np.testing.assert_array_equal(np.concatenate(found), samples[: sum(map(len, found))])


def test_a_piece_fades_at_both_ends_and_its_recording_is_left_as_it_was():
    piece = np.ones(1000)
    faded = pieces.faded(piece)
    assert faded[0] == faded[-1] == 0 and (faded[pieces.FADE : -pieces.FADE] == 1).all() and (piece == 1).all()


def test_recordings_are_read_in_excerpts_but_not_those_named_after_a_keyword(recordings):
    found = excerpts([recordings], pieces.EXCERPT)
    assert [(excerpt.path.name, round(excerpt.seconds, 2)) for excerpt in found] == [
        ("short.ogg", 2.0),
        ("long.flac", 20.0),
        ("long.flac", 10.0),
    ]
    assert len(read(found[2])) == 10 * RATE
    assert pieces.named(found[2], 2) == ["long.flac 20"] * 2
    assert excerpts([Path(f"{recordings} {recordings}")], pieces.EXCERPT) == found


@pytest.mark.parametrize("name", ["one two", "it's", "a 'b' c"])
def test_a_folder_is_taken_by_its_whole_name_and_else_its_words_are_several(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / "other").mkdir()
    assert folders_of([tmp_path / name, tmp_path / "other"]) == [tmp_path / name, tmp_path / "other"]
    several = Path(f"{shlex.quote(str(tmp_path / name))} {tmp_path}/other {tmp_path}/absent")
    assert folders_of([several]) == [tmp_path / name, tmp_path / "other", tmp_path / "absent"]
    assert folders_of([Path("no such"), Path("it's")]) == [Path("no such"), Path("it's")]


def test_no_more_is_read_than_the_clips_need(recordings):
    found = excerpts([recordings], pieces.EXCERPT)
    assert pieces.enough(found, 1000, 0) == found
    assert {len(pieces.enough(found, 1, seed)) for seed in range(5)} == {1}


def test_the_same_clips_are_cut_by_one_process_or_two_and_no_more_than_wanted(recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "CHUNK", 1)
    counts = [pieces.generate([recordings], 1000, 0, tmp_path / str(n), n) for n in (1, 2)]
    first, second = (pieces.load(tmp_path / name) for name in "12")
    assert counts == [len(first)] * 2 and len(first) > 30 and first.shape[1] == SECOND and np.array_equal(first, second)
    assert (np.abs(first.astype(int)).max(1) > 500).all(), "every clip has a sound in it"
    assert len({clip.tobytes() for clip in first}) == len(first), "each is recorded in its own way"
    pieces.main([str(recordings), "--out", str(tmp_path / "few"), "--clips", "7"])
    assert len(pieces.load(tmp_path / "few")) == 7


def test_a_folder_without_recordings_or_speech_and_a_damaged_file_give_one_line_and_nothing_is_written(tmp_path, failure):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    assert "RECORDINGS=DIR" in failure(pieces.main, "--out", out)
    assert "in: no recordings here" in failure(pieces.main, folder, "--out", out)
    soundfile.write(folder / "silence.wav", np.zeros(SECOND), RATE)
    assert "no speech in these recordings" in failure(pieces.main, folder, "--out", out)
    (folder / "bad.ogg").write_bytes(b"OggS, but no more")
    line = failure(pieces.main, folder, "--out", out)
    assert "bad.ogg: cannot be read" in line and "remove it" in line
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_one_line_before_the_work(recordings, tmp_path, failure, read_only, monkeypatch):
    monkeypatch.setattr(pieces, "generate", lambda *arguments: pytest.fail("it began to cut"))
    line = failure(pieces.main, recordings, "--out", tmp_path / "out")
    assert line == f"error: {tmp_path / 'out'}: Read-only file system" and not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [("--clips", 0), ("--processes", 0), ("--seed", -1)], ids=str)
def test_a_bad_option_gives_one_line(tmp_path, failure, options):
    assert options[0] in failure(pieces.main, tmp_path, "--out", tmp_path / "out", *options)


def test_a_folder_without_pieces_is_one_line_that_names_the_command(tmp_path):
    with pytest.raises(pieces.UserError, match="no pieces of speech here; make them with `python -m training.speech"):
        pieces.load(tmp_path)
