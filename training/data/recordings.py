"""Read the recordings in folders, of any length, rate and number of channels, whole or in excerpts of some seconds."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from common import wav
from common.description import FEATURES, KEYWORDS
from common.errors import UserError
from common.labels import composed, is_word, label_named
from common.reading import shown
from common.resampling import by_spectrum

SUFFIXES = frozenset(".aif .aifc .aiff .au .caf .flac .mp2 .mp3 .oga .ogg .opus .rf64 .snd .sph .voc .w64 .wav".split())
"""Suffixes of recordings, in formats that libsndfile reads."""
UNREAD = frozenset(".3gp .aac .ac3 .amr .ape .m4a .m4b .mka .mp4 .mpc .ra .tta .webm .wma .wv".split())
"""Suffixes of files with sound in them that libsndfile does not read."""
UNKNOWN_LENGTH = 2**63 - 1  # SF_COUNT_MAX of libsndfile


class Found(NamedTuple):
    """The recordings below some folders, in the order of their paths; those that are skipped because they are named after a
    word; and sound files of formats that cannot be read."""

    paths: list[Path]
    named: list[Path]
    unread: list[Path]


class Excerpt(NamedTuple):
    """Some seconds of a recording."""

    path: Path
    start: int  # sample, at the recording's own rate
    samples: int
    rate: int

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


CONVERT = "write it anew (`ffmpeg -i IN OUT.flac`)"
"""What to do with a recording in a format that cannot be read."""
REMOVE = "remove it"
"""What to do with a recording of a folder that cannot be read."""


@contextlib.contextmanager
def naming_damage(path: Path, remedy: str = REMOVE) -> Iterator[None]:
    """UserError that names `path` and a remedy where the block cannot read it."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        reason = str(error.error_string).rstrip(".")
        raise UserError(f"{path}: cannot be read ({reason}); {remedy}") from None


def folders_of(named: Sequence[Path]) -> list[Path]:
    """The named folders. A name that does not exist may be several folders, separated and quoted as in a shell, because make
    passes RECORDINGS="one two" on unchanged."""
    found = []
    for path in named:
        try:
            words = [Path(word) for word in shlex.split(str(path))]
        except ValueError:
            words = []  # an unpaired quote is part of a name
        several = not path.exists() and any(word.exists() for word in words)
        found += words if several else [path]
    return found


def header(path: Path, remedy: str = REMOVE) -> tuple[int, int]:
    """Length in samples and rate in Hz of a recording. UserError where it cannot be read, states no length, or is a wav file
    that ends before its samples do: libsndfile would take what is left for all of it. remedy: where it cannot be read."""
    with naming_damage(path, remedy):
        info = soundfile.info(str(path))
    if path.suffix.lower() == ".wav" and (missing := wav.missing_bytes(path)):
        raise UserError(f"{path}: truncated, {missing:,} bytes of its samples are missing; fetch it again, or remove it")
    if info.frames == UNKNOWN_LENGTH:
        raise UserError(f"{path}: states no length, as what was streamed; {CONVERT}")
    return info.frames, info.samplerate


def files(folder: Path, suffixes: Collection[str], pattern: str = "**/*") -> list[Path]:
    """The files of these suffixes in a folder whose paths match a pattern, by default at any depth, in the order of their
    paths."""
    return sorted(path for path in folder.glob(pattern) if path.suffix.lower() in suffixes and path.is_file())


def some(paths: Sequence[Path]) -> str:
    """Sound files in a message: their number, and the first."""
    return f"{len(paths)} sound files ({shown(paths[0])}, …)" if len(paths) > 1 else f"a sound file ({shown(paths[0])})"


def spoken_as(text: str) -> str:
    """A word, or the name of a file, in the one form in which both are compared: `Hey_Computer` is `hey computer`."""
    return composed(text).casefold().replace("_", " ")


def find(folders: Sequence[Path], labels: Iterable[str] = KEYWORDS) -> Found:
    """All recordings below `folders`, each once. Files named after a word among these labels, by default the ten of Speech
    Commands, are skipped.

    UserError where a folder is missing or has none that can be read, or `folders` is empty.
    """
    if not folders:
        raise UserError("no recordings named: give folders of them (make: RECORDINGS=DIR)")
    words = {spoken_as(label) for label in labels if is_word(label)}
    found: dict[Path, Path] = {}
    unread: dict[Path, Path] = {}
    for folder in folders_of(folders):
        if not folder.is_dir():
            what = "a file; name the folder that it is in" if folder.is_file() else "no such folder; name one of recordings"
            raise UserError(f"{folder}: {what}")
        paths, others = files(folder, SUFFIXES), files(folder, UNREAD)
        if not paths and others:
            raise UserError(f"{folder}: {some(others)} in formats that cannot be read; {CONVERT}")
        if not paths:
            raise UserError(f"{folder}: no recordings here ({', '.join(sorted(SUFFIXES))}); name a folder of speech")
        for sounds, into in ((paths, found), (others, unread)):
            for path in sounds:
                into.setdefault(path.resolve(), path)
    sides: tuple[list[Path], list[Path]] = [], []
    for path in found.values():
        sides[spoken_as(path.stem) in words].append(path)
    return Found(*sides, [*unread.values()])


def word_folders(folder: Path, words: Sequence[str]) -> list[tuple[str, Path]]:
    """The folders in `folder` that are named like a word, in the order of the words, each with its word. UserError where
    none is."""
    there = sorted(path for path in folder.iterdir() if path.is_dir())
    found = [(word, path) for word in words for path in there if label_named(path.name, words) == word]
    if not found:
        raise UserError(f"{folder}: no folder here is named like one of the words {', '.join(words)}; make <word>/*.wav")
    return found


def passed_over(found: Found) -> str:
    """A line about the sound files that are not heard, and why; empty where there are none."""
    reasons = []
    if found.named:
        reasons.append(f"{some(found.named)} named after a keyword")
    if found.unread:
        reasons.append(f"{some(found.unread)} in formats that cannot be read: {CONVERT}")
    return f"passed over {', and '.join(reasons)}" if reasons else ""


def find_and_tell(folders: Sequence[Path], labels: Iterable[str] = KEYWORDS) -> Found:
    """As `find`; prints the line of `passed_over`."""
    found = find(folders, labels)
    if line := passed_over(found):
        print(line)
    return found


def nothing_in(found: Found) -> str:
    """Why there was nothing to hear, and the remedy, for a message after the folder's name."""
    if not found.paths:
        return f"all recordings are named after keywords, as {found.named[0].name}; name a folder of others"
    return "no sound in these recordings; name a folder of recordings"


def excerpts(folders: Sequence[Path], seconds: int) -> list[Excerpt]:
    """All recordings below `folders` (see `find_and_tell`), in excerpts of `seconds`; the last of a recording may be
    shorter. One without samples has none."""
    found = []
    for path in find_and_tell(folders).paths:
        samples, rate = header(path)
        found += [
            Excerpt(path, start, min(seconds * rate, samples - start), rate) for start in range(0, samples, seconds * rate)
        ]
    return found


def averaged(samples: np.ndarray, path: Path) -> np.ndarray:
    """Samples of a recording float64 [samples, channels] -> [samples]. UserError where one is NaN or infinite, as a file of
    floats can hold: resampling would spread it over all others, and turn the whole into silence."""
    if not np.isfinite(samples).all():
        raise UserError(f"{path}: holds samples that are not numbers; remove it")
    return samples.mean(1)


def at_own_rate(excerpt: Excerpt) -> np.ndarray:
    """The excerpt at the recording's own rate, averaged over channels, float64 [samples] in +-1, or beyond in a file of
    floats. UserError where it cannot be read, or holds NaN or infinity."""
    with naming_damage(excerpt.path):
        samples, _ = soundfile.read(str(excerpt.path), excerpt.samples, excerpt.start, always_2d=True)
    return averaged(samples, excerpt.path)


def read(excerpt: Excerpt) -> np.ndarray:
    """As `at_own_rate`, but at 16 kHz."""
    samples = at_own_rate(excerpt)
    return by_spectrum(samples, FEATURES.sample_rate / excerpt.rate) if len(samples) else samples


def blocks(path: Path, seconds: int) -> Iterator[np.ndarray]:
    """A whole recording at its own rate, averaged over channels, int16 [samples], saturated, in blocks of `seconds`, the
    last of which may be shorter. UserError where it cannot be read, or holds NaN or infinity."""
    with naming_damage(path), soundfile.SoundFile(str(path)) as file:
        while len(samples := file.read(seconds * file.samplerate, always_2d=True)):
            yield np.clip(np.rint(32768 * averaged(samples, path)), -32768, 32767).astype(np.int16)
