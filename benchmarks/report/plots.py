"""Plots as inline SVG: pure functions from figures to text; the page's style sheet has the colours.

Horizontal coordinates are percentages of the page's width, vertical ones and letters are pixels: a plot fits a phone as well
as a desktop screen. Every mark has its figure in `data-key` (a JSON pointer into report.json) and
`data-value`; every plot has a title and a description. Classes are the page's: `good`, `bad`, `c0`, `c1`, ....
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Sequence
from html import escape
from unicodedata import combining, east_asian_width

ROW, TALL_ROW, HEADING, AXIS = 26, 44, 30, 22
"""Pixels of a row, of one with its name above, of one without a mark, and of the axis below."""
CURVE_HEIGHT = 160
"""Pixels of a curve's frame."""
NAME_COLUMNS = 12
"""Of a name beside a plot, in characters."""
BASELINE = 4
"""Pixels from the middle of a line of text down to its baseline."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure of report.json: the JSON pointer to it, its value, and as it is shown."""

    key: str
    value: float | int | bool
    text: str

    @property
    def marks(self) -> str:
        """The attributes of a mark that name its figure."""
        return f'data-key="{escape(self.key)}" data-value="{escape(json.dumps(self.value))}"'


@dataclasses.dataclass(frozen=True)
class Whisker:
    """An estimate and its interval; without them a heading, or with `note` a row that was not measured."""

    label: str
    centre: Figure | None = None
    low: Figure | None = None
    high: Figure | None = None
    kind: str = "c0"
    note: str = ""

    @property
    def interval(self) -> tuple[Figure, Figure, Figure] | None:
        """Lower end, estimate and upper end."""
        return None if self.centre is None or self.low is None or self.high is None else (self.low, self.centre, self.high)


@dataclasses.dataclass(frozen=True)
class Stack:
    """A bar of segments, (class, name, figure) each. total: the figure after it, None for none."""

    label: str
    segments: tuple[tuple[str, str, Figure], ...]
    total: Figure | None


def number(value: float) -> str:
    """A coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def text(x: str, y: float, content: str | Figure, kind: str = "", anchor: str = "start") -> str:
    """A line of text whose middle is at y; that of a figure has its attributes."""
    shown, marks = (content.text, " " + content.marks) if isinstance(content, Figure) else (content, "")
    return (
        f'<text x="{x}" y="{number(y + BASELINE)}" text-anchor="{anchor}"'
        f"{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}{marks}>{escape(shown)}</text>"
    )


def frame(name: str, title: str, description: str, height: float, body: Sequence[str]) -> str:
    """The whole plot. name: unique on the page."""
    return (
        f'<svg class="plot" role="img" aria-labelledby="{name}-t {name}-d" width="100%" height="{number(height)}">'
        f'<title id="{name}-t">{escape(title)}</title><desc id="{name}-d">{escape(description)}</desc>'
        + "".join(body)
        + "</svg>"
    )


def along(value: float, low: float, high: float, start: float = 2, end: float = 98) -> float:
    """The position of a value between low and high, in percent of the width."""
    return start + (end - start) * (value - low) / (high - low)


def grid(
    ticks: Sequence[tuple[float, str]], low: float, high: float, height: float, start: float = 2, end: float = 98
) -> list[str]:
    """Lines down to the axis with their values below."""
    lines = []
    for value, shown in ticks:
        x = number(along(value, low, high, start, end))
        lines.append(f'<line class="{"grid" if value else "zero"}" x1="{x}%" x2="{x}%" y1="0" y2="{number(height)}"/>')
        lines.append(text(f"{x}%", height + AXIS / 2, shown, "tick", "middle"))
    return lines


def round_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most `most` round values in low ... high."""
    step = next(
        step
        for power in range(-4, 12)
        for step in (10.0**power, 2 * 10.0**power, 5 * 10.0**power)
        if high - low <= step * (most - 1) + step * 1e-9
    )
    first = -(-low // step)
    ticks = [(first + index) * step for index in range(most + 1)]
    return [round(tick, 10) for tick in ticks if tick <= high + step / 1e6]


def whiskers(
    name: str,
    title: str,
    description: str,
    rows: Sequence[Whisker],
    unit: float,
    suffix: str,
    reference: Figure | None = None,
) -> str:
    """Dots with their intervals, one row each, names above. unit: factor from a value to the axis, whose labels end
    in `suffix`. reference: a figure to compare with, a vertical line through all rows.
    """
    found = [figure.value * unit for row in rows for figure in row.interval or ()]
    found += [reference.value * unit] if reference and found else []
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    margin = (high - low) * 0.06 or 0.5
    low, high = low - margin, high + margin
    tops, height = [], 0
    for row in rows:
        tops.append(height)
        height += TALL_ROW if row.centre else HEADING
    ticks = [(tick, f"{tick:g}{suffix}".replace("-", "−")) for tick in round_ticks(low, high)] if found else []
    body = grid(ticks, low, high, height)
    if reference and found:
        x = number(along(reference.value * unit, low, high))
        body.append(
            f'<line class="reference" x1="{x}%" x2="{x}%" y1="0" y2="{height}" {reference.marks}>'
            f"<title>{escape(reference.text)}</title></line>"
        )
    for top, row in zip(tops, rows):
        body.append(text("0", top + 11, row.label, "name" if row.centre or row.note else "heading"))
        if row.interval is None:
            body.append(text("100%", top + 11, row.note, "none", "end"))
            continue
        lower, centre, upper = row.interval
        places = [number(along(figure.value * unit, low, high)) for figure in row.interval]
        y = top + 29
        body.append(
            f'<g class="{row.kind}"><title>{escape(row.label)}: {escape(centre.text)}, 95 % interval '
            f"{escape(lower.text)} to {escape(upper.text)}</title>"
            f'<line class="whisker" x1="{places[0]}%" x2="{places[2]}%" y1="{y}" y2="{y}"/>'
            + "".join(
                f'<line class="whisker" x1="{place}%" x2="{place}%" y1="{y - 4}" y2="{y + 4}" {figure.marks}/>'
                for place, figure in ((places[0], lower), (places[2], upper))
            )
            + f'<circle class="dot" cx="{places[1]}%" cy="{y}" r="5" {centre.marks}/></g>'
        )
        body.append(text("100%", top + 11, centre, "value", "end"))
    return frame(name, title, description, height + (AXIS if found else 0), body)


def columns(text: str) -> int:
    """The width of a text in characters as wide as a Latin one: those of East Asia count twice, combining marks nothing."""
    return sum(2 if east_asian_width(one) in "WF" else not combining(one) for one in text)


def short(label: str) -> str:
    """A label that fits beside a plot: at most `NAME_COLUMNS` wide, with an ellipsis where it was cut."""
    if columns(label) <= NAME_COLUMNS:
        return label
    while columns(label) >= NAME_COLUMNS:
        label = label[:-1]
    return f"{label.rstrip()}…"


def dumbbells(
    name: str, title: str, description: str, rows: Sequence[tuple[str, Figure, Figure]], unit: float, gutter: float
) -> str:
    """Two dots in each row, open for the value before and filled for that after, which is also printed on the right.

    gutter: percent of the width on the left for the names.
    """
    values = [figure.value * unit for _, *pair in rows for figure in pair]
    low, high = min(values), max(values)
    margin = (high - low) * 0.06 or 0.5
    low, high, start, end = low - margin, high + margin, gutter, 78
    height = ROW * len(rows)
    body = grid([(tick, f"{tick:g}") for tick in round_ticks(low, high, 4)], low, high, height, start, end)
    for index, (label, before, after) in enumerate(rows):
        y = ROW * index + ROW / 2
        places = [number(along(figure.value * unit, low, high, start, end)) for figure in (before, after)]
        body += [
            text("0", y, label, "name"),
            f"<g><title>{escape(label)}: {escape(before.text)}, then {escape(after.text)}</title>"
            f'<line class="link" x1="{places[0]}%" x2="{places[1]}%" y1="{number(y)}" y2="{number(y)}"/>'
            f'<circle class="open" cx="{places[0]}%" cy="{number(y)}" r="5.5" {before.marks}/>'
            f'<circle class="full" cx="{places[1]}%" cy="{number(y)}" r="3.5" {after.marks}/></g>',
            text("100%", y, after, "value", "end"),
        ]
    return frame(name, title, description, height + AXIS, body)


def ranges(
    name: str,
    title: str,
    description: str,
    rows: Sequence[tuple[str, Figure, Figure, Figure]],
    unit: float,
    gutter: float,
    reference: Figure,
) -> str:
    """A dot with its interval a row: (name, lower end, estimate, upper end); the estimate to the right as well.

    gutter: percent of the width to the left, for the names. reference: a figure to compare with, a line down through all.
    """
    values = [figure.value * unit for _, *ends in rows for figure in ends]
    low, high, start, end = min(0.0, *values), max(values), gutter, 88
    height = ROW * len(rows)
    body = grid([(tick, f"{tick:g}") for tick in round_ticks(low, high)], low, high, height, start, end)
    x = number(along(reference.value * unit, low, high, start, end))
    body.append(
        f'<line class="reference" x1="{x}%" x2="{x}%" y1="0" y2="{height}" {reference.marks}>'
        f"<title>{escape(reference.text)}</title></line>"
    )
    for index, (label, *ends) in enumerate(rows):
        y = number(ROW * index + ROW / 2)
        places = [number(along(figure.value * unit, low, high, start, end)) for figure in ends]
        body += [
            text("0", ROW * index + ROW / 2, label, "name"),
            f'<g class="c0"><title>{escape(label)}: {escape(ends[1].text)}, 95 % interval {escape(ends[0].text)} to '
            f"{escape(ends[2].text)}</title>"
            f'<line class="whisker" x1="{places[0]}%" x2="{places[2]}%" y1="{y}" y2="{y}"/>'
            f'<circle class="dot" cx="{places[1]}%" cy="{y}" r="4.5" {ends[1].marks}/></g>',
            text("100%", ROW * index + ROW / 2, ends[1], "value", "end"),
        ]
    return frame(name, title, description, height + AXIS, body)


def curve(
    name: str, title: str, description: str, points: Sequence[tuple[Figure, Figure]], least: float, most: float
) -> str:
    """Points (false accepts an hour, share missed) in a square frame, joined by a line; both figures of each are tied to it.

    The horizontal axis is logarithmic from `least` to `most`, and what is below `least` stands at its left end; the vertical
    one goes from 0 to 100 %.
    """
    height, start, end = CURVE_HEIGHT, 12, 96
    low, high = math.log10(least), math.log10(most)
    body = []
    for tick in range(math.ceil(low), math.floor(high) + 1):
        across = number(along(tick, low, high, start, end))
        body.append(f'<line class="grid" x1="{across}%" x2="{across}%" y1="0" y2="{height}"/>')
        body.append(text(f"{across}%", height + AXIS / 2, f"{10.0**tick:g}", "tick", "middle"))
    for share in (0, 25, 50, 75, 100):
        down = number(height * (1 - share / 100))
        body.append(f'<line class="{"grid" if share else "zero"}" x1="{start}%" x2="{end}%" y1="{down}" y2="{down}"/>')
        body.append(text(f"{start - 2}%", height * (1 - share / 100), f"{share}", "tick", "end"))
    places = [
        (along(math.log10(max(rate.value, least)), low, high, start, end), height * (1 - missed.value))
        for rate, missed in points
    ]
    for (x1, y1), (x2, y2) in itertools.pairwise(places):
        ends = f'x1="{number(x1)}%" y1="{number(y1)}" x2="{number(x2)}%" y2="{number(y2)}"'
        body.append(f'<g class="c0"><line class="whisker" {ends}/></g>')
    for (x, y), (rate, missed) in zip(places, points):
        body.append(
            f'<g class="c0"><title>{escape(rate.text)} an hour, {escape(missed.text)} missed</title>'
            f'<g {rate.marks}><circle class="dot" cx="{number(x)}%" cy="{number(y)}" r="3.5" {missed.marks}/></g></g>'
        )
    return frame(name, title, description, height + AXIS, body)


def differences(name: str, title: str, description: str, rows: Sequence[tuple[str, Figure]], gutter: float) -> str:
    """Bars to the left and right of zero; what is above zero counts as a loss."""
    low, high = min(0.0, *(figure.value for _, figure in rows)), max(0.0, *(figure.value for _, figure in rows))
    margin = (high - low) * 0.06 or 0.5
    low, high, start, end = low - margin, high + margin, gutter, 82
    height = ROW * len(rows)
    body = grid([(tick, f"{tick:g}".replace("-", "−")) for tick in round_ticks(low, high, 4)], low, high, height, start, end)
    zero = along(0, low, high, start, end)
    for index, (label, figure) in enumerate(rows):
        y = ROW * index + ROW / 2
        x = along(figure.value, low, high, start, end)
        body += [
            text("0", y, label, "name"),
            f'<rect class="{"bad" if figure.value > 0 else "good"}" x="{number(min(x, zero))}%" '
            f'width="{number(abs(x - zero))}%" y="{number(y - 6)}" height="12" {figure.marks}/>',
            text("100%", y, figure, "value", "end"),
        ]
    body.append(f'<line class="zero" x1="{number(zero)}%" x2="{number(zero)}%" y1="0" y2="{height}"/>')
    return frame(name, title, description, height + AXIS, body)


def stacks(
    name: str, title: str, description: str, rows: Sequence[Stack], high: float | None, gutter: float, room: float = 22
) -> str:
    """Bars of segments from zero to the right; the full width is `high`, or the bar's own total where that is None.

    gutter, room: percent of the width to the left for names, and to the right for totals.
    """
    body = []
    for index, row in enumerate(rows):
        y, x = ROW * index + ROW / 2, gutter
        full = high or sum(figure.value for _, _, figure in row.segments)
        scale = (100 - gutter - room) / full if full else 0
        body.append(text("0", y, row.label, "name"))
        for kind, part, figure in row.segments:
            width = figure.value * scale
            if width > 0:
                body.append(
                    f'<rect class="bar {kind}" x="{number(x)}%" width="{number(width)}%" y="{number(y - 8)}" '
                    f'height="16" {figure.marks}><title>{escape(part)}: {escape(figure.text)}</title></rect>'
                )
            x += width
        if row.total is not None:
            body.append(text("100%", y, row.total, "value", "end"))
    return frame(name, title, description, ROW * len(rows), body)


def ribbon(name: str, title: str, description: str, segments: Sequence[tuple[str, str, Figure]], total: float) -> str:
    """One bar over the whole width, in segments (class, name, figure)."""
    body, x = [], 0.0
    for kind, part, figure in segments:
        width = 100 * figure.value / total
        body.append(
            f'<rect class="bar {kind}" x="{number(x)}%" width="{number(width)}%" y="0" height="34" '
            f"{figure.marks}><title>{escape(part)}: {escape(figure.text)}</title></rect>"
        )
        x += width
    return frame(name, title, description, 34, body)


def profile(
    name: str,
    title: str,
    description: str,
    steps: Sequence[tuple[str, Figure]],
    lines: Sequence[tuple[str, Figure, str]],
    height: float = 240,
) -> str:
    """A column for each step from left to right, and lines across all: (name, figure, class) each."""
    high = max(figure.value for figure in [step for _, step in steps] + [line for _, line, _ in lines]) * 1.14
    width = 100 / len(steps)
    body = [f'<line class="zero" x1="0" x2="100%" y1="{number(height)}" y2="{number(height)}"/>']
    for index, (label, figure) in enumerate(steps):
        tall = height * figure.value / high
        body.append(
            f'<rect class="step" x="{number(index * width)}%" width="{number(width)}%" '
            f'y="{number(height - tall)}" height="{number(tall)}" {figure.marks}>'
            f"<title>{escape(label)}: {escape(figure.text)}</title></rect>"
        )
    for label, figure, kind in lines:
        y = height - height * figure.value / high
        body += [
            f'<line class="level {kind}" x1="0" x2="100%" y1="{number(y)}" y2="{number(y)}" {figure.marks}/>',
            text("0", y - 10, label, f"name onplot {kind}"),
            text("100%", y - 10, figure, f"onplot {kind}", "end"),
        ]
    return frame(name, title, description, height + 1, body)


def heat(
    name: str,
    title: str,
    description: str,
    labels: Sequence[str],
    matrix: Sequence[Sequence[Figure]],
    shares: Sequence[Sequence[float]],
) -> str:
    """A confusion matrix: true class down, answer across; correct and wrong answers in different colours.

    shares: fractions of each row's clips. The opacity of wrong answers is the square root of the share, so that rare ones
    are visible.
    """
    longest = max(map(columns, labels))
    cell, left, top = 20, max(52, 10 + 6 * longest), max(48, 10 + 5.5 * longest)
    size = cell * len(labels)
    body = []
    for index, label in enumerate(labels):
        middle = cell * index + cell / 2
        body.append(text(str(left - 5), top + middle, label, "class", "end"))
        x, y = left + middle, top - 5
        body.append(
            f'<text class="class" transform="translate({number(x + 3)} {number(y)}) rotate(-60)">{escape(label)}</text>'
        )
    for row, figures in enumerate(matrix):
        for column, figure in enumerate(figures):
            share, right = shares[row][column], row == column
            strength = share if right else share**0.5
            x, y = left + cell * column, top + cell * row
            body.append(
                f'<rect class="{"good" if right else "bad"} cell" x="{x}" y="{y}" width="{cell - 1}" '
                f'height="{cell - 1}" fill-opacity="{number(strength)}" {figure.marks}>'
                f"<title>{escape(labels[row])} heard as {escape(labels[column])}: {escape(figure.text)}"
                "</title></rect>"
            )
            if figure.value:
                body.append(text(number(x + (cell - 1) / 2), y + (cell - 1) / 2 - 1, figure, "count", "middle"))
    return (
        f'<svg class="plot heat" role="img" aria-labelledby="{name}-t {name}-d" '
        f'viewBox="0 0 {left + size + max(14, 3 * longest - 7)} {number(top + size)}">'
        f'<title id="{name}-t">{escape(title)}</title>'
        f'<desc id="{name}-d">{escape(description)}</desc>' + "".join(body) + "</svg>"
    )
