"""Decode every split once; later epochs and runs memory-map the cached samples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from common import progress, sources
from common.atomic import replacing
from common.description import FEATURES, LABELS
from training.batches import Split
from training.data.dataset import Clip, read_clips


def decoded(clips: Sequence[Clip], split: str, noises: Sequence[np.ndarray], cache: Path) -> Split:
    """The samples of a split, from `cache` where it has all of them, and the indices of their labels."""
    path = cache / f"{split}-{fingerprint(clips, noises)}.npy"
    audio = cached(path, len(clips))
    if audio is None:

        def counted(items: Sequence[Clip]) -> Iterator[Clip]:
            return progress.over(items, f"decoding {split}", "clip")

        training = split == "training"
        made = read_training_clips(clips, counted) if training else read_clips(clips, noises, counted)
        with replacing(path) as temporary:
            np.save(temporary, made)
        audio = np.load(path, mmap_mode="c")
    return Split(audio, np.array([LABELS.index(clip.label) for clip in clips]))


def cached(path: Path, clips: int) -> np.ndarray | None:
    """The file's clips, int16 [clips, 16000] (memory-mapped, copy on write); None where it is missing, damaged or holds
    another number."""
    try:
        audio = np.load(path, mmap_mode="c")
    except (OSError, ValueError, EOFError):
        return None
    return audio if (audio.dtype, audio.shape) == (np.int16, (clips, FEATURES.clip_samples)) else None


def read_training_clips(clips: Sequence[Clip], progress=iter) -> np.ndarray:
    """Decode the clips to train on, int16 [clips, 16000].

    Clips of silence, the last ones, are zeros: in training the augmentation adds their noise.
    """
    spoken = [clip for clip in clips if clip.path]
    zeros = np.zeros((len(clips) - len(spoken), FEATURES.clip_samples), np.int16)
    return np.concatenate([read_clips(spoken, progress=progress), zeros])


def fingerprint(clips: Sequence[Clip], noises: Sequence[np.ndarray]) -> str:
    """16 hex digits that change with the choice of clips, a file's size or time, the noises and the code that reads them."""
    stamp = hashlib.sha256(sources.digest("training.data.dataset", files=[Path(__file__)]).encode())
    for noise in noises:
        stamp.update(hashlib.sha256(noise.data).digest())
    for clip in clips:
        size = f"{clip.path.stat().st_size} {clip.path.stat().st_mtime_ns}" if clip.path else ""
        stamp.update(f"{clip.name} {size}\n".encode())
    return stamp.hexdigest()[:16]


def data_hash(splits: Sequence[Split], noises: Sequence[np.ndarray]) -> str:
    """First 16 hex digits of the SHA-256 of all data that a run is trained and validated with."""
    digest = hashlib.sha256()
    for array in [a for s in splits for a in (s.audio, s.target, s.draws) if a is not None] + list(noises):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
