"""Make a page that runs the firmware of a build in a browser, on its microphone or on recordings.

    python -m demo --tau 1
    python -m demo --tau 1 --serve

Writes demo.html into the build folder: one file, which needs no network. --serve serves it on the loopback address, where a
browser lets a page use the microphone, and opens it; Ctrl-C ends that.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common import atomic, locks, options
from common.description import REACH, STREAM_COLUMNS
from common.errors import OptionParser, UserError, one_line_errors
from demo import assemble, serve, wasm
from detector.settings import HOP_MS
from firmware_gen.export import library

FILE = "demo.html"
"""Its name in a build folder."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m demo", __doc__)
    which = parser.add_mutually_exclusive_group()
    options.add_build(which)
    options.add_tau(which)
    parser.add_argument("--serve", action="store_true", help="serve it on the loopback address and open the browser")
    return parser.parse_args(argv)


def page_of(build: Path) -> bytes:
    """The page of a build. UserError as `library.load` and `wasm.compiled`, and where it would be too large."""
    source = library.load(build)
    page = assemble.page(
        source,
        wasm.compiled(source.sources, prefix=source.prefix),
        HOP_MS * REACH + HOP_MS * STREAM_COLUMNS // 2,
    ).encode()
    if len(page) > assemble.MOST_BYTES:
        raise UserError(f"{build / FILE}: {len(page):,} bytes, more than {assemble.MOST_BYTES:,}; take a smaller tau")
    return page


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    build, _ = options.build_and_tau(args)
    with locks.rewriting(build):
        page = page_of(build)
        atomic.write_bytes(build / FILE, page)
    print(f"{build / FILE}: {len(page):,} bytes; open it in a browser", flush=True)
    if args.serve:
        serve.serve(page)


if __name__ == "__main__":
    sys.exit(main())
