"""The constants of the native engine in the order in which its MVE (Helium) form reads them.

A vector that would end beyond the last channel starts earlier instead and overlaps the previous one: nothing outside a
column is read or written, and outputs that are computed twice are equal. In a sum over inputs, the second vector has weights
of 0 in the overlap.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from engine.network import SILU_SHIFT, Block, Dense, Network, mean_shift

HALFWORDS, BYTES, WORDS = 8, 16, 4
"""Lanes of a vector."""


def starts(count: int, lanes: int) -> list[int]:
    """Where the vectors that cover `count` elements start; 0 alone where there are fewer elements than lanes.

    >>> starts(20, 8)
    [0, 8, 12]
    """
    return [max(0, min(start, count - lanes)) for start in range(0, count, lanes)]


def even_starts(count: int) -> list[int]:
    """As `starts` for vectors of 8, at equal distances where possible.

    >>> even_starts(20)
    [0, 6, 12]
    """
    steps = -(-count // HALFWORDS) - 1
    if steps and (count - HALFWORDS) % steps == 0:
        return list(range(0, count, (count - HALFWORDS) // steps))[: steps + 1]
    return starts(count, HALFWORDS)


def vectors(values: np.ndarray, at: list[int]) -> np.ndarray:
    """[..., C] -> [vectors of 8 channels, ..., 8], from the channels `at`. There are at least 8 channels."""
    return np.stack([values[..., start : start + HALFWORDS] for start in at])


def chunks(values: np.ndarray) -> np.ndarray:
    """[..., C] -> [vectors of 8 channels, ..., 8] at `even_starts`."""
    return vectors(values, even_starts(values.shape[-1]))


def halves(values: np.ndarray) -> np.ndarray:
    """[..., 8] -> [..., 2, 4]: the even channels of each vector, then the odd ones: the order of VMULLB and VMULLT."""
    return values.reshape(*values.shape[:-1], WORDS, 2).swapaxes(-1, -2)


def inputs(weight: np.ndarray, lanes: int) -> np.ndarray:
    """[out, in] -> [out, vectors of inputs, lanes]; 0 for inputs of the previous vector and beyond the last."""
    count, done, parts = weight.shape[1], 0, []
    for start in starts(count, lanes):
        part = np.zeros((len(weight), lanes), weight.dtype)
        end = min(start + lanes, count)
        part[:, done - start : end - start] = weight[:, done:end]
        done = end
        parts.append(part)
    return np.stack(parts, 1)


@dataclasses.dataclass(frozen=True)
class Groups:
    """A layer whose sums are computed `outputs` at a time: weight int8 [groups, vectors, outputs, lanes], bias and
    multiplier (times 2^16, for VMULH) int32 [groups, 4]."""

    weight: np.ndarray
    bias: np.ndarray
    multiplier: np.ndarray


def temporal_bias(bias: np.ndarray) -> np.ndarray:
    """The bias minus the half that the rounding shift adds. Where a sum then does not fit 32 bits, its additions saturate;
    its index is far below SiLU's table in either case."""
    return np.maximum(bias.astype(np.int64) - (1 << SILU_SHIFT - 1), -(1 << 31)).astype(np.int32)


def groups(layer: Dense, lanes: int, offset: int = 0, outputs: int = WORDS) -> Groups:
    """A layer for inputs that are read as `x - offset`.

    A layer of fewer than four outputs is padded with zeros. With `outputs` = 2, bias and multiplier hold each value
    twice, for two rows.
    """
    weight = layer.weight.reshape(len(layer.weight), -1)
    bias = layer.bias.astype(np.int64) + offset * weight.sum(1, dtype=np.int64)
    multiplier = layer.multiplier.astype(np.int64) << 16
    missing = max(0, outputs - len(weight))
    weight = np.pad(weight, ((0, missing), (0, 0)))
    index = np.stack([np.arange(start, start + outputs) for start in starts(len(weight), outputs)])
    lane = np.tile(index, WORDS // outputs)
    return Groups(
        inputs(weight, lanes)[index].swapaxes(1, 2),
        np.pad(bias, (0, missing))[lane].astype(np.int32),
        np.pad(multiplier, (0, missing))[lane].astype(np.int32),
    )


@dataclasses.dataclass(frozen=True)
class Shape:
    """The shape that a layer's code is specialised for; rows: of its input."""

    channels: int
    rows: int
    stride: int

    @property
    def shift(self) -> int:
        """Bits by which the sum of the frequency mean is shifted right."""
        return mean_shift(self.rows)


@dataclasses.dataclass(frozen=True)
class PackedBlock:
    """shape: index of `Packed.shapes`. taps: int8 [vectors, 5, 3, 8]. norm: int16 [vectors, 5, 2, 8], bias and
    multiplier. mean: int8 [vectors, rows, 8]; mean_bias: int32 [vectors, 2, 4]. temporal: int16 [vectors, 3, 8];
    temporal_bias as mean_bias."""

    shape: int
    transition: Groups | None
    taps: np.ndarray
    norm: np.ndarray
    mean: np.ndarray
    mean_bias: np.ndarray
    temporal: np.ndarray
    temporal_bias: np.ndarray
    pointwise: Groups


@dataclasses.dataclass(frozen=True)
class Packed:
    """shapes: of the blocks, without repetition. transitions: index of a shape at the start of a stage -> input
    channels of its transition. depthwise: int8 [vectors, time, row, 8]."""

    head: Groups
    shapes: tuple[Shape, ...]
    transitions: dict[int, int]
    blocks: tuple[PackedBlock, ...]
    depthwise: np.ndarray
    hidden: Groups
    output: Groups


def transition_lanes(channels_in: int) -> int:
    """Inputs in a vector of a transition: 8 of 16 bits where there are no more, else 16 of 8."""
    return HALFWORDS if channels_in <= HALFWORDS else BYTES


def pack_transition(layer: Dense) -> Groups:
    lanes = transition_lanes(layer.weight.shape[1])
    return groups(layer, lanes, 128 if lanes == BYTES else 0)


def pack_block(block: Block, shape: int) -> PackedBlock:
    at = starts(block.channels, HALFWORDS)
    norm = np.stack([block.bias.T, block.multiplier.T], 1)  # [5, 2, C]
    return PackedBlock(
        shape,
        pack_transition(block.transition) if block.transition else None,
        chunks(block.taps.transpose(1, 2, 0)),
        chunks(norm),
        chunks(block.mean.T),
        halves(chunks(block.mean_bias)),
        vectors(block.temporal.T, at),
        halves(vectors(temporal_bias(block.temporal_bias), at)),
        groups(block.pointwise, HALFWORDS),
    )


def pack(network: Network) -> Packed:
    """All constants of a network."""
    shapes: list[Shape] = []
    transitions: dict[int, int] = {}
    blocks, c_in = [], len(network.head.bias)
    for block in network.blocks:
        shape = Shape(block.channels, block.rows, block.stride)
        if shape not in shapes:
            shapes.append(shape)
        if block.transition:
            transitions[shapes.index(shape)] = c_in
        blocks.append(pack_block(block, shapes.index(shape)))
        c_in = block.channels
    return Packed(
        groups(network.head, BYTES, outputs=2),
        tuple(shapes),
        transitions,
        tuple(blocks),
        chunks(network.depthwise.transpose(2, 1, 0)),
        groups(network.classifier, HALFWORDS),
        groups(network.output, HALFWORDS),
    )
