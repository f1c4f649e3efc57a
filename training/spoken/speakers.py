"""The voices of all installed synthesisers, those of training and those that are held out for the test.

A synthesiser is a file in training/spoken/synthesisers/: REMEDY, how to get it; READS_PHONEMES, whether it reads those of
espeak-ng; SHARE, how often it speaks beside the others; `installed()`; `voices(language)`, the names of its voices;
`throats(voice)`, who speaks in one; `files(voice)`, the models that do; `say(text, voice, rng)`, a text in one of them. It
is listed in ALL here, and nowhere else.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from common.errors import UserError
from training import held_back
from training.spoken.synthesisers import espeak, flite, kokoro, pico, piper

ALL = {"espeak-ng": espeak, "flite": flite, "kokoro": kokoro, "pico": pico, "piper": piper}
SLOW = "kokoro", "piper"
"""Those that take up to a second of computing for a second of speech: they say single words only."""
EVERY, LEAST = 5, 3
"""About one of so many throats of a synthesiser is held out, at least one of so many; of fewer none."""
MNEMONICS = "[["
"""How a text of espeak-ng's phonemes begins."""


class Voice(NamedTuple):
    """A voice of a synthesiser, by its names."""

    synthesiser: str
    name: str

    @property
    def throats(self) -> tuple[str, ...]:
        """Who speaks, whatever the accent."""
        return ALL[self.synthesiser].throats(self.name)


class Voices(NamedTuple):
    """Disjoint voices: no throat of the test is in training."""

    training: list[Voice]
    test: list[Voice]


def installed() -> dict:
    """The synthesisers that are here; prints a line on each that is not."""
    found = {name: module for name, module in ALL.items() if module.installed()}
    for name in ALL.keys() - found.keys():
        print(f"{name} is not here, so its voices are left out ({ALL[name].REMEDY})")
    return found


def apart(synthesiser: str, throats: set[str]) -> set[str]:
    """Those of a synthesiser's throats that are held out, each by its name, without the folder of a model: voices that are
    added hold out none that was trained with, but where there were fewer than LEAST."""
    names = sorted(throats)
    keys = [f"{synthesiser} {name.rpartition('/')[2]}" for name in names]
    back = held_back.flags(keys, EVERY) if len(names) >= LEAST else [False] * len(names)
    return {name for name, held in zip(names, back) if held}


def find(language: str) -> Voices:
    """The voices of a language; UserError where no synthesiser has any."""
    training: list[Voice] = []
    test: list[Voice] = []
    for name, module in installed().items():
        voices = [Voice(name, voice) for voice in module.voices(language)]
        held_out = apart(name, {throat for voice in voices for throat in voice.throats})
        training += [voice for voice in voices if held_out.isdisjoint(voice.throats)]
        test += [voice for voice in voices if held_out.issuperset(voice.throats)]
    if not training or not test:
        raise UserError(
            f"LANGUAGE={language}: no installed synthesiser speaks it; `espeak-ng --voices` lists languages "
            "(Debian: apt-get install espeak-ng)"
        )
    return Voices(training, test)


def digest(voices: Sequence[Voice]) -> str:
    """A hash of voices, by their names and the content of their models, wherever these lie."""
    content = functools.cache(held_back.content)
    made = hashlib.sha256()
    for voice in voices:
        files = [content(path) for path in ALL[voice.synthesiser].files(voice.name) if path.is_file()]
        made.update(json.dumps([voice.synthesiser, voice.name.rpartition("/")[2], files]).encode())
    return made.hexdigest()


def quick(voices: Sequence[Voice]) -> list[Voice]:
    """Those that are not SLOW."""
    return [voice for voice in voices if voice.synthesiser not in SLOW]


def draw(voices: Sequence[Voice], text: str, rng: np.random.Generator) -> Voice:
    """A random voice that can say a text: each synthesiser by its SHARE, and each of its voices alike."""
    by_name: dict[str, list[Voice]] = {}
    for voice in voices:
        if ALL[voice.synthesiser].READS_PHONEMES or not text.startswith(MNEMONICS):
            by_name.setdefault(voice.synthesiser, []).append(voice)
    names = sorted(by_name)
    shares = np.array([ALL[name].SHARE for name in names], float)
    chosen = by_name[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
    return chosen[rng.integers(len(chosen))]


def say(text: str, voice: Voice, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text in a voice: samples, float64 in +-1, and their rate in Hz."""
    return ALL[voice.synthesiser].say(text, voice.name, rng)
