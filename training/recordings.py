"""Recordings of any length, rate and number of channels, below some folders, in excerpts of some seconds."""
from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from training.description import FEATURES, KEYWORDS
from training.errors import UserError
from training.room import resample

SUFFIXES = {".aif", ".aiff", ".au", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"}


class Excerpt(NamedTuple):
    """Some seconds of a recording."""

    path: Path
    start: int  # sample, at the recording's own rate
    samples: int
    rate: int

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


@contextlib.contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """UserError that names `path` where the block cannot read it."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise UserError(f"{path}: cannot be read ({error.error_string}); remove it") from None


def folders_of(named: Sequence[Path]) -> list[Path]:
    """The folders that are named; a name that is none itself may be several, with blanks between them and quoted as a shell
    reads them: make hands RECORDINGS="one two" on as it is."""
    found = []
    for path in named:
        try:
            words = [Path(word) for word in shlex.split(str(path))]
        except ValueError:
            words = []  # a quote that does not end is part of a name
        several = not path.exists() and any(word.exists() for word in words)
        found += words if several else [path]
    return found


def excerpts(folders: Sequence[Path], seconds: int) -> list[Excerpt]:
    """All recordings below `folders`, in the order of their paths, in excerpts of so many seconds and the rest.

    A file named after a keyword is passed over, and one without a sample. UserError where a folder has none, or none is
    named.
    """
    if not folders:
        raise UserError("no recordings named: give folders of them (make: RECORDINGS=DIR)")
    found = []
    for folder in folders_of(folders):
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        if not paths:
            raise UserError(f"{folder}: no recordings here ({', '.join(sorted(SUFFIXES))}); name a folder of speech")
        for path in paths:
            if path.stem.lower() in KEYWORDS:
                continue
            with naming_damage(path):
                info = soundfile.info(str(path))
            length = seconds * info.samplerate
            found += [Excerpt(path, start, min(length, info.frames - start), info.samplerate)
                      for start in range(0, info.frames, length)]
    return found


def read(excerpt: Excerpt) -> np.ndarray:
    """The excerpt at 16 kHz, its channels averaged, float64 [samples] in +-1."""
    with naming_damage(excerpt.path):
        samples, rate = soundfile.read(str(excerpt.path), excerpt.samples, excerpt.start, always_2d=True)
    return resample(samples.mean(1), FEATURES.sample_rate / rate) if len(samples) else np.zeros(0)
