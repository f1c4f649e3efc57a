"""The level meter in NumPy: an independent statement of what kws_level.c computes, to the bit.

Whole blocks at once, as arrays [blocks]; integers throughout, and sums of at most 63 bits.
"""

from __future__ import annotations

import numpy as np

from common.description import FEATURES
from frontend.level import LEVEL, Status
from frontend.level_binding import Reading

OUTER = 24576
WRAP = 49152
FINDINGS = (Status.HALF_EMPTY, Status.SWAPPED, Status.WRONG_BITS, Status.STEREO, Status.STEREO)
"""What a block may show; stereo by whether pairs begin with an even or with an odd sample."""
NOTHING = len(FINDINGS)


def swapped(samples: np.ndarray) -> np.ndarray:
    """Samples with their bytes exchanged, int64."""
    return samples.astype("<i2").view(np.uint16).byteswap().view(np.int16).astype(np.int64)


def without_mean(squares: np.ndarray, sums: np.ndarray, bits: int) -> np.ndarray:
    """Energy without the mean of 2^bits values, at least 0."""
    return np.maximum(squares - (sums * sums >> bits), 0)


def at_an_end(samples: np.ndarray) -> np.ndarray:
    return abs(samples) >= 32767


def findings(samples: np.ndarray) -> np.ndarray:
    """What each block shows, [blocks]: indices of `FINDINGS`, or `NOTHING`. samples: int16 [at least blocks * block]."""
    count = len(samples) // LEVEL.block
    x = samples[: count * LEVEL.block].astype(np.int64)
    if not count:
        return np.zeros(0, np.int64)

    def split(values: np.ndarray) -> np.ndarray:
        """[samples] -> [blocks, samples of each parity, 2]."""
        return values.reshape(count, LEVEL.block // 2, 2)

    bits, turned_samples = LEVEL.block_bits, swapped(samples)[: len(x)]
    steps = np.diff(x, prepend=x[0])
    squares = x * x
    sums = split(x).sum(1)
    parities = without_mean(split(squares).sum(1), sums, bits - 1)
    apart = sums[:, 1] - sums[:, 0]
    raw_step = split(steps * steps).sum(1)
    step_parities = without_mean(raw_step, apart[:, None], bits - 1)
    energy, step = parities.sum(1), step_parities.sum(1)
    more, less = parities.max(1), parities.min(1)
    by_two = x - np.concatenate([x[:1], x[:1], x[:-2]])
    step_of_two = split(by_two * by_two).sum((1, 2))
    turned_steps = np.diff(turned_samples, prepend=turned_samples[0])
    turned_step = split(turned_steps * turned_steps).sum((1, 2))
    turned = without_mean(split(turned_samples * turned_samples).sum((1, 2)), split(turned_samples).sum((1, 2)), bits)
    ends = at_an_end(x)
    is_clipped = split(ends).sum((1, 2)) > LEVEL.railed
    inside = ~ends & ~np.concatenate([ends[:1], ends[:-1]])
    wraps = (abs(steps) > WRAP) & inside
    saved = np.where(wraps, steps * steps - (65536 - abs(steps)) ** 2, 0)
    upper = split(abs(x) >= OUTER).sum((1, 2))
    low_bytes = split((x & 0xFF) != 0).any((1, 2))

    def full(values: np.ndarray, values_of_each: int) -> np.ndarray:
        return (values >= LEVEL.full_least * values_of_each) & (values <= LEVEL.full_most * values_of_each)

    words = full(more, LEVEL.block // 2) & (4 * less <= more) & (step_of_two >= energy) & (step_of_two <= 3 * energy)
    words &= ~is_clipped
    empty = (1024 * less <= more) & (step_of_two <= 3 * energy)
    smoother = 2 * (turned_step >> bits) * (energy >> bits) <= (turned >> bits) * (step >> bits)
    smoother &= (energy <= LEVEL.full_most * LEVEL.block) & (4 * turned <= 3 * energy)
    smoother &= (step >= energy) & (2 * step <= 5 * energy)
    swap = ~is_clipped & low_bytes & (smoother | (256 * turned <= energy))
    uniform = ~is_clipped & full(energy, LEVEL.block) & (upper >= LEVEL.upper_least) & (upper <= LEVEL.upper_most)
    uniform &= (2 * step >= 3 * energy) & (2 * step <= 5 * energy)
    wrapping = (split(wraps).sum((1, 2)) >= LEVEL.wraps_least) & (2 * split(saved).sum((1, 2)) >= raw_step.sum(1))
    wrapping &= (energy <= LEVEL.full_most * LEVEL.block) & (step <= 3 * energy) & ~is_clipped
    at_the_ends = (upper >= LEVEL.block - LEVEL.railed) & (energy >= LEVEL.block << 28)
    at_the_ends &= split(ends).sum((1, 2)) <= LEVEL.block // 4 * 3
    smaller, larger = step_parities.min(1), step_parities.max(1)
    pairs = (6 * smaller <= 5 * larger) & (larger >= LEVEL.coarse_step * LEVEL.block // 2) | (16 * smaller <= larger)
    pairs &= ~is_clipped & (step_of_two <= 2 * energy)
    loudnesses = ~is_clipped & (4 * less <= more) & (step_of_two <= energy)
    one_apart = ~is_clipped & (step <= 2 * energy) & (6 * step_of_two <= step)
    return np.select(
        [words, empty, swap, uniform | wrapping | at_the_ends, pairs, loudnesses, one_apart],
        [2, 0, 1, 2, 3 + (step_parities[:, 0] > step_parities[:, 1]), 3 + (parities[:, 0] > parities[:, 1]), 3],
        NOTHING,
    )


def log2(value: int) -> int:
    """log2 of a positive integer, times 2^log_bits, rounded down as repeated squaring of 32 bits rounds it."""
    exponent = value.bit_length() - 1
    mantissa = value << 31 >> exponent
    fraction = 0
    for _ in range(LEVEL.log_bits):
        mantissa = mantissa * mantissa >> 31
        bit = mantissa >> 32
        mantissa >>= bit
        fraction = 2 * fraction + bit
    return (exponent << LEVEL.log_bits) + fraction


def tenths(energy: int, count: int) -> int:
    """Tenths of a dBFS of an energy of `count` samples, halves away from zero."""
    if not energy:
        return LEVEL.silence
    below = (30 << LEVEL.log_bits) + log2(count) - log2(energy)
    bits = LEVEL.log_bits + LEVEL.tenths_bits
    rounded = abs(below) * LEVEL.tenths + (1 << (bits - 1)) >> bits
    return rounded if below < 0 else -rounded


def format_of(found: np.ndarray, is_judged: np.ndarray) -> Status:
    """The wrong format that blocks show, or OK. found: `findings`; is_judged: whether a block is not next to silent."""
    votes = np.bincount(found[is_judged], minlength=NOTHING + 1)[:NOTHING]
    most = int(votes.argmax())
    one_of = LEVEL.wrong_bits_one_of if FINDINGS[most] == Status.WRONG_BITS else 2
    enough = votes[most] >= LEVEL.blocks_least and one_of * votes[most] >= is_judged.sum()
    return FINDINGS[most] if enough else Status.OK


def status(wrong: Status, figures: Reading, total: int, clipped: int, blocks: int) -> Status:
    """The first status that applies; wrong: `format_of`."""
    if blocks < LEVEL.blocks_least:
        return Status.TOO_SHORT
    if not total:
        return Status.CONSTANT
    if wrong != Status.OK:
        return wrong
    if figures.rate and abs(figures.rate - FEATURES.sample_rate) > FEATURES.sample_rate // 8:
        return Status.WRONG_RATE
    if clipped >= figures.samples // LEVEL.clipped_one_of:
        return Status.CLIPPING
    if abs(figures.dc) >= LEVEL.dc:
        return Status.DC
    return Status.TOO_QUIET if figures.loudest < LEVEL.quiet else Status.OK


def measure(samples: np.ndarray, elapsed_ms: int = 0) -> Reading:
    """The reading of a whole sound, int16 [samples], as `level_binding.measure`."""
    blocks = min(len(samples) // LEVEL.block, LEVEL.blocks_most)
    if not blocks:
        return Reading(0, 0, 0, LEVEL.silence, LEVEL.silence, LEVEL.silence, 0, Status.TOO_SHORT)
    x = samples[: blocks * LEVEL.block].astype(np.int64).reshape(blocks, -1)
    energies = without_mean((x * x).sum(1), x.sum(1), LEVEL.block_bits)
    total, clipped = int(energies.sum()), int(at_an_end(x).sum())
    mean = int(abs(x.sum()) // x.size)
    rate = max(1, len(samples) * 1000 // elapsed_ms) if elapsed_ms >= LEVEL.rate_ms and blocks < LEVEL.blocks_most else 0
    figures = Reading(
        samples=x.size,
        rate=rate,
        clipped_ppm=clipped * 1_000_000 // x.size,
        peak=tenths(int(abs(samples.astype(np.int64)).max()) ** 2, 1),
        rms=tenths(total, x.size),
        loudest=tenths(int(energies.max()), LEVEL.block),
        dc=mean if x.sum() >= 0 else -mean,
        status=Status.OK,
    )
    wrong = format_of(findings(samples)[:blocks], energies >= LEVEL.least_energy * LEVEL.block)
    return figures._replace(status=status(wrong, figures, total, clipped, blocks))
