"""Cross-layer equalisation (Nagel et al., 2019): bring the channels of an activation to similar ranges.

An int8 activation of TFLite has one scale for all its channels, so one channel of large range costs all others resolution.
After a ReLU or a linear layer, a channel may be multiplied by any positive number and the weights that read it divided by
it: the network computes the same. Blocks of one stage are joined by shortcuts and share their factors. The temporal branch
is left as it is, since no factor passes its SiLU.

The native engine has a scale for each channel and does not need this.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from convert.fold import FoldedBlock, FoldedNetwork, forward

PERCENTILE = 99.99
"""Percentile of a channel's magnitudes that is taken as its range."""
STRENGTH = 0.5
"""0 leaves the channels as they are, 1 gives all the same range, which makes the weights that read them differ more."""
STEPS = 4
"""Possible factors per octave."""
QUARTERS = np.sqrt([1, np.sqrt(2), 2, np.sqrt(8)])
"""2^(i / STEPS), by square roots, which every processor rounds the same way."""
LEAST = 1e-2
"""Least range of a channel, relative to the largest: so the factor of a dead channel is finite."""


def equalised(network: FoldedNetwork, logmel: np.ndarray) -> FoldedNetwork:
    """The network with its channels rescaled by their ranges on float log-mel [clips, 40, 101]; its logits are the same."""
    reaches = observe(network, logmel)
    factor_in = factors(reaches["head"])
    weight, bias = network.head
    head = weight * factor_in[:, None, None], bias * factor_in
    blocks = []
    for index, (block, stage) in enumerate(zip(network.blocks, stages(network))):
        factor = factors(np.max([reaches[f"block{i}"] for i in stage], axis=0))
        inner = None if block.transition is None else factors(reaches[f"transition{index}"])
        blocks.append(rescaled(block, factor_in, inner, factor))
        factor_in = factor
    depthwise, hidden = factors(reaches["depthwise"]), factors(reaches["classifier"])
    weight, bias = network.classifier
    output, output_bias = network.output
    return dataclasses.replace(
        network,
        head=head,
        blocks=tuple(blocks),
        classifier_depthwise=network.classifier_depthwise * (depthwise / factor_in)[:, None, None],
        classifier=(weight * hidden[:, None] / depthwise, bias * hidden),
        output=(output / hidden, output_bias),
    )


def observe(network: FoldedNetwork, logmel: np.ndarray) -> dict[str, np.ndarray]:
    """The ranges of the channels of every activation that `fold.forward` reports, by its name."""
    reaches: dict[str, np.ndarray] = {}
    forward(network, logmel, lambda name, x: reaches.update({name: reach(x)}))
    return reaches


def reach(x: np.ndarray) -> np.ndarray:
    """The range of each channel, [clips, C, F, T] -> [C]: a percentile of its magnitudes."""
    return np.percentile(np.abs(np.moveaxis(x, 1, 0)).reshape(x.shape[1], -1), PERCENTILE, axis=1)


def factors(reaches: np.ndarray) -> np.ndarray:
    """Ranges [C] -> factors of the channels, [C], at least 1.

    They are powers of 2^(1 / STEPS), so that they are the same on every processor.
    """
    greatest = reaches.max()
    if greatest == 0:
        return np.ones_like(reaches)
    octaves = -STRENGTH * np.log2(np.maximum(reaches / greatest, LEAST))
    whole, rest = np.divmod(np.rint(STEPS * octaves).astype(np.int64), STEPS)
    return np.ldexp(QUARTERS[rest], whole)


def stages(network: FoldedNetwork) -> list[range]:
    """For each block the blocks of its stage: a transition and the normal blocks behind it."""
    first = [index for index, block in enumerate(network.blocks) if block.transition is not None]
    ends = [*first[1:], len(network.blocks)]
    return [range(begin, end) for begin, end in zip(first, ends) for _ in range(begin, end)]


def rescaled(block: FoldedBlock, factor_in: np.ndarray, inner: np.ndarray | None, factor: np.ndarray) -> FoldedBlock:
    """A block whose input is multiplied by factor_in [C_in], its output by factor [C], its transition's by inner [C].

    A normal block has no inner one, and factor_in is its factor.
    """
    transition, ratio = None, np.ones_like(factor)
    if block.transition is not None and inner is not None:
        weight, bias = block.transition
        transition, ratio = (weight * inner[:, None] / factor_in, bias * inner), factor / inner
    return dataclasses.replace(
        block,
        transition=transition,
        scale=block.scale * ratio[:, None],
        shift=block.shift * factor[:, None],
        temporal=block.temporal / factor[:, None],
        pointwise=block.pointwise * factor[:, None],
    )
