"""What the user recorded, as a folder or as the zip file that the demo's page saves."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from common.audio import read_wav, wav_bytes
from common.errors import UserError
from common.shipped import EXAMPLES
from training.keyword import __main__ as command, recorded

YES = read_wav(EXAMPLES / "yes.wav")
WORD = np.pad(YES, 4000)
ROOM = np.random.default_rng(0).normal(0, 100, 90 * 16000).astype(np.int16)
FILES = {f"my_word/{number}.wav": wav_bytes(WORD) for number in range(6)}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_zip_file_gives_what_its_folder_gives(tmp_path):
    files = FILES | {"_background_/1.wav": wav_bytes(ROOM), "my_word/7.wav": wav_bytes(0 * WORD)}
    path = zipped(tmp_path / "words.zip", files)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    of_zip, of_folder = (recorded.read(source, ["my word"], [], 0) for source in (path, tmp_path / "folder"))
    for one, other in zip(of_zip.good, of_folder.good, strict=True):
        assert one.word == other.word == "my word" and np.array_equal(one.said, other.said)
    assert of_zip.kept.names + of_zip.back.names == ["1-60", "1-0"] and np.array_equal(
        of_zip.back.sounds[0], ROOM[: 60 * 16000]
    )
    assert [*map(len, of_folder.kept.sounds)] == [*map(len, of_zip.kept.sounds)]
    assert of_zip.bad == [f"{path}/my_word/7.wav: left out, too quiet; speak nearer to the microphone, or raise its gain"]


def test_the_sound_of_the_room_joins_the_negatives(tmp_path):
    radio = zipped(tmp_path / "radio.zip", {f"{number}.wav": wav_bytes(ROOM) for number in range(3)})
    with zipfile.ZipFile(radio) as archive:
        archive.extractall(tmp_path / "radio")
    path = zipped(tmp_path / "words.zip", FILES | {"_background_/1.wav": wav_bytes(ROOM)})
    found = recorded.read(path, ["my word"], [tmp_path / "radio"], 0)
    assert found.kept.hours + found.back.hours == pytest.approx(4 * 90 / 3600)
    assert recorded.read(None, ["my word"], [], 0) == ([], [], ([], []), ([], []))


@pytest.mark.parametrize("name", ["../up/1.wav", "/up/1.wav", "my_word/../../up.wav", "..\\up.wav"])
def test_a_zip_file_with_paths_outside_of_it_is_refused_and_nothing_is_written(tmp_path, name):
    (tmp_path / "in").mkdir()
    path = zipped(tmp_path / "in" / "words.zip", FILES | {name: b""})
    with pytest.raises(UserError, match=f"^{path}: holds '.* which lies outside of it; save it anew"):
        recorded.read(path, ["my word"], [], 0)
    assert [*tmp_path.iterdir()] == [tmp_path / "in"]


def test_a_damaged_zip_file_is_one_line(tmp_path, failure):
    whole = zipped(tmp_path / "words.zip", FILES).read_bytes()
    middle = len(whole) // 3
    for content in (b"", b"RIFF", whole[: len(whole) // 2], whole[:middle] + b"\0\1\2\3" + whole[middle + 4 :]):
        path = tmp_path / "broken.zip"
        path.write_bytes(content)
        line = failure(command.main, "--words=my word", f"--samples={path}", f"--out={tmp_path / 'out'}")
        assert f"{path}: no zip file that can be read (" in line and line.endswith("; save it anew, or name a folder")
    locked = bytearray(whole)
    for start in (0, whole.index(b"PK\1\2") + 2):
        locked[start + 6] |= 1  # encrypted
    path.write_bytes(locked)
    assert "no zip file that can be read (" in failure(command.main, "--words=my word", f"--samples={path}")


def test_what_is_missing_in_a_zip_file_is_said_of_the_zip_file(tmp_path):
    path = zipped(tmp_path / "words.zip", {"_background_/1.wav": wav_bytes(ROOM)})
    with pytest.raises(UserError, match=f"^{path}: no folder here is named like one of the words my word"):
        recorded.read(path, ["my word"], [], 0)
    few = {name: FILES[name] for name in [*FILES][:2]}
    with pytest.raises(UserError, match=f"^{path}/my_word: 2 good recordings of 'my word'"):
        recorded.read(zipped(path, few), ["my word"], [], 0)
    with pytest.raises(UserError, match=r"holds \d.* bytes, more than"):
        recorded.check(["a/1.wav"], recorded.MOST_BYTES + 1, path)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(UserError, match=r"nothere.zip: no such folder or zip file; name one with"):
        recorded.read(tmp_path / "nothere.zip", ["my word"], [], 0)
