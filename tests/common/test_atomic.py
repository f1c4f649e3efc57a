"""Files appear whole or not at all, and a message names them as the user knows them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from common import atomic
from convert import __main__ as converter
from firmware_gen import folder


@pytest.mark.parametrize("relative", [False, True])
def test_a_file_that_cannot_be_put_in_its_place_is_named_and_not_the_temporary_one(tmp_path, monkeypatch, relative):
    monkeypatch.chdir(tmp_path)
    path = Path("there") if relative else tmp_path / "there"
    path.mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        atomic.write_text(path, "text")
    assert caught.value.filename == str(path) and [*tmp_path.iterdir()] == [tmp_path / "there"]


def test_a_folder_in_which_no_temporary_file_can_be_made_is_told_by_the_file_that_was_to_be(tmp_path, monkeypatch):
    def refused(*_, **options):
        raise PermissionError(errno.EACCES, "Permission denied", f"{options['dir']}/{options['prefix']}x{options['suffix']}")

    monkeypatch.setattr(atomic.tempfile, "mkstemp", refused)
    with pytest.raises(PermissionError) as caught:
        atomic.write_text(tmp_path / "verify.json", "text")
    assert caught.value.filename == str(tmp_path / "verify.json")


@pytest.mark.parametrize("failing", ["mkdtemp", "rename"])
def test_a_folder_of_generated_files_is_named_and_not_the_temporary_one(tmp_path, monkeypatch, failing):
    def refused(*arguments, **options):
        name = arguments[0] if arguments else f"{options['dir']}/{options['prefix']}x"
        raise PermissionError(errno.EACCES, "Permission denied", str(name))

    monkeypatch.setattr(*((folder.tempfile, "mkdtemp") if failing == "mkdtemp" else (os, "rename")), refused)
    with pytest.raises(PermissionError) as caught:
        folder.replace_folder(tmp_path / "firmware", {"a/b.c": "text"})
    assert caught.value.filename == str(tmp_path / "firmware") and [*tmp_path.iterdir()] == []


def test_what_a_killed_command_left_beside_a_folder_is_removed(tmp_path):
    (tmp_path / ".firmware.abcd1234" / "new").mkdir(parents=True)
    folder.replace_folder(tmp_path / "firmware", {"a.c": "text"})
    assert [path.name for path in tmp_path.iterdir()] == ["firmware"]


def test_an_error_that_names_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic.replacing(tmp_path / "out"):
        (tmp_path / "absent").read_bytes()
    assert caught.value.filename == str(tmp_path / "absent") and [*tmp_path.iterdir()] == []


def test_a_build_folder_that_cannot_be_written_is_told_before_the_conversion(tmp_path, monkeypatch, failure):
    def refused(*_, **options):
        raise OSError(errno.EROFS, "Read-only file system", f"{options['dir']}/{options['prefix']}x")

    monkeypatch.setattr(converter.tempfile, "TemporaryDirectory", refused)
    monkeypatch.setattr(converter, "convert_both", lambda *arguments: pytest.fail("it began to convert"))
    assert failure(converter.main, "--build", tmp_path / "tau1") == f"error: {tmp_path / 'tau1'}: Read-only file system"
