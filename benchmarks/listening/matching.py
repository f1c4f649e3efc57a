"""What a device reported against what was said: hits, misses, wrong words, repeats, and reports of nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.listening.scenes import Said
from detector.golden import Event

TOLERANCE_MS = 500
"""A report belongs to a word whose middle is not further away."""


class Matched(NamedTuple):
    """Counts. said: words. hit: reported as what they are. wrong: reports of another word where one was said. repeats:
    further reports of a word that was hit. elsewhere: reports where nothing was said."""

    said: int
    hit: int
    wrong: int
    repeats: int
    elsewhere: int


def nearest(event: Event, said: Sequence[Said], free: Sequence[bool]) -> int | None:
    """The word that a report is of: of those within the tolerance the same one that is still free, else the same one, else
    any; of several the nearest. None where there is none."""
    close = [index for index, word in enumerate(said) if abs(word.middle_ms - event.ms) <= TOLERANCE_MS]
    if not close:
        return None
    return min(
        close,
        key=lambda index: (
            said[index].word != event.word,
            not free[index],
            abs(said[index].middle_ms - event.ms),
        ),
    )


def match(events: Sequence[Event], said: Sequence[Said]) -> tuple[Matched, list[bool]]:
    """Counts over a scene, and which words were hit. events: in the order of the scene, `ms` since it began."""
    free = [True] * len(said)
    wrong = repeats = elsewhere = 0
    for event in events:
        index = nearest(event, said, free)
        if index is None:
            elsewhere += 1
        elif said[index].word != event.word:
            wrong += 1
        elif free[index]:
            free[index] = False
        else:
            repeats += 1
    return Matched(len(said), free.count(False), wrong, repeats, elsewhere), [not waiting for waiting in free]
