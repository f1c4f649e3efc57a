"""Which words examples/baremetal reports of a stream: its rule over the scores of every hop, in Python."""
from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

EXAMPLE_SURE, AGREEING_HOPS = 230, 5  # of examples/baremetal/main.c
SURES = (0, 96, 112, 128, 140, 153, 166, 179, 192, 204, 217, EXAMPLE_SURE, 242)
"""Least probabilities to choose from, of 255."""


def word_classes(labels: Sequence[str]) -> set[int]:
    """The classes that are words: neither silence nor unknown."""
    return {index for index, label in enumerate(labels) if not label.startswith("_")}


def reported(winner: np.ndarray, probability: np.ndarray, words: Container[int], sure: int) -> list[tuple[int, int]]:
    """The hops and classes that are reported, by the winner of each hop and its probability (of 255).

    One of `words`, as soon as it has been sure AGREEING_HOPS times while it keeps winning.
    """
    found, latest, agreeing = [], -1, 0
    for hop, (now, certainty) in enumerate(zip(winner.tolist(), probability.tolist())):
        if now != latest:
            latest, agreeing = now, 0
        if agreeing < AGREEING_HOPS and certainty >= sure:
            agreeing += 1
            if agreeing == AGREEING_HOPS and now in words:
                found.append((hop, now))
    return found
