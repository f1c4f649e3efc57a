"""Take the documentation's picture of the page: the words of the examples, heard one after another.

    python -m demo.picture --tau 1

Writes docs/pictures/demo.png. Needs Chromium; the build's demo.html is taken as it is (`python -m demo` makes it).
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
from PIL import Image

from common import atomic, options
from common.audio import read_wav
from common.description import FEATURES
from common.errors import OptionParser, UserError, one_line_errors
from common.shipped import ROOT
from demo.__main__ import FILE
from demo.browser import Browser

OUT = ROOT / "docs" / "pictures" / "demo.png"
WORDS = ("right", "stop", "go", "yes")
WIDTH, HEIGHT = 1100, 860
COLOURS = 200
"""Of the picture, so that it is small."""


def sound() -> bytes:
    """The examples as one wav file."""
    samples = np.concatenate([read_wav(ROOT / "examples" / f"{word}.wav") for word in WORDS])
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(FEATURES.sample_rate)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def taken(page: Path) -> bytes:
    """PNG of the page after the examples. UserError where there is no browser."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "examples.wav")
        path.write_bytes(sound())
        with Browser(Path(folder, "browser"), "--hide-scrollbars") as browser:
            browser.shape(WIDTH, HEIGHT)
            browser.open(page.resolve().as_uri())
            browser.evaluate("kws.ready.then(() => true)")
            browser.choose_files("#file", [path])
            browser.wait_for("kws.ready.then(({ listener }) => listener.file?.result && !listener.dirty)")
            browser.wait_for("!document.getAnimations().length && player.readyState > 0")
            return smaller(browser.picture())


def smaller(png: bytes) -> bytes:
    """The same picture in few colours."""
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m demo.picture", __doc__)
    which = parser.add_mutually_exclusive_group()
    options.add_build(which)
    options.add_tau(which)
    return parser.parse_args(argv)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    build, _ = options.build_and_tau(parse_arguments(argv))
    page = build / FILE
    if not page.is_file():
        raise UserError(f"{page}: missing; make it with `make demo`")
    atomic.write_bytes(OUT, taken(page))
    print(f"{OUT.relative_to(ROOT)}: {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
