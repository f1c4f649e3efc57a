"""The field's augmentation of a batch: rooms, music, babble, noises, bands, level, saturation, a microphone's own noise.

A share of the clips is changed, each by a random choice of these, in the order in which sound meets them; the others stay
as the recipe has them, so that the network does not forget the clean ones. Random numbers are drawn on the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from training.field import sound

PARTS = ("rooms", "music", "babble", "hiss", "noise", "bands", "level", "microphone")
"""What a clip can meet; --omit leaves any of them out."""
BACKGROUNDS = ("music", "babble", "hiss", "noise")
SHARE = 0.4
"""Fraction of the clips that are changed; the following are fractions of them."""
IN_ROOM, WITH_BACKGROUND, IN_BAND, AT_LEVEL, WITH_OWN_NOISE, WITH_HUM = 0.4, 0.45, 0.3, 0.7, 0.5, 0.1
SNR, SNR_OF_SILENCE = (-3.0, 25.0), (-25.0, 10.0)
"""dB by which a background lies below the clip, as a whole."""
LEVELS = -68.0, -12.0
"""`sound.level` of a clip, dBFS."""
MOST_GAIN = 30.0
"""dB: a silent clip is not brought to any level."""
OVERDRIVEN = 0.25
"""Fraction of the clips AT_LEVEL that are amplified by OVERDRIVE dB instead, into saturation."""
OVERDRIVE = 3.0, 30.0
LOW, HIGH = (60.0, 450.0), (1800.0, 8000.0)
"""Hz of a microphone's high pass and low pass."""
ORDERS = 1, 2, 4, 10
"""Of these filters."""
UNEVEN = 4.0
"""Standard deviation of its frequency response, dB."""
OWN_NOISE, OWN_SLOPE = (-96.0, -70.0), (0.0, 1.0)
"""Its noise: RMS in dBFS, and slope of the spectrum."""
HUM = -70.0, -22.0
"""Amplitude of the mains frequency in hum, dBFS."""


class Field:
    """Applies the augmentation: samples in +-1, float32 [clips, samples] -> the same.

    rooms: impulse responses, float [samples] each. backgrounds: by kind, int16 [samples] each, longer than a clip. parts:
    some of PARTS.
    """

    def __init__(self, rooms: Sequence[np.ndarray], backgrounds: Mapping[str, Sequence[np.ndarray]], parts: Sequence[str]):
        self.parts = [part for part in PARTS if part in parts]
        self.rooms = rooms if "rooms" in self.parts else []
        heard = [pieces for kind, pieces in backgrounds.items() if kind in self.parts and pieces]
        self.backgrounds = [Pieces(pieces) for pieces in heard]
        self.spectra: dict[tuple, torch.Tensor] = {}

    def __call__(self, samples: torch.Tensor, silence: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """silence: which clips are that, bool [clips]. `samples` is changed in place."""
        rows = np.flatnonzero(rng.random(len(samples)) < SHARE)
        if len(rows):
            samples[rows] = self.changed(samples[rows], silence[rows], rng)
        return samples

    def changed(self, samples: torch.Tensor, silence: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """All clips changed, each by what is drawn for it."""

        def some(share: float, part: str = "") -> np.ndarray:
            """The rows that meet something; none where its part is left out."""
            chosen = np.flatnonzero(rng.random(len(samples)) < share)
            return chosen if not part or part in self.parts else chosen[:0]

        rows = some(IN_ROOM, "rooms")
        if len(rows) and self.rooms:
            samples[rows] = sound.in_rooms(
                samples[rows], self.room_spectra(samples)[rng.integers(len(self.rooms), size=len(rows))]
            )
        rows = some(WITH_BACKGROUND)
        if len(rows) and self.backgrounds:
            samples[rows] = self.with_background(samples[rows], silence[rows], rng)
        rows = some(IN_BAND, "bands")
        if len(rows):
            samples[rows] = sound.filtered(samples[rows], microphones(len(rows), samples, rng))
        rows, soft = some(AT_LEVEL, "level"), rng.random(len(samples)) < 0.5
        if len(rows):
            samples[rows] = sound.saturated(louder(samples[rows], rng), torch.from_numpy(soft[rows]))
        rows = some(WITH_OWN_NOISE, "microphone")
        if len(rows):
            noise = sound.hiss(len(rows), samples.shape[1], rng.uniform(*OWN_SLOPE), rng, samples.device)
            samples[rows] += sound.gained(noise, column(rng.uniform(*OWN_NOISE, len(rows)), samples))
        rows = some(WITH_HUM, "microphone")
        if len(rows):
            mains, phase = rng.choice([50.0, 60.0], len(rows)), rng.uniform(0, 2 * np.pi, len(rows))
            wave = sound.hum(samples.shape[1], column(mains, samples)[:, 0], column(phase, samples)[:, 0])
            samples[rows] += sound.gained(wave, column(rng.uniform(*HUM, len(rows)), samples))
        return sound.in_16_bits(samples)

    def room_spectra(self, samples: torch.Tensor) -> torch.Tensor:
        """Those of all rooms for clips like these, made once."""
        kind = samples.shape[1], samples.device
        if kind not in self.spectra:
            self.spectra[kind] = sound.spectra(self.rooms, samples.shape[1]).to(samples.device)
        return self.spectra[kind]

    def with_background(self, samples: torch.Tensor, silence: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """Every clip with a background of a random kind."""
        kind, behind = rng.integers(len(self.backgrounds), size=len(samples)), torch.empty_like(samples)
        for number, pieces in enumerate(self.backgrounds):
            rows = np.flatnonzero(kind == number)
            if len(rows):
                behind[rows] = pieces.excerpts(len(rows), samples, rng)
        snr = np.where(silence, rng.uniform(*SNR_OF_SILENCE, len(samples)), rng.uniform(*SNR, len(samples)))
        return sound.mixed(samples, behind, column(snr, samples)[:, 0])


class Pieces:
    """Backgrounds of one kind, int16 [samples] each, in a row on the device where they are asked for."""

    def __init__(self, pieces: Sequence[np.ndarray]):
        self.samples = torch.from_numpy(np.concatenate(pieces))
        self.end = np.cumsum([len(piece) for piece in pieces])
        self.length = np.array([len(piece) for piece in pieces])

    def excerpts(self, count: int, clips: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """So many random excerpts as long as `clips`, float [count, samples], of random pieces."""
        self.samples, samples = self.samples.to(clips.device), clips.shape[1]
        piece = rng.integers(len(self.end), size=count)
        start = self.end[piece] - self.length[piece] + rng.integers(self.length[piece] - samples + 1)
        return self.samples.unfold(0, samples, 1)[torch.from_numpy(start).to(clips.device)].to(clips)


def column(values: np.ndarray, like: torch.Tensor) -> torch.Tensor:
    """Numbers [rows] -> [rows, 1] of the type and on the device of `like`."""
    return torch.from_numpy(values).to(like)[:, None]


def microphones(count: int, samples: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Frequency responses of random microphones and lines for clips like `samples`, gains [count, bins]
    (`sound.filtered`)."""
    frequency = sound.frequencies(samples.shape[1], samples.device).to(samples)
    low, high = (column(between(*limits, count, rng), samples) for limits in (LOW, HIGH))
    order = column(rng.choice(ORDERS, count).astype(np.float64), samples)
    levels = torch.from_numpy(rng.normal(0, UNEVEN, (count, sound.KNOTS))).to(samples)
    return sound.uneven(frequency, levels) * sound.band(frequency, low, high, order)


def between(low: float, high: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Numbers [count] whose logarithms are evenly distributed."""
    return np.exp(rng.uniform(np.log(low), np.log(high), count))


def louder(samples: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Each clip at a random level, or overdriven."""
    wanted, gain = rng.uniform(*LEVELS, len(samples)), rng.uniform(*OVERDRIVE, len(samples))
    to_level = np.minimum(wanted - sound.level(samples).cpu().numpy(), MOST_GAIN)
    chosen = np.where(rng.random(len(samples)) < OVERDRIVEN, gain, to_level)
    return sound.gained(samples, column(chosen, samples))
