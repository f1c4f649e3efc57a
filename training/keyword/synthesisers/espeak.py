"""espeak-ng: formant synthesis, over a hundred languages, each in as many voices as it has variants."""

from __future__ import annotations

import numpy as np

from training.keyword import phonemes
from training.spoken import voices as spoken

PROGRAM = "espeak-ng"


def voices(language: str) -> list[str]:
    """The voices of a language: each accent that it has, in each variant."""
    rows = [line.split() for line in phonemes.espeak(["--voices"]).splitlines()[1:]]
    accents = [
        row[1]
        for row in rows
        if (row[1] == language or row[1].startswith(f"{language}-")) and not row[4].startswith(("mb/", "!v/"))
    ]
    return [f"{accent}+{variant}" for accent in sorted({*accents}) for variant in spoken.ESPEAK_VOICES]


def say(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text at a random speed and pitch: samples, float64 in +-1, and their rate in Hz."""
    return spoken.espeak(text, voice, rng)
