"""Choose the clips of a verification: the official archives, one of them, any `<label>/*.wav`, or a folder's array."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.listening.streaming import Background, synthetic_background
from common.description import FEATURES, KEYWORDS, LABELS
from common.errors import UserError
from common.reading import shown
from training.data import clip_folder, dataset

SPLITS = ("testing", "validation", "all")
VERSIONS = (2, 1)
TEST_SET, WAVS, ARRAY = "test-set archive", "folder of wav files", "folder of clips in an array"


@dataclasses.dataclass(frozen=True)
class Part:
    """Clips of one origin. `noises`, each int16 [samples]: recordings that its clips of silence are excerpts of.
    `passed_over`: a line about sound files that are not clips, empty where there are none."""

    origin: str
    clips: list[dataset.Clip]
    noises: list[np.ndarray]
    passed_over: str


@dataclasses.dataclass(frozen=True)
class Recordings:
    """Decoded clips: audio int16 [clips, samples], target int64 [clips], clips of each origin, hash of it all."""

    audio: np.ndarray
    target: np.ndarray
    origins: dict[str, int]
    sha256: str


def archives(data: Path) -> tuple[Path | None, Path | None, int]:
    """Training archive and test-set archive in `data`, None where missing, and their version; v0.02 first."""
    found = [(dataset.find_archive(data, ver, False), dataset.find_archive(data, ver, True), ver) for ver in VERSIONS]
    return max(found, key=lambda pair: sum(folder is not None for folder in pair[:2]))


def choose(data: Path, split: str | None, labels: Sequence[str] | None) -> list[Part]:
    """The parts that `split` names in `data`.

    split: "testing": the test-set archive where it is there, else the training archive's testing
    list. "validation": the training archive's. "all": validation and the test-set archive. None:
    testing, or every clip of a folder that is no archive. labels: of the model, which may be others than the
    benchmark's; any where None. Raises UserError where the split is empty or not there, or where a folder of wav files
    has one that is no label.
    """
    if not data.is_dir():
        raise UserError(
            f"{data}: no such folder; name one that holds Speech Commands, <label>/*.wav, or audio.npy and clips.json"
        )
    training, test_set, ver = archives(data)
    if labels is None:
        if training is None:
            return [folder_part(test_set or data, None)]
        labels = LABELS if holds_words(training, KEYWORDS) else words(training)
    foreign = [word for word in dataset.keywords(labels) if word not in KEYWORDS]
    if test_set is not None and foreign:
        if training is None and not holds_words(test_set, foreign):
            raise UserError(
                f"{test_set}: no recordings of {foreign[0]}, which the model knows; name a folder that holds "
                "the training archive, or <label>/*.wav"
            )
        test_set = None
    if split in ("validation", "all") and training is None:
        raise UserError(
            f"{data}: no training archive here (its validation_list.txt is missing), so no validation "
            "split; leave --split out, or name the folder that holds both archives"
        )
    if split == "all" and test_set is None:
        raise UserError(
            f"{data}: no test-set archive of the model's words here; use --split validation, or name the folder "
            "that holds both archives"
        )
    if split == "testing" and training is None and test_set is None:
        raise UserError(f"{data}: not an official archive, so it has no splits; leave --split out")
    parts = []
    if split in ("validation", "all"):
        assert training is not None
        parts.append(split_part(training, "validation", ver, labels))
    if split != "validation" and test_set is not None:
        parts.append(
            Part(
                f"{TEST_SET} ({shown(test_set.name)})",
                dataset.clips_of_test_set(test_set, labels, ver),
                [],
                dataset.passed_over(test_set),
            )
        )
    elif split != "validation" and training is not None:
        parts.append(split_part(training, "testing", ver, labels))
    elif split is None:
        parts.append(folder_part(data, labels))
    return parts


def words(archive: Path) -> list[str]:
    """The words in the training archive."""
    return [folder.name for folder in dataset.word_folders(archive) if dataset.wav_files(folder)]


def holds_words(folder: Path, which: Sequence[str]) -> bool:
    """Whether there is a folder of each of these words."""
    return all((folder / word).is_dir() for word in which)


def background(data: Path) -> Background:
    """The noise around the clips of streams: the recordings of the training archive in `data`, where there is one."""
    training = archives(data)[0]
    if training is None:
        return synthetic_background()
    return Background(f"{dataset.NOISE} of {shown(training.name)}", dataset.read_noises(training))


def folder_part(folder: Path, labels: Sequence[str] | None) -> Part:
    """All clips of `<label>/*.wav`, or of the folder's array."""
    what = ARRAY if clip_folder.is_one(folder) else WAVS
    return Part(
        f"{what} ({shown(folder.resolve().name)})", dataset.folder_clips(folder, labels), [], dataset.passed_over(folder)
    )


def split_part(archive: Path, split: str, ver: int, labels: Sequence[str]) -> Part:
    """The validation or testing split of the training archive."""
    clips = dataset.split_clips(archive, split, ver, labels=labels, some_words=True)
    return Part(
        f"{split} split of the training archive ({shown(archive.name)})",
        clips,
        dataset.read_noises(archive),
        dataset.passed_over(archive),
    )


def decode(parts: Sequence[Part], labels: Sequence[str], clip_samples: int = FEATURES.clip_samples) -> Recordings:
    """Read every clip, of so many samples, which are the network's window; UserError names the first wav file that is not a
    clip."""
    clips = [clip for part in parts for clip in part.clips]
    audio = np.concatenate([dataset.read_clips(part.clips, part.noises, clip_samples=clip_samples) for part in parts])
    target = np.array([labels.index(clip.label) for clip in clips])
    digest = hashlib.sha256("\n".join(f"{clip.label} {clip.name}" for clip in clips).encode())
    digest.update(audio)
    return Recordings(audio, target, {part.origin: len(part.clips) for part in parts}, digest.hexdigest())
