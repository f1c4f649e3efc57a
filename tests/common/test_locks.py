"""Two commands in one folder: one waits for the other, whatever becomes of that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from common import locks
from common.errors import UserError

ROOT = Path(__file__).parents[2]
HOLDER = """if True:
    import sys
    from pathlib import Path
    from common import locks
    with getattr(locks, sys.argv[1])(Path(sys.argv[2])):
        print("has it", flush=True)
        sys.stdin.read()
"""


def holder(kind: str, folder: Path) -> subprocess.Popen:
    """A process that has the lock until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, kind, str(folder)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


@pytest.mark.parametrize(
    "first, second", [("writing", "writing"), ("reading", "writing"), ("writing", "reading"), ("writing", "rewriting")]
)
@pytest.mark.parametrize("end", ["ends", "is killed"])
def test_one_waits_until_the_other_ends_or_is_killed_and_says_so(tmp_path, first, second, end):
    owner = holder(first, tmp_path)
    assert owner.stdout.readline() == "has it\n"
    waiter = holder(second, tmp_path)
    assert waiter.stdout.readline() == f"{tmp_path}: another command works here; waiting for it to end\n"
    owner.send_signal(signal.SIGKILL) if end == "is killed" else owner.stdin.close()
    assert waiter.stdout.readline() == "has it\n"
    waiter.stdin.close()
    assert owner.wait(10) == (-signal.SIGKILL if end == "is killed" else 0) and waiter.wait(10) == 0
    assert list(tmp_path.iterdir()) == []


def test_who_has_a_folder_can_take_it_again_and_still_has_it_then(tmp_path):
    with locks.writing(tmp_path):
        with locks.rewriting(tmp_path), locks.reading(tmp_path):
            pass
        waiter = holder("reading", tmp_path)
        assert "waiting" in waiter.stdout.readline()
    assert waiter.stdout.readline() == "has it\n"
    waiter.stdin.close()
    assert waiter.wait(10) == 0


def test_two_read_at_once(tmp_path):
    readers = [holder("reading", tmp_path) for _ in range(2)]
    for reader in readers:
        assert reader.stdout.readline() == "has it\n"
    for reader in readers:
        reader.stdin.close()
        assert reader.wait(10) == 0


def test_who_waits_gets_a_folder_that_is_there(tmp_path):
    """The first removes the folder that it made, for it stayed empty; the second must not go on in a removed one."""
    folder = tmp_path / "a" / "b"
    seen = []

    def wait():
        with locks.writing(folder):
            (folder / "file").touch()
            seen.append(sorted(path.name for path in folder.iterdir()))

    with locks.writing(folder):
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(0.3)
    thread.join(10)
    assert seen == [["file"]] and (folder / "file").is_file()


def test_a_folder_that_was_made_and_stays_empty_is_removed_and_one_that_was_there_is_not(tmp_path):
    with pytest.raises(KeyError), locks.writing(tmp_path / "a" / "b"):
        raise KeyError
    (tmp_path / "c").mkdir()
    with locks.writing(tmp_path / "c"), locks.rewriting(tmp_path / "d"), locks.reading(tmp_path / "e"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_what_killed_commands_left_is_removed_and_nothing_else(tmp_path):
    for name in (".work-1/deep", ".work-2/deep", "work", ".other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".file.tmp").touch()
    with locks.writing(tmp_path, ".work-*", ".file.*"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".other", "work"]


@pytest.mark.parametrize("kind", ["file", "dangling link"])
@pytest.mark.parametrize("below", [".", "deeper/still"])
def test_a_file_or_a_dangling_link_in_the_place_of_a_folder_is_one_line(tmp_path, kind, below):
    path = tmp_path / "build"
    path.touch() if kind == "file" else path.symlink_to(tmp_path / "nowhere")
    message = f"{path}: not a folder, and none can be made in its place; move it away"
    with pytest.raises(UserError, match=message), locks.writing(path / below):
        pass
    assert os.path.lexists(path) and len(list(tmp_path.iterdir())) == 1


def test_a_folder_in_which_nothing_can_be_written_is_named(tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise OSError(30, "Read-only file system", str(tmp_path / "tmp1234abcd"))

    locks.try_to_write(tmp_path)
    monkeypatch.setattr(locks.tempfile, "TemporaryFile", refused)
    with pytest.raises(OSError) as caught:
        locks.try_to_write(tmp_path)
    assert caught.value.filename == str(tmp_path) and caught.value.strerror == "Read-only file system"


@pytest.mark.parametrize("name", [".", "new/deeper"])
def test_a_place_that_can_be_written_is_left_as_it_is(tmp_path, name):
    locks.check_folder(tmp_path / name)
    locks.check_file(tmp_path / name / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, read_only):
    for check in (locks.check_folder, locks.check_file):
        with pytest.raises(UserError, match=r"cannot be written \(Read-only file system\); name another place"):
            check(tmp_path / "new" / "deeper")


def test_a_file_in_the_place_of_a_folder_and_a_folder_in_that_of_a_file_are_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file: not a folder, .*; move it away"):
        locks.check_folder(tmp_path / "file" / "deeper")
    with pytest.raises(UserError, match=f"{tmp_path}: a folder; name a file"):
        locks.check_file(tmp_path)
