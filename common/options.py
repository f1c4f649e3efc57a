"""The options that several commands share: the same name, help and default in each of them."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from common import names
from common.build_folder import default_build
from common.description import TAUS, parse_tau

Parser = argparse._ActionsContainer
"""A command's parser, or a group of its options."""


def add_tau(parser: Parser) -> None:
    """`--tau`: the width of the network, text for `parse_tau`."""
    *taus, last = (f"{tau:g}" for tau in TAUS)
    parser.add_argument("--tau", default="1", help=f"width of the network: {', '.join(taus)} or {last} (default 1)")


def add_build(parser: Parser) -> None:
    """`--build`: the folder of a build; see `build_and_tau`."""
    parser.add_argument("--build", type=Path, help="folder of the build (default build/tau<T>)")


def add_prefix(parser: Parser, default: str | None = names.PREFIX, without: str = names.PREFIX) -> None:
    """`--prefix`: of every name of the generated C; `names.checked` says whether it is one.

    default: its value where it is left out. without: what that means, as the help says it.
    """
    parser.add_argument("--prefix", default=default, help=f"of every name of the C (default {without})")


def build_and_tau(args: argparse.Namespace) -> tuple[Path, float]:
    """The folder that `--build` names, else that of `--tau`; and the number that `--tau` names. UserError where there is
    no such width."""
    tau = parse_tau(args.tau)
    return args.build or default_build(tau), tau


def add_data(parser: Parser, content: str, without: str = "", default: Path | None = None) -> None:
    """`--data`: a folder of audio; where it is left out, $GSC_ROOT, and without that `default`.

    content: what the folder holds. without: what is used where neither is given, as the help names it.
    """
    last = f", else {without}" if without else ""
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("GSC_ROOT") or default, help=f"{content} (default $GSC_ROOT{last})"
    )


def add_archives(parser: Parser, content: str = "folder of the official archives, unpacked") -> None:
    """`--data`, by default data/, and `--ver`: which of the official archives in it."""
    add_data(parser, content, "data/", Path("data"))
    add_ver(parser)


def add_ver(parser: Parser) -> None:
    """`--ver`: which of the official archives."""
    parser.add_argument("--ver", type=int, default=2, choices=(1, 2), help="Speech Commands v0.01 or v0.02")


def add_seed(parser: Parser) -> None:
    """`--seed`: that of all random numbers."""
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers (default 0)")


def add_processes(parser: Parser) -> None:
    """`--processes`: the number of worker processes."""
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
