"""Pico (SVOX): statistical voices, one in each of six languages and accents; PyPI's py-nanotts carries them.

It reads memory that it never wrote, so it speaks in a process of its own, whose memory is filled alike: the same text is
the same sound in every run.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np

from training.spoken.synthesisers.program import run

REMEDY = "pip install py-nanotts"
READS_PHONEMES = False
SHARE = 1
VOICES = "en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT"
SPEED, PITCH = (0.7, 1.4), (0.75, 1.35)
FILLED = {"MALLOC_PERTURB_": "1"}
"""What has the C library of Linux fill all memory that it hands out."""
PROGRAM = """
import io, sys, wave, py_nanotts
text, voice, speed, pitch = sys.argv[1:]
out = io.BytesIO()
with wave.open(out, "wb") as sound:
    sound.setparams((1, 2, 16000, 0, "NONE", ""))
    sound.writeframes(py_nanotts.NanoTTS().speak(text, voice=voice, speed=float(speed), pitch=float(pitch)))
sys.stdout.buffer.write(out.getvalue())
"""


def installed() -> bool:
    return importlib.util.find_spec("py_nanotts") is not None


def voices(language: str) -> list[str]:
    """The voices of a language."""
    return [voice for voice in VOICES if voice.lower().startswith(language.lower())]


def throats(voice: str) -> tuple[str, ...]:
    """Who speaks."""
    return (voice,)


def files(voice: str) -> list[Path]:
    """The models that speak: none, the program is one."""
    return []


def say(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text at a random speed and pitch: samples, float64 in +-1, and their rate in Hz."""
    drawn = [str(rng.uniform(*SPEED)), str(rng.uniform(*PITCH))]
    return run([sys.executable, "-c", PROGRAM, text, voice, *drawn], {**os.environ, **FILLED})
