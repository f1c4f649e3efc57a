"""Find Speech Commands on disk and decide which clips make up each split.

The layout is that of the official archives, unpacked side by side:

    DATA/speech_commands_v0.02/<word>/*.wav, _background_noise_/, {validation,testing}_list.txt
    DATA/speech_commands_test_set_v0.02/<label>/*.wav

Either folder may also be given on its own.
"""
from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.audio import read_clip, read_wav
from training.description import FEATURES, LABELS, SILENCE, UNKNOWN
from training.errors import UserError

NOISE = "_background_noise_"
SPLITS = ("training", "validation", "testing")
EXTRA = {1: (1854, 258, 257), 2: (3077, 371, 408)}
"""Clips of _unknown_ and of _silence_ in training, validation and testing, for each version."""
FULL_V2_KEYWORDS = (25_000, 3_000, 3_300)
"""A split of v0.02 with fewer keyword clips holds v0.01's recordings only (v0.02: 30,769, 3,703, 4,074)."""
SILENCE_SEED = 20180409
"""Seed of the excerpts of background noise that serve as the silence of validation and testing."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """One labelled second: a wav file, or an excerpt of background noise (`silence`)."""

    label: str
    path: Path | None = None
    silence: int | None = None  # index of a seeded noise excerpt

    @property
    def name(self) -> str:
        """`folder/file.wav`, or `_silence_/<index>`."""
        return f"{self.path.parent.name}/{self.path.name}" if self.path else f"{SILENCE}/{self.silence}"


def archive_names(ver: int) -> tuple[str, str]:
    """Folder names of the training archive and of the test-set archive."""
    return f"speech_commands_v0.0{ver}", f"speech_commands_test_set_v0.0{ver}"


def find_archive(data: Path, ver: int, test_set: bool) -> Path | None:
    """The unpacked training archive, or test-set archive, in `data` or `data` itself; else None."""
    named = data / archive_names(ver)[test_set]
    for folder in (named, data):
        has_lists = (folder / "validation_list.txt").is_file()
        has_labels = all((folder / label).is_dir() for label in LABELS)
        if has_labels if test_set else has_lists:
            return folder
    return None


def training_archive(data: Path, ver: int) -> Path:
    """As `find_archive`, but a missing one raises UserError naming the remedy."""
    folder = find_archive(Path(data), ver, test_set=False)
    if folder is None:
        what = ("no Speech Commands here" if Path(data).is_dir() else "no such folder, and so no Speech Commands here")
        raise UserError(f"{data}: {what} ({archive_names(ver)[0]}/validation_list.txt is missing); name an existing "
                        "copy with DATA=, or fetch it while training with `make train DOWNLOAD=1 DATA=<folder>`")
    return folder


def split_clips(archive: Path, split: str, ver: int, without: Sequence[str] = (), all_others: bool = False
                ) -> list[Clip]:
    """The clips of a split of the training archive, in a fixed order.

    Keywords are all there. The other words, but for those of `without`, make up _unknown_, of which a
    fixed choice by hash is kept, about one class's size (all of them with `all_others`); as many clips
    are _silence_. Raises UserError where the split is empty or a keyword has no folder.
    """
    listed = {name: set((archive / f"{name}_list.txt").read_text().split()) for name in SPLITS[1:]}
    keywords, others = [], []
    for folder in sorted(path for path in archive.iterdir() if path.is_dir() and path.name not in (NOISE, *without)):
        for path in sorted(folder.glob("*.wav")):
            name = f"{folder.name}/{path.name}"
            where = next((s for s, names in listed.items() if name in names), SPLITS[0])
            if where == split:
                (keywords if folder.name in LABELS else others).append(path)
    missing = sorted(set(LABELS[2:]) - {path.parent.name for path in keywords})
    if missing:
        raise UserError(f"{archive}: the {split} split has no clip of {', '.join(missing)}; "
                        "unpack the archive again or choose another split")
    index = SPLITS.index(split)
    recordings = 1 if len(keywords) < FULL_V2_KEYWORDS[index] else ver
    extra = min(EXTRA[recordings][index], len(keywords))  # the latter in a cut-down data set
    others.sort(key=lambda path: hashlib.sha1(f"{path.parent.name}/{path.name}".encode()).digest())
    clips = [Clip(path.parent.name, path) for path in keywords]
    clips += [Clip(UNKNOWN, path) for path in sorted(others if all_others else others[:extra])]
    return clips + [Clip(SILENCE, silence=index) for index in range(extra)]


def folder_clips(folder: Path, labels: Sequence[str] = LABELS) -> list[Clip]:
    """The clips of `<label>/*.wav`, as the test-set archive has them.

    Raises UserError where a folder is no label or no clip is there.
    """
    clips = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and any(p.glob("*.wav"))):
        if path.name not in labels:
            raise UserError(f"{path}: '{path.name}' is not a label of the model ({', '.join(labels)}); "
                            "rename or remove the folder")
        clips += [Clip(path.name, wav) for wav in sorted(path.glob("*.wav"))]
    if not clips:
        raise UserError(f"{folder}: no <label>/*.wav here; name a folder that holds Speech Commands")
    return clips


def read_noises(archive: Path) -> list[np.ndarray]:
    """The background recordings, each int16 [samples], in the order of their names."""
    paths = sorted((archive / NOISE).glob("*.wav"))
    if not paths:
        raise UserError(f"{archive / NOISE}: no noise recordings; unpack the archive again")
    noises = [read_wav(path) for path in paths]
    for path, noise in zip(paths, noises):
        if len(noise) <= FEATURES.clip_samples:
            raise UserError(f"{path}: shorter than a second; unpack the archive again")
    return noises


def read_clips(clips: Sequence[Clip], noises: Sequence[np.ndarray] = (), progress=iter) -> np.ndarray:
    """Decode clips: int16 [clips, 16000]. `noises` serve the clips of silence."""
    audio = np.zeros((len(clips), FEATURES.clip_samples), np.int16)
    for row, clip in zip(audio, progress(clips)):
        row[:] = read_clip(clip.path) if clip.path else silence_excerpt(noises, clip.silence)
    return audio


def silence_excerpt(noises: Sequence[np.ndarray], index: int) -> np.ndarray:
    """A second of background noise at a level of 0 to 1, int16 [16000]; `index` seeds the choice."""
    rng = np.random.default_rng([SILENCE_SEED, index])
    noise = noises[rng.integers(len(noises))]
    start = rng.integers(len(noise) - FEATURES.clip_samples)
    return np.rint(noise[start:start + FEATURES.clip_samples] * rng.uniform()).astype(np.int16)
