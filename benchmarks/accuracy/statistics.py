"""Compare a quantised classifier with the float one: pure functions of logits and answers.

"Correct" arrays are bool [clips], answers and targets are class indices [clips], logits are
float [clips, classes]. Fractions are 0 to 1. The interval of one proportion is
`common.intervals.wilson`; agreement and SQNR are those of `convert.fidelity`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from common.intervals import Z95, wilson
from convert.fidelity import agreement, sqnr_db


def paired_difference(only_first: int, only_second: int, trials: int) -> tuple[float, float, float]:
    """Difference of two paired proportions, first minus second, and its 95 % score interval.

    only_first, only_second: trials in which just that one succeeded (the discordant pairs).
    Returns (difference, low, high) as fractions. T. Tango, "Equivalence test and confidence
    interval for the difference in proportions for the paired-sample design", Statistics in
    Medicine 17 (1998): all differences d that the score test

        |b - c - n d| <= z sqrt(n (2 q + d (1 - d)))

    does not reject, with b = only_first, c = only_second, and q the maximum-likelihood estimate
    of the second's discordant probability under d. Unlike the Wald interval it keeps its
    coverage, and a width above zero, with few discordant pairs or none.
    """
    b, c, n = only_first, only_second, trials
    if min(b, c) < 0 or n < 1 or b + c > n:
        raise ValueError(f"{b} and {c} discordant pairs of {n}")
    estimate = (b - c) / n

    def excess(d: float) -> float:
        """Signed distance of the observation from d, less z standard errors; rises with |d - estimate|."""
        linear = d * (2 * n - b + c) - b - c
        root = math.sqrt(max(0.0, linear**2 + 8 * n * c * d * (1 - d)))
        q = (root - linear) / (4 * n)
        variance = n * (2 * q + d * (1 - d))
        return abs(b - c - n * d) - Z95 * math.sqrt(max(0.0, variance))

    return estimate, bisect(excess, estimate, -1.0), bisect(excess, estimate, 1.0)


def bisect(excess: Callable[[float], float], accepted: float, limit: float) -> float:
    """Where `excess` changes from <= 0 at `accepted` to > 0 towards `limit`, to about the last bit; `limit` where it does
    not."""
    rejected = limit
    for _ in range(60):
        middle = (accepted + rejected) / 2
        if excess(middle) > 0:
            rejected = middle
        else:
            accepted = middle
    return limit if rejected == limit else (accepted + rejected) / 2


def confusion(target: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """Clips by true class (row) and answer (column), int64 [classes, classes]."""
    return np.bincount(target * classes + answers, minlength=classes**2).reshape(classes, classes)


def recalls(matrix: np.ndarray) -> list[float | None]:
    """Recall of each class from its confusion matrix; None where the class has no clip."""
    return [float(row[index] / row.sum()) if row.sum() else None for index, row in enumerate(matrix)]


def describe(logits: np.ndarray, target: np.ndarray, labels: list[str]) -> dict:
    """Top-1 with interval, recalls, the worst class and the confusion matrix of one backend, JSON-ready."""
    matrix = confusion(target, logits.argmax(1), len(labels))
    hits, clips = int(matrix.trace()), len(target)
    recall = dict(zip(labels, recalls(matrix)))
    known = {label: value for label, value in recall.items() if value is not None}
    worst = min(known, key=lambda label: known[label])
    return {
        "top1": hits / clips,
        "ci95": list(wilson(hits, clips)),
        "recall": recall,
        "worst": {"label": worst, "recall": known[worst]},
        "confusion": matrix.tolist(),
    }


def compare(reference: np.ndarray, logits: np.ndarray, target: np.ndarray) -> dict:
    """The loss of `logits` against `reference`: drop in percentage points with interval, agreement, SQNR.

    A loss is positive. The SQNR is None where the logits are equal: JSON has no infinity.
    """
    before, after = reference.argmax(1) == target, logits.argmax(1) == target
    sqnr = sqnr_db(reference, logits)
    drop, low, high = paired_difference(int((before & ~after).sum()), int((after & ~before).sum()), len(target))
    return {
        "drop_points": 100 * drop,
        "drop_ci95": [100 * low, 100 * high],
        "agreement": agreement(reference, logits),
        "sqnr_db": sqnr if math.isfinite(sqnr) else None,
    }
