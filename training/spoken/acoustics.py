"""Acoustic augmentation of a spoken word: length of the vocal tract, room, microphone, level and noise.

For words without background, from a synthesiser or cut out of a recording. All randomness comes from the caller's
generator.
"""

from __future__ import annotations

import numpy as np

from common.description import FEATURES
from common.resampling import by_spectrum

TRACT = 0.84, 1.16  # scale of the vocal tract's length: of formants, pitch and speed together
RATE = FEATURES.sample_rate
CLIP = FEATURES.clip_samples


def recorded(samples: np.ndarray, rate: float, echoes: float, rng: np.random.Generator, length: int = CLIP) -> np.ndarray:
    """A clip with a word in it, int16 [length].

    samples: the word, float64, at `rate` Hz; cut to the clip. echoes: probability of an echo.
    """
    return placed(voiced(samples, rate, rng)[:length], echoes, rng, length)


def voiced(samples: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
    """Speech, float64, at `rate` Hz -> with another length of the vocal tract, at 16 kHz, without silence at its ends."""
    return trim(by_spectrum(samples, RATE / rate * rng.uniform(*TRACT)))


def recorded_again(clip: np.ndarray, echoes: float, rng: np.random.Generator) -> np.ndarray:
    """A recording int16 [16000] -> the same with another vocal tract, room and microphone, int16 [16000]."""
    spoken = by_spectrum(clip / 32768, rng.uniform(*TRACT))
    before = max(0, len(spoken) - CLIP) // 2
    return placed(spoken[before : before + CLIP], echoes, rng)


def placed(spoken: np.ndarray, echoes: float, rng: np.random.Generator, length: int = CLIP) -> np.ndarray:
    """Speech of at most a clip's length, float64 -> at a random place within one, with random echo, microphone, level and
    noise: int16 [length]."""
    whole = np.zeros(length)
    start = rng.integers(length - len(spoken) + 1)
    if rng.random() < echoes:
        spoken = echo(spoken, rng)[: length - start]
    whole[start : start + len(spoken)] = spoken
    whole = microphone(whole, rng)
    level = np.exp(rng.uniform(np.log(0.06), 0))
    floor = np.exp(rng.uniform(np.log(1e-4), np.log(0.01)))
    whole = whole * (level / max(np.abs(whole).max(), 1e-6)) + floor * hiss(length, rng)
    return np.rint(32767 * whole.clip(-1, 1)).astype(np.int16)


def trim(samples: np.ndarray, threshold: float = 0.02) -> np.ndarray:
    """Without the start and the end that are below `threshold` times the peak."""
    loud = np.flatnonzero(np.abs(samples) > threshold * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def echo(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In a small room: the direct sound, then decaying noise (-60 dB after 50 to 400 ms) with 2 to 50 % of its energy."""
    decay = rng.uniform(0.05, 0.4)  # seconds to -60 dB
    time = np.arange(1, round(decay * RATE)) / RATE
    tail = rng.normal(size=len(time)) * 10 ** (-3 * time / decay)
    tail *= np.sqrt(rng.uniform(0.02, 0.5) / np.sum(tail**2))
    return convolve(samples, np.concatenate([[1.0], tail]))


def convolve(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Full linear convolution."""
    length = len(a) + len(b) - 1
    return np.fft.irfft(np.fft.rfft(a, length) * np.fft.rfft(b, length), length)


def microphone(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Through a microphone: a frequency response with a standard deviation of 4 dB, a high pass of second order at 60 to
    300 Hz and a low pass of third order at 3 to 8 kHz."""
    frequency = np.fft.rfftfreq(len(samples), 1 / RATE)
    knots = np.geomspace(100, 8000, 9)
    gain = 10 ** (np.interp(np.log(frequency + 1), np.log(knots), rng.normal(0, 4, len(knots))) / 20)
    low, high = rng.uniform(60, 300), rng.uniform(3000, 8000)
    gain /= np.sqrt(1 + (low / (frequency + 1)) ** 4) * np.sqrt(1 + (frequency / high) ** 6)
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples))


def hiss(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise [samples] whose power falls with frequency to the power of 0 to 2; its RMS is 1."""
    frequency = np.fft.rfftfreq(samples, 1 / RATE) + 20
    spectrum = np.fft.rfft(rng.normal(size=samples)) * frequency ** (-rng.uniform(0, 1))
    noise = np.fft.irfft(spectrum, samples)
    return noise / noise.std()
