"""Progress of long work: a bar on a terminal, elsewhere a line every 20 seconds."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

EVERY = 20
"""Seconds between two lines."""

Item = TypeVar("Item")


@contextlib.contextmanager
def counting(total: int, what: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Yield a function that adds to the number of those done, of `total`. what: such as "decoding". unit: such as "clip"."""
    with tqdm(total=total, desc=what, unit=unit, disable=None) as bar:
        yield bar.update if not bar.disable else lines(total, what, unit)


def lines(total: int, what: str, unit: str) -> Callable[[int], None]:
    """The function that `counting` yields where the output is not a terminal."""
    done, due = 0, time.monotonic() + EVERY

    def update(more: int) -> None:
        nonlocal done, due
        done += more
        if time.monotonic() >= due:
            print(f"{what}: {done:,} of {total:,} {unit}s", flush=True)
            due = time.monotonic() + EVERY

    return update


def over(items: Sequence[Item], what: str, unit: str) -> Iterator[Item]:
    """Yield the items with progress; each counts as done when the next is requested."""
    with counting(len(items), what, unit) as update:
        for item in items:
            yield item
            update(1)
