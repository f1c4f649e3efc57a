"""What happens to sound between a mouth and the samples of a microphone: level, room, noise, band, saturation, 16 bits.

One implementation for training (training/field/augment.py) and for the field test (benchmarks/listening/field.py). All
functions take and return samples in +-1, float32 or float64 [clips, samples], on any device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from common.description import FEATURES

RATE = FEATURES.sample_rate
FRAME = FEATURES.hop
LOUDEST = 30
"""Frames of 10 ms of the loudest part of a word, whose RMS is its level."""
FULL_SCALE = 32768
FAINTEST = 1e-7
"""RMS below which a clip counts as digital silence: no level can be given to it."""
HARMONICS = 1.0, 0.5, 0.3, 0.2, 0.1
"""Strength of the mains frequency and of its multiples in hum."""


def level(samples: torch.Tensor) -> torch.Tensor:
    """RMS of the loudest 300 ms of each clip, dB of full scale [clips]."""
    frames = samples[:, : samples.shape[1] // FRAME * FRAME].reshape(len(samples), -1, FRAME).square().mean(2)
    loudest = torch.nn.functional.avg_pool1d(frames[:, None], LOUDEST, 1).amax((1, 2))
    return 10 * torch.log10(loudest.clamp_min(FAINTEST**2))


def rms(samples: torch.Tensor) -> torch.Tensor:
    """RMS of each clip as a whole, dB of full scale [clips]."""
    return 10 * torch.log10(samples.square().mean(1).clamp_min(FAINTEST**2))


def gained(samples: torch.Tensor, gain: torch.Tensor | float) -> torch.Tensor:
    """Louder by so many dB: one for each clip [clips], or one for all."""
    return samples * 10 ** (torch.as_tensor(gain, dtype=samples.dtype, device=samples.device) / 20).reshape(-1, 1)


def saturated(samples: torch.Tensor, soft: torch.Tensor | None = None) -> torch.Tensor:
    """Cut off at +-1, as a converter does; those that `soft` flags, bool [clips], bent into it, as an amplifier does."""
    hard = samples.clamp(-1, 1)
    return hard if soft is None else torch.where(soft.to(samples.device)[:, None], torch.tanh(samples), hard)


def in_16_bits(samples: torch.Tensor) -> torch.Tensor:
    """Rounded to what 16 bits hold, saturated."""
    return (samples * FULL_SCALE).round_().clamp_(-FULL_SCALE, FULL_SCALE - 1).div_(FULL_SCALE)


def fft_length(samples: int) -> int:
    """The next length, at least `samples`, of which a fast Fourier transform is fast: 2^a, 3 2^a or 5 2^a."""
    return min(factor << max(0, math.ceil(math.log2(samples / factor))) for factor in (1, 3, 5))


def spectra(responses: Sequence[np.ndarray], samples: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Impulse responses -> their spectra, complex [responses, bins], for clips of `samples` samples (`in_rooms`)."""
    longest = max(map(len, responses))
    padded = np.stack([np.pad(response, (0, longest - len(response))) for response in responses])
    return torch.fft.rfft(torch.from_numpy(padded).to(dtype), fft_length(samples + longest - 1))


def in_rooms(samples: torch.Tensor, rooms: torch.Tensor) -> torch.Tensor:
    """Each clip in its room. rooms: spectra of responses, complex [clips, bins] (`spectra`). What rings on after the end of
    a clip is cut off."""
    length = 2 * (rooms.shape[1] - 1)
    return torch.fft.irfft(torch.fft.rfft(samples, length) * rooms, length)[:, : samples.shape[1]]


def mixed(samples: torch.Tensor, noise: torch.Tensor, snr: torch.Tensor | float) -> torch.Tensor:
    """With noise [clips, samples] behind it, whose RMS is so many dB below the clip's."""
    return samples + gained(noise, rms(samples) - rms(noise) - snr)


def frequencies(samples: int) -> np.ndarray:
    """Those of the bins of a transform of `samples` samples, Hz."""
    return np.fft.rfftfreq(fft_length(samples), 1 / RATE)


def filtered(samples: torch.Tensor, gains: np.ndarray) -> torch.Tensor:
    """Each clip with the gain of each of its `frequencies`, [bins] or [clips, bins]; without a change of phase."""
    length = fft_length(samples.shape[1])
    gain = torch.from_numpy(gains).to(samples.device, samples.dtype)
    return torch.fft.irfft(torch.fft.rfft(samples, length) * gain, length)[:, : samples.shape[1]]


def band(frequency: np.ndarray, low: float = 0.0, high: float = math.inf, order: int = 4) -> np.ndarray:
    """Gains of a Butterworth high pass at `low` and low pass at `high` Hz, each of that order."""
    below = np.sqrt(1 + (low / np.maximum(frequency, 1e-9)) ** (2 * order)) if low else 1.0
    return 1 / (below * np.sqrt(1 + (frequency / high) ** (2 * order)))


def uneven(frequency: np.ndarray, deviation: float, rng: np.random.Generator) -> np.ndarray:
    """Gains of a random frequency response: normally distributed with `deviation` dB at an octave's distance or less."""
    knots = np.geomspace(100, RATE / 2, 9)
    return 10 ** (np.interp(np.log(frequency + 1), np.log(knots), rng.normal(0, deviation, len(knots))) / 20)


def hiss(clips: int, samples: int, slope: float, rng: np.random.Generator) -> torch.Tensor:
    """Noise with an RMS of 1, float32 [clips, samples], whose power falls with frequency to the power of `slope` above
    20 Hz: 0 is white, 1 pink."""
    length = fft_length(samples)
    white = torch.from_numpy(rng.standard_normal((clips, length), np.float32))
    gains = torch.from_numpy(((frequencies(samples) + 20) ** (-slope / 2)).astype(np.float32))
    noise = torch.fft.irfft(torch.fft.rfft(white) * gains, length)[:, :samples]
    return noise / noise.square().mean(1, keepdim=True).sqrt()


def hum(samples: int, mains: float, phase: float) -> np.ndarray:
    """Mains hum, float64 [samples]; the mains frequency has an amplitude of 1. mains: 50 or 60 Hz. phase: radians."""
    angle = 2 * np.pi * mains * np.arange(samples) / RATE + phase
    return sum((strength * np.sin((number + 1) * angle) for number, strength in enumerate(HARMONICS)), np.zeros(samples))
