"""The loop of a peer's program: raw sound comes in, the moments at which its models heard their words go out.

A peer is a wake word system of others, in a package that lies in an environment of its own. Its program is a module beside
this one (`peer_*.py`), which benchmarks/listening/peers.py runs there; both need NumPy and the package alone.

In: the stream, int16 [samples] at 16 kHz, on standard input. Out, a line of JSON each: first the package's version and the
models, then every activation when it comes, and in the end how many samples were heard.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from typing import NamedTuple

BYTES = 2  # of a sample


class Model(NamedTuple):
    """A model: its name in the package, the words it listens for, and the settings that the package gives it."""

    name: str
    phrase: str
    settings: str


def serve(package: str, models: Sequence[Model], hear: Callable[[bytes], Iterable[int]], samples: int) -> None:
    """Feed standard input to `hear` in chunks of `samples`, until it ends; what fills no chunk is left out.

    package: its name on the registry. hear: takes a chunk, and yields the index of a model for each of its scores that is an
    activation. An activation is told with the number of samples heard until then.
    """
    tell({"version": metadata.version(package), "models": [model._asdict() for model in models]})
    heard = 0
    while len(chunk := sys.stdin.buffer.read(BYTES * samples)) == BYTES * samples:
        heard += samples
        for index in hear(chunk):
            tell({"model": models[index].name, "sample": heard})
    tell({"heard": heard + len(chunk) // BYTES})


def tell(line: dict) -> None:
    """A line of output, at once."""
    print(json.dumps(line), flush=True)
