"""Folded network + int8 features -> the integer network of the native engine.

Layer by layer, each on what the integer layers before it really give for the calibration clips:

1. an activation's scale, one for each channel, by the method that is asked for; nothing downstream
   pays for that, since a channel's scale goes into the weights that read it;
2. the layer's weights fitted anew to the float network's output, so that a layer makes up for what
   the ones before it lost;
3. multiplier and integers of each row by their error in the output (convert/rounding.py);
4. the bias that leaves no error in the mean.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from common import workers
from common.description import BANDS, FEATURES
from common.errors import UserError
from convert import exact, fidelity
from convert.fold import FoldedBlock, FoldedNetwork, classifier_depthwise, forward
from convert.ranges import choose_range
from convert.rounding import MULTIPLIER_MAX, WEIGHT_MAX, quantise_rows, round_rows
from engine import golden, tables
from engine.network import (
    ACTIVATION_MAX,
    CLASSIFIER_TAPS,
    DEPTHWISE_SHIFT,
    FRACTION,
    HEAD_TAPS,
    HIDDEN_MAX,
    SILU_ENTRIES,
    SILU_FRACTION,
    SILU_SHIFT,
    SILU_STEP,
    Block,
    Dense,
    Network,
    check,
    mean_shift,
)

METHODS = ("minmax", "p99.99", "mse")
REFIT = 3e-2
"""How strongly a refit is held to the trained weights, relative to the inputs' mean variance."""
SAMPLES = 20_000
"""Values of a channel that its range is chosen on; the extremes are always among them."""
TAP_CANDIDATES = 192
SUM_MAX = (1 << 15) - 1
"""Of the frequency convolution's sums."""
TAP_MAX = (1 << 15) - 1
"""Of the temporal convolution: at a steeper one, a single step of the mean would be two entries of SiLU's table."""
BIAS_MAX = 1 << 30
"""Of a sum that is held in 32 bits; only a channel that never fires could ask for more."""
SCORE_MARGIN = 2
"""How far beyond the calibration clips' logits the scores reach."""
Q = 1 << FRACTION
ONE = 1 << 16  # what a multiplier is divided by


def channel_scales(x: np.ndarray, method: str) -> np.ndarray:
    """Float activations behind a ReLU [clips, C, ...] -> size of one step of 255 for each channel, [C]."""
    rng, scales = np.random.default_rng(0), []
    for channel in np.moveaxis(x, 1, 0):
        values = channel.ravel()
        if values.size > SAMPLES:
            values = np.append(values[rng.integers(0, values.size, SAMPLES)], values.max())
        scales.append(choose_range(values, method)[1])
    floor = max(scales) * 1e-3 or 1.0  # a dead channel's scale matters to nobody
    return np.maximum(scales, floor) / ACTIVATION_MAX


def refitted(weight: np.ndarray, covariance: np.ndarray, cross: np.ndarray) -> np.ndarray:
    """Weights [rows, n] that give targets of covariance `cross` [rows, n] with the inputs, held near `weight`."""
    held = covariance + (REFIT * np.trace(covariance) / len(covariance) + 1e-9) * np.eye(len(covariance))
    return weight + exact.solve(held, (cross - exact.product(weight, covariance)).T).T


def dot(a: np.ndarray, b: np.ndarray) -> float:
    """Of two vectors, in the order of their elements."""
    return float((a * b).sum())


def rows_of(x: np.ndarray) -> np.ndarray:
    """[clips, C, ...] -> float64 [C, samples]."""
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1).astype(np.float64)


def fit_dense(weight: np.ndarray, x: np.ndarray, target: np.ndarray) -> Dense:
    """weight: real [rows, n], from integer inputs x [clips, n, ...] to the real target [clips, rows, ...]."""
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

    x: the integer input. target: what they shall give, real, in steps of the output. Every multiplier at which sums
    fit 16 bits is tried with the nearest integers, up to TAP_CANDIDATES of them; the least error in the output wins.
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
    """The finest output steps [C] for which fit_taps finds multipliers, with room for the refit: a channel that is all
    but dead gets a coarser one than its range asks for."""
    real = np.abs(block.scale[:, :, None] * block.frequency[:, None])
    if block.transition is None:
        real[:, :, 1] += 1
    greatest = (real.sum(2) * scale_in[:, None] * ACTIVATION_MAX + np.abs(block.shift)).max(1) * Q * ONE
    return 1.5 * greatest / (MULTIPLIER_MAX * SUM_MAX)


def reach(taps: np.ndarray, offset: float) -> float:
    """What a sum of unsigned 8-bit inputs can come to at most, in magnitude."""
    return ACTIVATION_MAX * np.abs(taps).sum() + abs(offset)


def best_taps(real: np.ndarray, offset: float, mu: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Three integers, bias and multiplier k for taps real / k and a constant offset / k whose sums fit 16 bits.

    mu, covariance: of the inputs. Raises UserError where no multiplier serves.
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
    """Weights int8 [C, rows], bias int32 [C] and step [C] of the frequency mean.

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
    """Real weights [C, 5, 5] per integer of x [clips, C, 5, T] -> int8 weights and step [C] of the values they give."""
    windows = np.lib.stride_tricks.sliding_window_view(x, CLASSIFIER_TAPS, 3)
    weight, step = np.zeros(real.shape, np.int8), np.zeros(len(real))
    for channel, taps in enumerate(real):
        inputs = windows[:, channel].transpose(1, 3, 0, 2).reshape(taps.size, -1).astype(np.float64)
        covariance = exact.moments(inputs, inputs[:0])[2]
        size = max(np.abs(taps).max(), 1e-9) / WEIGHT_MAX
        weight[channel] = round_rows(taps.reshape(1, -1) / size, covariance).reshape(taps.shape)
        step[channel] = size * (1 << DEPTHWISE_SHIFT)
    return weight, step


def float_dense(weight: np.ndarray, bias: np.ndarray | None, x: np.ndarray) -> np.ndarray:
    """A float layer over the channel axis, float32: x [clips, in, ...] -> [clips, out, ...]."""
    out = exact.contract(weight, x)
    return (out if bias is None else out + bias.reshape(-1, *(1,) * (x.ndim - 2))).astype(np.float32)


def shifted(x: np.ndarray, dilation: int) -> list[np.ndarray]:
    """[..., T] as the three taps of a dilated convolution see it, zero outside."""
    columns = x.shape[-1]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(dilation, dilation)])
    return [padded[..., k * dilation : k * dilation + columns] for k in range(3)]


class Quantiser:
    """Walks the network once, float and integer activations of the calibration clips side by side.

    real: float32 [clips, C, F, T]. integer: the same activations / scale, as the integer network has them.
    """

    real: np.ndarray
    integer: np.ndarray
    scale: np.ndarray

    def __init__(self, folded: FoldedNetwork, features: np.ndarray, method: str):
        self.folded, self.features, self.method = folded, features, method
        self.silu = tables.silu()

    def relu_layer(self, weight: np.ndarray, x: np.ndarray, before: np.ndarray) -> Dense:
        """A layer from integers x, real weight [out, n], with the float outputs `before` ReLU; moves on to its output."""
        self.real = np.maximum(before, 0)
        self.scale = channel_scales(self.real, self.method)
        unit = Q / self.scale
        layer = fit_dense(weight * unit[:, None], x, before * unit[:, None, None].astype(np.float32))
        self.integer = golden.activation(layer, x)
        return layer

    def head(self) -> Dense:
        patches = golden.head_windows(self.features)
        weight, bias = self.folded.head
        weight = weight.reshape(len(bias), -1)
        before = float_dense(weight, bias, FEATURES.dequantize(patches))
        layer = self.relu_layer(weight * FEATURES.int8_scale, patches, before)
        return dataclasses.replace(layer, weight=layer.weight.reshape(-1, HEAD_TAPS, HEAD_TAPS))

    def block(self, block: FoldedBlock) -> Block:
        transition = None
        if block.transition is not None:
            weight, bias = block.transition
            transition = self.relu_layer(weight * self.scale, self.integer, float_dense(weight, bias, self.real))
        norm = float_norm(block, self.real)
        means = norm.mean(2)
        z = sum(
            block.temporal[:, k, None].astype(np.float32) * part for k, part in enumerate(shifted(means, block.dilation))
        ) + block.temporal_bias[:, None].astype(np.float32)
        local = norm if block.transition is not None else norm + self.real
        before = local + float_dense(block.pointwise, None, z * exact.sigmoid(z))[:, :, None]
        after = np.maximum(before, 0)
        scale = np.maximum(channel_scales(after, self.method), least_scales(block, self.scale))

        taps = fit_taps(block, self.integer, self.scale, scale, local / scale[:, None, None].astype(np.float32))
        mean, mean_bias, step = fit_mean(block, self.integer, self.scale, means)
        later: Any = None
        done = Block(transition, block.stride, block.dilation, *taps, mean, mean_bias, later, later, later)
        integer_means = shifted(golden.mean(done, self.integer), block.dilation)
        temporal = fit_temporal(block, integer_means, step, z)
        silu = golden.activated(self.silu, *temporal, integer_means)
        frequency = golden.frequency(done, self.integer)
        unit = Q / scale
        # what the frequency branch has lost is left to the temporal branch to make up for
        missing = (before * unit[:, None, None].astype(np.float32) - frequency).mean(2)
        pointwise = fit_dense(block.pointwise / 2**SILU_FRACTION * unit[:, None], silu, missing)
        self.real, self.scale = after, scale
        self.integer = golden.to_activation(frequency + golden.base(pointwise, silu)[:, :, None])
        return dataclasses.replace(done, temporal=temporal[0], temporal_bias=temporal[1], pointwise=pointwise)

    def classifier(self) -> tuple[np.ndarray, Dense, Dense, float]:
        """Depthwise weights, the two layers behind them and the scale of the scores."""
        folded = self.folded
        vector = classifier_depthwise(folded, self.real)
        integer = np.pad(self.integer, ((0, 0), (0, 0), (0, 0), (2, 2)))
        weight, step = fit_depthwise(folded.classifier_depthwise * self.scale[:, None, None], integer)
        x = golden.depthwise(weight, integer)
        first, bias = folded.classifier
        units = np.maximum(float_dense(first, bias, vector), 0)
        scale = choose_range(units.ravel(), self.method)[1] / HIDDEN_MAX
        classifier = fit_dense(first * step / scale, x, float_dense(first, bias, vector) / np.float32(scale))
        x = golden.hidden(classifier, x)
        second, bias = folded.output
        logits = float_dense(second, bias, units)
        score_scale = np.ldexp(1.0, exact.bits(np.abs(logits).max() * SCORE_MARGIN / (1 << 15)))
        return (
            weight,
            classifier,
            fit_dense(second * scale / score_scale, x, logits / np.float32(score_scale)),
            float(score_scale),
        )

    def run(self, tau: float) -> Network:
        head = self.head()
        blocks = tuple(self.block(block) for block in self.folded.blocks)
        depthwise, classifier, output, score_scale = self.classifier()
        return Network(tau, self.folded.labels, head, self.silu, blocks, depthwise, classifier, output, score_scale)


def quantise(folded: FoldedNetwork, tau: float, features: np.ndarray, method: str) -> Network:
    """The integer network for int8 features [clips, 40, 101] of calibration clips, proven not to overflow.

    Raises UserError where the network cannot be held.
    """
    network = Quantiser(folded, features, method).run(tau)
    check(network)
    return network


def candidate(folded: FoldedNetwork, tau: float, features: np.ndarray, method: str) -> tuple[Network, np.ndarray]:
    """The network by one method, and its logits on the calibration clips, [clips, classes]."""
    network = quantise(folded, tau, features, method)
    return network, golden.window(network, features) * network.score_scale


def make(folded: FoldedNetwork, tau: float, features: np.ndarray) -> tuple[Network, dict]:
    """The integer network by the method whose scores are nearest to the float logits on the calibration clips.

    Returns it and its facts: the method, SQNR of the scores of each in dB, `fidelity.facts`. Each method is tried in
    a process of its own. Raises UserError where the engine cannot hold the network, or not truly.
    """
    expected = forward(folded, FEATURES.dequantize(features))
    made = dict(workers.run(candidate, [(folded, tau, features, method) for method in METHODS]))
    sqnr = {method: fidelity.sqnr_db(expected, made[index][1]) for index, method in enumerate(METHODS)}
    ranges = max(sqnr, key=lambda method: sqnr[method])
    network, logits = made[METHODS.index(ranges)]
    facts = fidelity.facts(expected, logits)
    fault = fidelity.fault(facts, "the native engine")
    if fault:
        raise UserError(f"{fault}; train longer")
    return network, {"ranges": ranges, **facts, "ranges_sqnr_db": sqnr}
