"""Round weights to integers so that the error of the output is least.

The weights of a row are rounded one after the other; the error of each is compensated by the remaining ones, using the
covariance of the inputs (Frantar et al., "GPTQ", 2022; Hassibi and Stork, "Optimal Brain Surgeon", 1993). The row's integer
multiplier is the one of least output error among several.
"""

from __future__ import annotations

import numpy as np

from convert import exact

WEIGHT_MAX = 127
SHRINKS = np.linspace(1.0, 0.7, 13)
"""Multipliers that are tried, relative to that at which the largest weight is 127; at smaller ones weights are clipped."""
DAMPING = 1e-4
"""Added to the diagonal of the covariance, relative to its mean."""
MULTIPLIER_MAX = (1 << 15) - 1


def damped(covariance: np.ndarray) -> np.ndarray:
    """The covariance [n, n] with a larger diagonal, so that it can be inverted."""
    n = len(covariance)
    return covariance + (DAMPING * np.trace(covariance) / n + 1e-9) * np.eye(n)


def round_rows(weight: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Real weights [rows, n] -> integers within +-127, float64 [rows, n], for inputs of that covariance [n, n]."""
    return round_with(weight, exact.inverse_factor(damped(covariance)))


def round_with(weight: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """As `round_rows`, given the triangular factor of the inverse of the damped covariance."""
    left, rounded = weight.astype(np.float64).copy(), np.empty(weight.shape)
    for i in range(weight.shape[1]):
        rounded[:, i] = np.clip(np.rint(left[:, i]), -WEIGHT_MAX, WEIGHT_MAX)
        error = (left[:, i] - rounded[:, i]) / upper[i, i]
        left[:, i:] -= error[:, None] * upper[i, i:]
    return rounded


def quantise_rows(weight: np.ndarray, covariance: np.ndarray, unit: float) -> tuple[np.ndarray, np.ndarray]:
    """Real weights [rows, n] -> (int8 [rows, n], int64 multipliers [rows]) with weight ~ integer * multiplier / unit."""
    target = weight * unit
    largest = np.maximum(np.abs(target).max(1), 1.0)
    spread = damped(covariance)
    upper = exact.inverse_factor(spread)
    best = np.full(len(weight), np.inf)
    integers, multipliers = np.zeros(weight.shape), np.ones(len(weight), np.int64)
    for shrink in SHRINKS:
        k = np.clip(np.ceil(largest * shrink / WEIGHT_MAX), 1, MULTIPLIER_MAX)[:, None]
        rounded = round_with(target / k, upper)
        difference = rounded * k - target
        error = exact.quadratic(difference, spread)
        better = error < best
        best[better], integers[better], multipliers[better] = error[better], rounded[better], k[better, 0]
    return integers.astype(np.int8), multipliers
