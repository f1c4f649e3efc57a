"""The tables of the engine: SiLU, and the exponential behind `kws_probability`."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from engine.network import SILU_ENTRIES, SILU_FRACTION, SILU_STEP

EXPONENTIAL_STEP = 1 / 16
"""Largest step of the exponent between two entries of the table of exponentials, unless a score's own is larger."""
EXPONENTIAL_END = 8
"""The table goes on at least until e^-8; what is less counts as 0."""


def silu() -> np.ndarray:
    """SiLU(z) = z / (1 + e^-z) for z = (i - 512) * SILU_STEP, int16 [1024] with `SILU_FRACTION` bits."""
    z = (np.arange(SILU_ENTRIES) - SILU_ENTRIES // 2) * SILU_STEP
    return np.rint(z / (1 + np.exp(-z)) * 2**SILU_FRACTION).astype(np.int16)


@dataclasses.dataclass(frozen=True)
class Exponentials:
    """values: uint16 [128 or more], e^(-i * 2^shift * score_scale) with 15 fractional bits."""

    shift: int
    values: np.ndarray


def exponentials(score_scale: float) -> Exponentials:
    """The table for scores of this scale."""
    shift = max(0, math.floor(math.log2(EXPONENTIAL_STEP / score_scale)))
    step = 2.0**shift * score_scale
    steps = np.arange(math.ceil(EXPONENTIAL_END / min(step, EXPONENTIAL_STEP))) * step
    return Exponentials(shift, np.rint(np.exp(-steps) * 2**15).astype(np.uint16))
