"""The user's recordings in which no word is said, cut into pieces; a part of them is held back for the test."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from common import progress
from common.resampling import to_16_khz
from training.data import recordings
from training.data.recordings import Excerpt
from training.spoken.acoustics import RATE

PIECE = 60  # seconds
HELD_BACK = 5
"""One of so many recordings is held back, or of so many pieces where there are few recordings."""
FEW = 10
MOST_HOURS, MOST_HELD_BACK = 4.0, 1.0
"""Hours of the pieces that are trained on, and held back: a random choice of more."""


class Pieces(NamedTuple):
    """Sound at 16 kHz, int16 [samples] each, and the name of each piece."""

    sounds: list[np.ndarray]
    names: list[str]

    @property
    def hours(self) -> float:
        return sum(map(len, self.sounds)) / RATE / 3600


def choose(found: Sequence[Excerpt], hours: float, seed: int) -> list[Excerpt]:
    """A random choice of at most so many hours, in the order of `found`."""
    order = np.random.default_rng([seed, 4]).permutation(len(found))
    total = np.cumsum([found[index].seconds for index in order]) / 3600
    return [found[index] for index in sorted(order[: np.searchsorted(total, hours) + 1])]


def held_back(found: Sequence[Excerpt]) -> list[bool]:
    """Which pieces are for the test: whole recordings, unless there are FEW of them."""
    few = len({excerpt.path for excerpt in found}) < FEW

    def key(excerpt: Excerpt) -> str:
        return f"{excerpt.path.name} {excerpt.start}" if few else excerpt.path.name

    flags = [zlib.crc32(key(excerpt).encode()) % HELD_BACK == 0 for excerpt in found]
    return flags if any(flags) else [index == 0 for index in range(len(found))]


def sound(excerpt: Excerpt) -> np.ndarray:
    """A piece at 16 kHz, averaged over channels, int16 [samples]. UserError where it cannot be read."""
    with recordings.naming_damage(excerpt.path):
        samples, rate = soundfile.read(str(excerpt.path), excerpt.samples, excerpt.start, always_2d=True)
    whole = np.clip(np.rint(32768 * samples.mean(1)), -32768, 32767).astype(np.int16)
    return np.concatenate([whole[:0], *to_16_khz([whole], rate)])


def read(found: Sequence[Excerpt], what: str) -> Pieces:
    """The pieces themselves, with progress; those without a sample are left out."""
    sounds, names = [], []
    for excerpt in progress.over(found, f"reading {what}", "piece"):
        samples = sound(excerpt)
        if len(samples):
            sounds.append(samples)
            names.append(f"{excerpt.path.stem}-{excerpt.start // excerpt.rate}")
    return Pieces(sounds, names)


def split(folders: Sequence[Path], seed: int) -> tuple[Pieces, Pieces]:
    """The pieces to train with, and those held back. UserError where a folder has no recording, or one cannot be read."""
    found = recordings.excerpts(folders, PIECE)
    flags = held_back(found)
    parts = []
    for back, hours, what in ((False, MOST_HOURS, "negatives"), (True, MOST_HELD_BACK, "held-back negatives")):
        some = [excerpt for excerpt, flag in zip(found, flags) if flag == back]
        parts.append(read(choose(some, hours, seed), what))
    return parts[0], parts[1]


def all_of(folders: Sequence[Path]) -> Pieces:
    """All recordings below some folders, in pieces. UserError where a folder has none."""
    return read(recordings.excerpts(folders, PIECE), "false accepts")
