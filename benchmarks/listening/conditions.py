"""The conditions of the field test: what a clip's sound goes through before the device hears it.

Each is a function of training/field/sound.py, the same as in training; rooms, music and noises are others than there.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from training.field import rooms, sound

SEED = 20261128
ROOMS, PIECES = 24, 12
"""Of each reverberation time; of music and of babble."""
SENSITIVITY, SPL_OF_SENSITIVITY = -26.0, 94.0
"""Level of the microphone INMP441 in dBFS, and the sound pressure that gives it, dB."""
OWN_NOISE = SPL_OF_SENSITIVITY - 61.0
"""Its own noise as a sound pressure, dB: 61 dB below that."""
SPEECH, SPEECH_AT = 60.0, 1.0
"""Sound pressure of a word, dB, at that many metres from the mouth; it falls by 6 dB with each doubling."""
STEEPNESS = 10
"""Order of the filters: those of telephones and of converters are steep."""
SHIFT = 6.02
"""dB of a bit."""


@dataclasses.dataclass(frozen=True)
class Material:
    """Rooms, impulse responses by reverberation time, and backgrounds by kind, int16 [samples] each."""

    rooms: Mapping[float, Sequence[np.ndarray]]
    backgrounds: Mapping[str, Sequence[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Word:
    """The level of the clip itself in the sound around it: RMS of its loudest 300 ms, dBFS. Of a clip of silence, the
    median of the words'."""

    level: float


Change = Callable[[torch.Tensor, Word, Material, np.random.Generator], torch.Tensor]
"""Samples float64 [1, samples] -> the same, changed."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """A row of the table. needs: the background without which it is left out. stream: whether streams are measured too."""

    group: str
    title: str
    change: Change
    needs: str = ""
    stream: bool = False

    @property
    def key(self) -> str:
        return f"{self.group}, {self.title}" if self.title else self.group


def as_recorded(samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator) -> torch.Tensor:
    return samples


def gain(samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator, db: float) -> torch.Tensor:
    return sound.gained(samples, db)


def level(samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator, dbfs: float) -> torch.Tensor:
    return sound.gained(samples, dbfs - word.level)


def microphone(
    samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator, metres: float, bits: int
) -> torch.Tensor:
    """An INMP441 so far from the mouth, whose 24 bits are shifted so that the top 16, less `bits`, remain."""
    offset = SENSITIVITY - SPL_OF_SENSITIVITY
    at_mouth = SPEECH - 20 * math.log10(metres / SPEECH_AT)
    noise = torch.from_numpy(rng.normal(size=samples.shape) * 10 ** ((OWN_NOISE + offset) / 20))
    return sound.gained(sound.gained(samples, at_mouth + offset - word.level) + noise, bits * SHIFT)


def room(samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator, rt60: float) -> torch.Tensor:
    """In a room, at the word's own level: reverberation alone is measured."""
    responses = material.rooms[rt60]
    spectrum = sound.spectra([responses[rng.integers(len(responses))]], samples.shape[1], torch.float64)
    heard = sound.in_rooms(samples, spectrum)
    return sound.gained(heard, sound.level(samples) - sound.level(heard))


def behind(
    samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator, kind: str, snr: float
) -> torch.Tensor:
    """With a background of that kind, its RMS `snr` dB below the word's level."""
    pieces = material.backgrounds[kind]
    piece = pieces[rng.integers(len(pieces))]
    start = rng.integers(max(1, len(piece) - samples.shape[1] + 1))
    excerpt = np.resize(piece[start : start + samples.shape[1]], samples.shape[1]).astype(np.float64) / sound.FULL_SCALE
    return added(samples, torch.from_numpy(excerpt)[None], word, snr)


def white(samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator, snr: float) -> torch.Tensor:
    return added(samples, torch.from_numpy(rng.normal(size=samples.shape)), word, snr)


def added(samples: torch.Tensor, noise: torch.Tensor, word: Word, snr: float) -> torch.Tensor:
    return samples + sound.gained(noise, word.level - sound.rms(noise) - snr)


def hum(samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator, amplitude: int) -> torch.Tensor:
    """Mains hum whose mains frequency has that amplitude, of 32768."""
    mains, phase = (
        torch.tensor([value], dtype=samples.dtype) for value in (rng.choice([50, 60]), rng.uniform(0, 2 * np.pi))
    )
    return samples + sound.hum(samples.shape[1], mains, phase) * (amplitude / sound.FULL_SCALE)


def band(
    samples: torch.Tensor, word: Word, material: Material, rng: np.random.Generator, low: float, high: float
) -> torch.Tensor:
    return sound.filtered(samples, sound.band(sound.frequencies(samples.shape[1]), low, high, STEEPNESS))


def listed(
    group: str, title: str, change: Callable, name: str, values: Sequence, streamed: Sequence = (), needs: str = "", **more
) -> list[Condition]:
    """A condition for each value of a parameter. title: of `value`. streamed: the values with streams."""
    return [
        Condition(
            group, title.format(value=value), functools.partial(change, **{name: value}, **more), needs, value in streamed
        )
        for value in values
    ]


RT60 = (0.3, 0.6, 1.0)
CONDITIONS = [
    Condition("as recorded", "", as_recorded, stream=True),
    *listed("gain", "{value} dB", gain, "db", (-10, -20, -30, -40, -50)),
    *listed("level of the word", "{value} dBFS", level, "dbfs", (-50, -55, -60, -65, -70), (-60,)),
    *listed("gain, saturating", "+{value} dB", gain, "db", (6, 12, 20, 30), (20,)),
    *listed("INMP441, >> 16", "{value} m", microphone, "metres", (0.1, 0.3, 1, 2), (1,), bits=0),
    *listed("INMP441, >> 12", "{value} m", microphone, "metres", (0.1, 0.3, 1, 2), bits=4),
    *listed("room, RT60", "{value} s", room, "rt60", RT60, (0.6,), "rooms"),
    *listed("music", "SNR {value} dB", behind, "snr", (20, 10, 5), (10,), "music", kind="music"),
    *listed("babble", "SNR {value} dB", behind, "snr", (20, 10, 5), (10,), "babble", kind="babble"),
    *listed("recorded noise", "SNR {value} dB", behind, "snr", (20, 10, 5), (10,), "noise", kind="noise"),
    *listed("white noise", "SNR {value} dB", white, "snr", (20, 10, 5, 0), (5,)),
    *listed("mains hum", "amplitude {value}", hum, "amplitude", (300, 1000, 3000)),
    Condition("band", "telephone, 300 to 3,400 Hz", functools.partial(band, low=300, high=3400), stream=True),
    Condition("band", "8 kHz microphone", functools.partial(band, low=0, high=3800)),
    Condition("band", "low-pass 2 kHz", functools.partial(band, low=0, high=2000)),
    Condition("band", "high-pass 300 Hz", functools.partial(band, low=300, high=math.inf)),
]
"""All rows, in the order of the table."""


def make_rooms(count: int = ROOMS) -> dict[float, list[np.ndarray]]:
    """So many rooms of each of RT60, impulse responses float64 [samples]."""
    rng = np.random.default_rng(SEED)
    return {rt60: [rooms.response(rng, rt60) for _ in range(count)] for rt60 in RT60}


def applied(condition: Condition, samples: np.ndarray, word: Word, material: Material) -> np.ndarray:
    """Sound as the device gets it, int16 [samples], saturated. samples: int16 [samples], which seed all that is random."""
    rng = np.random.default_rng([SEED, zlib.crc32(condition.key.encode()), zlib.crc32(samples.tobytes())])
    as_float = torch.from_numpy(samples.astype(np.float64) / sound.FULL_SCALE)[None]
    changed = sound.in_16_bits(condition.change(as_float, word, material, rng))
    return (changed[0].numpy() * sound.FULL_SCALE).astype(np.int16)


def measured(condition: Condition, material: Material) -> bool:
    """Whether the material has what the condition needs."""
    has_rooms = condition.needs == "rooms" and bool(material.rooms)
    return not condition.needs or has_rooms or bool(material.backgrounds.get(condition.needs))
