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
KNOTS = 9
"""Of an uneven frequency response."""
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


def frequencies(samples: int, device: torch.device | None = None) -> torch.Tensor:
    """Those of the bins of a transform of `samples` samples, Hz, float64 [bins]."""
    return torch.fft.rfftfreq(fft_length(samples), 1 / RATE, dtype=torch.float64, device=device)


def filtered(samples: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    """Each clip with the gain of each of its `frequencies`, [bins] or [clips, bins]; without a change of phase."""
    length = fft_length(samples.shape[1])
    return torch.fft.irfft(torch.fft.rfft(samples, length) * gains.to(samples), length)[:, : samples.shape[1]]


def band(
    frequency: torch.Tensor,
    low: float | torch.Tensor = 0.0,
    high: float | torch.Tensor = math.inf,
    order: float | torch.Tensor = 4,
) -> torch.Tensor:
    """Gains of a Butterworth high pass at `low` and low pass at `high` Hz, each of that order; numbers, or [filters, 1] for
    gains [filters, bins]."""
    below = (low / frequency.clamp_min(1e-9)) ** (2 * order)
    return 1 / ((1 + below).sqrt() * (1 + (frequency / high) ** (2 * order)).sqrt())


def uneven(frequency: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """Gains [responses, bins] of uneven frequency responses: `levels` [responses, KNOTS], dB, at octaves from about 100 Hz
    to half the sampling rate, with straight lines between them over the logarithm of frequency."""
    knots = torch.linspace(math.log(100), math.log(RATE / 2), KNOTS, dtype=frequency.dtype, device=frequency.device)
    at = ((frequency + 1).log() - knots[0]) / (knots[1] - knots[0])
    hats = (1 - (at - torch.arange(KNOTS, device=frequency.device)[:, None]).abs()).clamp_min(0)
    hats[0] = torch.where(at < 0, 1.0, hats[0])
    hats[-1] = torch.where(at > KNOTS - 1, 1.0, hats[-1])
    return 10 ** (levels.to(frequency) @ hats / 20)


def hiss(
    clips: int, samples: int, slope: float, rng: np.random.Generator, device: torch.device | None = None
) -> torch.Tensor:
    """Noise with an RMS of 1, float32 [clips, samples], whose power falls with frequency to the power of `slope` above
    20 Hz: 0 is white, 1 pink."""
    length = fft_length(samples)
    white = torch.from_numpy(rng.standard_normal((clips, length), np.float32)).to(device)
    gains = ((frequencies(samples, device) + 20) ** (-slope / 2)).float()
    noise = torch.fft.irfft(torch.fft.rfft(white) * gains, length)[:, :samples]
    return noise / noise.square().mean(1, keepdim=True).sqrt()


def hum(samples: int, mains: torch.Tensor, phase: torch.Tensor) -> torch.Tensor:
    """Mains hum, [hums, samples]; the mains frequency has an amplitude of 1. mains, phase: [hums], Hz and radians."""
    time = torch.arange(samples, dtype=mains.dtype, device=mains.device) / RATE
    angle = 2 * math.pi * mains[:, None] * time + phase[:, None]
    return torch.stack([strength * ((n + 1) * angle).sin() for n, strength in enumerate(HARMONICS)]).sum(0)
