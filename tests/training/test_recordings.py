"""Recordings: which are found, and that every sample of one is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from common.errors import UserError
from common.shipped import ROOT
from training.data import recordings
from training.data.recordings import Excerpt
from training.field import backgrounds
from training.keyword import negatives

LINES = [
    ([], ""),
    (["no.wav"], "a sound file ({0}/no.wav) named after a keyword"),
    (
        ["no.wav", "x.m4a", "y.wma"],
        "a sound file ({0}/no.wav) named after a keyword, and 2 sound files ({0}/x.m4a, …) in formats that cannot be read: "
        "write it anew (`ffmpeg -i IN OUT.flac`)",
    ),
]
"""Files beside one that is heard, and what is said of them."""


def test_each_recording_is_found_once_in_the_order_of_paths_and_those_named_after_keywords_are_named(tmp_path):
    for name in ("b/1.wav", "a.OGG", "b/c/No.wav", "off.flac", "b/2.wav", "notes.txt", "b/d.m4a", "e.WMA"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.wav").mkdir()
    found = recordings.find([tmp_path, tmp_path / "b"])
    assert found.paths == [tmp_path / name for name in ("a.OGG", "b/1.wav", "b/2.wav")]
    assert found.named == [tmp_path / name for name in ("b/c/No.wav", "off.flac")]
    assert found.unread == [tmp_path / name for name in ("b/d.m4a", "e.WMA")]


def test_files_are_skipped_that_are_named_after_a_word_of_the_network_as_it_is_written_in_names_of_files(tmp_path):
    for name in ("Hey_Computer.wav", "gru\u0308n.wav", "off.wav", "_unknown_.wav"):
        (tmp_path / name).touch()
    found = recordings.find([tmp_path], ("_silence_", "_unknown_", "hey computer", "gr\u00fcn"))
    assert [path.name for path in found.named] == ["Hey_Computer.wav", "gru\u0308n.wav"]
    assert [path.name for path in found.paths] == ["_unknown_.wav", "off.wav"]
    assert recordings.find([tmp_path], ()).named == []


@pytest.mark.parametrize("names, line", LINES)
def test_a_line_says_how_many_files_are_passed_over_and_why(tmp_path, capsys, names, line):
    for name in ("a.wav", *names):
        soundfile.write(tmp_path / name, np.zeros(9), 16000, format="WAV")
    for read in (recordings.find_and_tell, lambda folders: recordings.excerpts(folders, 1), read_all):
        read([tmp_path])
        said = capsys.readouterr().out
        assert said == (f"passed over {line.format(tmp_path)}\n" if line else "")


def read_all(folders: list[Path]) -> None:
    """As the field recipe reads speech."""
    backgrounds.read_all(folders, "speech")


def test_a_folder_of_formats_that_cannot_be_read_is_one_line_with_the_remedy(tmp_path):
    (tmp_path / "a.m4a").touch()
    with pytest.raises(
        UserError, match=r"a sound file \(.*a\.m4a\) in formats that cannot be read; write it anew \(`ffmpeg"
    ):
        recordings.find([tmp_path])


def test_the_documentation_lists_every_suffix():
    text = (ROOT / "docs" / "listening.md").read_text()
    assert all(f"`{suffix}`" in text for suffix in recordings.SUFFIXES)


@pytest.mark.parametrize("suffix", sorted(recordings.SUFFIXES))
def test_every_suffix_is_of_a_format_that_is_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    kind = {".aifc": "AIFF", ".snd": "AU", ".sph": "NIST", ".oga": "OGG", ".opus": "OGG", ".aif": "AIFF"}.get(suffix)
    if suffix == ".mp2":  # libsndfile reads it, and does not write it: silent frames of 36 ms
        path.write_bytes((bytes.fromhex("fffd18c0") + bytes(140)) * 50)
    else:
        soundfile.write(path, np.zeros(32000), 16000, format=kind, subtype="OPUS" if suffix == ".opus" else None)
    assert recordings.header(path)[0] > 20000 and len(recordings.read(recordings.excerpts([tmp_path], 1)[0])) > 10000


@pytest.mark.parametrize("kind", ["recording.wav", "recording.flac"])
def test_a_whole_recording_is_read_block_by_block_its_channels_averaged(tmp_path, kind):
    samples = np.random.default_rng(0).integers(-32768, 32768, (2500, 2))
    soundfile.write(tmp_path / kind, samples.astype(np.int16), 1000)
    blocks = [*recordings.blocks(tmp_path / kind, 1)]
    assert recordings.header(tmp_path / kind) == (2500, 1000) and [len(block) for block in blocks] == [1000, 1000, 500]
    assert np.array_equal(np.concatenate(blocks), np.rint(samples.sum(1) / 2))


def test_what_is_beyond_full_scale_saturates(tmp_path):
    path = tmp_path / "float.wav"
    soundfile.write(path, np.array([1.5, -1.5, 0.5, 1 / 32768]), 16000, "FLOAT")
    assert np.concatenate([*recordings.blocks(path, 1)]).tolist() == [32767, -32768, 16384, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_every_reader_refuses_what_is_no_number_in_a_line_that_names_the_file(tmp_path, value):
    path = tmp_path / "float.wav"
    samples = np.full((8000, 2), 0.1)
    samples[4000, 1] = value
    soundfile.write(path, samples, 8000, "FLOAT")
    whole = Excerpt(path, 0, 8000, 8000)
    readers = (
        lambda: next(recordings.blocks(path, 1)),
        lambda: recordings.read(whole),
        lambda: negatives.sound(whole),
        lambda: backgrounds.read(path),
    )
    for read in readers:
        with pytest.raises(UserError, match="float.wav: holds samples that are not numbers; remove it"):
            read()


def test_a_damaged_recording_is_one_line(tmp_path):
    path = tmp_path / "bad.ogg"
    path.write_bytes(b"OggS, but no more")
    for read in (recordings.header, lambda path: next(recordings.blocks(path, 1))):
        with pytest.raises(UserError, match="bad.ogg: cannot be read .*; remove it"):
            read(path)


@pytest.mark.parametrize("left", [44, 45, 1000])
def test_a_wav_file_that_ends_too_early_is_one_line(tmp_path, left):
    path = tmp_path / "cut.wav"
    soundfile.write(path, np.ones(16000), 16000)
    path.write_bytes(path.read_bytes()[:left])
    for read in (recordings.header, lambda path: recordings.excerpts([path.parent], 1)):
        with pytest.raises(UserError, match=f"cut.wav: truncated, {32044 - left:,} bytes .*; fetch it again, or remove it"):
            read(path)


def test_a_missing_folder_and_a_file_in_its_place_are_told_from_an_empty_folder(tmp_path):
    (tmp_path / "one.wav").touch()
    (tmp_path / "empty").mkdir()
    for name, reason in (
        ("none", "no such folder; name one"),
        ("one.wav", "a file; name the folder that it is in"),
        ("empty", "no recordings here"),
    ):
        with pytest.raises(UserError, match=f"{name}: {reason}"):
            recordings.find([tmp_path, tmp_path / name])


def test_a_streamed_recording_that_states_no_length_is_one_line(tmp_path):
    path = tmp_path / "streamed.flac"
    soundfile.write(path, np.zeros(9), 16000)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # STREAMINFO: 36 bits of samples, 0 where unknown
    data[22:26] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(UserError, match="streamed.flac: states no length.*; write it anew"):
        recordings.excerpts([tmp_path], 1)
