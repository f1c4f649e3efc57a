"""Refuse a network that was evidently not trained, before minutes of conversion that would fail."""

from __future__ import annotations

import numpy as np

from common.description import FEATURES
from common.errors import UserError
from convert.fold import FoldedNetwork, forward

EVERY = 8
"""Every eighth calibration clip is used."""
LARGEST = 1e6
"""Limit of the magnitude of activations and logits; those of trained networks are below a hundred."""
LEAST_SPREAD = 1e-6
"""Least range of a logit over the clips, relative to the largest logit."""


def check(network: FoldedNetwork, features: np.ndarray) -> None:
    """Raise UserError for activations beyond LARGEST or NaN, and for logits that are the same on all clips.

    features: int8 [clips, 40, 101], of the calibration clips.
    """

    def observe(name: str, x: np.ndarray) -> None:
        largest = np.abs(x).max()
        if not largest <= LARGEST:  # true for NaN too
            raise UserError(
                f"its {name} reaches {largest:.1g}, more than {LARGEST:g}: its weights are not those of a trained "
                "network; train it again"
            )

    with np.errstate(all="ignore"):  # overflow is reported by the observer
        logits = forward(network, FEATURES.dequantize(features[::EVERY]), observe)
    observe("output", logits)
    if np.ptp(logits, axis=0).max() <= LEAST_SPREAD * np.abs(logits).max():
        raise UserError("it gives the same answer for every clip: it has learnt nothing; train it again")
