"""The self-test passes whatever options the firmware is compiled with, in little stack."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from emulated import need_emulator

from benchmarks.cost import emulator, on_board
from benchmarks.cost.emulator import BAREMETAL, CORES

STACK = "-Wl,--defsym=__stack_size=0x600"
"""1.5 KB: the self-test and semihosting need half of it."""
TARGETS = {
    "cortex-m0": "--target=thumbv6m-none-eabi",
    "cortex-m4": "--target=thumbv7em-none-eabi",
    "cortex-m55": "--target=thumbv8.1m.main-none-eabi",
}
"""Of clang."""
LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")


def sources(firmware: Path) -> list[Path]:
    """The self-test's program without its startup code."""
    return [BAREMETAL / on_board.SELFTEST, *sorted(firmware.glob("*.c")), *sorted((firmware / "native").glob("*.c"))]


def built(core: str, firmware: Path, out: Path, flags: Sequence[str]) -> emulator.Image:
    need_emulator()
    folders = [firmware, firmware / "native"]
    return emulator.compile_bare(CORES[core], sources(firmware), folders, out / "selftest.elf", (STACK, *flags))


def passes(image: emulator.Image) -> None:
    status, text = on_board.run_program(image, np.empty(0, np.int16))
    assert (status, text.splitlines()[-1:]) == (0, ["pass"]), text


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
def test_unoptimised_it_passes_in_one_and_a_half_kilobytes_of_stack(core, tau1_build, tmp_path):
    passes(built(core, tau1_build / "firmware", tmp_path, ["-O0"]))


@pytest.mark.slow
@pytest.mark.parametrize("options", [*LEVELS, "-O2 -flto", "-Os -flto"])
@pytest.mark.parametrize("core", TARGETS)
def test_it_passes_at_every_level_of_gcc(core, options, tau1_build, tmp_path):
    passes(built(core, tau1_build / "firmware", tmp_path, options.split()))


def clang_objects(core: str, firmware: Path, out: Path, flags: Sequence[str]) -> list[Path]:
    """The sources compiled by clang for a core, with the C library's headers of the Arm toolchain."""
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    need_emulator()
    found = emulator.call([emulator.COMPILER, "-print-file-name=libc.a"]).strip()
    headers = next(path / "include" for path in Path(found).resolve().parents if (path / "include" / "string.h").is_file())
    includes = [f"-I{folder}" for folder in (firmware, firmware / "native", BAREMETAL)] + [f"-isystem{headers}"]
    command = ["clang", TARGETS[core], *CORES[core].flags, "-std=c99", "-fshort-enums", "-munaligned-access"]
    command += emulator.WARNINGS
    if core == "cortex-m0":
        command.remove("-munaligned-access")
    files = [path.resolve() for path in sources(firmware)]
    subprocess.run([*command, *flags, *includes, "-c", *files], cwd=out, check=True, capture_output=True, text=True)
    return [out / f"{path.stem}.o" for path in files]


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("core", TARGETS)
def test_it_passes_at_every_level_of_clang(core, level, tau1_build, tmp_path):
    portable = ["-DKWS_ENGINE_PORTABLE"] if (core, level) == ("cortex-m55", "-O0") else []
    objects = clang_objects(core, tau1_build / "firmware", tmp_path, [level, *portable])
    stack = ["-Wl,--no-warn-execstack"]  # the C library's assembly says nothing of it, and clang's objects do
    passes(emulator.compile_bare(CORES[core], objects, [], tmp_path / "selftest.elf", stack))


def test_clang_refuses_vectors_without_optimisation(tau1_build, tmp_path):
    with pytest.raises(subprocess.CalledProcessError) as refused:
        clang_objects("cortex-m55", tau1_build / "firmware", tmp_path, ["-O0"])
    assert "compile it with -O1 or more, or all files with -DKWS_ENGINE_PORTABLE" in refused.value.stderr


@pytest.mark.parametrize("options", ["-fpic", "-fPIC -msingle-pic-base", "-ffixed-r9 -DKWS_ENGINE_PORTABLE"])
@pytest.mark.parametrize("core", TARGETS)
def test_it_passes_as_code_that_is_independent_of_its_place_and_with_r9_reserved(core, options, tau1_build, tmp_path):
    passes(built(core, tau1_build / "firmware", tmp_path, options.split()))


@pytest.mark.parametrize(
    "options, form",
    [
        ("-fpic -msingle-pic-base", "in portable C"),
        ("-fpie", "in portable C"),
        ("-fpic -DKWS_ENGINE_R9_IS_FREE", "for DSP instructions"),
        ("", "for DSP instructions"),
    ],
)
def test_assembly_that_uses_r9_is_left_out_where_it_may_be_a_base(options, form, tau1_build):
    need_emulator()
    firmware = tau1_build / "firmware"
    command = [emulator.COMPILER, "-mthumb", *CORES["cortex-m4"].flags, *options.split(), "-DKWS_SAY_FORM", "-fsyntax-only"]
    includes = [f"-I{firmware}", f"-I{firmware / 'native'}"]
    done = subprocess.run([*command, *includes, firmware / "native" / "kws_engine.c"], capture_output=True, text=True)
    assert done.returncode == 0 and f"kernels {form}" in done.stderr


@pytest.mark.parametrize("options", [["-ffixed-r9", "-DKWS_ENGINE_PORTABLE"], ["-fpic", "-msingle-pic-base"]])
@pytest.mark.parametrize("core", TARGETS)
def test_nothing_writes_r9_where_it_is_reserved(core, options, tau1_build, tmp_path):
    need_emulator()
    firmware = tau1_build / "firmware"
    files = sources(firmware)[1:]
    command = [emulator.COMPILER, "-mthumb", *CORES[core].flags, *emulator.OPTIMISATION, *options]
    command += [f"-I{firmware}", f"-I{firmware / 'native'}", "-S", *(str(path.resolve()) for path in files)]
    subprocess.run(command, cwd=tmp_path, check=True)
    for path in files:
        code = [line.split("@")[0].strip() for line in (tmp_path / f"{path.stem}.s").read_text().splitlines()]
        found = [line for line in code if re.match(r"\w\S*\s", line) and re.search(r"\b(r9|sb)\b", line)]
        assert all(re.search(r",.*\b(r9|sb)\b", line) and "{" not in line for line in found), found


def test_clang_s_position_independent_data_get_portable_c(tau1_build, tmp_path):
    clang_objects("cortex-m4", tau1_build / "firmware", tmp_path, ["-O2", "-frwpi"])


@pytest.mark.parametrize("core", TARGETS)
def test_sources_and_example_are_strict_c99(core, tau1_build, tmp_path):

    firmware = tau1_build / "firmware"
    need_emulator()
    strict = ["-Wpedantic", "-Werror", "-fsyntax-only"]
    example = sorted(BAREMETAL.glob("*.c"))
    includes = [f"-I{folder}" for folder in (BAREMETAL, firmware, firmware / "native")]
    command = [emulator.COMPILER, "-mthumb", *CORES[core].flags, *emulator.OPTIMISATION, *emulator.WARNINGS, *includes]
    subprocess.run([*command, *strict, *example, *sources(firmware)[1:]], check=True)
    clang_objects(core, firmware, tmp_path, ["-O2", "-Wpedantic"])
