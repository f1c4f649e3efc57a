"""The decision rule of examples/baremetal in Python: which words of a stream it reports."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np


class Rule(NamedTuple):
    """A word is reported once its probability was at least `probability`, in 255ths, at `hops` hops, while it stayed the
    best class."""

    probability: int
    hops: int

    def __str__(self) -> str:
        return f"{self.probability} of 255, {self.hops} hops"


EXAMPLE = Rule(230, 20)  # of examples/baremetal/main.c
RULES = tuple(Rule(probability, hops) for hops, probability in product((5, 10, 20, 30), (153, 179, 204, 217, 230, 242)))
"""The rules that are compared."""


def word_classes(labels: Sequence[str]) -> set[int]:
    """The classes that are words: neither silence nor unknown."""
    return {index for index, label in enumerate(labels) if not label.startswith("_")}


def reported(winner: np.ndarray, probability: np.ndarray, words: Container[int], rule: Rule) -> list[tuple[int, int]]:
    """The reports of a rule: (hop, class) each, of the classes `words` alone.

    winner, probability: of each hop, the best class and its probability in 255ths, [hops].
    """
    found, latest, agreeing = [], -1, 0
    for hop, (now, certain) in enumerate(zip(winner.tolist(), probability.tolist())):
        if now != latest:
            latest, agreeing = now, 0
        if agreeing < rule.hops and certain >= rule.probability:
            agreeing += 1
            if agreeing == rule.hops and now in words:
                found.append((hop, now))
    return found
