"""Export the native engine and the feature pipeline of a build as a library of an ecosystem.

    python -m firmware_gen.export --tau 1 --format arduino

Formats: arduino, cmsis-pack, zephyr, esp-idf, platformio. Reads the build's firmware/ folder, writes
export/<format>/ beside it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common import locks, options, sources
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import sha256_of
from firmware_gen import __version__, folder, rendering
from firmware_gen.export import arduino, cmsis_pack, esp_idf, library, platformio, zephyr
from firmware_gen.export.library import Library

FORMATS = {
    "arduino": arduino.files,
    "cmsis-pack": cmsis_pack.files,
    "zephyr": zephyr.files,
    "esp-idf": esp_idf.files,
    "platformio": platformio.files,
}
"""Each format and the pure function that makes its files."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m firmware_gen.export", __doc__)
    which = parser.add_mutually_exclusive_group()
    options.add_build(which)
    options.add_tau(which)
    parser.add_argument("--format", default="", help=", ".join(FORMATS))
    parser.add_argument("--version", action="version", version=f"firmware_gen {__version__}")
    return parser.parse_args(argv)


def fingerprint(source: Library, form: str) -> str:
    """SHA-256 of all that an export depends on: the generated files, the exporter, LICENSE and NOTICE."""
    exporter = sources.digest("firmware_gen.export.__main__", files=(rendering.TEMPLATES / "export").rglob("*.j2"))
    legal = (sha256_of(text.encode()) for text in (source.license, source.notice))
    return sha256_of(" ".join((form, source.fingerprint, exporter, *legal)).encode())


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    build, _ = options.build_and_tau(args)
    if args.format not in FORMATS:
        wrong = f"format {args.format} does not exist" if args.format else "no format given"
        raise UserError(f"{wrong}; choose one of {', '.join(FORMATS)}")
    with locks.rewriting(build):
        bring_up_to_date(build, args.format)


def bring_up_to_date(build: Path, form: str) -> None:
    """Write an export where the build folder has not that of its present firmware."""
    source = library.load(build)
    stamp, out = fingerprint(source, form), build / "export" / form
    if folder.is_up_to_date(out, stamp):
        print(f"{out}: up to date")
        return
    files = FORMATS[form](source)
    count = len(files)
    files[folder.MANIFEST] = folder.manifest(
        files, spdx="Apache-2.0", generator=f"firmware_gen {__version__}", fingerprint=stamp
    )
    out.parent.mkdir(exist_ok=True)
    folder.replace_folder(out, files)
    print(f"{out}: {count} files; how to use them: {out / next(name for name in files if name.endswith('/README.md'))}")


if __name__ == "__main__":
    sys.exit(main())
