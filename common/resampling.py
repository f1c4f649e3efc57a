"""Resampling: int16 recordings of any rate to 16 kHz, in blocks (`to_16_khz`), and float clips by any ratio (`by_spectrum`).

`to_16_khz` is a polyphase filter, a sinc with Blackman's window. Its coefficients are integers, and so is every sum, which
float64 holds exactly in any order: the result is the same on every machine, and however the sound is cut into blocks.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator

import numpy as np

from common.description import FEATURES

RATE = FEATURES.sample_rate
CROSSINGS = 64  # zero crossings of the sinc on either side
ONE = 1 << 20  # a coefficient of 1 as an integer
CUTOFF = 1 - 2.75 / CROSSINGS
"""Cutoff frequency as a fraction of half the lower rate. The transition band, 5.5 / CROSSINGS of half the lower rate wide
with Blackman's window, ends at half the lower rate, where the attenuation is 74 dB."""


def reach(rate: int) -> int:
    """Input samples before, and as many after, an output sample that it is computed from."""
    return math.ceil(CROSSINGS * max(rate, RATE) / RATE)


@functools.cache
def filters(rate: int) -> np.ndarray:
    """The polyphase filter: integer coefficients for each phase, float64 [phases, 2 reach].

    With phase p, the output sample lies p / phases of an input sample after the `reach`-th of the 2 reach samples.
    """
    width, phases = reach(rate), RATE // math.gcd(rate, RATE)
    band = CUTOFF * min(rate, RATE) / rate

    def tap(time: float) -> float:
        """The low pass at `time`, in input samples."""
        turn = math.pi * time / width
        window = 0.42 + 0.5 * math.cos(turn) + 0.08 * math.cos(2 * turn)
        return window * (math.sin(math.pi * band * time) / (math.pi * time) if time else band)

    return np.array(
        [[round(ONE * tap(old - width + 1 - phase / phases)) for old in range(2 * width)] for phase in range(phases)],
        np.float64,
    )


def to_16_khz(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Blocks of a sound at `rate` Hz, int16 [samples] -> the sound at 16 kHz, int16 [samples], saturated, in other blocks.

    Zeros are assumed before and after the sound. Output sample n lies n / 16000 s from its start; at 16 kHz the blocks are
    yielded unchanged.
    """
    if rate == RATE:
        yield from blocks
        return
    table, width = filters(rate), reach(rate)
    common = math.gcd(rate, RATE)
    up, down = RATE // common, rate // common  # `up` output samples, one of each phase, to `down` input samples
    held, first, made = np.zeros(width - 1), 1 - width, 0  # input samples from number `first` on; output samples so far
    for block in itertools.chain(blocks, [np.zeros(width, np.int16)]):
        held = np.concatenate([held, block])
        last = first + len(held) - 1 - width  # the last input sample after which an output sample can be computed
        total = max(made, -(-(last + 1) * up // down))
        sums = np.empty(total - made)
        if len(sums):
            windows = np.lib.stride_tricks.sliding_window_view(held, 2 * width)
            for offset in range(min(up, len(sums))):
                old, phase = divmod((made + offset) * down, up)
                sums[offset::up] = windows[old - width + 1 - first :: down][: len(sums[offset::up])] @ table[phase]
        made = total
        keep = made * down // up - width + 1
        held, first = held[keep - first :], keep
        yield np.clip(np.floor(sums / ONE + 0.5), -32768, 32767).astype(np.int16)


def by_spectrum(samples: np.ndarray, ratio: float) -> np.ndarray:
    """A sound, float64 [samples] -> `ratio` times as many samples of it, float64, by cutting or zero-padding its spectrum.

    Takes the sound as periodic.
    """
    length = max(2, round(len(samples) * ratio))
    spectrum = np.fft.rfft(samples)
    resized = np.zeros(length // 2 + 1, complex)
    kept = min(len(spectrum), len(resized))
    resized[:kept] = spectrum[:kept]
    return np.fft.irfft(resized, length) * ratio
