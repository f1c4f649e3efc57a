"""Layout and size of the engine's state, from the shape of the network."""

from __future__ import annotations

import dataclasses

from common.description import FEATURES
from engine.network import CLASSIFIER_TAPS, HEAD_TAPS, Network, mean_shift

WORD = 4


def to_words(size: int) -> int:
    """Bytes, rounded up to whole words."""
    return -(-size // WORD) * WORD


@dataclasses.dataclass(frozen=True)
class Layer:
    """Where a block's memory is and its shape. inputs: offset in the state's `inputs`, bytes. means: offset in the state's
    `means`, elements. delay: columns from the feature to the block's input. column: bytes of one column of its input."""

    inputs: int
    means: int
    delay: int
    dilation: int
    channels_in: int
    channels: int
    rows: int
    rows_out: int
    column: int
    has_transition: int
    mean_shift: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the state's parts (bytes, or elements of `means` and `vector`) and the shape of head and tail."""

    layers: tuple[Layer, ...]
    inputs_bytes: int
    means: int
    ping_bytes: int
    pong_bytes: int
    tail_bytes: int
    tail_column: int
    vector: int
    mel_rows: int
    head_channels: int
    head_rows: int
    tail_channels: int
    tail_rows: int
    hidden: int


def plan(network: Network) -> Plan:
    """The plan of a network's state."""
    head_channels, head_rows = len(network.head.bias), FEATURES.mels // 2
    layers, inputs, means, delay, c_in = [], 0, 0, HEAD_TAPS // 2, head_channels
    buffers = [head_channels * head_rows, 0]  # ping, pong: each layer reads one and writes the other
    holder = 0
    for block in network.blocks:
        column = to_words(block.channels * block.rows)
        layers.append(
            Layer(
                inputs,
                means,
                delay,
                block.dilation,
                c_in,
                block.channels,
                block.rows,
                block.rows // block.stride,
                column,
                int(block.transition is not None),
                mean_shift(block.rows),
            )
        )
        for size in ([column] if block.transition is not None else []) + [column // block.stride]:
            holder = 1 - holder
            buffers[holder] = max(buffers[holder], to_words(size))
        inputs += block.dilation * column
        means += 2 * block.dilation * block.channels
        delay += block.dilation
        c_in = block.channels
    last = layers[-1]
    tail_column = to_words(last.channels * last.rows_out)
    hidden = len(network.classifier.bias)
    # rounded up, so that a kernel may read whole vectors of four or eight
    vector = -(-max(hidden, *(block.channels for block in network.blocks)) // 8) * 8
    return Plan(
        layers=tuple(layers),
        inputs_bytes=inputs,
        means=means,
        ping_bytes=to_words(buffers[0]),
        pong_bytes=to_words(buffers[1]),
        tail_bytes=CLASSIFIER_TAPS * tail_column,
        tail_column=tail_column,
        vector=vector,
        mel_rows=to_words(FEATURES.mels + 2 * (HEAD_TAPS // 2)),
        head_channels=head_channels,
        head_rows=head_rows,
        tail_channels=last.channels,
        tail_rows=last.rows_out,
        hidden=hidden,
    )
