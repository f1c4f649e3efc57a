"""One HTML page of everything: style, scripts and the firmware as WebAssembly inside."""

from __future__ import annotations

import base64
from pathlib import Path

from common import names
from common.templates import source_environment
from firmware_gen.export.library import Library

PAGE = Path(__file__).parent / "page"
TEMPLATE, STYLE, WORKLET = "index.html.j2", "style.css", "worklet.js"
SCRIPTS = ("kws.js", "resample.js", "sound_files.js", "microphone.js", "pictures.js", "listen.js", "record.js", "main.js")
"""In the order in which the page runs them."""
MOST_BYTES = 1_000_000


def page(library: Library, wasm: bytes, lag_ms: int) -> str:
    """The text of demo.html. lag_ms: from a word's middle to its scores, ms."""
    environment = source_environment(PAGE, {})
    return environment.get_template(TEMPLATE).render(
        tau=library.tau,
        words=library.words,
        checkpoint=library.checkpoint_sha256,
        lag_ms=lag_ms,
        kilobytes=round(len(wasm) / 1024),
        style=(PAGE / STYLE).read_text("utf-8"),
        worklet=(PAGE / WORKLET).read_text("utf-8"),
        script="\n".join(names.renamed((PAGE / name).read_text("utf-8"), library.prefix) for name in SCRIPTS),
        wasm=base64.b64encode(wasm).decode(),
    )
