"""A folder of clips that were made for training: audio.npy, int16 [clips, 16000], and beside it what each one says."""
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


def write(folder: Path, words: Sequence[str], seed: int, made: Iterable[tuple[int, np.ndarray]]) -> None:
    """Write clips as they are made: (number of the first one, int16 [some, 16000]) in any order, of all `words`."""
    with replacing(folder / ARRAY) as temporary:
        audio = np.lib.format.open_memmap(temporary, "w+", np.int16, (len(words), FEATURES.clip_samples))
        for first, clips in made:
            audio[first:first + len(clips)] = clips
        audio.flush()
        (folder / LIST).unlink(missing_ok=True)  # a list says nothing of other clips, not even between two renames
    write_text(folder / LIST, json.dumps({"seed": seed, "words": list(words)}) + "\n")


@contextlib.contextmanager
def making(folder: Path) -> Iterator[None]:
    """Have the folder alone while the block makes its clips; OSError at once where it cannot be written."""
    with locks.writing(folder, f".{ARRAY}.*", f".{LIST}.*"):
        locks.try_to_write(folder)
        yield


def load(folder: Path, what: str, remedy: str) -> tuple[np.ndarray, list[str]]:
    """The clips of a folder, int16 [clips, 16000] (mapped), and what each says.

    UserError where they are not there or do not match: `what` they are, and as `remedy` a command that makes them.
    """
    try:
        words = json_object((folder / LIST).read_bytes())["words"]
        audio = np.load(folder / ARRAY, mmap_mode="r")
        clips, samples = audio.shape
        whole = samples == FEATURES.clip_samples and audio.dtype == np.int16 and {*map(type, words)} <= {str}
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder}: no {what} here; make them with {remedy}") from None
    if not whole or clips != len(words):
        raise UserError(f"{folder}: {clips} clips but {len(words)} words; make them again with {remedy}")
    return audio, words


def seed_of(folder: Path) -> int | None:
    """The seed that the clips of a folder, which `load` can read, were made by; None where it does not say."""
    seed = json.loads((folder / LIST).read_text()).get("seed")
    return seed if isinstance(seed, int) and seed >= 0 else None
