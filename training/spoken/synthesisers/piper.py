"""Piper's voices through onnxruntime: any of the published ones, in dozens of languages, some of hundreds of speakers.

A voice is a file `<name>.onnx` with its `<name>.onnx.json` beside it. Phonemes are espeak-ng's.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from common.errors import UserError
from training.spoken.synthesisers import espeak, models

REMEDY = "VOICES=DIR, a folder that holds its published voices, <name>.onnx with <name>.onnx.json"
READS_PHONEMES = True
SHARE = 3
NOISE, LENGTH, PACE = (0.4, 1.1), (0.75, 1.4), (0.4, 1.1)
"""Variation of the sound, of the length, and of single phonemes' lengths; the voices' own are 0.667, 1 and 0.8."""
START, END, PAD = "^", "$", "_"


def configurations() -> list[Path]:
    return models.found("*.onnx.json")


@functools.cache
def configuration(path: Path) -> dict:
    """A voice's description; UserError where it lacks what speaking needs."""
    found = models.description(path)
    try:
        return {
            "accent": found["espeak"]["voice"],
            "rate": int(found["audio"]["sample_rate"]),
            "speakers": int(found["num_speakers"]),
            "numbers": dict(found["phoneme_id_map"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: no description of a Piper voice ({error}); download it again") from None


def installed() -> bool:
    return bool(configurations()) and espeak.installed()


def voices(language: str) -> list[str]:
    """The speakers of a language, `<path of the description>#<number>`."""
    root = language.split("-")[0]
    return [
        f"{path}#{speaker}"
        for path in configurations()
        if configuration(path)["accent"].split("-")[0] == root
        for speaker in range(configuration(path)["speakers"])
    ]


def throats(voice: str) -> tuple[str, ...]:
    """Who speaks."""
    return (voice,)


def files(voice: str) -> list[Path]:
    """The model that speaks, and its description."""
    path = Path(voice.rsplit("#", 1)[0])
    return [path.with_suffix(""), path]


def say(text: str, voice: str, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """A text at a random speed and liveliness: samples, float64 in +-1, and their rate in Hz."""
    path, speaker = Path(voice.rsplit("#", 1)[0]), int(voice.rsplit("#", 1)[1])
    described = configuration(path)
    numbers = described["numbers"]
    letters = [letter for letter in espeak.ipa(text, described["accent"]) if letter in numbers]
    tokens = numbers[START] + numbers[PAD]
    for letter in letters:
        tokens = tokens + numbers[letter] + numbers[PAD]
    scales = [rng.uniform(*NOISE), rng.uniform(*LENGTH), rng.uniform(*PACE)]
    given = {
        "input": np.array([tokens + numbers[END]], np.int64),
        "input_lengths": np.array([len(tokens) + len(numbers[END])], np.int64),
        "scales": np.array(scales, np.float32),
    }
    if described["speakers"] > 1:
        given["sid"] = np.array([speaker], np.int64)
    session = models.session(path.with_suffix(""))
    return np.ravel(session.run(None, given)[0]).astype(np.float64), described["rate"]
