"""On an emulated RISC-V core of 32 bits the firmware computes what the golden models compute, however it is compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from emulated import example_clips, need_emulator

from benchmarks.cost import emulator, engine_on_core, on_board
from benchmarks.cost.emulator import BAREMETAL, RISC_V, RISCV32
from common.description import FEATURES
from engine import golden, network, render
from engine.binding import Status
from frontend import golden as frontend

LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os", "-O2 -flto")
STACK = "-Wl,--defsym=__stack_size=0x800"


def sources(firmware: Path) -> list[Path]:
    return [*sorted(firmware.glob("*.c")), *sorted((firmware / "native").glob("*.c"))]


@pytest.fixture(autouse=True)
def tools():
    need_emulator(RISC_V)


def test_scores_of_windows_and_of_a_stream_equal_the_golden_model(tau1_build, tmp_path):
    firmware, clips = tau1_build / "firmware", np.stack([*example_clips().values()])[:3]
    programs = [engine_on_core.GUESTS / "listen.c", *sources(firmware)]
    image = emulator.compile_bare(
        RISCV32, programs, [firmware, firmware / "native", emulator.BOARDS], tmp_path / "listen.elf"
    )
    loaded = network.load(tau1_build / "native.npz")
    status, windows, hops, stream = engine_on_core.listen(image, clips, len(loaded.labels))
    assert set(status) == {Status.OK}
    assert np.array_equal(windows, golden.window(loaded, frontend.columns(clips).transpose(0, 2, 1)))
    columns = frontend.stream(clips.ravel())
    expected = engine_on_core.stream_scores(loaded, columns, render.STREAM_COLUMNS)
    assert len(expected) > FEATURES.frames and np.array_equal(stream[hops == Status.OK], expected)


@pytest.mark.slow
@pytest.mark.parametrize("options", LEVELS)
def test_the_self_test_passes_at_every_level_of_gcc(options, tau1_build, tmp_path):
    firmware = tau1_build / "firmware"
    programs = [BAREMETAL / on_board.SELFTEST, *sources(firmware)]
    flags = (STACK, *options.split(), "-Wpedantic")
    image = emulator.compile_bare(RISCV32, programs, [firmware, firmware / "native"], tmp_path / "selftest.elf", flags)
    status, text = on_board.run_program(image, np.empty(0, np.int16))
    assert (status, text.splitlines()[-1:]) == (0, ["pass"]), text


@pytest.mark.parametrize(
    "body",
    [
        "unimp",
        "1: addi sp, sp, -16\\n\\tsw zero, 0(sp)\\n\\tj 1b",  # an endless stack, which ends at its guard
        "lw a0, 0(zero)",
    ],
)
def test_a_fault_is_told(body, tmp_path):
    (tmp_path / "bad.c").write_text(f'int main(void) {{ __asm__ volatile("{body}"); return 0; }}\n')
    image = emulator.compile_bare(RISCV32, [tmp_path / "bad.c"], [], tmp_path / "bad.elf")
    assert on_board.run_program(image, np.empty(0, np.int16)) == (1, "fault\n")
