"""Pico (SVOX): statistical voices, one in each of six languages and accents; PyPI's py-nanotts carries them."""

from __future__ import annotations

import importlib.util

import numpy as np

REMEDY = "pip install py-nanotts"
READS_PHONEMES = False
SHARE = 1
VOICES = "en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT"
RATE = 16000
SPEED, PITCH = (0.7, 1.4), (0.75, 1.35)


def installed() -> bool:
    return importlib.util.find_spec("py_nanotts") is not None


def voices(language: str) -> list[str]:
    """The voices of a language."""
    return [voice for voice in VOICES if voice.lower().startswith(language.lower())]


def throats(voice: str) -> tuple[str, ...]:
    """Who speaks."""
    return (voice,)


def say(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text at a random speed and pitch: samples, float64 in +-1, and their rate in Hz."""
    from py_nanotts import NanoTTS

    spoken = NanoTTS().speak(text, voice=voice, speed=rng.uniform(*SPEED), pitch=rng.uniform(*PITCH))
    return np.frombuffer(spoken, "<i2") / 32768, RATE
