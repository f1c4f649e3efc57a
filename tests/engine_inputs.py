"""What the tests of the engine share: numbers of classes, a network at the ends of every sum, features at theirs."""

from __future__ import annotations

import dataclasses

import numpy as np

from common.description import FEATURES
from engine import network
from engine.network import ACTIVATION_MAX, Block, Dense, Network
from engine.random_network import HIGHEST, LOWEST

CLASS_COUNTS = (2, 3, 11, 12, 13, 35)
SEED = 1
"""Of random networks that still tell clips apart once two of their channels are `at_the_ends`."""
TEMPORAL_TAP = 21_845
"""Three of them times the lowest mean and LOWEST are the lowest 32-bit sum."""


def numbered(count: int) -> tuple[str, ...]:
    """So many labels."""
    return tuple(f"word {index}" for index in range(count))


def extremes() -> np.ndarray:
    """Clips int8 [3, 40, 101] at the ends of the range, and going from one to the other in every row and column."""
    shape = (FEATURES.mels, FEATURES.frames)
    alternating = np.where(np.indices(shape).sum(0) % 2, 127, -128)
    return np.stack([np.full(shape, -128), np.full(shape, 127), alternating]).astype(np.int8)


def dense_at_the_ends(layer: Dense, least: int, greatest: int, high: int = 0, low: int = 1) -> Dense:
    """For inputs of least ... greatest: output `high` as high as sums of 32 bits and multipliers of 16 go, `low` as low."""
    weight, bias, multiplier = layer.weight.astype(np.int64), layer.bias.copy(), layer.multiplier.copy()
    bounds = np.stack([weight * least, weight * greatest])
    bias[high] = (1 << 31) - 1 - bounds.max(0)[high].sum()
    bias[low] = -(1 << 31) - bounds.min(0)[low].sum()
    multiplier[[high, low]] = HIGHEST
    return Dense(layer.weight, bias, multiplier)


def block_at_the_ends(block: Block, silu: np.ndarray, high: int, low: int) -> Block:
    """Channel `high` with its mean, temporal and frequency branch, and what they add up to, as high as `network.check`
    lets them be, whatever the input; channel `low` as low."""
    taps, bias, multiplier, mean, mean_bias, temporal, temporal_bias = (
        getattr(block, name).copy()
        for name in ("taps", "bias", "multiplier", "mean", "mean_bias", "temporal", "temporal_bias")
    )
    both, shift = [high, low], network.mean_shift(block.rows)
    taps[both], multiplier[both], mean[both], temporal[both] = 0, HIGHEST, 0, TEMPORAL_TAP
    bias[high], bias[low] = HIGHEST, LOWEST
    mean_bias[high], mean_bias[low] = ((HIGHEST + 1) << shift) - 1, LOWEST << shift
    temporal_bias[high] = (1 << 31) - 1 - 3 * TEMPORAL_TAP * HIGHEST
    temporal_bias[low] = -(1 << 31) - 3 * TEMPORAL_TAP * LOWEST
    pointwise = dense_at_the_ends(block.pointwise, int(silu.min()), int(silu.max()), high, low)
    transition = block.transition and dense_at_the_ends(block.transition, 0, ACTIVATION_MAX, high, low)
    return Block(
        transition, block.stride, block.dilation, taps, bias, multiplier, mean, mean_bias, temporal, temporal_bias, pointwise
    )


def at_the_ends(made: Network) -> Network:
    """The same network with two channels of every layer where no sum can be higher, or lower, and `network.check` still
    lets them pass: channel 0 high and 1 low, in every other block the other way round."""
    blocks = tuple(block_at_the_ends(block, made.silu, index % 2, 1 - index % 2) for index, block in enumerate(made.blocks))
    changed = dataclasses.replace(
        made,
        head=dense_at_the_ends(made.head, -128, 127),
        blocks=blocks,
        classifier=dense_at_the_ends(made.classifier, LOWEST, HIGHEST),
    )
    network.check(changed)
    return changed
