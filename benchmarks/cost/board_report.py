"""Keep the cycles that the self-test counted on a board of yours, for `make budget BOARD=` and the documentation.

    python -m benchmarks.board_report nucleo.log --board nucleo-u575 --core cortex-m33

The log is what kws_selftest() printed, as a terminal program saved it; other lines around it do no harm, and of several
runs the last counts. It must be of the engine in build/tau<T>, have passed, and have cycles. They are divided by the
instructions counted on that core (baseline.json), and all is kept in recorded_boards.json with today's date.
"""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

from benchmarks.cost import baseline, needs, quantities
from benchmarks.cost.emulator import CORES
from common.atomic import write_text
from common.build_folder import NATIVE, build_of, default_build, remedy
from common.description import FEATURES, TAUS
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import read_json
from common.schema import fits
from engine import network, render

PATH = Path(__file__).parent / "recorded_boards.json"
REMEDY = "restore it from the repository, or remove it and run `make board-report` again"
PARTS = ("frontend hop", "network hop", "network window")
"""What the self-test counts, as it prints it; in JSON with an underscore."""
HEAD = r"kws self-test, tau ([\d.]+), engine ([0-9a-f]{16})$"
CHECKED = ("window features", "window scores", "stream features", "stream scores", "stream words")
LEAST, MOST = 0.25, 12
"""Cycles an instruction between which a core lies: dual issue at best, flash without a cache at worst."""
COUNTS = dict.fromkeys((part.replace(" ", "_") for part in PARTS), int)
ROW = {
    "board": str,
    "core": str,
    "tau": str,
    "engine": str,
    "cycles": COUNTS,
    "instructions": COUNTS,
    "measured": str,
    "origin": str,
}
ORIGIN = "measured by a user"


def read_log(path: Path) -> tuple[str, str, dict[str, int]]:
    """Tau, engine and cycles by part of the last self-test in a log. UserError where there is none, or it did not pass."""
    lines = path.read_bytes().decode(errors="replace").splitlines()
    heads = [(at, found) for at, line in enumerate(lines) if (found := re.search(HEAD, line.rstrip()))]
    if not heads:
        raise UserError(f"{path}: no self-test of this project; log what kws_selftest() prints")
    start, head = heads[-1]
    told: dict[str, str] = {}
    for line in lines[start + 1 :]:
        found = re.search(rf"({'|'.join((*CHECKED, *PARTS))}) +(.*)$", line.rstrip())
        if found:
            told[found[1]] = found[2]
        elif re.search(r"\b(pass|FAIL)$", line.rstrip()):
            told["end"] = line.rstrip().rpartition(" ")[2]
            break
    missing = [name for name in (*CHECKED, "end") if name not in told]
    if missing:
        raise UserError(f"{path}: breaks off before {'its last line' if missing[0] == 'end' else missing[0]}; log all of it")
    wrong = [name for name in CHECKED if told[name] != "ok" and not told[name].startswith("not compared")]
    if told["end"].strip() != "pass" or wrong:
        raise UserError(f"{path}: the self-test failed ({', '.join(wrong) or 'see the log'}); its cycles are worth nothing")
    cycles = {}
    for name in PARTS:
        count = re.fullmatch(r"(\d+) cycles", told.get(name, ""))
        if not count or int(count[1]) == 0:
            raise UserError(
                f"{path}: no cycles of {name}; log it on a board: an emulator (`make selftest`) has no counter of them, nor "
                "has a Cortex-M0, nor a firmware compiled with KWS_SELFTEST_NO_CYCLES"
            )
        cycles[name.replace(" ", "_")] = int(count[1])
    return head[1], head[2], cycles


def instructions_of(tau: str, core: str) -> dict[str, int]:
    """Instructions by part that were counted for a width on a core. UserError where there are none of the build's window."""
    made = needs.built(float(tau))
    if made and made.features != FEATURES:
        boards = needs.benched(float(tau), made)
        if boards is None:
            path = build_of(float(tau)) / NATIVE
            raise UserError(f"{path}: its window is no second, so its instructions are its own; run `make bench TAU={tau}`")
        return {part: boards[core][part] for part in COUNTS}
    agreed = baseline.load()
    if tau not in agreed["taus"]:
        raise UserError(f"tau {tau}: no figures of it; run `make bench-baseline`")
    row = agreed["frontend"][core] | agreed["taus"][tau]["boards"][core]
    return {part: row[part] for part in COUNTS}


def check_engine(path: Path, tau: str, engine: str) -> None:
    """UserError where a log is not of the engine that the build of its width holds."""
    if tau not in {f"{known:g}" for known in TAUS}:
        raise UserError(f"{path}: tau {tau} does not exist")
    build = build_of(float(tau))
    if not (build / NATIVE).is_file():
        raise UserError(f"{path}: is of tau {tau}, but {build} is not converted; {remedy(build)}")
    here = render.engine_id(network.load(build / NATIVE))
    if engine != here:
        raise UserError(
            f"{path}: is of engine {engine}, not of {here} in {default_build(float(tau))}; flash that one's firmware"
        )


def load() -> list[dict]:
    """The recorded rows; none where nothing was recorded. UserError where the file is damaged."""
    found = read_json(PATH, REMEDY)
    if found is None:
        return []
    if not fits(found, {"rows": [ROW]}) or any(row["core"] not in CORES for row in found["rows"]):
        raise UserError(f"{PATH}: damaged; {REMEDY}")
    return found["rows"]


def of_board(board: str) -> dict:
    """The latest row of a board. UserError where there is none."""
    rows = [row for row in load() if row["board"] == board]
    if not rows:
        known = sorted({row["board"] for row in load()})
        raise UserError(
            f"BOARD={board}: no cycles of it; run `make board-report BOARD='{board}' CORE= LOG=`"
            + (f", or choose one of {', '.join(known)}" if known else "")
        )
    return max(rows, key=lambda row: row["measured"])


def cpi(row: dict, windows: bool) -> float:
    """Cycles an instruction of a row: of the network's window, or of a hop of features and network."""
    parts = ("network_window",) if windows else ("frontend_hop", "network_hop")
    return sum(row["cycles"][part] for part in parts) / sum(row["instructions"][part] for part in parts)


def table_rows() -> list[list[str]]:
    """A row of the documentation for each recorded one."""
    return [
        [
            row["board"],
            row["core"],
            row["tau"],
            *(f"{row['cycles'][part]:,}" for part in COUNTS),
            f"{cpi(row, windows=False):.2f}",
            f"{cpi(row, windows=True):.2f}",
            f"{row['origin']}, {row['measured']}",
        ]
        for row in load()
    ]


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.board_report", __doc__)
    parser.add_argument("log", type=Path, nargs="?", help="what kws_selftest() printed")
    parser.add_argument("--board", default="", help="the board's name, such as nucleo-u575")
    parser.add_argument("--core", default="", help=f"its core: {', '.join(CORES)}")
    args = parser.parse_args(argv)
    board = args.board.strip()
    if not board:
        raise UserError("BOARD: not given; say for example BOARD=nucleo-u575")
    if not re.fullmatch(r"[\w .,()+/-]{1,60}", board):
        raise UserError(f"BOARD={args.board}: say for example BOARD=nucleo-u575")
    core = quantities.choice("CORE", args.core, tuple(CORES))
    if args.log is None:
        raise UserError("LOG: not given; say for example LOG=nucleo.log")
    tau, engine, cycles = read_log(args.log)
    check_engine(args.log, tau, engine)
    instructions = instructions_of(tau, core)
    row = {
        "board": board,
        "core": core,
        "tau": tau,
        "engine": engine,
        "cycles": cycles,
        "instructions": instructions,
        "measured": datetime.date.today().isoformat(),
        "origin": ORIGIN,
    }
    for part in COUNTS:
        ratio = cycles[part] / instructions[part]
        if not LEAST <= ratio <= MOST:
            raise UserError(
                f"{args.log}: {ratio:.2f} cycles an instruction in {part.replace('_', ' ')} are not those of a {core}; "
                "compile with -O2 for that core, or name another CORE"
            )
    others = [old for old in load() if (old["board"], old["core"], old["tau"]) != (board, core, tau)]
    kept = sorted([*others, row], key=lambda one: (one["board"], one["core"], float(one["tau"])))
    write_text(PATH, json.dumps({"rows": kept}, indent=1) + "\n")
    print(f"{board}, {core}, tau {tau}, {ORIGIN}, {row['measured']}:")
    for part in COUNTS:
        ratio = cycles[part] / instructions[part]
        print(
            f"  {part.replace('_', ' '):<16}{cycles[part]:>12,} cycles, {instructions[part]:>11,} instructions: {ratio:.2f}"
        )
    print(f"{PATH}\nnext: make budget RAM=20k FLASH=64k CLOCK=80MHz BOARD='{board}'; make docs-figures")
