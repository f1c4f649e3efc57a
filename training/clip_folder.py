"""A folder of clips that were made for training: audio.npy, int16 [clips, 16000], and beside it what each one says."""
from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from training.atomic import replacing, write_text
from training.description import FEATURES
from training.errors import UserError
from training.reading import json_object

ARRAY, LIST = "audio.npy", "clips.json"


def write(folder: Path, words: Sequence[str], seed: int, made: Iterable[tuple[int, np.ndarray]]) -> None:
    """Write clips as they are made: (number of the first one, int16 [some, 16000]) in any order, of all `words`."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / ARRAY) as temporary:
        audio = np.lib.format.open_memmap(temporary, "w+", np.int16, (len(words), FEATURES.clip_samples))
        for first, clips in made:
            audio[first:first + len(clips)] = clips
        audio.flush()
    write_text(folder / LIST, json.dumps({"seed": seed, "words": list(words)}) + "\n")


def load(folder: Path, what: str, remedy: str) -> tuple[np.ndarray, list[str]]:
    """The clips of a folder, int16 [clips, 16000] (mapped), and what each says.

    UserError where they are not there or do not match: `what` they are, and as `remedy` a command that makes them.
    """
    try:
        words = json_object((folder / LIST).read_bytes())["words"]
        audio = np.load(folder / ARRAY, mmap_mode="r")
    except (OSError, ValueError, KeyError):
        raise UserError(f"{folder}: no {what} here; make them with {remedy}") from None
    if audio.shape != (len(words), FEATURES.clip_samples):
        raise UserError(f"{folder}: {len(audio)} clips but {len(words)} words; make them again with {remedy}")
    return audio, words
