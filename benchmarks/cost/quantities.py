"""Parse sizes, clocks, times and shares such as 20k, 80MHz, 100ms; anything else is a UserError."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from benchmarks.cost.limits import KB
from common.errors import UserError

NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
SIZES = {"": 1, "k": KB, "m": KB**2}
CLOCKS = {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}
SLOWEST = 10e3  # Hz
TIMES = {"ms": 1e-3, "s": 1}

MAIN_CORE = "cortex-m4"
"""The core of the costs in the short form and in the headline of the page."""


def parse(name: str, text: str | None, pattern: str, units: Mapping[str, float], example: str) -> float:
    """A number above 0 with its unit. name: of the variable, "RAM". example: a valid value, "20k"."""
    if not text:
        raise UserError(f"{name}: not given; say for example {name}={example}")
    found = re.fullmatch(NUMBER + pattern, text.strip(), re.I)
    value = float(found[1]) * units[(found[2] or "").lower()] if found else 0
    if value <= 0:
        raise UserError(f"{name}={text}: say for example {name}={example}")
    return value


def size(name: str, text: str | None, example: str) -> int:
    """Bytes: "20k", "20kB" and "20KiB" are 20 times 1,024, "1M" is 1,024 times that, "20480" is itself."""
    return int(parse(name, text, r"\s*([km]?)(?:i?b)?", SIZES, example))


def clock(name: str, text: str | None) -> float:
    """Hertz: "80MHz", "80M" and "80000000" are the same; below 10 kHz is an error, a forgotten unit."""
    value = parse(name, text, r"\s*([kmg]?)(?:hz)?", CLOCKS, "80MHz")
    if value < SLOWEST:
        raise UserError(f"{name}={text}: that is {value:g} Hz; say for example {name}=80MHz")
    return value


def time(name: str, text: str | None) -> float:
    """Seconds: "100ms" or "0.1s"."""
    return parse(name, text, r"\s*(ms|s)", TIMES, "100ms")


def number(name: str, text: str | None, example: str, most: float = float("inf")) -> float:
    """A number above 0 and not above `most`."""
    value = parse(name, text, r"()\s*%?" if most == 100 else "()", {"": 1}, example)
    if value > most:
        raise UserError(f"{name}={text}: above {most:g}; say for example {name}={example}")
    return value


def choice(name: str, text: str, known: Collection[str]) -> str:
    """One of some words."""
    if not text:
        raise UserError(f"{name}: not given; choose one of {', '.join(known)}")
    if text not in known:
        raise UserError(f"{name}={text}: does not exist; choose one of {', '.join(known)}")
    return text
