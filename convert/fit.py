"""Fit the integers of one layer of the native engine to the output of the float network, on the calibration clips.

1. Its weights are refitted by least squares on the integer inputs that the layers before it give, so that they compensate
   for the errors of those.
2. Multiplier and integers of each row are those of the least squared error in the output (convert/rounding.py).
3. The bias makes the mean error zero.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from common.description import BANDS
from common.errors import UserError
from convert import exact
from convert.fold import FoldedBlock
from convert.rounding import MULTIPLIER_MAX, WEIGHT_MAX, quantise_rows, round_rows
from engine import golden
from engine.network import (
    ACTIVATION_MAX,
    CLASSIFIER_TAPS,
    DEPTHWISE_SHIFT,
    FRACTION,
    SILU_ENTRIES,
    SILU_SHIFT,
    SILU_STEP,
    Dense,
    mean_shift,
)

REFIT = 3e-2
"""Regularisation of a refit towards the trained weights, relative to the mean variance of the inputs."""
TAP_CANDIDATES = 192
"""Multipliers tried for the taps of a frequency convolution."""
SUM_MAX = (1 << 15) - 1
"""Largest sum of the frequency convolution, 16 bits."""
TAP_MAX = (1 << 15) - 1
"""Largest tap of the temporal convolution: with a larger one, one step of the mean would skip an entry of SiLU's table."""
BIAS_MAX = 1 << 30
"""Largest bias of a 32-bit sum; only a channel that is always 0 could need a larger one."""
Q = 1 << FRACTION
"""Steps of a sum of the frequency convolution in one step of the activation."""
ONE = 1 << 16
"""Divisor of every multiplier."""


def refitted(weight: np.ndarray, covariance: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Weights [rows, n] by ridge regression towards the trained `weight`. covariance: of the inputs, [n, n]. cross: of the
    targets with the inputs, [rows, n]."""
    damped = covariance + (REFIT * np.trace(covariance) / len(covariance) + 1e-9) * np.eye(len(covariance))
    return weight + exact.solve(damped, (cross - exact.product(weight, covariance)).T).T


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Dot product of two vectors, summed in the order of their elements."""
    return float((a * b).sum())


def rows_of(x: np.ndarray) -> np.ndarray:
    """[clips, C, ...] -> float64 [C, samples]."""
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)


def fit_dense(weight: np.ndarray, x: np.ndarray, target: np.ndarray) -> Dense:
    """The integer layer from integer inputs x [clips, n, ...] to the real target [clips, rows, ...].

    weight: trained, real [rows, n].
    """
    mu, nu, covariance, cross = exact.moments(rows_of(x), rows_of(target))
    weight = refitted(weight, covariance, cross)
    integers, multipliers = quantise_rows(weight, covariance, ONE)
    bias = np.rint(nu * ONE / multipliers - exact.product(integers.astype(np.float64), mu))
    return Dense(integers, np.clip(bias, -BIAS_MAX, BIAS_MAX).astype(np.int32), multipliers.astype(np.int16))


def float_norm(block: FoldedBlock, x: np.ndarray) -> np.ndarray:
    """The float frequency branch: x [clips, C, F, T] -> normalised convolution [clips, C, F / stride, T]."""
    below, at, above = golden.neighbours(x, block.stride)
    w = block.frequency.astype(x.dtype)
    repeat = at.shape[2] // BANDS
    a = w[:, 0, None, None] * below + w[:, 1, None, None] * at + w[:, 2, None, None] * above
    return a * np.repeat(block.scale, repeat, 1)[:, :, None].astype(x.dtype) + np.repeat(block.shift, repeat, 1)[
        :, :, None
    ].astype(x.dtype)


def fit_taps(
    block: FoldedBlock, x: np.ndarray, scale_in: np.ndarray, scale: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Taps int8 [C, 5, 3], bias int16 [C, 5] and multiplier int16 [C, 5] of the frequency convolution.

    x: the integer input. target: real output, in steps of the output. Up to TAP_CANDIDATES multipliers at which sums fit
    16 bits are tried with the integers next to each tap; the one of least error in the output is taken.
    """
    parts = golden.neighbours(x, block.stride)
    repeat = parts.shape[3] // BANDS
    c = len(scale)
    taps, bias, multiplier = np.zeros((c, BANDS, 3)), np.zeros((c, BANDS)), np.zeros((c, BANDS))
    for channel in range(c):
        for band in range(BANDS):
            rows = slice(band * repeat, (band + 1) * repeat)
            inputs = parts[:, :, channel, rows].reshape(3, -1).astype(np.float64)
            mu, nu, covariance, cross = exact.moments(inputs, target[:, channel, rows].reshape(1, -1).astype(np.float64))
            real = block.scale[channel, band] * block.frequency[channel] * scale_in[channel] / scale[channel]
            if block.transition is None:
                real[1] += scale_in[channel] / scale[channel]
            fitted = refitted(real[None], covariance, cross)[0]
            if reach(fitted, nu[0] - dot(fitted, mu)) * Q * ONE < SUM_MAX * MULTIPLIER_MAX:
                real = fitted
            taps[channel, band], bias[channel, band], multiplier[channel, band] = best_taps(
                real * Q * ONE, (nu[0] - dot(real, mu)) * Q * ONE, mu, covariance
            )
    return taps.astype(np.int8), bias.astype(np.int16), multiplier.astype(np.int16)


def least_scales(block: FoldedBlock, scale_in: np.ndarray) -> np.ndarray:
    """The finest output steps [C] for which `fit_taps` finds multipliers, with a margin for the refit.

    Only a nearly dead channel has a range so small that its step would be finer.
    """
    real = np.abs(block.scale[:, :, None] * block.frequency[:, None])
    if block.transition is None:
        real[:, :, 1] += 1
    greatest = (real.sum(2) * scale_in[:, None] * ACTIVATION_MAX + np.abs(block.shift)).max(1) * Q * ONE
    return 1.5 * greatest / (MULTIPLIER_MAX * SUM_MAX)


def reach(taps: np.ndarray, offset: float) -> float:
    """Largest magnitude of a sum over unsigned 8-bit inputs."""
    return ACTIVATION_MAX * np.abs(taps).sum() + abs(offset)


def best_taps(real: np.ndarray, offset: float, mu: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Three integer taps near real / k, a bias near offset / k and the multiplier k of least error, with sums of 16 bits.

    mu, covariance: of the inputs. Raises UserError where sums fit at no multiplier.
    """
    least = max(1, int(np.ceil(reach(real, offset) / SUM_MAX)), int(np.ceil(np.abs(real).max() / WEIGHT_MAX)))
    k = np.unique(np.linspace(least, min(MULTIPLIER_MAX, 2 * least + 8), TAP_CANDIDATES).astype(np.int64))
    choices = np.array(np.meshgrid(*[[0, 1]] * 3, indexing="ij")).reshape(3, -1).T
    integers = np.floor(real / k[:, None])[:, None] + choices  # [k, 8, 3]
    bias = np.rint((offset + dot(real, mu)) / k[:, None] - (integers * mu).sum(2))
    difference = integers * k[:, None, None] - real
    error = exact.quadratic(difference, covariance + 1e-6 * np.eye(3))
    high = ACTIVATION_MAX * np.maximum(integers, 0).sum(2) + bias
    low = ACTIVATION_MAX * np.minimum(integers, 0).sum(2) + bias
    fits = (high <= SUM_MAX) & (low >= -SUM_MAX) & (np.abs(integers).max(2) <= WEIGHT_MAX) & (np.abs(bias) <= SUM_MAX)
    fits &= (k <= MULTIPLIER_MAX)[:, None]
    if not fits.any():
        raise UserError(
            "the native engine cannot hold this network: a frequency convolution amplifies too much for "
            "16-bit sums; train it again, with weight decay"
        )
    row, choice = np.unravel_index(np.argmin(np.where(fits, error, np.inf)), error.shape)
    return integers[row, choice], int(bias[row, choice]), int(k[row])


def fit_mean(
    block: FoldedBlock, x: np.ndarray, scale_in: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights int8 [C, rows], bias int32 [C] and output step [C] of the frequency mean.

    x: integer input [clips, C, rows, T]. target: the float mean [clips, C, T].
    """
    c, rows = x.shape[1:3]
    flat = dataclasses.replace(block, shift=np.zeros_like(block.shift))
    each_row = np.broadcast_to(np.eye(rows), (1, c, rows, rows))
    real = float_norm(flat, each_row)[0].mean(1) * scale_in[:, None]
    weight, bias, step = np.zeros((c, rows)), np.zeros(c), np.zeros(c)
    shift = 1 << mean_shift(rows)
    for channel in range(c):
        inputs = rows_of(x[:, channel].swapaxes(1, 2).reshape(-1, rows))
        mu, nu, covariance, cross = exact.moments(inputs, target[:, channel].reshape(1, -1).astype(np.float64))
        fitted = refitted(real[channel][None], covariance, cross)
        constant = nu[0] - dot(fitted[0], mu)
        size = max(np.abs(fitted).max() / WEIGHT_MAX, 1.05 * reach(fitted, constant) / shift / (1 << 15), 1e-9)
        integers = round_rows(fitted / size, covariance)[0]
        weight[channel], step[channel] = integers, size * shift
        bias[channel] = np.rint(nu[0] / size - dot(integers, mu)) + shift // 2
    return weight.astype(np.int8), bias.astype(np.int32), step


def fit_temporal(
    block: FoldedBlock, means: list[np.ndarray], step: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Taps int16 [C, 3] and bias int32 [C] of the temporal convolution.

    means: three integer arrays [clips, C, T]. step: of the means, [C]. target: real, before SiLU, [clips, C, T].
    """
    taps, bias = np.zeros(block.temporal.shape), np.zeros(block.channels)
    unit = (1 << SILU_SHIFT) / SILU_STEP
    for channel in range(block.channels):
        inputs = np.stack([part[:, channel].ravel() for part in means]).astype(np.float64)
        mu, nu, covariance, cross = exact.moments(inputs, target[:, channel].reshape(1, -1).astype(np.float64))
        real = refitted((block.temporal[channel] * step[channel])[None], covariance, cross)[0] * unit
        taps[channel] = np.clip(np.rint(real), -TAP_MAX, TAP_MAX)
        bias[channel] = np.rint(nu[0] * unit - dot(taps[channel], mu))
    middle = (SILU_ENTRIES // 2 << SILU_SHIFT) + (1 << (SILU_SHIFT - 1))
    return taps.astype(np.int16), (bias + middle).astype(np.int32)


def fit_depthwise(real: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Real weights [C, 5, 5] on integers x [clips, C, 5, T] -> int8 weights and the step [C] of their outputs."""
    windows = np.lib.stride_tricks.sliding_window_view(x, CLASSIFIER_TAPS, 3)
    weight, step = np.zeros(real.shape, np.int8), np.zeros(len(real))
    for channel, taps in enumerate(real):
        inputs = windows[:, channel].transpose(1, 3, 0, 2).reshape(taps.size, -1).astype(np.float64)
        covariance = exact.moments(inputs, inputs[:0])[2]
        size = max(np.abs(taps).max(), 1e-9) / WEIGHT_MAX
        weight[channel] = round_rows(taps.reshape(1, -1) / size, covariance).reshape(taps.shape)
        step[channel] = size * (1 << DEPTHWISE_SHIFT)
    return weight, step
