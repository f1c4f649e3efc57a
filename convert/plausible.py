"""Whether a network can be one that was trained, told before minutes of conversion that would fail in the end."""

from __future__ import annotations

import numpy as np

from common.description import FEATURES
from common.errors import UserError
from convert.fold import FoldedNetwork, forward

EVERY = 8
"""Of the calibration clips, so many are skipped to the next that is heard."""
REACH = 1e6
"""Of activations and logits; a trained network's stay below a hundred."""
LEAST_SPREAD = 1e-6
"""Of a logit over the clips, relative to the largest logit."""


def check(network: FoldedNetwork, features: np.ndarray) -> None:
    """Raise UserError for numbers that no graph could hold, and for logits that are the same whatever is heard.

    features: int8 [clips, 40, 101], of calibration.
    """

    def observe(name: str, x: np.ndarray) -> None:
        reach = np.abs(x).max()
        if not reach <= REACH:  # nor where it is no number
            raise UserError(
                f"its {name} reaches {reach:.1g}, more than {REACH:g}: its weights are not those of a trained "
                "network; train it again"
            )

    with np.errstate(all="ignore"):  # the observer tells it in a line
        logits = forward(network, FEATURES.dequantize(features[::EVERY]), observe)
    observe("output", logits)
    if np.ptp(logits, axis=0).max() <= LEAST_SPREAD * np.abs(logits).max():
        raise UserError("it gives the same answer whatever it hears: it has learnt nothing; train it again")
