"""How close one set of logits is to another, and whether that is close enough to ship.

What is judged is a network's answers on the calibration clips, which may hold none of its words: then it answers some
of them with hardly any lead, and the least noise turns these over. So only those answers must stay of which the float
network is as sure as a device must be (`common.description.DETECTION_THRESHOLD`), and the noise must be small in all.
"""

from __future__ import annotations

import numpy as np

from common.description import DETECTION_THRESHOLD

LEAST_AGREEMENT = 0.95
LEAST_SQNR_DB = 10


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


def sure(logits: np.ndarray) -> np.ndarray:
    """Whether the answer has a probability of at least DETECTION_THRESHOLD, bool [clips]; logits float [clips, classes]."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return DETECTION_THRESHOLD * odds.sum(1) <= 255


def facts(reference: np.ndarray, logits: np.ndarray) -> dict:
    """How close int8's logits are to float's, both [clips, classes], real units.

    agreement: over all clips. sure_clips: of how many float is sure; sure_agreement: over these, None where there is none.
    """
    which = sure(reference)
    return {
        "agreement": agreement(reference, logits),
        "sqnr_db": sqnr_db(reference, logits),
        "sure_clips": int(which.sum()),
        "sure_agreement": agreement(reference[which], logits[which]) if which.any() else None,
    }


def fault(found: dict, what: str) -> str | None:
    """Why `what`, of which `facts` were found, must not ship; None where it may."""
    share = found["sure_agreement"]
    if share is not None and share < LEAST_AGREEMENT:
        return (
            f"{what} and float agree on {100 * share:.1f} % of the {found['sure_clips']} calibration clips of which "
            f"float is sure, {100 * LEAST_AGREEMENT:.0f} % are needed"
        )
    if found["sqnr_db"] < LEAST_SQNR_DB:
        return (
            f"the logits of {what} have an SQNR of {found['sqnr_db']:.1f} dB on the calibration clips, "
            f"{LEAST_SQNR_DB} dB are needed"
        )
    return None


def summary(found: dict) -> str:
    """The facts as the terminal shows them."""
    share = found["sure_agreement"]
    judged = (
        "float is sure of no clip"
        if share is None
        else f"{100 * share:.1f} % of the {found['sure_clips']} clips of which float is sure"
    )
    return f"agreement {100 * found['agreement']:.1f} % ({judged}), SQNR {found['sqnr_db']:.1f} dB"
