"""What sounds behind a word: music, babble, hiss, and real noises from a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import progress
from common.description import FEATURES
from common.errors import UserError
from training.data import recordings
from training.field import music, sound

RATE = FEATURES.sample_rate
SECONDS = 10
"""Length of a piece of music, of babble, of hiss."""
TALKERS = 3, 10
SLOPES = 0.0, 2.0
"""Of hiss: from white to brown."""
LEAST_RMS = 30.0
"""RMS, of 32768, below which a second of a recording has nothing to be heard."""


def read(path: Path) -> np.ndarray:
    """A recording at 16 kHz, int16 [samples]. UserError where it cannot be read, or holds NaN or infinity."""
    length, rate = recordings.header(path)
    samples = recordings.read(recordings.Excerpt(path, 0, length, rate))
    return np.clip(np.rint(32768 * samples), -32768, 32767).astype(np.int16)


def read_all(folders: Sequence[Path], what: str) -> list[np.ndarray]:
    """The recordings below `folders`, in the order of their paths, int16 [samples] each, with progress. UserError where a
    folder has none, or one cannot be read."""
    return [read(path) for path in progress.over(recordings.find_and_tell(folders).paths, f"reading {what}", "recording")]


def noises(folders: Sequence[Path]) -> list[np.ndarray]:
    """Real noises: the recordings below `folders`, int16 [samples] each, repeated up to SECONDS where they are shorter,
    without those that are all but silent. UserError where none is left."""
    found = [
        np.array(np.resize(noise, max(len(noise), SECONDS * RATE)))
        for noise in read_all(folders, "noises")
        if len(noise) and np.sqrt(np.square(noise.astype(np.float64)).mean()) >= LEAST_RMS
    ]
    if not found:
        raise UserError(f"{folders[0]}: all recordings are silent; name a folder of noises")
    return found


def babble(speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Several talkers at once, int16 [10 s]. speech: recordings in a row, int16 [samples], longer than that."""
    length = SECONDS * RATE
    whole = np.zeros(length)
    for _ in range(rng.integers(*TALKERS, endpoint=True)):
        start = rng.integers(len(speech) - length)
        talker = speech[start : start + length].astype(np.float64)
        whole += talker / max(np.sqrt(np.square(talker).mean()), LEAST_RMS) * rng.uniform(0.5, 1)
    return as_int16(whole)


def hiss(rng: np.random.Generator) -> np.ndarray:
    """Noise between white and brown, int16 [10 s]."""
    return as_int16(sound.hiss(1, SECONDS * RATE, rng.uniform(*SLOPES), rng)[0].numpy())


def as_int16(samples: np.ndarray) -> np.ndarray:
    """Scaled to half of full scale at the loudest sample."""
    return np.rint(16384 * samples / max(np.abs(samples).max(), 1e-9)).astype(np.int16)


def pool(
    seed: int, pieces: int, kinds: Sequence[str], speech: np.ndarray | None = None, folders: Sequence[Path] = ()
) -> dict[str, list[np.ndarray]]:
    """Backgrounds of each kind, int16 [samples] each, at least 10 s.

    kinds: some of `music`, `babble`, `hiss`, `noise`. pieces: of each that is made here. speech: of babble, which is left
    out without. folders: of real noises, likewise.
    """
    made: dict[str, list[np.ndarray]] = {}
    if "music" in kinds:
        made["music"] = music.pieces(pieces, SECONDS, seed)
    rng = np.random.default_rng([seed, 1])
    if "babble" in kinds and speech is not None:
        made["babble"] = [babble(speech, rng) for _ in range(pieces)]
    if "hiss" in kinds:
        made["hiss"] = [hiss(rng) for _ in range(pieces)]
    if "noise" in kinds and folders:
        made["noise"] = noises(folders)
    return made
