"""Which words examples/baremetal reports of a stream: its rule over the scores of every hop, in Python."""
from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np


class Rule(NamedTuple):
    """A word is reported once it has been sure, of 255, at so many hops while it keeps winning."""

    sure: int
    hops: int

    def __str__(self) -> str:
        return f"{self.sure} of 255, {self.hops} hops"


EXAMPLE = Rule(230, 20)  # of examples/baremetal/main.c
RULES = tuple(Rule(sure, hops) for hops, sure in product((5, 10, 20, 30), (153, 179, 204, 217, 230, 242)))
"""To choose from."""


def word_classes(labels: Sequence[str]) -> set[int]:
    """The classes that are words: neither silence nor unknown."""
    return {index for index, label in enumerate(labels) if not label.startswith("_")}


def reported(winner: np.ndarray, probability: np.ndarray, words: Container[int], rule: Rule) -> list[tuple[int, int]]:
    """The hops and classes, of `words`, that are reported, by the winner of each hop and its probability (of 255)."""
    found, latest, agreeing = [], -1, 0
    for hop, (now, certainty) in enumerate(zip(winner.tolist(), probability.tolist())):
        if now != latest:
            latest, agreeing = now, 0
        if agreeing < rule.hops and certainty >= rule.sure:
            agreeing += 1
            if agreeing == rule.hops and now in words:
                found.append((hop, now))
    return found
