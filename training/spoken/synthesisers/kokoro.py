"""Kokoro-82M through onnxruntime: the most natural voices here; English, Spanish, French, Italian, Portuguese, Hindi.

A folder of it holds the published ONNX model (`model*.onnx`; float32 is the quickest on a processor), the numbers of its
phonemes (tokenizer.json, config.json or vocab.json) and voices/*.bin. A voice is a vector of style; each clip is spoken
in a mixture of two, so that there are many more throats than files. Phonemes are espeak-ng's.
"""

from __future__ import annotations

import functools
from itertools import combinations
from pathlib import Path

import numpy as np

from common.errors import UserError
from training.spoken.synthesisers import espeak, models

REMEDY = "VOICES=DIR, a folder that holds its published ONNX model and voices/*.bin"
READS_PHONEMES = True
SHARE = 4
ACCENTS = {"en": ("en-us", "en-gb"), "es": ("es",), "fr": ("fr-fr",), "it": ("it",), "pt": ("pt-br",), "hi": ("hi",)}
TABLES = "tokenizer.json", "config.json", "vocab.json"
STYLE = 256
RATE = 24000
SPEED = 0.75, 1.35
MIXED = 0.5, 0.95
"""The first voice's part of a mixture."""
ENDS = ".", ".", "!", "?", ",", ""
"""What a text ends with: its intonation."""


def folder() -> Path | None:
    """The folder of a model that has voices; the first of several."""
    return next((path.parent.parent for path in models.found("voices/*.bin") if model(path.parent.parent)), None)


def model(folder: Path) -> Path | None:
    """The model of a folder: the plain float32 one where it is there."""
    return next(
        iter(sorted([*folder.glob("model*.onnx"), *folder.glob("onnx/model*.onnx")], key=lambda p: len(p.name))), None
    )


def installed() -> bool:
    return folder() is not None and espeak.installed()


def voices(language: str) -> list[str]:
    """Mixtures of any two voices, `<first>*<second>`, for a language that the model was trained on."""
    place = folder()
    if place is None or language.split("-")[0] not in ACCENTS:
        return []
    names = sorted(path.stem for path in (place / "voices").glob("*.bin"))
    return [f"{language}/{first}*{second}" for first, second in combinations(names, 2)]


def throats(voice: str) -> tuple[str, ...]:
    """The voices of which it is mixed."""
    return tuple(voice.split("/")[1].split("*"))


@functools.cache
def style(path: Path) -> np.ndarray:
    """The vectors of a voice, float32 [phonemes, STYLE]; UserError where the file holds none."""
    found = np.fromfile(path, "<f4")
    if not len(found) or len(found) % STYLE:
        raise UserError(f"{path}: {len(found)} numbers are no vectors of {STYLE}; download it again")
    return found.reshape(-1, STYLE)


@functools.cache
def table(place: Path) -> dict[str, int]:
    """The number of each phoneme; UserError where the folder has no table."""
    for name in TABLES:
        if (place / name).exists():
            described = models.description(place / name)
            found = described.get("model", described).get("vocab")
            if isinstance(found, dict):
                return found
    raise UserError(f"{place}: no {' or '.join(TABLES)} with the numbers of its phonemes; copy the model's there")


def files(voice: str) -> list[Path]:
    """The model that speaks, the tables of its phonemes, and the two voices."""
    place = folder()
    path = model(place) if place else None
    if place is None or path is None:
        return []
    tables = [place / name for name in TABLES if (place / name).exists()]
    return [path, *tables, *(place / "voices" / f"{name}.bin" for name in throats(voice))]


def say(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text at a random speed and intonation, the two voices mixed at random: samples, float64 in +-1, and their rate in
    Hz."""
    place = folder()
    path = model(place) if place else None
    if place is None or path is None:
        raise UserError("the folder of VOICES= has gone; name it again")
    accents = ACCENTS[voice.split("/")[0].split("-")[0]]
    spoken = espeak.ipa(text, accents[rng.integers(len(accents))]) + ENDS[rng.integers(len(ENDS))]
    numbers = [table(place)[letter] for letter in spoken if letter in table(place)]
    first, second = (style(place / "voices" / f"{name}.bin") for name in throats(voice))
    if not 0 < len(numbers) < len(first):
        raise UserError(f"'{text}' has {len(numbers)} phonemes for Kokoro, which takes 1 to {len(first) - 1}")
    share = rng.uniform(*MIXED)
    mixed = share * first[len(numbers)] + (1 - share) * second[len(numbers)]
    session = models.session(path)
    tokens, vector, speed = (one.name for one in session.get_inputs())
    given = {
        tokens: np.array([[0, *numbers, 0]], np.int64),
        vector: mixed[None].astype(np.float32),
        speed: np.array([rng.uniform(*SPEED)], np.float32),
    }
    return np.ravel(session.run(None, given)[0]).astype(np.float64), RATE
