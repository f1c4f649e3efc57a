"""What `make quantize` does, under one lock of the build folder: conversion, firmware, report.

    python -m benchmarks.quantize --tau 1
    python -m benchmarks.quantize --tau 1 --checkpoint mine.safetensors --graph small --data ~/speech_commands

Takes the options of `python -m convert`, and --detector FILE: thresholds that `python -m benchmarks.tune` wrote, for this
network. They stay in the build folder until others are given. --prefix door: of every name of the C, kws where it is left
out. Of two at once in one build folder the second waits, and
each reports the graph of its own options.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.report import contents
from common import build_folder, locks, names, options
from common.errors import UserError, one_line_errors
from convert import __main__ as converter
from detector import settings
from detector.settings import Settings
from firmware_gen import __main__ as generator


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    mine, arguments = own_options(sys.argv[1:] if argv is None else argv)
    detector, prefix = mine.detector, names.checked(mine.prefix)
    build = converter.parse_arguments(arguments).build
    chosen = None if detector is None else settings.load(detector)
    with locks.writing(build):
        if failed := converter.main(arguments):
            return failed
        if chosen is not None:
            take_thresholds(chosen, detector, build)
        return generator.main(["--build", str(build), "--prefix", prefix]) or contents.main(["--build", str(build)])


def own_options(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """--detector and --prefix, and the arguments without them, which are those of the conversion."""
    whole = converter.argument_parser("python -m benchmarks.quantize", __doc__)
    alone = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for parser in (whole, alone):
        parser.add_argument("--detector", type=Path, metavar="FILE", help="thresholds of the detector, of `make tune`")
        options.add_prefix(parser)
    whole.parse_args(arguments)
    return alone.parse_known_args(arguments)


def take_thresholds(chosen: Settings, path: Path | None, build: Path) -> None:
    """Put a file of thresholds into the build folder; UserError where it was made for another network."""
    if not chosen.belong_to(build_folder.load(build)):
        raise UserError(f"{path}: chosen for another network; make it again with `make tune`")
    settings.save(build / settings.FILE, chosen)


if __name__ == "__main__":
    sys.exit(main())
