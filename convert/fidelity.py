"""How close one set of logits is to another."""
from __future__ import annotations

import numpy as np


def agreement(reference: np.ndarray, logits: np.ndarray) -> float:
    """Fraction of clips with the same answer. Both [clips, classes]."""
    return float((reference.argmax(1) == logits.argmax(1)).mean())


def sqnr_db(reference: np.ndarray, logits: np.ndarray) -> float:
    """Signal-to-quantisation-noise ratio in dB: 10 log10(sum reference^2 / sum (logits - reference)^2).

    Sums go over all clips and classes; infinite where the two are equal.
    """
    noise = np.square(np.asarray(logits, np.float64) - reference).sum()
    if noise == 0:
        return float("inf")
    return float(10 * np.log10(np.square(np.asarray(reference, np.float64)).sum() / noise))
