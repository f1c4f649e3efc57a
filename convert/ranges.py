"""Choose the range of an 8-bit activation."""

from __future__ import annotations

import numpy as np

BINS = 1024
"""Bins of the histogram of values that the method `mse` computes errors on."""


def choose_range(values: np.ndarray, method: str) -> tuple[float, float]:
    """The range [low, high] of an int8 activation; it includes 0.

    minmax: all of `values`; p99.99: 99.99 % of them, half of the rest clipped at each end; mse: the range of least mean
    squared quantisation error over `values`, including that of clipping.
    """
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if method == "minmax":
        return low, high
    if method.startswith("p"):
        tail = (100 - float(method[1:])) / 2
        return min(0.0, float(np.percentile(values, tail))), max(0.0, float(np.percentile(values, 100 - tail)))
    counts, edges = np.histogram(values, BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    used = counts > 0
    shrinks = np.linspace(1.0, 0.3, 21)
    one_sided = low == 0 or high == 0
    candidates = [(a, b) for a in shrinks for b in shrinks if a == b or not one_sided]
    errors = [quantisation_error(centres[used], counts[used], low * a, high * b) for a, b in candidates]
    a, b = candidates[int(np.argmin(errors))]
    return low * a, high * b


def quantisation_error(values: np.ndarray, counts: np.ndarray, low: float, high: float) -> float:
    """Mean squared error of 8-bit quantisation of `values`, each `counts` times, to [low, high]."""
    scale = (high - low) / 255 or 1.0
    zero = np.rint(-128 - low / scale)
    q = np.clip(np.rint(values / scale) + zero, -128, 127)
    return float(np.average(np.square((q - zero) * scale - values), weights=counts))
