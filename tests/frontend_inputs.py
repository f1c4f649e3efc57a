"""Recordings that the feature pipeline has to get right on every processor: the extremes, and what lies between."""

from __future__ import annotations

import numpy as np

from common.description import FEATURES
from frontend.tables import FFT, WINDOW, mel_edges

LOUDEST = 32767


def aligned_with_bin(index: float, phase: float) -> np.ndarray:
    """Full-scale samples, each with the sign that adds most to one bin of the frames, int16 [16000]."""
    angle = 2 * np.pi * index * np.arange(FEATURES.clip_samples) / FFT + phase
    return np.where(np.cos(angle) >= 0, LOUDEST, -32768).astype(np.int16)


def recordings() -> dict[str, np.ndarray]:
    """Name -> int16 [16000]: silence, square wave, offset, impulse, a loud tone in every band, noise at every level."""
    n = FEATURES.clip_samples
    rng, time = np.random.default_rng(7), np.arange(n) / FEATURES.sample_rate
    impulse = np.zeros(n)
    impulse[[0, 239, 240, 5000, 5017, n - 1]] = LOUDEST, -32768, LOUDEST, LOUDEST, -32768, LOUDEST
    sounds = {
        "silence": np.zeros(n),
        "a full-scale square wave": np.where(np.sin(2 * np.pi * 440 * time) > 0, LOUDEST, -32768),
        "alternating extremes": np.where(np.arange(n) % 2, LOUDEST, -32768),
        "a constant offset": np.full(n, 1000),
        "all 32767": np.full(n, LOUDEST),
        "all -32768": np.full(n, -32768),
        "impulses": impulse,
        "a click in silence": np.eye(1, n, WINDOW)[0],
        "random extremes": np.where(rng.random(n) > 0.5, LOUDEST, -32768),
    }
    for band, hz in enumerate(mel_edges()[1:-1]):
        sounds[f"a loud tone in band {band}"] = LOUDEST * np.sin(2 * np.pi * hz * time)
    for bits in range(17):
        sounds[f"noise of 2^{bits} LSB"] = np.clip(rng.uniform(-1, 1, n) * 2.0**bits, -32768, LOUDEST)
    for index in (1, 31, 64, 100.5, 128, 200, 255):
        for phase in (0.0, 1.0):
            sounds[f"extremes aligned with bin {index}, phase {phase}"] = aligned_with_bin(index, phase)
    return {name: np.rint(sound).astype(np.int16) for name, sound in sounds.items()}
