"""How close one set of logits is to another, and whether that is close enough to ship.

Compared are the answers on the calibration clips, which may hold none of the network's words. Then its two best classes are
often nearly equal, and the least noise changes the answer. So answers must agree only on the clips that the float network
classifies with a probability of at least `common.description.DETECTION_THRESHOLD`, but the SQNR is that of all clips.
"""

from __future__ import annotations

import numpy as np

from common.description import DETECTION_THRESHOLD

LEAST_AGREEMENT = 0.95
LEAST_SQNR_DB = 10
CONFIDENT = f"that float classifies with {100 * DETECTION_THRESHOLD / 255:.0f} % or more"


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


def confident(logits: np.ndarray) -> np.ndarray:
    """Which answers have a probability of at least DETECTION_THRESHOLD, bool [clips]; logits float [clips, classes]."""
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return DETECTION_THRESHOLD * odds.sum(1) <= 255


def facts(reference: np.ndarray, logits: np.ndarray) -> dict:
    """How close int8's logits are to float's, both [clips, classes], real units.

    agreement: over all clips. sure_clips: number of those on which float is `confident`; sure_agreement: over these, None
    where there is none.
    """
    which = confident(reference)
    return {
        "agreement": agreement(reference, logits),
        "sqnr_db": sqnr_db(reference, logits),
        "sure_clips": int(which.sum()),
        "sure_agreement": agreement(reference[which], logits[which]) if which.any() else None,
    }


def fault(found: dict, what: str) -> str | None:
    """Why a network must not ship, by its `facts`; None where it may. what: the network, such as "the native engine"."""
    share = found["sure_agreement"]
    if share is not None and share < LEAST_AGREEMENT:
        return (
            f"{what} and float agree on {100 * share:.1f} % of the {found['sure_clips']} calibration clips {CONFIDENT}, "
            f"{100 * LEAST_AGREEMENT:.0f} % are needed"
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
    confident_share = "" if share is None else f"{100 * share:.1f} % of the "
    return (
        f"agreement {100 * found['agreement']:.1f} % ({confident_share}{found['sure_clips']} clips {CONFIDENT}), "
        f"SQNR {found['sqnr_db']:.1f} dB"
    )
