"""What is held back for the test of `make keyword`: each item by a hash of its own, whatever else is there.

A run that is continued with more recordings, or more voices, would otherwise be tested on what it began by learning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

SEED = 6
"""The same in every run, since one may be continued with another seed; with it the shares of espeak-ng's and flite's voices
are about those that are wanted."""
HASHED = 1 << 20
"""Bytes of a file, from its beginning, by which its content is known, together with its length."""


def place(key: str) -> float:
    """Where an item lies, evenly spread from 0 to below 1."""
    return int.from_bytes(hashlib.sha256(f"{SEED} {key}".encode()).digest()[:8], "big") / 2**64


def content(path: Path) -> str:
    """A key of a file that neither a new name nor another folder changes. OSError where it cannot be read."""
    with path.open("rb") as file:
        return f"{path.stat().st_size} {hashlib.sha256(file.read(HASHED)).hexdigest()}"


def flags(keys: Sequence[str], one_of: int) -> list[bool]:
    """Which items are held back: those whose place is below 1 / one_of, and in any case that with the lowest place.

    Items that are added hold back none that was trained on. The exceptions are of few items: a single one is for training,
    and where all would be held back, that with the highest place is.
    """
    places = [place(key) for key in keys]
    if len({*places}) < 2:  # several alike are one
        return [False] * len(keys)
    lowest, highest = min(places), max(places)
    held = [own < 1 / one_of or own == lowest for own in places]
    return held if not all(held) else [own != highest for own in places]
