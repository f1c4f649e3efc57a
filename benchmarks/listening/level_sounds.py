"""Sounds to try the level meter on: right ones of every kind and level, and the same as a wrong format would bring them.

A sound is float64 [samples], in units of full scale, so that it has bits below the sixteenth, as an I2S microphone's has.
Everything random is seeded; the same clips give the same sounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from common.description import FEATURES
from training.data import dataset, recordings

RATE = FEATURES.sample_rate
SEED = 20261128
LEVELS = (-20, -35, -50, -65)
"""dBFS RMS of speech, noise and music."""
ROOM = -20
"""dB: level of a room's noise, against that of the sound, which every second sound has under it."""
NOISE_LEVELS = {"quiet room": (-60, -70), "silence": (-70,)}


def at_level(sound: np.ndarray, dbfs: float) -> np.ndarray:
    """The sound with an RMS of `dbfs`, without its mean."""
    sound = sound - sound.mean()
    return sound * 10 ** (dbfs / 20) / max(1e-12, float(np.sqrt(np.mean(sound**2))))


def pink(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise with the same power in every octave above 20 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 20)), samples)


def quiet_room(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Pink noise, white noise and the hum of the mains with its overtones."""
    time = np.arange(samples) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * n * time + rng.uniform(0, 6)) / n**2 for n in (1, 2, 3, 4, 6))
    parts = (pink(rng, samples), 0), (rng.standard_normal(samples), rng.uniform(-20, 0)), (hum, rng.uniform(-20, 5))
    return np.sum([at_level(part, level) for part, level in parts], 0)


def music(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Three voices of plucked notes with up to 20 overtones, and a beat of short bursts of noise."""
    out = np.zeros(samples)
    beat = int(RATE * rng.uniform(0.2, 0.5))
    for start in range(0, samples, beat):
        time = np.arange(samples - start) / RATE
        for octave in (1, 2, 4):
            pitch = 55 * octave * 2 ** (rng.integers(0, 24) / 12)
            overtones = np.arange(1, min(20, int(0.45 * RATE / pitch)) + 1)
            for n in overtones:
                out[start:] += np.sin(2 * np.pi * n * pitch * time + rng.uniform(0, 6)) * np.exp(-time * (2 + n)) / n
        out[start:] += rng.uniform(0, 1) * rng.standard_normal(len(time)) * np.exp(-time * 60)
    return out


def cut(rng: np.random.Generator, whole: np.ndarray, samples: int) -> np.ndarray:
    """A part of a recording, wherever it is."""
    start = rng.integers(max(1, len(whole) - samples + 1))
    return whole[start : start + samples].astype(np.float64)


class Sources:
    """What right sounds are made of: Speech Commands' validation clips and background noises, and recordings if any.

    Raises UserError where `data` has none.
    """

    def __init__(self, data: Path, folders: Sequence[Path] = ()):
        archive = dataset.training_archive(data, 2)
        self.words = dataset.read_clips([clip for clip in dataset.split_clips(archive, "validation", 2) if clip.path])
        self.noises = dataset.read_noises(archive)
        self.excerpts = recordings.excerpts(folders, 10) if folders else []

    def speech(self, rng: np.random.Generator, samples: int) -> np.ndarray:
        """Words one behind another, each in a second of its own."""
        chosen = rng.integers(len(self.words), size=-(-samples // RATE))
        return self.words[chosen].reshape(-1)[:samples].astype(np.float64)

    def noise(self, rng: np.random.Generator, samples: int) -> np.ndarray:
        return cut(rng, self.noises[rng.integers(len(self.noises))], samples)

    def recording(self, rng: np.random.Generator, samples: int) -> np.ndarray:
        """A part of a recording, which may be shorter."""
        return cut(rng, recordings.read(self.excerpts[rng.integers(len(self.excerpts))]), samples)

    def kinds(self) -> dict[str, Callable[[np.random.Generator, int], np.ndarray]]:
        """Name -> what makes a sound of that kind."""
        kinds = {
            "speech": self.speech,
            "noise": self.noise,
            "music": music,
            "quiet room": quiet_room,
            "silence": lambda rng, samples: rng.standard_normal(samples),
        }
        return kinds | ({"recordings": self.recording} if self.excerpts else {})

    def sounds(self, kind: str, seconds: int, count: int) -> Iterator[tuple[int, np.ndarray]]:
        """`count` sounds of a kind at each of its levels: level in dBFS, float64 [16000 seconds]."""
        make, levels = self.kinds()[kind], NOISE_LEVELS.get(kind, LEVELS)
        for index in range(count):
            rng = np.random.default_rng([SEED, index, seconds])
            sound = make(rng, seconds * RATE)
            room = quiet_room(rng, len(sound))
            for level in levels:
                louder = at_level(sound, level)
                under = level + ROOM if index % 2 and kind not in NOISE_LEVELS else -200
                yield level, louder + at_level(room, under)


def pcm(sound: np.ndarray, bits: int = 16) -> np.ndarray:
    """The sound as saturated integers of so many bits, int64."""
    full = 1 << (bits - 1)
    return np.clip(np.rint(sound * full), -full, full - 1).astype(np.int64)


def wrapped(values: np.ndarray) -> np.ndarray:
    """The lower 16 bits of integers as samples."""
    return values.astype(np.uint64).astype(np.uint16).view(np.int16)


def interleaved(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two channels, int16, in turn."""
    return np.stack([left, right], 1).reshape(-1)[: len(left)]


def other_microphone(sound: np.ndarray) -> np.ndarray:
    """What a second one, a few centimetres away, hears: two samples later, 1 dB less, with noise of its own."""
    rng = np.random.default_rng(SEED)
    level = 20 * np.log10(max(1e-9, float(np.sqrt(np.mean(sound**2)))))
    return 0.89 * np.roll(sound, 2) + at_level(rng.standard_normal(len(sound)), level - 30)


def right(sound: np.ndarray) -> np.ndarray:
    """The samples as they should be, int16."""
    return wrapped(pcm(sound))


FORMATS: Mapping[str, tuple[tuple[str, ...], Callable[[np.ndarray], np.ndarray]]] = {
    "bytes swapped": (("SWAPPED",), lambda sound: right(sound).byteswap()),
    "low half of 24 bits in the upper part of 32": (("WRONG_BITS",), lambda sound: wrapped(pcm(sound, 24) << 8)),
    "low 16 of 24 bits": (("WRONG_BITS",), lambda sound: wrapped(pcm(sound, 24))),
    "raised by 24 dB without saturation": (("WRONG_BITS",), lambda sound: wrapped(pcm(sound, 20))),
    "unsigned": (("WRONG_BITS",), lambda sound: right(sound) ^ -32768),
    "32-bit words read as 16-bit samples": (
        ("WRONG_BITS", "HALF_EMPTY"),
        lambda sound: interleaved(wrapped(pcm(sound, 24) << 8), right(sound)),
    ),
    "stereo, both channels the same": (("STEREO",), lambda sound: interleaved(right(sound), right(sound))),
    "stereo, two microphones": (
        ("STEREO",),
        lambda sound: interleaved(right(sound), right(other_microphone(sound))),
    ),
    "stereo, one channel off": (("HALF_EMPTY",), lambda sound: interleaved(right(sound), 0 * right(sound))),
    "stereo, one channel with nothing but noise of -75 dBFS": (
        ("HALF_EMPTY", "STEREO"),
        lambda sound: interleaved(
            right(sound), right(at_level(np.random.default_rng(SEED).standard_normal(len(sound)), -75))
        ),
    ),
    "raised to -6 dBFS RMS, saturated": (("CLIPPING",), lambda sound: right(at_level(sound, -6))),
    "offset of 2,000": (("DC",), lambda sound: right(sound + 2000 / 32768)),
}
"""What is wrong -> the statuses that say so, and the samples int16 that the sound becomes."""
RATES = {"44.1 kHz read as 16 kHz": 44100, "48 kHz read as 16 kHz": 48000, "8 kHz read as 16 kHz": 8000}
