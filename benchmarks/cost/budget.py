"""Show which widths of the network fit a chip, and the best of them.

    python -m benchmarks.budget --ram 20k --flash 64k --clock 80MHz --mode stream
    python -m benchmarks.budget --ram 64k --flash 256k --clock 160M --mode window --every 1s --core cortex-m33 --tau 2

k is 1,024 bytes. --mode stream: features and network once every 10 ms. --mode window: features every 10 ms, and the network
over the latest second once every --every; that needs room for a second of features. RAM, flash and instructions come from
bench.json in build/tau<T> where it is of the engine there, else from baseline.json; no compiler or emulator is needed. Exit
status: 0 when the width that --tau names fits, or any does where it names none, 1 when not, 2 for bad input.
"""

from __future__ import annotations

import argparse

from benchmarks.cost import budget_text, needs, quantities
from benchmarks.cost.emulator import CORES
from benchmarks.cost.needs import Limits
from common.description import FEATURES, parse_tau
from common.errors import OptionParser, UserError, one_line_errors

MODES = ("stream", "window")
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
    parser.add_argument("--core", default="cortex-m4", help="the chip's core (default cortex-m4)")
    parser.add_argument("--cpi", default=CPI, help=f"cycles an instruction takes (default {CPI}, an assumption)")
    parser.add_argument("--load", default="70", metavar="PERCENT", help="of the clock that may be used (default 70)")
    parser.add_argument("--tau", help="the width that must fit (default: name the best that fits)")
    return parser.parse_args(argv)


def limits_of(args: argparse.Namespace) -> Limits:
    """The limits that the options name. UserError for what is not a size, clock, time or share."""
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
        cpi=quantities.number("CPI", args.cpi, CPI),
        load=quantities.number("LOAD", args.load, "70", 100) / 100,
    )


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    limits, core = limits_of(args), quantities.choice("CORE", args.core, tuple(CORES))
    chosen = None if args.tau is None else parse_tau(args.tau)
    costs = needs.costs()
    if chosen is not None and chosen not in costs:
        raise UserError(f"tau {chosen:g}: no figures of it; run `make bench-baseline`")
    needed = {tau: {name: needs.need(boards[name], limits.every) for name in CORES} for tau, (_, boards) in costs.items()}
    fitting = [tau for tau in needed if not needed[tau][core].reasons(limits)]
    print(budget_text.report(limits, core, needed, {tau: origin for tau, (origin, _) in costs.items()}))
    print(budget_text.answer(limits, core, needed, fitting, chosen))
    return 0 if (fitting if chosen is None else chosen in fitting) else 1
