"""flite: voices made of recorded speech, English only."""

from __future__ import annotations

import numpy as np

from training.spoken import voices as spoken

PROGRAM = "flite"


def voices(language: str) -> list[str]:
    """The voices of a language."""
    return list(spoken.FLITE_VOICES) if language.split("-")[0] == "en" else []


def say(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text at a random speed: samples, float64 in +-1, and their rate in Hz."""
    return spoken.flite(text, voice, rng)
