"""flite: voices made of recorded speech, English only."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from training.spoken.synthesisers.program import run

PROGRAM = "flite"
REMEDY = "Debian: apt-get install flite"
READS_PHONEMES = False
SHARE = 1
VOICES = "kal16", "awb", "rms", "slt"
STRETCH = 0.7, 1.4  # of durations


def installed() -> bool:
    return shutil.which(PROGRAM) is not None


def voices(language: str) -> list[str]:
    """The voices of a language."""
    return list(VOICES) if language.split("-")[0] == "en" else []


def throats(voice: str) -> tuple[str, ...]:
    """Who speaks."""
    return (voice,)


def files(voice: str) -> list[Path]:
    """The models that speak: none, the program is one."""
    return []


def say(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text at a random speed: samples, float64 in +-1, and their rate in Hz."""
    stretch = f"duration_stretch={rng.uniform(*STRETCH):.2f}"
    return run([PROGRAM, "-voice", voice, "--setf", stretch, "-t", text, "-o", "/dev/stdout"])
