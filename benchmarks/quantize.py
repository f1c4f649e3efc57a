"""What `make quantize` does, under one lock of the build folder: conversion, firmware, report.

    python -m benchmarks.quantize --tau 1
    python -m benchmarks.quantize --tau 1 --checkpoint mine.safetensors --graph small --data ~/speech_commands

Takes the options of `python -m convert`. Of two at once in one build folder the second waits, and each reports the
graph of its own options.
"""

from __future__ import annotations

import sys

from benchmarks.report import contents
from common import locks
from common.errors import one_line_errors
from convert import __main__ as converter
from firmware_gen import __main__ as generator


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    build = converter.parse_arguments(arguments).build
    with locks.writing(build):
        return converter.main(arguments) or generator.main(["--build", str(build)]) or contents.main(["--build", str(build)])


if __name__ == "__main__":
    sys.exit(main())
