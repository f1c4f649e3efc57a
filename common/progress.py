"""How far a long piece of work is: a bar on a terminal, elsewhere a line now and then."""
from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

EVERY = 20
"""Seconds from a line to the next."""

Item = TypeVar("Item")


@contextlib.contextmanager
def counting(total: int, what: str, unit: str) -> Iterator[Callable[[int], object]]:
    """Yield a function that is told how many more of `total` are done. `what`: "decoding"; `unit`: "clip"."""
    with tqdm(total=total, desc=what, unit=unit, disable=None) as bar:
        yield bar.update if not bar.disable else lines(total, what, unit)


def lines(total: int, what: str, unit: str) -> Callable[[int], None]:
    """As `counting`, where there is no terminal."""
    done, due = 0, time.monotonic() + EVERY

    def update(more: int) -> None:
        nonlocal done, due
        done += more
        if time.monotonic() >= due:
            print(f"{what}: {done:,} of {total:,} {unit}s", flush=True)
            due = time.monotonic() + EVERY

    return update


def over(items: Sequence[Item], what: str, unit: str) -> Iterator[Item]:
    """The items, each of which is done when the next is asked for."""
    with counting(len(items), what, unit) as update:
        for item in items:
            yield item
            update(1)
