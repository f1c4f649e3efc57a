"""How readily a network says "another word": the bias of that class, set by validation clips.

Excerpts of running speech and other words make up far more of the training clips than of what is asked, and weigh more. The
network learns that as a prior: near a keyword's border it says _unknown_ too often. Lowering one logit by the logarithm of
the ratio of the priors undoes it (Menon et al., "Long-tail learning via logit adjustment", 2021); here so far that other
words are rejected as often as the rest is answered rightly. Most right answers would be no measure: the other words of
validation are those of training, and easier than any that is new.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

STEP, MOST = 0.1, 4.0
"""Of the choices, natural logarithms."""
BIAS = "output.bias"


def answered(logits: np.ndarray, target: np.ndarray, column: int, by: float) -> np.ndarray:
    """Which clips, logits float [clips, classes], are answered by their class where that of `column` has a lower logit."""
    changed = logits.copy()
    changed[:, column] -= by
    return changed.argmax(1) == target


def right(logits: np.ndarray, target: np.ndarray, column: int = 0, by: float = 0.0) -> int:
    """How many are."""
    return int(answered(logits, target, column, by).sum())


def balance(logits: np.ndarray, target: np.ndarray, column: int, by: float) -> float:
    """The smaller of two shares of right answers: of the clips of the class and of all others."""
    found = answered(logits, target, column, by)
    return min(found[target == column].mean(), found[target != column].mean())


def chosen(answers: Sequence[np.ndarray], target: np.ndarray, column: int) -> float:
    """The number by which the class's logit is lowered for the best balance, summed over all `answers`, each logits float
    [clips, classes] of the same clips, whose classes are `target`; the least of equals. 0 where no clip is of the class, or
    none is of another."""
    if (target == column).all() or not (target == column).any():
        return 0.0
    choices = STEP * np.arange(round(MOST / STEP) + 1)
    return float(choices[np.argmax([sum(balance(logits, target, column, by) for logits in answers) for by in choices])])


def lowered(weights: dict[str, torch.Tensor], column: int, by: float) -> dict[str, torch.Tensor]:
    """The same weights with the class's bias lowered."""
    bias = weights[BIAS].clone()
    bias[column] -= by
    return weights | {BIAS: bias}
