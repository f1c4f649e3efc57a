"""Locks of folders: one command at a time writes in a folder; others print that they wait.

The lock is flock(2) on the folder itself: it needs no lock file, and is released when its process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from common.errors import UserError


class Held(threading.local):
    """The folders that this thread has locked."""

    def __init__(self):
        self.folders: set[str] = set()


held = Held()


@contextlib.contextmanager
def writing(folder: Path, *leftovers: str) -> Iterator[None]:
    """Lock the folder exclusively while the block runs. A missing one is made, and removed again where it stays empty.

    leftovers: glob patterns of files that killed commands left in it, which are removed first. UserError where the path is
    no folder.
    """
    made = make(folder)
    with locked(folder, fcntl.LOCK_EX):
        try:
            for path in [path for pattern in leftovers for path in folder.glob(pattern)]:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
            yield
        finally:
            for path in made:
                with contextlib.suppress(OSError):
                    path.rmdir()


@contextlib.contextmanager
def rewriting(folder: Path) -> Iterator[None]:
    """Lock the folder exclusively while the block runs; a missing one is neither made nor locked."""
    with locked(folder, fcntl.LOCK_EX) if folder.is_dir() else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Lock the folder against writing by other commands while the block runs; a missing one is not locked."""
    with locked(folder, fcntl.LOCK_SH) if folder.is_dir() else contextlib.nullcontext():
        yield


def make(folder: Path) -> list[Path]:
    """Make a folder and its parents; return those that were missing, the deepest first. UserError where a file is in the
    way."""
    every = [folder, *folder.parents]
    missing = [path for path in every if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        file = next((path for path in every if path.is_symlink() or path.is_file()), folder)
        raise UserError(f"{file}: not a folder, and none can be made in its place; move it away") from None
    return missing


def try_to_write(folder: Path) -> None:
    """OSError that names the folder where no file can be written in it: called before long work, not after it."""
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


def check_folder(folder: Path) -> None:
    """UserError where no file could be written in a folder, which need not be there: called before long work, makes
    nothing."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists() or path.is_symlink())
    if not there.is_dir():
        raise UserError(f"{there}: not a folder, and none can be made in its place; move it away")
    try:
        try_to_write(there)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}); name another place") from None


def check_file(path: Path) -> None:
    """As `check_folder`, for a file to be written, or replaced."""
    if path.is_dir():
        raise UserError(f"{path}: a folder; name a file")
    check_folder(path.parent)


@contextlib.contextmanager
def locked(folder: Path, kind: int) -> Iterator[None]:
    """Lock a folder, exclusively (LOCK_EX) or shared (LOCK_SH), while the block runs, unless this thread has locked it."""
    real = os.path.realpath(folder)
    if real in held.folders:
        yield
        return
    while True:
        handle = os.open(folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                print(f"{folder}: another command works here; waiting for it to end", flush=True)
                fcntl.flock(handle, kind)
            if still_there(folder, handle):
                held.folders.add(real)
                try:
                    yield
                finally:
                    held.folders.remove(real)
                return
        finally:
            os.close(handle)
        make(folder)


def still_there(folder: Path, handle: int) -> bool:
    """Whether the path still names the opened folder: the previous owner of the lock may have removed it."""
    try:
        return os.path.samestat(os.stat(folder), os.fstat(handle))
    except FileNotFoundError:
        return False
