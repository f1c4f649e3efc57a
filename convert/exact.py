"""Linear algebra that gives the same bits on every processor, with any number of threads.

The order of sums in BLAS and LAPACK depends on the processor, and so does the last bit of a vectorised exponential. Where a
weight lies halfway between two integers, such a difference would change the network. Here nothing depends on it:

- Large products (`contract`, `moments`) are of values rounded to a grid so coarse that float64 holds every partial sum
  exactly. The order of addition does not matter, and BLAS can be used (Ozaki et al., "Error-free transformations of
  matrix multiplication", 2012).
- Small ones (`product`, `solve`, `inverse_factor`, `exp`) are elementwise operations in a fixed order, which IEEE 754
  rounds the same way everywhere.
"""

from __future__ import annotations

import numpy as np

MANTISSA = 53
"""Bits of the largest integers that float64 holds exactly."""
ACTIVATION_BITS = 24
"""Bits of one slice of an activation in `contract`; those of a slice of the weights follow."""
LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
"""ln 2 in two parts; the first has few enough bits that whole multiples of it up to 2^10 are exact."""
EXP_TERMS = 14
"""Terms of the Taylor series of e^x for |x| <= ln(2) / 2; the next one is below 2^-53."""


def bits(largest: float) -> int:
    """The least b with |largest| < 2^b."""
    return int(np.frexp(largest)[1])


def on_grid(x: np.ndarray, size: int, axis: tuple[int, ...] | None = None) -> np.ndarray:
    """float64 x rounded to multiples of a power of two, so that its largest magnitude is at most 2^size of them.

    axis: over which the largest is taken; None for all of x.
    """
    largest = np.abs(x).max(axis, keepdims=True)
    step = np.ldexp(1.0, np.frexp(np.where(largest == 0, 1.0, largest))[1] - size)
    return np.rint(x / step) * step


def contract(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """weight [out, in] times x [clips, in, ...] over `in`, float64 [clips, out, ...].

    Both are split into two slices on grids of their own; only the product of the two fine ones, some 2^-48 of the whole,
    is left out.
    """
    weight, x = np.asarray(weight, np.float64), np.asarray(x, np.float64)
    weight_bits = MANTISSA - ACTIVATION_BITS - bits(weight.shape[1])
    coarse_weight, coarse = on_grid(weight, weight_bits, (1,)), on_grid(x, ACTIVATION_BITS)
    fine_weight, fine = on_grid(weight - coarse_weight, weight_bits, (1,)), on_grid(x - coarse, ACTIVATION_BITS)
    flat = x.shape[0], x.shape[1], -1
    coarse, fine = coarse.reshape(flat), fine.reshape(flat)
    out = np.matmul(coarse_weight, fine)
    out += np.matmul(fine_weight, coarse)
    out += np.matmul(coarse_weight, coarse)
    return out.reshape(x.shape[0], len(weight), *x.shape[2:])


def moments(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Integers x [n, samples], real y [m, samples] -> their means, covariances [n, n] of x and [m, n] of y with x.

    Sums of x are exact; y is rounded to the finest grid on which its sums with x are exact.
    """
    samples = x.shape[1]
    centre = np.rint(x.mean(1))  # of integers, whose sum is exact
    x = x - centre[:, None]
    mu = x.sum(1) / samples
    size = bits(np.abs(x).max())
    assert 2 * size + bits(samples) <= MANTISSA, "sums of squares beyond what float64 holds exactly"
    y = on_grid(y, MANTISSA - bits(samples) - size, (1,))
    nu = y.sum(1) / samples
    return (centre + mu, nu, np.matmul(x, x.T) / samples - mu[:, None] * mu, np.matmul(y, x.T) / samples - nu[:, None] * mu)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a [rows, n] times b [n, columns], or times a vector b [n], summed in the order of the terms."""
    if b.ndim == 1:
        return product(a, b[:, None])[:, 0]
    out = np.zeros((len(a), b.shape[1]))
    for column, row in zip(a.T, b):
        out += column[:, None] * row
    return out


def quadratic(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """r' M r of each of rows [..., n], [...]."""
    flat = rows.reshape(-1, rows.shape[-1])
    return (product(flat, matrix) * flat).sum(1).reshape(rows.shape[:-1])


def cholesky(matrix: np.ndarray) -> np.ndarray:
    """The lower triangular L with L L' = a symmetric positive definite matrix [n, n]."""
    left, lower = np.array(matrix, np.float64), np.zeros(matrix.shape)
    for i in range(len(left)):
        lower[i:, i] = left[i:, i] / np.sqrt(left[i, i])
        left[i + 1 :, i + 1 :] -= lower[i + 1 :, i, None] * lower[i + 1 :, i]
    return lower


def solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """X with matrix X = right [n, columns], for a symmetric positive definite matrix [n, n]."""
    lower, x = cholesky(matrix), np.array(right, np.float64)
    for i in range(len(x)):
        x[i] /= lower[i, i]
        x[i + 1 :] -= lower[i + 1 :, i, None] * x[i]
    for i in reversed(range(len(x))):
        x[i] /= lower[i, i]
        x[:i] -= lower[i, :i, None] * x[i]
    return x


def inverse_factor(matrix: np.ndarray) -> np.ndarray:
    """The upper triangular U with U' U = the inverse of a symmetric positive definite matrix [n, n]."""
    return cholesky(solve(matrix, np.eye(len(matrix)))).T


def exp(x: np.ndarray) -> np.ndarray:
    """e^x of float64 in -700 ... 700, with a relative error of about 2^-52."""
    octaves = np.rint(x * LOG2_E)
    rest = (x - octaves * LN2_HIGH) - octaves * LN2_LOW
    sum_ = np.ones_like(rest)
    for term in range(EXP_TERMS, 0, -1):
        sum_ = 1 + sum_ * rest / term
    return np.ldexp(sum_, octaves.astype(np.int64))


def sigmoid(z: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-z), float64; z is clipped to -700 ... 700."""
    return 1 / (1 + exp(-np.clip(np.asarray(z, np.float64), -700, 700)))
