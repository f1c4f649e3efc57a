"""The constants of the integer feature pipeline: window, twiddle factors, mel weights, logarithm.

The units, from the samples to the feature:

- a windowed sample has 7 fractional bits: 2^7 units for an LSB of the PCM;
- the spectrum is kept doubled, so 2^8 units for that LSB, 2^23 for an amplitude of 1;
- a mel energy is a sum of squares of those, so the floor of the features is `floor * 2^46`.

Nothing is scaled to its content, so the pipeline is one fixed function of the samples. Products are truncated, by one
of two rules: `mul16(a, k) = floor(a k / 2^16)` of 32 and 16 bits, one instruction on cores with DSP extension (SMULWB)
or MVE (VMULH) and a few without long multiply; `mul32(a, k) = floor(a k / 2^32)` of 32 and 32 bits (SMMUL, VMULH).
With constants in Q15 or Q31 they yield half the product. Window and twiddle factors are stored negated: -1.0 fits 16
and 32 bits, +1.0 does not.

Window and split need the finer constants: with 16 bits, a loud band leaks into silent ones, by up to 4 LSB of the
feature on real clips. Within the FFT 16 bits do no harm.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from common.description import FEATURES, FeatureDescription, check_mels
from common.errors import UserError

FFT, WINDOW = 512, 480
POINTS = FFT // 2
"""Of the complex FFT that even and odd samples go through as real and imaginary parts."""
SPANS = (4, 16, 64)
"""Distance of a radix-4 butterfly's inputs in the stages behind the first."""
SAMPLE_BITS = 7  # fractional bits of a windowed sample
POWER_BITS = 2 * (15 + SAMPLE_BITS + 1)
"""log2 of the power that a bin of |X| = 1 has (samples in +-1)."""
LOG_INDEX_BITS, LOG_SLOPE_BITS, LOG_BITS = 5, 10, 20
"""The logarithm: bits of the mantissa that pick a segment, bits that interpolate, fractional bits of the result."""


@dataclasses.dataclass(frozen=True)
class Tables:
    """Integer constants, int64 arrays (their C types in the comments)."""

    window: np.ndarray  # int32 [480]: minus the Hann window, Q23
    twiddles: np.ndarray  # int16 [3, 64, 2]: minus (cos, sin) of 2 pi r k / 256 for r = 1, 2, 3, Q15
    split: np.ndarray  # int32 [128, 2]: minus (cos, sin) of 2 pi k / 512 for k = 1 ... 128, Q31
    digit_reversed: np.ndarray  # uint8 [64]: where the butterfly j of the first stage goes
    segment_bins: np.ndarray  # uint8 [mels + 1]: bins between two neighbouring mel edges, from bin 1 on
    rising: np.ndarray  # int16 [255]: weight of bin 1 ... 255 in the filter that rises over its segment, Q15
    floor: int  # int32: of a mel energy
    log_octave: int  # int32: a factor of 2 in features, LOG_BITS fractional bits
    log_mantissa: np.ndarray  # int32 [33]: logarithm of 1 + i / 32 in features, LOG_BITS fractional bits
    log_offset: int  # int32: of an energy of 1, plus the zero point and a half for rounding


def fixed(values: np.ndarray, bits: int) -> np.ndarray:
    """Values in [-1, 1] -> int64 with so many fractional bits, rounded to the nearest; 1 becomes the greatest below."""
    return np.minimum(np.rint(np.asarray(values) * 2.0**bits).astype(np.int64), 2**bits - 1)


def minus_cos_sin(angles: np.ndarray, bits: int) -> np.ndarray:
    """-(cos, sin) of angles of any shape, int64 with so many fractional bits and a last axis of 2."""
    return fixed(-np.stack([np.cos(angles), np.sin(angles)], axis=-1), bits)


def mel_edges(features: FeatureDescription = FEATURES) -> np.ndarray:
    """Edges and peaks of the filters, Hz, float64 [mels + 2]: equidistant in HTK mel, 2595 log10(1 + f/700)."""
    low, high = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (features.fmin, features.fmax))
    return 700.0 * (10.0 ** (np.linspace(low, high, features.mels + 2) / 2595.0) - 1.0)


def check(features: FeatureDescription) -> None:
    """UserError where this pipeline cannot compute such features, or the network cannot take them."""
    check_mels(features)
    if (features.fft, features.window) != (FFT, WINDOW) or not 0 < features.hop <= WINDOW:
        raise UserError(
            f"the integer feature pipeline has an FFT of {FFT} and a window of {WINDOW} samples, not "
            f"{features.fft} and {features.window} with a hop of {features.hop}; "
            "change common/description.py"
        )
    if features.clip_samples < FFT or features.clip_samples % features.hop:
        raise UserError(
            f"a clip of {features.clip_samples} samples is not a whole number of hops of {features.hop}, "
            "or too short; change common/description.py"
        )
    if (features.fmin, features.fmax) != (0, features.sample_rate / 2):
        raise UserError("the integer feature pipeline covers 0 to half the sample rate; change common/description.py")


@functools.cache
def tables(features: FeatureDescription = FEATURES) -> Tables:
    """All constants for the given features. Raises UserError where the pipeline cannot compute them."""
    check(features)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)  # periodic Hann
    powers, k = np.arange(1, 4)[:, None], np.arange(64)
    j = np.arange(64)

    edges = mel_edges(features)
    hz = np.arange(1, POINTS) * features.sample_rate / FFT
    segment = np.searchsorted(edges, hz, side="right") - 1
    counts = np.bincount(segment, minlength=features.mels + 1)
    rising = (hz - edges[segment]) / (edges[segment + 1] - edges[segment])

    octave = math.log(2) / features.int8_scale
    mantissa = np.rint(octave * np.log2(1 + np.arange(33) / 32) * 2**LOG_BITS).astype(np.int64)
    offset = round((features.int8_zero_point + 0.5 - POWER_BITS * octave) * 2**LOG_BITS)
    floor = round(features.floor * 2**POWER_BITS)
    # Truncation lets an energy fall below 0 by 2^15 for each real or imaginary part; the floor must lift it up again.
    if not 2 * 2**15 * 2 * counts.max() < floor < 2**31 or not 0 < octave < 32 or counts.max() > 255:
        raise UserError("the integer feature pipeline has no room for this floor or scale; change common/description.py")
    return Tables(
        window=fixed(-window, SAMPLE_BITS + 16),
        twiddles=minus_cos_sin(2 * np.pi * powers * k / POINTS, 15),
        split=minus_cos_sin(2 * np.pi * np.arange(1, POINTS // 2 + 1) / FFT, 31),
        digit_reversed=(j % 4) * 16 + j // 4 % 4 * 4 + j // 16,
        segment_bins=counts,
        rising=fixed(rising, 15),
        floor=floor,
        log_octave=round(octave * 2**LOG_BITS),
        log_mantissa=mantissa,
        log_offset=offset,
    )
