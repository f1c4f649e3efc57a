"""What the user recorded: SAMPLES=, a folder or the words.zip that the page of `make demo` saves, and NEGATIVES=.

<word>/*         recordings of a word
_background_/*   the sound of the room, without the words: negatives as well
"""

from __future__ import annotations

import contextlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from common.errors import UserError
from training.keyword import negatives, samples
from training.keyword.negatives import Pieces
from training.keyword.samples import Sample

ROOM = "_background_"
"""The folder of the room's sound."""
MOST_BYTES = 1 << 31
"""Of a zip file's content: three hours of takes and more."""


class Recorded(NamedTuple):
    """Good recordings of words, a line on each other one, pieces without words to train with, and those held back."""

    good: list[Sample]
    bad: list[str]
    kept: Pieces
    back: Pieces


def check(names: Sequence[str], size: int, path: Path) -> None:
    """UserError where files of a zip file would land outside of its folder, or are too large: bytes in `size`."""
    for name in names:
        inside = PurePosixPath(name.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts:
            raise UserError(f"{path}: holds {name!r}, which lies outside of it; save it anew, or name a folder, <word>/*")
    if size > MOST_BYTES:
        raise UserError(f"{path}: holds {size:,} bytes, more than {MOST_BYTES:,}; unpack it, and name the folder")


@contextlib.contextmanager
def folder_of(path: Path) -> Iterator[Path]:
    """The folder `path`, or one with the content of the zip file `path`, as long as the block runs. UserError where that is
    damaged, encrypted or holds paths outside of it."""
    if not path.exists():
        raise UserError(f"{path}: no such folder or zip file; name one with recordings of the words, <word>/*")
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                entries = [entry for entry in archive.infolist() if entry.filename.strip("/")]
                check([entry.filename for entry in entries], sum(entry.file_size for entry in entries), path)
                archive.extractall(folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
            raise UserError(f"{path}: no zip file that can be read ({error}); save it anew, or name a folder") from None
        yield Path(folder)


def read(path: Path | None, words: Sequence[str], others: Sequence[Path], seed: int) -> Recorded:
    """path: of SAMPLES. others: folders of NEGATIVES. What is said of the content of a zip file names that file.

    UserError where no word has a folder or too few recordings, or a folder of negatives has none.
    """
    with folder_of(path) if path else contextlib.nullcontext() as folder:
        try:
            good, bad = samples.read(folder, words) if folder else ([], [])
            folders = [*others, *([folder / ROOM] if folder and (folder / ROOM).is_dir() else [])]
            kept, back = negatives.split(folders, seed) if folders else (Pieces([], []), Pieces([], []))
        except UserError as error:
            raise UserError(str(error).replace(str(folder), str(path))) from None
    return Recorded(good, [line.replace(str(folder), str(path)) for line in bad], kept, back)
