"""Decode every split once: later epochs and later runs map the cached samples."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.atomic import replacing
from training.dataset import Clip, read_clips
from training.description import FEATURES, LABELS
from training.train import Split


def decoded(clips: Sequence[Clip], split: str, noises: Sequence[np.ndarray], cache: Path) -> Split:
    """The samples of a split, from `cache` where it has them, and the indices of their labels."""
    path = cache / f"{split}-{fingerprint(clips)}.npy"
    if not path.is_file():
        def progress(items: Sequence[Clip]) -> tqdm:
            return tqdm(items, f"decoding {split}", unit="clip", disable=None)

        training = split == "training"
        audio = read_training_clips(clips, progress) if training else read_clips(clips, noises, progress)
        with replacing(path) as temporary:
            np.save(temporary, audio)
    target = np.array([LABELS.index(clip.label) for clip in clips])
    return Split(np.load(path, mmap_mode="c"), target)


def read_training_clips(clips: Sequence[Clip], progress=iter) -> np.ndarray:
    """Decode the clips to train on, int16 [clips, 16000].

    In training, silence is all noise that the augmentation adds: its clips, the last ones, hold zeros.
    """
    spoken = [clip for clip in clips if clip.path]
    zeros = np.zeros((len(clips) - len(spoken), FEATURES.clip_samples), np.int16)
    return np.concatenate([read_clips(spoken, progress=progress), zeros])


def fingerprint(clips: Sequence[Clip]) -> str:
    """16 hex digits that change with the choice of clips, and with the size or time of a file."""
    stamp = hashlib.sha256()
    for clip in clips:
        size = f"{clip.path.stat().st_size} {clip.path.stat().st_mtime_ns}" if clip.path else ""
        stamp.update(f"{clip.name} {size}\n".encode())
    return stamp.hexdigest()[:16]


def data_hash(splits: Sequence[Split], noises: Sequence[np.ndarray]) -> str:
    """First 16 hex digits of the SHA-256 of everything that a run learns from."""
    digest = hashlib.sha256()
    for array in [a for s in splits for a in (s.audio, s.target, s.draws) if a is not None] + list(noises):
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]
