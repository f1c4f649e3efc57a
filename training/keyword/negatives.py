"""The user's recordings in which no word is said, cut into pieces; a part of them is held back for the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common import progress
from common.resampling import to_16_khz
from training import held_back
from training.data import recordings
from training.data.recordings import Excerpt
from training.field.negatives import Negatives
from training.spoken.acoustics import RATE

PIECE = 60  # seconds
HELD_BACK = 5
"""About one of so many recordings is held back; of fewer recordings, one of so many pieces of them."""
DOUBTS, SURE = 5, 0.9
"""Places that are named, and the probability of a word from which they are."""
MOST_HOURS, MOST_HELD_BACK = 4.0, 1.0
"""Hours of the pieces that are trained on, and held back: a random choice of more."""


class Pieces(NamedTuple):
    """Sound at 16 kHz, int16 [samples] each, and where each piece is from."""

    sounds: list[np.ndarray]
    excerpts: list[Excerpt]

    @property
    def names(self) -> list[str]:
        """A name for the file of each piece."""
        return [f"{excerpt.path.stem}-{excerpt.start // excerpt.rate}" for excerpt in self.excerpts]

    @property
    def hours(self) -> float:
        return sum(map(len, self.sounds)) / RATE / 3600


def choose(found: Sequence[Excerpt], hours: float, seed: int) -> list[Excerpt]:
    """A random choice of at most so many hours, in the order of `found`."""
    order = np.random.default_rng([seed, 4]).permutation(len(found))
    total = np.cumsum([found[index].seconds for index in order]) / 3600
    return [found[index] for index in sorted(order[: np.searchsorted(total, hours) + 1])]


def for_the_test(found: Sequence[Excerpt]) -> list[bool]:
    """Which pieces are held back: whole recordings, by their content (see `held_back.flags`), or single pieces where there
    are fewer recordings than HELD_BACK. A single piece is for training."""
    by_path = {path: held_back.content(path) for path in dict.fromkeys(excerpt.path for excerpt in found)}
    if len(by_path) < HELD_BACK:
        return held_back.flags([f"{by_path[excerpt.path]} {excerpt.start}" for excerpt in found], HELD_BACK)
    back = dict(zip(by_path, held_back.flags(list(by_path.values()), HELD_BACK)))
    return [back[excerpt.path] for excerpt in found]


def sound(excerpt: Excerpt) -> np.ndarray:
    """A piece at 16 kHz, averaged over channels, int16 [samples]. UserError as of `recordings.at_own_rate`."""
    whole = np.clip(np.rint(32768 * recordings.at_own_rate(excerpt)), -32768, 32767).astype(np.int16)
    return np.concatenate([whole[:0], *to_16_khz([whole], excerpt.rate)])


def read(found: Sequence[Excerpt], what: str) -> Pieces:
    """The pieces themselves, with progress; those without a sample are left out."""
    sounds, kept = [], []
    for excerpt in progress.over(found, f"reading {what}", "piece"):
        samples = sound(excerpt)
        if len(samples):
            sounds.append(samples)
            kept.append(excerpt)
    return Pieces(sounds, kept)


def split(folders: Sequence[Path], seed: int) -> tuple[Pieces, Pieces]:
    """The pieces to train with, and those held back. UserError where a folder has no recording, or one cannot be read."""
    found = recordings.excerpts(folders, PIECE)
    flags = for_the_test(found)
    parts = []
    for back, hours, what in ((False, MOST_HOURS, "negatives"), (True, MOST_HELD_BACK, "held-back negatives")):
        some = [excerpt for excerpt, flag in zip(found, flags) if flag == back]
        parts.append(read(choose(some, hours, seed), what))
    return parts[0], parts[1]


def shared(kept: Pieces, back: Pieces) -> list[str]:
    """A line where the pieces to train with and those held back are of the same recordings."""
    both = {excerpt.path for excerpt in kept.excerpts} & {excerpt.path for excerpt in back.excerpts}
    if not both:
        return []
    return [
        f"negatives: fewer than {HELD_BACK} recordings, so those of the test are minutes of recordings that are trained on, "
        "and false accepts of other speakers and rooms may be more; name more recordings"
    ]


def all_of(folders: Sequence[Path]) -> Pieces:
    """All recordings below some folders, in pieces. UserError where a folder has none."""
    return read(recordings.excerpts(folders, PIECE), "false accepts")


def doubtful(learnt: Negatives, kept: Pieces) -> list[str]:
    """A line on each of the DOUBTS places of the recordings in which the trained network is surest of a word, where it is
    surer than SURE: after all that training, the word may well be said there.

    learnt: running speech of the run with its scores, the first of which is `kept`.
    """
    ends = np.cumsum([0, *map(len, kept.sounds)])
    score = learnt.score[: np.searchsorted(learnt.starts, ends[-1])]
    lines = []
    for row in np.argsort(-score, kind="stable")[:DOUBTS]:
        if score[row] <= SURE:
            break
        piece = int(np.searchsorted(ends, learnt.starts[row], "right")) - 1
        excerpt = kept.excerpts[piece]
        second = int(excerpt.start / excerpt.rate + (learnt.starts[row] - ends[piece]) / RATE)
        lines.append(
            f"{excerpt.path} at {second // 60}:{second % 60:02}: sounds like a word of yours ({score[row]:.0%}); "
            "listen, and remove the recording if it is said there"
        )
    return lines
