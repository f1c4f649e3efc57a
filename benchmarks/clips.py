"""Which clips a verification runs over: the official archives, either of them, or any `<label>/*.wav`."""
from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.streaming import Background, synthetic_background
from training import dataset
from training.errors import UserError

SPLITS = ("testing", "validation", "all")
VERSIONS = (2, 1)
TEST_SET, WAVS = "test-set archive", "folder of wav files"


@dataclasses.dataclass(frozen=True)
class Part:
    """Clips of one origin. `noises`, each int16 [samples], serve those that are excerpts of noise."""

    origin: str
    clips: list[dataset.Clip]
    noises: list[np.ndarray]


@dataclasses.dataclass(frozen=True)
class Recordings:
    """Decoded clips: audio int16 [clips, 16000], target int64 [clips], clips of each origin, hash of it all."""

    audio: np.ndarray
    target: np.ndarray
    origins: dict[str, int]
    sha256: str


def archives(data: Path) -> tuple[Path | None, Path | None, int]:
    """Training archive and test-set archive in `data`, None where missing, and their version; v0.02 first."""
    found = [(dataset.find_archive(data, ver, False), dataset.find_archive(data, ver, True), ver) for ver in VERSIONS]
    return max(found, key=lambda pair: sum(folder is not None for folder in pair[:2]))


def choose(data: Path, split: str | None, labels: Sequence[str]) -> list[Part]:
    """The parts that `split` names in `data`.

    split: "testing": the test-set archive where it is there, else the training archive's testing
    list. "validation": the training archive's. "all": validation and the test-set archive. None:
    testing, or every clip of a folder that is no archive. Raises UserError where the split is
    empty or not there, or where a clip's label is not one of the model's.
    """
    if not data.is_dir():
        raise UserError(f"{data}: no such folder; name one that holds Speech Commands, or <label>/*.wav")
    training, test_set, ver = archives(data)
    if split in ("validation", "all") and training is None:
        raise UserError(f"{data}: no training archive here (its validation_list.txt is missing), so no validation "
                        "split; leave --split out, or name the folder that holds both archives")
    if split == "all" and test_set is None:
        raise UserError(f"{data}: no test-set archive here; use --split validation, or name the folder that "
                        "holds both archives")
    if split == "testing" and training is None and test_set is None:
        raise UserError(f"{data}: not an official archive, so it has no splits; leave --split out")
    parts = []
    if split in ("validation", "all"):
        parts.append(split_part(training, "validation", ver))
    if split != "validation" and test_set is not None:
        parts.append(Part(f"{TEST_SET} ({test_set.name})", dataset.folder_clips(test_set, labels), []))
    elif split != "validation" and training is not None:
        parts.append(split_part(training, "testing", ver))
    elif split is None:
        parts.append(Part(f"{WAVS} ({data.resolve().name})", dataset.folder_clips(data, labels), []))
    foreign = sorted({clip.label for part in parts for clip in part.clips} - set(labels))
    if foreign:
        raise UserError(f"{data}: its label {foreign[0]} is not one of the model's ({', '.join(labels)})")
    return parts


def background(data: Path) -> Background:
    """What surrounds the clips of streams: the recordings in the training archive in `data`, where it is there."""
    training = archives(data)[0]
    if training is None:
        return synthetic_background()
    return Background(f"{dataset.NOISE} of {training.name}", dataset.read_noises(training))


def split_part(archive: Path, split: str, ver: int) -> Part:
    """The validation or testing split of the training archive."""
    clips = dataset.split_clips(archive, split, ver)
    return Part(f"{split} split of the training archive ({archive.name})", clips, dataset.read_noises(archive))


def decode(parts: Sequence[Part], labels: Sequence[str]) -> Recordings:
    """Read every clip; UserError names the first wav file that is not a clip."""
    clips = [clip for part in parts for clip in part.clips]
    audio = np.concatenate([dataset.read_clips(part.clips, part.noises) for part in parts])
    target = np.array([labels.index(clip.label) for clip in clips])
    digest = hashlib.sha256("\n".join(f"{clip.label} {clip.name}" for clip in clips).encode())
    digest.update(audio)
    return Recordings(audio, target, {part.origin: len(part.clips) for part in parts}, digest.hexdigest())
