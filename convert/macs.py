"""Multiply-accumulates of the network."""

from __future__ import annotations

from common.description import FeatureDescription
from convert.fold import FoldedNetwork


def counting(features: FeatureDescription) -> str:
    """The way of counting, as a report says it."""
    return (
        "multiply-accumulates of all convolutions and of the output layer of the paper's network for one "
        f"window of {features.mels} x {features.frames}, padding included, with norms folded; no additions, means or "
        "activations"
    )


def network_macs(network: FoldedNetwork) -> int:
    """Multiply-accumulates of one window, counted as `counting` says."""
    columns = network.features.frames
    rows = network.features.mels // 2
    total = network.head[0].size * rows * columns
    for block in network.blocks:
        if block.transition is not None:
            total += block.transition[0].size * rows * columns
        rows //= block.stride
        total += block.frequency.size * rows * columns
        total += (block.temporal.size + block.pointwise.size) * columns
    total += (network.classifier_depthwise.size + network.classifier[0].size) * columns
    return int(total + network.output[0].size)
