"""Rewrite the tables and sample outputs of README.md and docs/ from the recorded files they are taken from.

    python -m benchmarks.figures            # names the blocks that are out of date; exit status 1 where there are any
    python -m benchmarks.figures --write    # rewrites them

A block stands between `<!-- figures: NAME -->` and `<!-- end -->`. Sources: checkpoints/ (*.verify.json, false_accepts.json
and the cards), baseline.json, the recorded_*.json beside the modules that write them, and, for the sample outputs alone, the
build of tau 1: as converted, without its own verification and bench.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.accuracy import family
from benchmarks.cost import baseline, board_report, budget, on_board, stack
from benchmarks.cost.emulator import CORES
from benchmarks.listening import recorded
from benchmarks.report import comparison, contents, peers_table, tables, text as report_text
from common import build_folder
from common.atomic import write_text
from common.audio import read_wav
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import per_hour
from common.shipped import EXAMPLES, ROOT
from detector.settings import SENSITIVITIES

BLOCK = re.compile(r"(<!-- figures: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.S)
PAGES = ("README.md", "docs/**/*.md")
BUDGET = ("--ram", "20k", "--flash", "64k", "--clock", "80MHz")
"""The chip of the sample output of `make budget`."""


def false_accepts() -> str:
    """Reports an hour of the shipped networks over recordings in which no keyword is said, by the detector's sensitivity."""
    rows = []
    for row in recorded.shipped():
        rates = [per_hour(row["reports"][name], row["hours"]) for name in SENSITIVITIES]
        rows.append([f"{row['tau']:g}", row["name"], f"{row['hours']:.2f}", *rates, row["measured"]])
    sensitivities = [f"an hour, {name}" for name in SENSITIVITIES]
    return tables.markdown(["tau", "recordings", "hours", *sensitivities, "recorded"], rows, 2)


def filled(text: str) -> str:
    """A sentence in lines; a compiler's name is not broken at its hyphens."""
    return textwrap.fill(text, 120, break_on_hyphens=False)


def peers_beside() -> str:
    """Reports an hour of others' wake words, beside tau 1 on the same recordings."""
    head, rows, sentences = peers_table.table()
    return "\n\n".join([tables.markdown(head, rows, 3), filled(" ".join(sentences))])


def budget_output() -> str:
    """The output of `make budget` where nothing was built."""
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stdout(out):
        budget.main(list(BUDGET))
    return f"```text\n{out.getvalue()}```"


def stack_of(part: str, what: str) -> str:
    """Recorded bytes of stack by core and level: of "calls" with all that they call, or of "functions" alone. what: their
    name in the table's head."""
    figures = stack.load()
    table = tables.markdown(stack.head(what), [[f"`{name}`", *row] for name, *row in stack.rows(figures["cores"], part)])
    return f"{table}\n\nRecorded {figures['recorded']}, tau {figures['tau']}, {figures['compiler']}."


def boards() -> str:
    """The cycles of real boards that users reported."""
    rows = board_report.table_rows()
    if not rows:
        return "No board was reported yet."
    head = ["board", "core", "tau", "features, a hop, cycles", "network, a hop", "network, a window"]
    return tables.markdown([*head, "cycles an instruction, a hop", "a window", "origin"], rows, 2)


def dates() -> str:
    """When the tables were recorded, in a sentence."""
    accuracy = sorted(
        {tables.verification(tau)["measured"] for tau in tables.shipped()} | {tables.verification(1, "small")["measured"]}
    )
    agreed, then = baseline.load(), comparison.recorded()[0]
    compiler = re.match(r"(\S+) .*?([\d.]+) \d+$", agreed["compiler"])
    if not compiler:
        raise UserError(f"{baseline.PATH}: names no version of its compiler; {baseline.REMEDY}")
    name, version = compiler.groups()
    return filled(
        f"Recorded: accuracy {' and '.join(accuracy)} (`make verify SPLIT=all`), costs {agreed['recorded']} (`make "
        f"bench-baseline`, {name} {version}), TFLM {then['date']} ({then['versions']}; cannot be built here)."
    )


def quantize_output(build: Path) -> str:
    """The end of `make quantize TAU=1`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tau1"
        shutil.copytree(build, copy, ignore=shutil.ignore_patterns("verify*.json", build_folder.BENCH))
        return f"```text\n{report_text.short(contents.merge(copy), build_folder.default_build(1))}\n```"


def board_output(build: Path, program: str, samples: np.ndarray) -> str:
    """What a program of examples/baremetal prints on an emulated Cortex-M4, as `make run` and `make selftest` show it."""
    with tempfile.TemporaryDirectory() as folder:
        image = on_board.build_program(CORES["cortex-m4"], program, build / "firmware", Path(folder) / "program.elf")
        return f"```text\n{on_board.run_program(image, samples)[1]}```"


RECORDED: dict[str, Callable[[], str]] = {
    "results": tables.results,
    "widths": tables.widths,
    "family": family.table,
    "verified": tables.verified,
    "parts": tables.parts,
    "other-words": tables.other_words,
    "costs": tables.costs,
    "costs-by-width": tables.costs_by_width,
    "tflm": tables.recorded_tflm,
    "stack-calls": lambda: stack_of("calls", "call"),
    "stack-functions": lambda: stack_of("functions", "function"),
    "boards": boards,
    "false-accepts": false_accepts,
    "listening": tables.listening,
    "thresholds": tables.thresholds,
    "peers": peers_beside,
    "budget": budget_output,
    "dates": dates,
}
BUILT: dict[str, Callable[[Path], str]] = {
    "quantize": quantize_output,
    "run": lambda build: board_output(build, on_board.LISTEN, read_wav(EXAMPLES / "yes.wav")),
    "selftest": lambda build: board_output(build, on_board.SELFTEST, np.empty(0, np.int16)),
}


def pages() -> list[Path]:
    """README and the pages of docs/."""
    return sorted(path for pattern in PAGES for path in ROOT.glob(pattern))


def rewritten(text: str, page: Path, build: Path | None) -> str:
    """A page with its blocks up to date. build: of tau 1; None leaves its sample outputs as they are."""

    def block(match: re.Match) -> str:
        head, name, _, end = match.groups()
        if name in BUILT:
            return match[0] if build is None else f"{head}{BUILT[name](build)}\n{end}"
        if name not in RECORDED:
            raise UserError(f"{page}: no such figures: {name}; choose one of {', '.join([*RECORDED, *BUILT])}")
        return f"{head}{RECORDED[name]()}\n{end}"

    return BLOCK.sub(block, text)


def out_of_date(build: Path | None) -> dict[Path, str]:
    """The pages that are out of date, and their new text."""
    return {page: new for page in pages() if (new := rewritten(old := page.read_text(), page, build)) != old}


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    parser = OptionParser("python -m benchmarks.figures", __doc__)
    parser.add_argument("--write", action="store_true", help="rewrite the blocks in place of naming the pages")
    args = parser.parse_args(argv)
    build = build_folder.default_build(1)
    converted = (build / build_folder.MODEL).is_file()
    if not converted:
        print(f"{build}: not converted, its sample outputs are left as they are (make quantize TAU=1)")
    changed = out_of_date(build if converted else None)
    for page, text in changed.items():
        if args.write:
            write_text(page, text)
        print(f"{page.relative_to(ROOT)}: {'rewritten' if args.write else 'out of date; run `make docs-figures`'}")
    return 1 if changed and not args.write else 0
