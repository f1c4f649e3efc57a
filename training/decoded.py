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
    """The samples of a split, from `cache` where it has them, and the indices of their labels.

    In training, silence is all noise that the augmentation adds: its clips, the last ones, hold zeros.
    """
    path = cache / f"{split}-{fingerprint(clips)}.npy"
    if not path.is_file():
        spoken = [clip for clip in clips if clip.path or split != "training"]
        audio = read_clips(spoken, noises, lambda items: tqdm(items, f"decoding {split}", unit="clip", disable=None))
        zeros = np.zeros((len(clips) - len(spoken), FEATURES.clip_samples), np.int16)
        with replacing(path) as temporary:
            np.save(temporary, np.concatenate([audio, zeros]))
    target = np.array([LABELS.index(clip.label) for clip in clips])
    return Split(np.load(path, mmap_mode="c"), target)


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
    for array in [a for s in splits for a in (s.audio, s.target)] + list(noises):
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]
