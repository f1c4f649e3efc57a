"""The values of a report by JSON pointer (RFC 6901), formatted for the HTML page."""

from __future__ import annotations

import json

from markupsafe import Markup

from benchmarks.report.plots import Figure

KB = 1024
SPACE = "\N{NO-BREAK SPACE}"
STYLES = {
    "int": lambda value: f"{value:,}",
    "plain": lambda value: f"{value:g}",
    "yes": lambda value: "yes" if value else "no",
    "percent": lambda value: f"{100 * value:.2f}{SPACE}%",
    "percent1": lambda value: f"{100 * value:.1f}{SPACE}%",
    "points": lambda value: f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", "−"),
    "points1": lambda value: f"{value:.1f}".replace("-0.0", "0.0").replace("-", "−"),
    "db": lambda value: f"{value:.1f}{SPACE}dB",
    "kb": lambda value: f"{value / KB:.1f}{SPACE}KB",
    "bytes": lambda value: f"{value:,}{SPACE}B",
    "millions": lambda value: f"{value / 1e6:.2f}{SPACE}M",
    "thousands": lambda value: f"{value / 1e3:.1f}{SPACE}k",
}
"""Formats of a figure, by name."""


def look_up(report: dict, pointer: str):
    """The value at a JSON pointer (RFC 6901); KeyError or IndexError where there is none."""
    found = report
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        found = found[int(step) if isinstance(found, list) else step]
    return found


Step = str | int | tuple
"""A key, an index, or several of them."""


def pointer(*steps: Step) -> str:
    """The JSON pointer along keys and indices."""
    return "".join(
        pointer(*step) if isinstance(step, tuple) else "/" + str(step).replace("~", "~0").replace("/", "~1")
        for step in steps
    )


class Values:
    """The values of a report, each with its JSON pointer; keys and indices of a pointer are the methods' `steps`."""

    def __init__(self, report: dict) -> None:
        self.report = report

    def has(self, *steps: Step) -> bool:
        """Whether the report has a value there."""
        try:
            return look_up(self.report, pointer(*steps)) is not None
        except (KeyError, IndexError, TypeError):
            return False

    def figure(self, style: str, *steps: Step) -> Figure:
        """The figure there, in a format of `STYLES`."""
        key = pointer(*steps)
        value = look_up(self.report, key)
        return Figure(key, value, STYLES[style](value))

    def data(self, style: str, *steps: Step) -> Markup:
        """The figure there as an HTML element."""
        found = self.figure(style, *steps)
        return Markup('<data value="{}" data-key="{}">{}</data>').format(json.dumps(found.value), found.key, found.text)

    def optional(self, style: str, *steps: Step) -> Markup:
        """As `data`, but empty where the report has no value there."""
        return self.data(style, *steps) if self.has(*steps) else Markup("")

    def interval(self, style: str, *steps: Step) -> Markup:
        """Both ends of the interval there."""
        return Markup("{} to {}").format(self.data(style, *steps, 0), self.data(style, *steps, 1))
