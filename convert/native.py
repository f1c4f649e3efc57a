"""Folded network + int8 features -> the integer network of the native engine.

Layer by layer; the inputs of each are what the integer layers before it give for the calibration clips. First the scale of
each channel of its activation is chosen, by one of METHODS (it costs nothing on the device, since it goes into the weights
that read the channel), then its integers (convert/fit.py).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from common import workers
from common.description import FEATURES
from common.errors import UserError
from convert import exact, fidelity
from convert.fit import Q, fit_dense, fit_depthwise, fit_mean, fit_taps, fit_temporal, float_norm, least_scales
from convert.fold import FoldedBlock, FoldedNetwork, classifier_depthwise, forward
from convert.ranges import choose_range
from engine import golden, tables
from engine.network import (
    ACTIVATION_MAX,
    HEAD_TAPS,
    HIDDEN_MAX,
    SILU_FRACTION,
    Block,
    Dense,
    Network,
    check,
)

METHODS = ("minmax", "p99.99", "mse")
SAMPLES = 20_000
"""Values of a channel that its range is chosen on; its maximum is always among them."""
SCORE_MARGIN = 2
"""Ratio of the largest score to the largest logit of the calibration clips."""


def channel_scales(x: np.ndarray, method: str) -> np.ndarray:
    """Float activations after a ReLU [clips, C, ...] -> scale of each channel, [C]: its range divided by 255."""
    rng, scales = np.random.default_rng(0), []
    for channel in np.moveaxis(x, 1, 0):
        values = channel.ravel()
        if values.size > SAMPLES:
            values = np.append(values[rng.integers(0, values.size, SAMPLES)], values.max())
        scales.append(choose_range(values, method)[1])
    floor = max(scales) * 1e-3 or 1.0  # no scale of 0 for a dead channel
    return np.maximum(scales, floor) / ACTIVATION_MAX


def float_dense(weight: np.ndarray, bias: np.ndarray | None, x: np.ndarray) -> np.ndarray:
    """A float layer over the channel axis, float32: x [clips, in, ...] -> [clips, out, ...]."""
    out = exact.contract(weight, x)
    return (out if bias is None else out + bias.reshape(-1, *(1,) * (x.ndim - 2))).astype(np.float32)


def shifted(x: np.ndarray, dilation: int) -> list[np.ndarray]:
    """[..., T] shifted for each of the three taps of a dilated convolution, zero-padded."""
    columns = x.shape[-1]
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(dilation, dilation)])
    return [padded[..., k * dilation : k * dilation + columns] for k in range(3)]


class Quantiser:
    """Quantises layer after layer, with the float and the integer activations of the calibration clips side by side.

    real: float32 [clips, C, F, T]. integer: the same activations / scale, as the integer network computes them.
    """

    real: np.ndarray
    integer: np.ndarray
    scale: np.ndarray

    def __init__(self, folded: FoldedNetwork, features: np.ndarray, method: str):
        self.folded, self.features, self.method = folded, features, method
        self.silu = tables.silu()

    def relu_layer(self, weight: np.ndarray, x: np.ndarray, before: np.ndarray) -> Dense:
        """Quantise a layer on integers x with real weight [out, n]; its output becomes the current activation.

        before: its float outputs before the ReLU.
        """
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
        # this target of the temporal branch includes the rounding error of the frequency branch
        missing = (before * unit[:, None, None].astype(np.float32) - frequency).mean(2)
        pointwise = fit_dense(block.pointwise / 2**SILU_FRACTION * unit[:, None], silu, missing)
        self.real, self.scale = after, scale
        self.integer = golden.to_activation(frequency + golden.base(pointwise, silu)[:, :, None])
        return dataclasses.replace(done, temporal=temporal[0], temporal_bias=temporal[1], pointwise=pointwise)

    def classifier(self) -> tuple[np.ndarray, Dense, Dense, float]:
        """Depthwise weights, the two layers after them and the scale of the scores."""
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
        return Network(
            tau,
            self.folded.labels,
            head,
            self.silu,
            blocks,
            depthwise,
            classifier,
            output,
            score_scale,
            self.folded.features.clip_samples,
        )


def quantise(folded: FoldedNetwork, tau: float, features: np.ndarray, method: str) -> Network:
    """The integer network for int8 features [clips, 40, columns of the window] of calibration clips, proven not to overflow.

    Raises UserError where the engine cannot hold the network.
    """
    network = Quantiser(folded, features, method).run(tau)
    check(network)
    return network


def candidate(folded: FoldedNetwork, tau: float, features: np.ndarray, method: str) -> tuple[Network, np.ndarray]:
    """The network by one method, and its logits on the calibration clips, [clips, classes]."""
    network = quantise(folded, tau, features, method)
    return network, golden.window(network, features) * network.score_scale


def make(folded: FoldedNetwork, tau: float, features: np.ndarray) -> tuple[Network, dict]:
    """The integer network by the method of METHODS with the highest SQNR of scores on the calibration clips.

    Returns it and its facts: the method, SQNR of each method in dB, `fidelity.facts`. Each method runs in a process of
    its own. Raises UserError where the engine cannot hold the network, or its scores are too far from float.
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
