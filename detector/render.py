"""The C sources of the detector as text, from the templates in c/ and its settings.

`python -m firmware_gen` ships them with the rest of the firmware.
"""

from __future__ import annotations

import functools
import hashlib
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

import jinja2

from common import names
from common.ctext import without_comments
from common.intervals import missed, per_hour
from common.labels import silence_index
from common.templates import source_environment
from detector.settings import HOP_MS, REFRACTORY_MS, REPEAT_MS, RISE_MS, SENSITIVITIES, Settings
from frontend import render as frontend
from frontend.render import HEAD, hexadecimal, rows

TEMPLATES = Path(__file__).parent / "c"
FILES = ("kws_detector.h", "kws_detector.c")
SOURCES = FILES[1:]
FIXED_STATE_BYTES = 28
"""Bytes of `kws_detector` without its thresholds."""
LINE = 120
"""Longest line of the sources."""


@functools.cache
def environment(prefix: str) -> jinja2.Environment:
    return source_environment(TEMPLATES, {}, {"frontend": frontend.TEMPLATES}, prefix)


def state_bytes(classes: int) -> int:
    """sizeof(kws_detector): whole words."""
    return FIXED_STATE_BYTES + -(-2 * classes // 4) * 4


def render(
    name: str,
    settings: Settings,
    head: str,
    figures: Sequence[str],
    detector: str,
    identity: str = "",
    prefix: str = names.PREFIX,
    linked: bool = True,
) -> str:
    presets = [
        {"name": name, "rows": rows([f"{{{row.probability}, {row.hops}}}" for row in settings.presets[name]], 8)}
        for name in SENSITIVITIES
    ]
    return (
        environment(prefix)
        .get_template(f"{name}.j2")
        .render(
            head=head.rstrip("\n"),
            identity=identity,
            classes=len(settings.labels),
            state_bytes=state_bytes(len(settings.labels)),
            hop_ms=HOP_MS,
            repeat_ms=REPEAT_MS,
            refractory_ms=REFRACTORY_MS,
            rise_ms=RISE_MS,
            pause_ms=settings.pause_ms,
            silence=silence_index(settings.labels),
            presets=presets,
            figures=figures,
            detector_id=detector,
            linked=linked,
        )
    )


def detector_id(settings: Settings) -> str:
    """First 16 hex digits of the SHA-256 of the sources, but for comments and white space: of thresholds and rule."""
    texts = [without_comments(render(name, settings, "", (), "0", linked=False)) for name in FILES]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def level(snr_db: float | None) -> str:
    """` at 10 dB`; nothing where words keep the level of their recording."""
    return "" if snr_db is None else f" at {snr_db:g} dB"


def accepts(kind: str, reports: int, hours: float) -> str:
    """A line on false accepts."""
    return f"  false accepts an hour, {kind}: {per_hour(reports, hours)} ({hours:.2f} hours)"


def misses(kind: str, said: int, hit: int) -> str:
    """A line on misses."""
    return f"  missed, {kind}: {missed(said, hit)} % of {said:,}"


def measured_lines(preset: dict) -> list[str]:
    """What `make listen-test` found of a sensitivity."""
    return [
        *(accepts(row["kind"], row["reports"], row["hours"]) for row in preset["false_accepts"]),
        *(misses(row["background"] + level(row["snr_db"]), row["said"], row["hit"]) for row in preset["keywords"]),
    ]


def tried_lines(preset: dict, hours: float) -> list[str]:
    """What the command that chose found of a sensitivity."""
    return [
        accepts("recordings without words", preset["reports"], hours),
        *(misses(row["of"], row["said"], row["hit"]) for row in preset["keywords"]),
    ]


def figures(settings: Settings, prefix: str = names.PREFIX) -> list[str]:
    """What the header says of its sensitivities, line by line, ASCII."""
    chosen = f"were chosen on {settings.chosen}" if settings.chosen else "are defaults, not chosen for this network"
    lines = [f"Thresholds {chosen}."]
    if settings.measured:
        found = settings.measured
        lines.append(f"Measured on {found['date']} with `make listen-test`, {found['protocol']}:")
        rows = {name: measured_lines(found["presets"][name]) for name in SENSITIVITIES}
    elif settings.tried:
        found = settings.tried
        lines.append(f"Measured on {found['date']} with `{found['command']}`, on recordings that they were not chosen on:")
        rows = {name: tried_lines(found["presets"][name], found["hours"]) for name in SENSITIVITIES}
    else:
        return [
            *lines,
            "What they give was not measured: `make tune` chooses and measures them on your recordings, `make listen-test`",
            "measures what stands here.",
        ]
    for name in SENSITIVITIES:
        lines += [names.renamed(f"KWS_SENSITIVITY_{name.upper()}", prefix), *rows[name]]
    return lines


def comment(text: str) -> list[str]:
    r"""A line of any text as lines that can stand in a C comment: short, printable ASCII, no trigraph, no end of a comment.

    >>> comment("  größe */ ??/ \\")
    ['  gr?e * / ?/ /']
    """
    one = "".join(character if character.isprintable() else " " for character in text)
    safe = re.sub(r"[^ -~]", "?", one.replace("*/", "* /").replace("\\", "/"))
    safe = re.sub(r"\?+", "?", safe)  # of which two begin a trigraph
    indent = " " * (len(safe) - len(safe.lstrip()))
    return textwrap.wrap(safe.strip(), LINE - len("// "), initial_indent=indent, subsequent_indent=indent + "  ")


def sources(settings: Settings, head: str = HEAD, identity: str = "", prefix: str = names.PREFIX) -> dict[str, str]:
    """Name -> text of every one of `FILES`, C99 (the header C++11 as well).

    head: opens each file, as C comments. identity: stands in the header and says what it belongs to.
    prefix: of every name in them.
    """
    lines = [line for text in figures(settings, prefix) for line in comment(text)]
    detector = hexadecimal(detector_id(settings))
    return {name: render(name, settings, head, lines, detector, identity, prefix) for name in FILES}
