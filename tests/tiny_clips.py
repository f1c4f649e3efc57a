"""What the clips of the tiny data set say, and how they sound."""

from __future__ import annotations

import numpy as np

from common.description import FEATURES

OTHER_WORDS = ("bed", "cat")


def tone(rng: np.random.Generator, label: str) -> np.ndarray:
    """About a second of noise and a tone whose pitch belongs to the label, int16."""
    samples = int(rng.integers(FEATURES.clip_samples // 2, FEATURES.clip_samples + 1))
    pitch = 300 + 157 * sum(label.encode()) % 3000
    sound = 6000 * np.sin(2 * np.pi * pitch / FEATURES.sample_rate * np.arange(samples))
    return (sound + rng.normal(0, 300, samples)).astype(np.int16)
