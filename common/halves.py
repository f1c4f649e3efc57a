"""The two halves of recordings of words: thresholds are chosen on one, what is reported is of the other."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def speaker(name: str) -> str:
    """Who speaks in a recording: by its name, as Speech Commands has it, else each recording has a speaker of its own."""
    found = re.match(r"(.+)_nohash_\d+$", Path(name).stem)
    return found[1] if found else name


def half(name: str) -> int:
    """Which half a recording is in, 0 or 1, by its speaker: for many recordings."""
    return zlib.crc32(speaker(name).encode()) & 1


def even_halves(names: Sequence[str], target: np.ndarray) -> np.ndarray:
    """Which half each recording is in, 0 or 1 [n]: of few recordings, so that each word has as many in both as its speakers
    allow. The order of the recordings changes nothing. target: the words [n]."""
    of_speaker: dict[str, list[int]] = {}
    for name, word in zip(names, target.tolist()):
        of_speaker.setdefault(speaker(name), []).append(word)
    side: dict[str, int] = {}
    counts: tuple[Counter[int], Counter[int]] = Counter(), Counter()
    for who, words in sorted(of_speaker.items(), key=lambda item: (-len(item[1]), zlib.crc32(item[0].encode()), item[0])):
        had = [(sum(count[word] for word in words), count.total()) for count in counts]
        side[who] = int(had[1] < had[0])
        counts[side[who]].update(words)
    return np.array([side[speaker(name)] for name in names], int)


def judging_halves(names: Sequence[str], target: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Which half each recording of a network's test is in, int [n]: 0 to choose on, 1 to report on. Each of the groups [n]
    is shared out word by word by itself; a single recording is reported on. names, target: as in `even_halves`."""
    side = np.zeros(len(names), int)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        side[rows] = 1 - even_halves([names[row] for row in rows], target[rows])
    return side
