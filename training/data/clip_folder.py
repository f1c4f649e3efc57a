"""A folder of clips in one array: audio.npy, int16 [clips, samples], and clips.json, the word of each.

Clips are a second long but where the caller says otherwise.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from common import locks
from common.atomic import replacing, write_text
from common.description import FEATURES
from common.errors import UserError
from common.reading import json_object

ARRAY, LIST = "audio.npy", "clips.json"
SECOND = FEATURES.clip_samples


def write(
    folder: Path,
    words: Sequence[str],
    seed: int,
    made: Iterable[tuple[int, np.ndarray]],
    samples: int = SECOND,
    speakers: Sequence[str] = (),
    digest: str = "",
) -> None:
    """Write clips as they are made. words: of all clips. made: (index of the first, int16 [n, samples]) in any order.
    speakers: who says them, where that is worth a note. digest: of all that they are made of, where that is compared."""
    with replacing(folder / ARRAY) as temporary:
        audio = np.lib.format.open_memmap(temporary, "w+", np.int16, (len(words), samples))
        for first, clips in made:
            audio[first : first + len(clips)] = clips
        audio.flush()
        (folder / LIST).unlink(missing_ok=True)  # the old list would not match the new clips, even between two renames
    noted = {"seed": seed, "words": list(words), "speakers": list(speakers)} | ({"digest": digest} if digest else {})
    write_text(folder / LIST, json.dumps(noted) + "\n")


@contextlib.contextmanager
def making(folder: Path) -> Iterator[None]:
    """Lock the folder while the block makes its clips; OSError at once where it cannot be written."""
    with locks.writing(folder, f".{ARRAY}.*", f".{LIST}.*"):
        locks.try_to_write(folder)
        yield


def is_one(folder: Path) -> bool:
    """Whether it is such a folder, or half of one."""
    return (folder / ARRAY).is_file() or (folder / LIST).is_file()


def load(folder: Path, what: str, remedy: str, samples: int | None = SECOND) -> tuple[np.ndarray, list[str]]:
    """The clips of a folder, int16 [clips, samples] (memory-mapped), and the word of each. samples: None for any number.

    UserError where they are missing or inconsistent. what, remedy: for its message, what the clips are and the command that
    makes them.
    """
    try:
        words = json_object((folder / LIST).read_bytes())["words"]
        audio = np.load(folder / ARRAY, mmap_mode="r")
        clips, length = audio.shape
        whole = audio.dtype == np.int16 and {*map(type, words)} <= {str}
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder}: no {what} here; make them with {remedy}") from None
    if samples not in (None, length):
        raise UserError(f"{folder}: clips of {length} samples, but {samples} are wanted; make them again with {remedy}")
    if not whole or clips != len(words):
        raise UserError(f"{folder}: {clips} clips but {len(words)} words; make them again with {remedy}")
    return audio, words


def seed_of(folder: Path) -> int | None:
    """The seed of the clips of a folder that `load` can read; None where it is not recorded."""
    seed = json.loads((folder / LIST).read_text()).get("seed")
    return seed if isinstance(seed, int) and seed >= 0 else None


def digest_of(folder: Path) -> str:
    """The digest of what the clips of a folder that `load` can read are made of; empty where none is recorded."""
    return str(json.loads((folder / LIST).read_text()).get("digest", ""))


def speakers_of(folder: Path) -> list[str]:
    """Who says the clips of a folder that `load` can read; empty where there is no note of it."""
    noted = json.loads((folder / LIST).read_text()).get("speakers")
    return [str(name) for name in noted] if isinstance(noted, list) else []
