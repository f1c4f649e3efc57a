"""The voices of all installed synthesisers, those of training and those that are held out for the test.

A synthesiser is a file in training/keyword/synthesisers/: PROGRAM, the program that it runs; `voices(language)`, the names
of its voices; `say(text, voice, rng)`, a text in one of them. It is listed in ALL here, and nowhere else.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from common.errors import UserError
from training.keyword.synthesisers import espeak, flite

ALL = {"espeak-ng": espeak, "flite": flite}
EVERY, HELD_OUT = 5, 2
"""Of so many variants of a synthesiser's voices, which one (from 0) is held out: in all its accents."""
MNEMONICS = "[["
"""How a text of phonemes begins, which espeak-ng alone can read."""


class Voice(NamedTuple):
    """A voice of a synthesiser, by its names."""

    synthesiser: str
    name: str

    @property
    def variant(self) -> str:
        """What the voices of one throat have in common, whatever their accent."""
        return self.name.rsplit("+", 1)[-1]


class Voices(NamedTuple):
    """Disjoint voices: no throat of the test is in training."""

    training: list[Voice]
    test: list[Voice]


def installed() -> dict:
    """The synthesisers that are here; prints a line on each that is not."""
    found = {name: module for name, module in ALL.items() if shutil.which(module.PROGRAM)}
    for name in ALL.keys() - found.keys():
        print(f"{name} is not installed, so its voices are left out (Debian: apt-get install {name})")
    return found


def find(language: str) -> Voices:
    """The voices of a language; UserError where no synthesiser has any."""
    training: list[Voice] = []
    test: list[Voice] = []
    for name, module in installed().items():
        voices = [Voice(name, voice) for voice in module.voices(language)]
        variants = sorted({voice.variant for voice in voices})
        held_out = {*variants[HELD_OUT::EVERY]}
        training += [voice for voice in voices if voice.variant not in held_out]
        test += [voice for voice in voices if voice.variant in held_out]
    if not training or not test:
        raise UserError(
            f"LANGUAGE={language}: no installed synthesiser speaks it; `espeak-ng --voices` lists languages "
            "(Debian: apt-get install espeak-ng)"
        )
    return Voices(training, test)


def draw(voices: Sequence[Voice], text: str, rng: np.random.Generator) -> Voice:
    """A random voice that can say a text: each synthesiser alike, and each of its voices."""
    able = [voice for voice in voices if voice.synthesiser == "espeak-ng" or not text.startswith(MNEMONICS)]
    names = sorted({voice.synthesiser for voice in able})
    chosen = [voice for voice in able if voice.synthesiser == names[rng.integers(len(names))]]
    return chosen[rng.integers(len(chosen))]


def say(text: str, voice: Voice, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text in a voice: samples, float64 in +-1, and their rate in Hz."""
    return ALL[voice.synthesiser].say(text, voice.name, rng)
