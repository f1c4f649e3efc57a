"""What a second of listening costs at other levels of optimisation than -O2, and on RISC-V: executed instructions.

    python -m benchmarks.levels --tau 1

The program of examples/baremetal hears two seconds of sound, then three: the difference of both runs in the emulator
is 100 hops of features, network, detector and level meter. No instruction is a cycle.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.cost import emulator, on_board
from benchmarks.cost.bench_text import aligned
from benchmarks.cost.emulator import CORES, RISCV32, Core
from common import locks, options
from common.audio import read_wav
from common.description import FEATURES
from common.errors import OptionParser, one_line_errors
from common.shipped import EXAMPLES

LEVELS = ("-O2", "-O3", "-Os", "-Og")
"""-O2 is what all other figures are of."""
MEASURED = tuple(CORES[name] for name in ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m55")) + (RISCV32,)
TIMEOUT = 300
"""Seconds that a program may run."""


def a_second(core: Core, level: str, firmware: Path) -> int:
    """Instructions of a second of listening. firmware: folder of the generated sources."""
    second = np.resize(read_wav(EXAMPLES / "yes.wav"), FEATURES.clip_samples)
    with tempfile.TemporaryDirectory() as folder:
        image = on_board.build_program(core, on_board.LISTEN, firmware, Path(folder) / "listen.elf", (level,))
        two, three = (emulator.run(image, np.tile(second, n).tobytes(), timeout=TIMEOUT).instructions for n in (2, 3))
    return three - two


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.levels", __doc__)
    options.add_build(parser)
    options.add_tau(parser)
    build, _ = options.build_and_tau(parser.parse_args(argv))
    rows = [["a second of listening, M instructions", *LEVELS]]
    with locks.reading(build):
        firmware = on_board.firmware_of(build)
        for core in MEASURED:
            counts = [a_second(core, level, firmware) for level in LEVELS]
            shares = [f" ({100 * (count / counts[0] - 1):+.0f} %)" * (count != counts[0]) for count in counts]
            rows.append([core.name, *(f"{count / 1e6:.2f}{share}" for count, share in zip(counts, shares))])
    print("\n".join(aligned(rows)))
