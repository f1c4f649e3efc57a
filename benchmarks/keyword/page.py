"""The page of a network for own words: misses against false accepts, and the worst sounds to listen to."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import numpy as np

from benchmarks.keyword.measure import Found, Measured
from common.audio import wav_bytes

WIDTH, HEIGHT, MARGIN = 560, 300, 46
LEAST_RATE = 0.1
"""False accepts an hour at the left edge of the curve, where none are drawn."""
STYLE = (
    ":root{color-scheme:light dark;background:Canvas;color:CanvasText}svg text{fill:currentColor}"
    "body{font:16px/1.5 sans-serif;max-width:46em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
    "td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:middle}audio{height:2em}svg text{font-size:12px}"
)


def sound(samples: np.ndarray, name: str) -> str:
    """Samples int16 [samples] at 16 kHz as a player of that name whose sound is in the page."""
    data = base64.b64encode(wav_bytes(samples)).decode()
    return f'<audio controls preload="none" aria-label="{html.escape(name)}" src="data:audio/wav;base64,{data}"></audio>'


def sounds(title: str, found: Sequence[Found]) -> str:
    """A table of sounds."""
    rows = "".join(
        f"<tr><td>{sound(row.sound, row.name)}</td><td>{row.probability:.0f} of 255</td>"
        f"<td>{html.escape(row.name)}</td></tr>"
        for row in found
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("sound", "probability", "where"))
    return f"<h2>{title}</h2>\n<table><tr>{heads}</tr>{rows}</table>"


def curve(points: Sequence[dict]) -> str:
    """Misses against false accepts an hour as an SVG; the abscissa is logarithmic."""
    highest = max([1.0, *(point["rate"] for point in points)])
    decades = np.log10(highest / LEAST_RATE)

    def at(rate: float, missed: float) -> tuple[float, float]:
        across = np.log10(max(rate, LEAST_RATE) / LEAST_RATE) / decades
        return MARGIN + across * (WIDTH - 2 * MARGIN), HEIGHT - MARGIN - missed * (HEIGHT - 2 * MARGIN)

    line = " ".join("{:.1f},{:.1f}".format(*at(point["rate"], point["missed"])) for point in points)
    ticks = [10.0**power for power in range(int(np.log10(LEAST_RATE)), int(np.log10(highest)) + 1)]
    marks = "".join(
        f'<text x="{at(rate, 0)[0]:.0f}" y="{HEIGHT - MARGIN + 18}" text-anchor="middle">{rate:g}</text>' for rate in ticks
    ) + "".join(
        f'<text x="{MARGIN - 6}" y="{at(LEAST_RATE, share)[1] + 4:.0f}" text-anchor="end">{100 * share:g} %</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="misses against false accepts">'
        f'<polyline points="{line}" fill="none" stroke="#c33" stroke-width="2"/>'
        f'<path d="M{MARGIN} {MARGIN}V{HEIGHT - MARGIN}H{WIDTH - MARGIN}" fill="none" stroke="#888"/>{marks}'
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">false accepts an hour</text>'
        f'<text x="{MARGIN}" y="{MARGIN - 12}">missed</text></svg>'
    )


def page(title: str, lines: Sequence[str], measured: Measured) -> str:
    """The text of keyword.html. lines: what is measured, in sentences."""
    said = "".join(f"<p>{html.escape(line)}</p>\n" for line in lines)
    return (
        f'<!DOCTYPE html>\n<html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title><style>{STYLE}</style>\n'
        f"<main><h1>{html.escape(title)}</h1>\n{said}<h2>Misses against false accepts</h2>\n{curve(measured.points)}\n"
        f"{sounds('What was most nearly, or falsely, accepted', measured.false_accepts)}\n"
        f"{sounds('What was least recognised', measured.misses)}\n</main></html>\n"
    )
