"""Sound of any rate to 16 kHz, in integers: the same samples on every machine, and however it is cut into blocks.

A low-pass filter, a sinc under Blackman's window, is evaluated where each new sample lies between the old ones. Its
coefficients are whole numbers, and so is every sum, which float64 holds exactly in whatever order it is added.
(`training.spoken.acoustics.resample`, for the clips of training, goes by way of a whole sound's spectrum instead.)
"""
from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator

import numpy as np

from common.description import FEATURES

RATE = FEATURES.sample_rate
CROSSINGS = 64  # of zero by the sinc, to either side
ONE = 1 << 20  # the integer of a coefficient of 1
CUTOFF = 1 - 2.75 / CROSSINGS
"""Of half the lower rate. Half the transition, 5.5 / (2 CROSSINGS) of that rate wide under Blackman's window, lies above:
at half the lower rate everything is 74 dB down."""


def reach(rate: int) -> int:
    """Old samples before, and as many behind, that a new one is made of."""
    return math.ceil(CROSSINGS * max(rate, RATE) / RATE)


@functools.cache
def filters(rate: int) -> np.ndarray:
    """The filter for each place of a new sample behind an old one, whole numbers, float64 [places, 2 reach].

    Place p is p / places of an old sample behind the `reach`-th sample of what the filter is over.
    """
    width, places = reach(rate), RATE // math.gcd(rate, RATE)
    band = CUTOFF * min(rate, RATE) / rate

    def tap(time: float) -> float:
        """The low pass at `time`, in old samples."""
        turn = math.pi * time / width
        window = 0.42 + 0.5 * math.cos(turn) + 0.08 * math.cos(2 * turn)
        return window * (math.sin(math.pi * band * time) / (math.pi * time) if time else band)

    return np.array([[round(ONE * tap(old - width + 1 - place / places)) for old in range(2 * width)]
                     for place in range(places)], np.float64)


def to_16_khz(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """Blocks of a sound at `rate` Hz, int16 [samples], zeros before and behind it -> the sound at 16 kHz, int16 [samples],
    saturated, in other blocks. Sample n lies where it was, n / 16000 s from the beginning; at 16 kHz nothing changes."""
    if rate == RATE:
        yield from blocks
        return
    table, width = filters(rate), reach(rate)
    common = math.gcd(rate, RATE)
    up, down = RATE // common, rate // common  # of `up` new samples, each has a place of its own in `down` old ones
    held, first, made = np.zeros(width - 1), 1 - width, 0  # old samples from number `first` on; new ones so far
    for block in itertools.chain(blocks, [np.zeros(width, np.int16)]):
        held = np.concatenate([held, block])
        last = first + len(held) - 1 - width  # the last old sample behind which a new one can be made
        total = max(made, -(-(last + 1) * up // down))
        sums = np.empty(total - made)
        windows = np.lib.stride_tricks.sliding_window_view(held, 2 * width) if len(sums) else None
        for offset in range(min(up, len(sums))):
            old, place = divmod((made + offset) * down, up)
            sums[offset::up] = windows[old - width + 1 - first::down][:len(sums[offset::up])] @ table[place]
        made = total
        keep = made * down // up - width + 1
        held, first = held[keep - first:], keep
        yield np.clip(np.floor(sums / ONE + 0.5), -32768, 32767).astype(np.int16)
