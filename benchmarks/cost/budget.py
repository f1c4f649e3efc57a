"""Show which widths of the network fit a chip, and the best of them.

    python -m benchmarks.budget --ram 20k --flash 64k --clock 80MHz --mode stream
    python -m benchmarks.budget --ram 64k --flash 256k --clock 160M --mode window --every 1s --core cortex-m33 --tau 2

k is 1,024 bytes. --mode stream: features and network once every 10 ms. --mode window: features every 10 ms, and the network
over the latest window once every --every; that needs room for its features. RAM, flash and instructions come from
bench.json in build/tau<T> where it is of the engine there, else from baseline.json; no compiler or emulator is needed. Exit
status: 0 when the width that --tau names fits, or any does where it names none, 1 when not, 2 for bad input.
"""

from __future__ import annotations

import argparse

from benchmarks.cost import board_report, budget_text, needs, quantities
from benchmarks.cost.emulator import CORES
from benchmarks.cost.needs import Limits
from common.description import FEATURES, parse_tau
from common.errors import OptionParser, UserError, one_line_errors

MODES = ("stream", "window")
CORE = "cortex-m4"
CPI = "1.5"
"""Cycles per instruction, assumed where not measured on the board."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m benchmarks.budget", __doc__)
    parser.add_argument("--ram", metavar="SIZE", help="RAM that is free, such as 20k (20,480 bytes)")
    parser.add_argument("--flash", metavar="SIZE", help="flash that is free, such as 64k")
    parser.add_argument("--clock", metavar="HZ", help="clock of the core, such as 80MHz")
    parser.add_argument("--mode", default="stream", help="stream (default) or window")
    parser.add_argument(
        "--every", metavar="TIME", help="for --mode window, from one to the next; 10ms or more (default 100ms)"
    )
    parser.add_argument("--core", help=f"the chip's core (default {CORE}, or the board's)")
    parser.add_argument("--board", help="a board whose cycles `make board-report` recorded: its core and its CPI")
    parser.add_argument("--cpi", help=f"cycles an instruction takes (default {CPI}, an assumption)")
    parser.add_argument("--load", default="70", metavar="PERCENT", help="of the clock that may be used (default 70)")
    parser.add_argument("--tau", help="the width that must fit (default: name the best that fits)")
    return parser.parse_args(argv)


def limits_of(args: argparse.Namespace, board: dict | None = None) -> Limits:
    """The limits that the options name. board: a row of recorded_boards.json whose cycles are taken; None for CPI. UserError
    for what is not a size, clock, time or share."""
    windows = quantities.choice("MODE", args.mode, MODES) == "window"
    if args.every is not None and not windows:
        raise UserError(f"EVERY={args.every}: a stream has scores every 10 ms; add MODE=window, or leave EVERY out")
    every = quantities.time("EVERY", args.every or "100ms")
    if every < FEATURES.hop / FEATURES.sample_rate:
        raise UserError(
            f"EVERY={args.every}: a window ends with a column of features, one in 10 ms; say for example EVERY=100ms"
        )
    return Limits(
        ram=quantities.size("RAM", args.ram, "20k"),
        flash=quantities.size("FLASH", args.flash, "64k"),
        clock=quantities.clock("CLOCK", args.clock),
        every=every if windows else None,
        cpi=board_report.cpi(board, windows)
        if board
        else quantities.number("CPI", CPI if args.cpi is None else args.cpi, CPI),
        load=quantities.number("LOAD", args.load, "70", 100) / 100,
        cpi_origin=f"{board['origin']} on {board['board']}, {board['core']}, {board['measured']}" if board else "",
    )


def board_of(args: argparse.Namespace) -> dict | None:
    """The recorded board that the options name, or None. UserError where another core or a CPI is named beside it."""
    if args.board is None:
        return None
    board = board_report.of_board(args.board)
    if args.cpi is not None:
        raise UserError(f"CPI={args.cpi}: BOARD={args.board} has its own; leave one of them out")
    if args.core not in (None, board["core"]):
        raise UserError(f"CORE={args.core}: BOARD={args.board} is a {board['core']}; leave one of them out")
    return board


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    board = board_of(args)
    limits = limits_of(args, board)
    core = board["core"] if board else quantities.choice("CORE", CORE if args.core is None else args.core, tuple(CORES))
    chosen = None if args.tau is None else parse_tau(args.tau)
    costs = needs.costs()
    if chosen is not None and chosen not in costs:
        raise UserError(f"tau {chosen:g}: no figures of it; run `make bench-baseline`")
    needed = {tau: {name: needs.need(boards[name], limits.every) for name in CORES} for tau, (_, boards) in costs.items()}
    fitting = [tau for tau in needed if not needed[tau][core].reasons(limits)]
    print(budget_text.report(limits, core, needed, {tau: origin for tau, (origin, _) in costs.items()}))
    print(budget_text.answer(limits, core, needed, fitting, chosen))
    return 0 if (fitting if chosen is None else chosen in fitting) else 1
