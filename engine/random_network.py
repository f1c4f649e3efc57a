"""Integer networks with random weights, for tests and for what a width costs before there is a checkpoint of it.

    random_network(3)

All values of weights and activations occur, and everything that can saturate sometimes does. The engine's
sizes do not depend on the values, nor do its instructions but on Cortex-M0, and there by less than a percent.
"""

from __future__ import annotations

import numpy as np

from common.description import BANDS, FEATURES, LABELS, STAGES, FeatureDescription, channels
from engine import golden, network, tables
from engine.network import BASE_MAX, HIDDEN_MAX, SILU_ENTRIES, SILU_SHIFT, Block, Dense, Network

CLIPS = 4
TAPS_MAX, TAP_BIAS_MAX = 120, 2000
"""Sum of a frequency convolution's three taps, and its bias, such that every result fits 16 bits."""
HIGHEST, LOWEST = (1 << 15) - 1, -(1 << 15)


def random_features(clips: int, seed: int = 0, features: FeatureDescription = FEATURES) -> np.ndarray:
    """Features int8 [clips, 40, columns of the window], uniformly distributed."""
    return np.random.default_rng(seed).integers(-128, 128, (clips, features.mels, features.frames), np.int8)


def int8(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(-127, 128, shape, np.int8)


def to_the_ends(bias: np.ndarray, weight: np.ndarray, shift: int) -> np.ndarray:
    """The bias [C, ...] of sums over the last axis of `weight` times 0 ... 255, with that of channel 0 such that they
    reach the highest 16-bit value, shifted left, and that of channel 1 such that they reach the lowest."""
    bias = bias.copy()
    bias[0] = (HIGHEST << shift) - 255 * np.maximum(weight[0].astype(int), 0).sum(-1)
    bias[1] = (LOWEST << shift) - 255 * np.minimum(weight[1].astype(int), 0).sum(-1)
    return bias


def random_taps(rng: np.random.Generator, c: int) -> np.ndarray:
    """int8 [c, 5, 3] of every size that fits."""
    taps = int8(rng, c, BANDS, 3).astype(float)
    return np.trunc(taps * np.minimum(1, TAPS_MAX / np.abs(taps).sum(2, keepdims=True))).astype(np.int8)


def random_dense(rng: np.random.Generator, x: np.ndarray, outputs: int, spread: float) -> Dense:
    """A layer over axis 1 of x, whose results have a standard deviation of about `spread` and a mean near 0."""
    weight = int8(rng, outputs, x.shape[1])
    total = np.moveaxis(golden.product(weight, x), 1, 0).reshape(outputs, -1)
    deviation = total.std(1) + 1
    multiplier = np.clip(spread * rng.uniform(0.5, 2, outputs) * 65536 / deviation, 1, 32767)
    bias = rng.normal(0, 0.5, outputs) * deviation - total.mean(1)
    return Dense(weight, np.rint(bias).astype(np.int32), multiplier.astype(np.int16))


def random_block(rng: np.random.Generator, x: np.ndarray, c: int, stride: int, dilation: int, has_transition: bool) -> Block:
    """A block of c channels for inputs like x [clips, channels, rows, T]."""
    transition = random_dense(rng, x, c, 8 * 255) if has_transition else None
    if transition is not None:
        x = golden.activation(transition, x)
    rows = x.shape[2]
    middle = (SILU_ENTRIES // 2 << SILU_SHIFT) + (1 << (SILU_SHIFT - 1))
    taps, mean = random_taps(rng, c), int8(rng, c, rows)
    bias = rng.integers(-TAP_BIAS_MAX, TAP_BIAS_MAX + 1, (c, BANDS), np.int16)
    mean_bias = rng.integers(-10_000 * rows, 10_000 * rows, c, np.int32)
    steep = np.where(np.arange(c) % 4 == 0, 20_000, 1500)[:, None]  # a quarter runs off both ends of SiLU's table
    block = Block(
        transition,
        stride,
        dilation,
        taps=taps,
        bias=to_the_ends(bias, taps, 0),
        multiplier=rng.integers(1, 32768, (c, BANDS), np.int16),
        mean=mean,
        mean_bias=to_the_ends(mean_bias, mean, network.mean_shift(rows)),
        temporal=rng.integers(-steep, steep + 1, (c, 3)).astype(np.int16),
        temporal_bias=(middle + rng.integers(-1 << 22, 1 << 22, c)).astype(np.int32),
        pointwise=Dense(np.zeros((c, c), np.int8), np.zeros(c, np.int32), np.ones(c, np.int16)),
    )
    means = [golden.mean(block, x)] * 3
    silu = golden.activated(tables.silu(), block.temporal, block.temporal_bias, means)
    pointwise = random_dense(rng, silu, c, BASE_MAX / 4)
    return Block(**{**vars(block), "pointwise": pointwise})


def random_network(
    tau: float, seed: int = 0, labels: tuple[str, ...] = LABELS, clip_samples: int = FEATURES.clip_samples
) -> Network:
    """A network of this width and window for which `network.check` proves that nothing overflows."""
    rng, silu = np.random.default_rng(seed), tables.silu()
    head, *widths, tail = channels(tau)
    features = random_features(CLIPS, seed)
    flat = random_dense(rng, golden.head_windows(features), head, 8 * 255)
    made = Network(
        tau,
        labels,
        Dense(flat.weight.reshape(head, 5, 5), flat.bias, flat.multiplier),
        silu,
        (),
        int8(rng, widths[-1], 5, 5),
        flat,
        flat,
        2.0**-10,
        clip_samples,
    )
    x, blocks = golden.activation(made.head, golden.head_windows(features)), []
    for c, (count, stride, dilation) in zip(widths, STAGES):
        for index in range(count):
            has_transition = index == 0
            blocks.append(random_block(rng, x, c, stride if has_transition else 1, dilation, has_transition))
            x = golden.run_block(made, blocks[-1], x)
    vector = golden.depthwise(made.depthwise, x)
    classifier = random_dense(rng, vector, tail, HIDDEN_MAX / 2)
    output = random_dense(rng, golden.hidden(classifier, vector), len(labels), 10_000)
    made = Network(**{**vars(made), "blocks": tuple(blocks), "classifier": classifier, "output": output})
    network.check(made)
    return made
