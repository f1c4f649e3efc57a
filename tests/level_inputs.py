"""Sounds that the level meter has to read alike on every processor: the extremes, wrong formats, and every rule's edge."""

from __future__ import annotations

import numpy as np
from frontend_inputs import recordings

from benchmarks.listening.level_sounds import FORMATS, at_level, pink, right
from frontend.level import LEVEL

SAMPLES = 5 * LEVEL.block + 99


def speech_like(rng: np.random.Generator) -> np.ndarray:
    """Pink noise whose loudness changes as that of syllables does, float64."""
    syllables = 0.3 + abs(np.sin(np.arange(SAMPLES) / 1700))
    return pink(rng, SAMPLES) * syllables


def sounds() -> dict[str, np.ndarray]:
    """Name -> int16 [some blocks]."""
    rng = np.random.default_rng(5)
    found = {name: np.tile(sound, 2)[:SAMPLES] for name, sound in recordings().items()}
    for level in (-12, -25, -45, -62):
        sound = at_level(speech_like(rng), level)
        found[f"right at {level}"] = right(sound)
        for name, (_, convert) in FORMATS.items():
            found[f"{name} at {level}"] = np.ascontiguousarray(convert(sound))
    time = np.arange(SAMPLES)
    for phase in (0.0, 0.3, 0.8):
        for amplitude in (300, 20000, 32700):
            found[f"quarter of the rate, {phase}, {amplitude}"] = amplitude * np.cos(np.pi / 2 * time + phase)
    found["one step"] = np.where(time < 9999, -20000, 20000)
    found["two blocks"] = rng.integers(-500, 500, 2 * LEVEL.block)
    found["one block"] = rng.integers(-500, 500, LEVEL.block)
    found["less than a block"] = rng.integers(-500, 500, LEVEL.block - 1)
    found["ends of the range in turn with zeros"] = np.where(time % 2, 0, 32767)
    found["every 256th at an end"] = np.where(time % 256, rng.integers(-900, 900, SAMPLES), -32768)
    found["sparse"] = rng.integers(0, 2, SAMPLES) * (time % 97 == 0)
    found["8 bits"] = rng.integers(-128, 128, SAMPLES) * 256
    return {name: np.asarray(sound).astype(np.int16) for name, sound in found.items()}
