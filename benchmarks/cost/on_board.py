"""Build examples/baremetal with the generated native engine and run it on an emulated board.

    python -m benchmarks.on_board --tau 1 --board mps2-an386 --wav examples/yes.wav
    python -m benchmarks.on_board --tau 1 --board mps2-an386 --selftest

The first prints the words that are reported; the second the result of the self-test, and fails where it differs from that of
the golden model. Neither counts instructions: `make bench` does.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.cost import emulator
from benchmarks.cost.emulator import BAREMETAL, CORES, RISCV32, Core, GuestError, Image
from common import locks, names, options
from common.audio import read_wav
from common.build_folder import build_of, remedy
from common.description import FEATURES, parse_tau
from common.errors import OptionParser, UserError, one_line_errors
from firmware_gen import folder
from firmware_gen.__main__ import fingerprint

BOARDS = {core.board: core for core in (*CORES.values(), RISCV32) if not core.note}
"""Boards and their cores, without cores that are emulated on the board of another one."""
LISTEN, SELFTEST = "main.c", "selftest.c"
TIMEOUT = 60
"""Seconds that a program may run, and again for each second of sound."""


def firmware_of(build: Path) -> Path:
    """The folder of the generated sources; UserError where they are not of what the build holds now, or the native engine is
    not among them. Edited sources are taken: whether they still compute the same is what the self-test tells."""
    firmware = build / "firmware"
    if not firmware.is_dir():
        raise UserError(f"{firmware}: missing; {remedy(build)}")
    if folder.generated_from(firmware) != fingerprint(build, folder.prefix(firmware)):
        raise UserError(f"{firmware}: of another conversion, detector or generator; {remedy(build)}")
    if not (firmware / "native").is_dir():
        raise UserError(f"{firmware}/native: missing, for the native engine cannot hold this network (see conversion.json)")
    return firmware


def build_program(core: Core, program: str, firmware: Path, out: Path, flags: Sequence[str] = ()) -> Image:
    """Compile examples/baremetal with `program`, its `LISTEN` or `SELFTEST`. flags: of the compiler, behind the others.
    UserError where it does not compile."""
    folders = [firmware, firmware / "native"]
    sources = [path for where in folders for path in sorted(where.glob("*.c"))]
    text = names.renamed((BAREMETAL / program).read_text(), folder.prefix(firmware))
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / program).write_text(text)
        return emulator.compile_bare(core, [Path(work) / program, *sources], folders, out, flags)


def run_program(image: Image, samples: np.ndarray) -> tuple[int, str]:
    """Exit status and text of a program whose sound is `samples`, int16. GuestError where it does not end in time."""
    timeout = TIMEOUT * (1 + len(samples) // FEATURES.sample_rate)
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "input").write_bytes(samples.astype("<i2").tobytes())
        done = emulator.run_qemu(image, Path(work), timeout, f"{image.path.name} on {image.core.board}")
    return done.returncode, done.stderr


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m benchmarks.on_board", __doc__)
    options.add_tau(parser)
    parser.add_argument("--board", default="mps2-an386", help=f"one of {', '.join(BOARDS)} (default mps2-an386)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--wav",
        type=Path,
        default=Path("examples/yes.wav"),
        help="16 kHz mono 16-bit sound of any length (default examples/yes.wav)",
    )
    what.add_argument("--selftest", action="store_true", help="run the self-test instead")
    return parser.parse_args(argv)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    if args.board not in BOARDS:
        raise UserError(f"no board {args.board}; choose one of {', '.join(BOARDS)}")
    build = build_of(parse_tau(args.tau))
    with locks.reading(build), tempfile.TemporaryDirectory() as work:
        firmware = firmware_of(build)
        samples = np.empty(0, np.int16) if args.selftest else read_wav(args.wav)
        core = BOARDS[args.board]
        emulator.need(core.toolchain.emulator)
        program = SELFTEST if args.selftest else LISTEN
        image = build_program(core, program, firmware, Path(work) / f"{Path(program).stem}.elf")
        status, text = run_program(image, samples)
    print(text, end="")
    if status and not args.selftest:
        raise GuestError(f"the program on {args.board} ended with status {status}")
    return int(status != 0)
