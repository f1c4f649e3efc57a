"""Take the documentation's picture of the page: the words of the examples, heard one after another.

    python -m demo.picture --tau 1
    python -m demo.picture --build build/mine --out mine.png

Writes docs/pictures/demo.png, of tau 1 in build/tau1 alone; --out FILE is for any other. Needs Chromium; the build's
demo.html is taken as it is (`python -m demo` makes it).
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
from PIL import Image

from common import atomic, options
from common.audio import read_wav
from common.build_folder import default_build
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
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"file to write (of build/tau1 {OUT.relative_to(ROOT)})")
    return parser.parse_args(argv)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    build, _ = options.build_and_tau(args)
    if args.out is None and build.resolve() != (ROOT / default_build(1)).resolve():
        raise UserError(f"{build}: the documentation shows tau 1 of {default_build(1)}; name a file with --out")
    out = args.out or OUT
    page = build / FILE
    if not page.is_file():
        raise UserError(f"{page}: missing; make it with `make demo`")
    atomic.write_bytes(out, taken(page))
    print(f"{os.path.relpath(out)}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
