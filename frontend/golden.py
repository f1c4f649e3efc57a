"""The integer feature pipeline in NumPy: an independent statement of what the C sources compute, to the bit.

Written for clarity and for whole arrays of frames; every intermediate is checked against the width it has in C.
tests/frontend/test_frontend_golden.py compares it with the float features, test_frontend.py beside it with the C.
"""

from __future__ import annotations

import numpy as np

from common.description import FEATURES
from frontend.tables import FFT, LOG_BITS, LOG_INDEX_BITS, LOG_SLOPE_BITS, POINTS, SPANS, WINDOW, tables

CHUNK = 4096
"""Frames that are computed at once: 16 MB an array."""


def fits(values: np.ndarray, bits: int = 32) -> np.ndarray:
    """The same values, which must fit a signed integer of so many bits; ArithmeticError where one does not."""
    if values.size and (values.max() >= 1 << (bits - 1) or values.min() < -1 << (bits - 1)):
        raise ArithmeticError(f"an intermediate leaves {bits} bits: {values.min()} ... {values.max()}")
    return values


def mul16(a: np.ndarray, k: np.ndarray) -> np.ndarray:
    """floor(a k / 2^16) of 32-bit values a and 16-bit values k; half of a k where k is in Q15."""
    return fits(a) * fits(k, 16) >> 16


def mul32(a: np.ndarray, k: np.ndarray) -> np.ndarray:
    """floor(a k / 2^32) of 32-bit values; half of a k where k is in Q31."""
    return fits(a) * fits(k) >> 32


def windowed(frames: np.ndarray) -> np.ndarray:
    """Samples [frames, 480] -> minus their product with the window, 2^7 units an LSB, int64 [frames, 512]."""
    return np.pad(mul16(tables().window, frames.astype(np.int64)), ((0, 0), (0, FFT - WINDOW)))


def fft(re: np.ndarray, im: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Complex FFT of 256 points along the last axis: radix 4, decimation in time, without scaling.

    A stage takes four interleaved subsequences' spectra of `span` points, [..., 4, span], to one of 4 * span. The first
    has nothing to rotate.
    """
    frames, table = len(re), tables().twiddles
    order = np.arange(POINTS).reshape(4, 4, 4, 4).transpose(3, 2, 1, 0).ravel()  # digits to base 4 reversed
    re, im = re[:, order], im[:, order]
    for span in (1, *SPANS):
        re, im = re.reshape(frames, -1, 4, span), im.reshape(frames, -1, 4, span)
        (ar, br, cr, dr), (ai, bi, ci, di) = np.moveaxis(re, 2, 0), np.moveaxis(im, 2, 0)
        if span > 1:
            rotated = []
            for r, (xr, xi) in enumerate(((br, bi), (cr, ci), (dr, di))):
                cos, sin = table[r, :: 64 // span].T  # negated, so that the product is -1/2 of the rotated value
                rotated += [fits(-2 * (mul16(xr, cos) + mul16(xi, sin))), fits(-2 * (mul16(xi, cos) - mul16(xr, sin)))]
            br, bi, cr, ci, dr, di = rotated
        outputs_re = ar + br + cr + dr, ar - cr + (bi - di), ar + cr - (br + dr), ar - cr - (bi - di)
        outputs_im = ai + bi + ci + di, ai - ci - (br - dr), ai + ci - (bi + di), ai - ci + (br - dr)
        for partial in (ar + cr, ar - cr, ai + ci, ai - ci, br + dr, br - dr, bi + di, bi - di):
            fits(partial)
        re, im = fits(np.stack(outputs_re, 2)), fits(np.stack(outputs_im, 2))
    return re.reshape(frames, POINTS), im.reshape(frames, POINTS)


def spectrum(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twice the spectrum of real samples [frames, 512]: two int64 [frames, 255] for bins 1 to 255.

    With z = even + i odd samples and its spectrum Z: 2 X[k] = Z[k] + Z*[-k] - i w^k (Z[k] - Z*[-k]). The imaginary
    parts from bin 128 on have the opposite sign, which power does not see.
    """
    re, im = fft(samples[:, 0::2], samples[:, 1::2])
    k = np.arange(1, POINTS // 2)
    cos, sin = tables().split[:-1].T
    even_re, even_im = fits(re[:, k] + re[:, -k]), fits(im[:, k] - im[:, -k])
    odd_re, odd_im = fits(re[:, k] - re[:, -k]), fits(im[:, k] + im[:, -k])
    turned_re = fits(2 * (mul32(odd_re, sin) - mul32(odd_im, cos)))
    turned_im = fits(2 * (mul32(odd_im, sin) + mul32(odd_re, cos)))
    middle = POINTS // 2
    out_re, out_im = (np.empty((len(samples), POINTS - 1), np.int64) for _ in range(2))
    out_re[:, k - 1], out_im[:, k - 1] = even_re + turned_re, even_im + turned_im
    out_re[:, middle - 1], out_im[:, middle - 1] = 2 * re[:, middle], 2 * im[:, middle]
    out_re[:, -k], out_im[:, -k] = even_re - turned_re, even_im - turned_im
    return fits(out_re), fits(out_im)


def mel_energies(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    """Bins 1 to 255, [frames, 255] -> energies of the mel filters, int64 [frames, 40].

    Between two neighbouring edges one filter rises and its neighbour falls, and their weights add up to 1: so a segment
    needs its power and its power weighted once.
    """
    t = tables()
    power = re * re + im * im
    rising = re * mul16(re, t.rising) + im * mul16(im, t.rising)  # one half of power times weight
    exact = np.square(re.astype(np.float64)).sum(1) + np.square(im.astype(np.float64)).sum(1)
    if exact.size and exact.max() >= 2.0**62:
        raise ArithmeticError(f"a frame's energy leaves 63 bits: {exact.max()}")
    segment = np.repeat(np.arange(len(t.segment_bins)), t.segment_bins)
    total, half_rising = np.zeros((2, len(t.segment_bins), len(re)), np.int64)
    np.add.at(total, segment, power.T)
    np.add.at(half_rising, segment, rising.T)
    return (2 * half_rising[:-1] + total[1:] - 2 * half_rising[1:]).T


def feature(energy: np.ndarray) -> np.ndarray:
    """Mel energies, int64 of any shape -> int8 features: logarithm of energy + floor, by a table of 32 segments."""
    t = tables()
    value = energy + t.floor
    if value.size and value.min() <= 0:
        raise ArithmeticError(f"an energy is below minus the floor: {value.min()}")
    exponent = np.zeros(value.shape, np.int64)
    for bit in (32, 16, 8, 4, 2, 1):
        exponent += np.where(value >> exponent >> bit > 0, bit, 0)
    mantissa = (value << (62 - exponent)) - (np.int64(1) << 62)  # without its leading 1: 62 fractional bits
    index = mantissa >> (62 - LOG_INDEX_BITS)
    rest = mantissa >> (62 - LOG_INDEX_BITS - LOG_SLOPE_BITS) & (1 << LOG_SLOPE_BITS) - 1
    start, slope = t.log_mantissa[index], np.diff(t.log_mantissa)[index]
    logarithm = fits(exponent * t.log_octave + start + (fits(slope * rest) >> LOG_SLOPE_BITS))
    return np.clip(fits(logarithm + t.log_offset) >> LOG_BITS, -128, 127).astype(np.int8)


def from_frames(frames: np.ndarray) -> np.ndarray:
    """Samples int16 [frames, 480] -> features int8 [frames, 40]."""
    out = np.empty((len(frames), FEATURES.mels), np.int8)
    for start in range(0, len(frames), CHUNK):
        block = slice(start, start + CHUNK)
        out[block] = feature(mel_energies(*spectrum(windowed(frames[block]))))
    return out


def columns(clips: np.ndarray) -> np.ndarray:
    """Whole clips int16 [clips, samples] -> int8 [clips, columns, 40], extended by reflection at both ends as in training:
    of a second, 101 columns."""
    padded = np.pad(clips, ((0, 0), (WINDOW // 2, WINDOW // 2)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=1)[:, :: FEATURES.hop]
    return from_frames(frames.reshape(-1, WINDOW)).reshape(len(clips), -1, FEATURES.mels)


def stream(samples: np.ndarray) -> np.ndarray:
    """A stream from its reset, int16 [samples] -> int8 [columns, 40]; what was before it counts as zero.

    Column n is centred on sample 160 n and there as soon as 160 n + 240 samples are.
    """
    padded = np.pad(samples, (WINDOW // 2, 0))
    if len(padded) < WINDOW:
        return np.empty((0, FEATURES.mels), np.int8)
    return from_frames(np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[:: FEATURES.hop])
