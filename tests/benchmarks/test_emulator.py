"""The emulator harness: what it counts is exact, what goes wrong in a program is told, on every core."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from emulated import need_emulator

from benchmarks.cost import emulator
from benchmarks.cost.emulator import CORES, GuestError
from common.errors import UserError

SELFCHECK = emulator.HERE / "guests" / "selfcheck.c"
LOOP, STACK, READ_NOTHING, UNDEFINED, OVERFLOW, ENDLESS, EXIT, UNALIGNED, JUMP = range(9)


@pytest.fixture(scope="module", params=CORES)
def image(request, tmp_path_factory) -> emulator.Image:
    need_emulator()
    out = tmp_path_factory.mktemp("selfcheck") / "selfcheck.elf"
    return emulator.compile(CORES[request.param], [SELFCHECK], [], out)


def run(image: emulator.Image, *checks: tuple[int, int], marks=(), timeout: float = 60) -> emulator.Run:
    return emulator.run(image, b"".join(struct.pack("<2I", *check) for check in checks), marks, timeout)


def words(done: emulator.Run) -> list[int]:
    return [word for (word,) in struct.iter_unpack("<I", done.output)]


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# ---- counting ----


def test_a_loop_of_known_length_reads_back_exactly(image):
    lengths = [1, 2, 1000, 1_000_000]
    done = run(image, *((LOOP, n) for n in lengths), marks=("known_loop", "known_nested_loop"))
    assert done.calls["known_loop"] == [2 * n + 1 for n in lengths for _ in range(2)]
    assert done.calls["known_nested_loop"] == [2 * n + 5 for n in lengths]


def test_a_longer_loop_adds_its_instructions_to_the_total_and_nothing_else(image):
    short, long = (run(image, (LOOP, n)).instructions for n in (1000, 31_000))
    assert long - short == 2 * 2 * 30_000


def test_a_repeated_run_is_identical(image):
    first, second = (run(image, (LOOP, 1234), (STACK, 100), marks=("known_loop", "main")) for _ in range(2))
    assert first == second and first.instructions > first.calls["main"][0] > sum(first.calls["known_loop"])


def test_an_instruction_that_its_it_block_skips_counts(tmp_path):
    need_emulator()
    program = write(
        tmp_path / "program.c",
        """
        __attribute__((naked, noinline)) void five(void);
        void five(void) { __asm__("cmp r0, r0\\n ite eq\\n moveq r0, #1\\n movne r0, #2\\n bx lr"); }
        int main(void) { five(); return 0; }""",
    )
    image = emulator.compile(CORES["cortex-m3"], [program], [], tmp_path / "program.elf")
    assert emulator.run(image, marks=("five",)).calls == {"five": [5]}


def test_a_function_that_is_jumped_to_is_refused_rather_than_miscounted(image):
    with pytest.raises(GuestError, match="known_loop was jumped to, not called"):
        run(image, (JUMP, 10), marks=("known_loop",))


def test_a_function_that_is_not_there_is_refused(image):
    with pytest.raises(UserError, match="has no function missing_function to count"):
        run(image, marks=("missing_function",))


# ---- memory ----


def test_the_stack_of_a_known_frame_is_measured(image):
    small, large = words(run(image, (STACK, 10), (STACK, 1000)))
    assert 4 * 10 <= small <= 4 * 10 + 16 and large - small == 4 * 990


def test_symbols_and_sections_have_their_sizes(tmp_path):
    need_emulator()
    program = write(
        tmp_path / "program.c",
        """
        #include "guest.h"
        static const uint32_t table[250] = {1, 2};
        static uint32_t initialised[100] = {3};
        static uint32_t zeroed[1000];
        int main(void)
        {
            size_t at = host_read(zeroed, sizeof zeroed);
            zeroed[0] = at < 100 ? table[at] + initialised[at] : 0;
            host_write(zeroed, sizeof zeroed);
            return 0;
        }""",
    )
    image = emulator.compile(CORES["cortex-m4"], [program], [], tmp_path / "program.elf")
    symbols, sections = emulator.symbols(image.path), emulator.sections(image.path)
    assert {name: symbols[name].size for name in ("table", "zeroed")} == {"table": 1000, "zeroed": 4000}
    assert symbols["zeroed"].section == ".bss" and symbols["table"].section == ".rodata"
    assert sections[".rodata"] >= 1000 and sections[".bss"] >= 4000
    assert struct.unpack_from("<I", emulator.run(image).output) == (1 + 3,)


def test_a_footprint_holds_what_the_roots_need_and_nothing_else(tmp_path):
    need_emulator()
    module = write(
        tmp_path / "module.c",
        """
        #include <stdint.h>
        uint32_t used(uint32_t at), divide(uint32_t a, uint32_t b), unused(uint32_t at);
        static const uint32_t table[100] = {1}, other[5000] = {2};
        static uint32_t counter[25];
        uint32_t used(uint32_t at) { return counter[at]++ + table[at]; }
        uint32_t divide(uint32_t a, uint32_t b) { return a / b; }
        uint32_t unused(uint32_t at) { return other[at]; }""",
    )
    m0 = CORES["cortex-m0"]
    size = emulator.footprint(m0, [module], [], ["used"])
    assert size["constants"] == 400 and size["ram"] == 100 and size["flash"] == size["constants"] + size["code"]
    assert 0 < size["code"] < 100
    assert emulator.footprint(m0, [module], [], ["divide"])["code"] > 100  # libgcc's division is part of it
    with pytest.raises(UserError, match="absent"):
        emulator.footprint(m0, [module], [], ["absent"])


# ---- what a program may need ----


def test_floating_point_works_on_every_core(image, tmp_path):
    program = write(
        tmp_path / "program.c",
        """
        #include "guest.h"
        int main(void)
        {
            volatile float a = 1.5f, b = -2.25f;
            float product = a * b;
            host_write(&product, sizeof product);
            return 0;
        }""",
    )
    built = emulator.compile(image.core, [program], [], tmp_path / "program.elf")
    assert struct.unpack("<f", emulator.run(built).output) == (-3.375,)


def test_bytes_pass_in_and_out_unchanged(tmp_path):
    need_emulator()
    program = write(
        tmp_path / "program.c",
        """
        #include "guest.h"
        int main(void)
        {
            static uint8_t buffer[777];
            for (size_t got; (got = host_read(buffer, sizeof buffer)) != 0;)
                host_write(buffer, got);
            host_print("done\\n");
            return 0;
        }""",
    )
    image = emulator.compile(CORES["cortex-m0"], [program], [], tmp_path / "program.elf")
    data = bytes(range(256)) * 40
    done = emulator.run(image, data)
    assert done.output == data and done.messages == "done\n"


# ---- what goes wrong ----


@pytest.mark.parametrize(
    "check, cause",
    [
        ((READ_NOTHING, 0), r"fault in main, pc 0x\w{8}: no memory at 0xf0000000 \(CFSR"),
        ((UNDEFINED, 0), r"fault in main, pc 0x\w{8}: undefined instruction \(CFSR"),
        ((OVERFLOW, 1_000_000), r"fault.*: stack overflow \(CFSR"),
        ((EXIT, 3), "ended with status 3$"),
        ((99, 0), "ended with status 1: no such check$"),
    ],
)
def test_a_fault_ends_the_run_with_its_cause(image, check, cause):
    with pytest.raises(GuestError, match=cause) as error:
        run(image, (LOOP, 10), check, timeout=20)
    assert image.core.name in str(error.value) and "\n" not in str(error.value)


def test_unaligned_access_faults_in_armv6m_code_only(image):
    if image.core.name == "cortex-m0":
        with pytest.raises(GuestError, match="unaligned access"):
            run(image, (UNALIGNED, 0))
    else:
        assert words(run(image, (UNALIGNED, 0))) == [0x05040302]


def test_a_program_that_does_not_end_is_stopped(image):
    with pytest.raises(GuestError, match="still running after 0.3 s; stopped"):
        run(image, (ENDLESS, 0), timeout=0.3)


def test_a_warning_is_an_error_in_one_line(tmp_path):
    need_emulator()
    program = write(tmp_path / "program.c", "int main(void) { int unused; return 0; }\n")
    with pytest.raises(UserError, match="program.c:1:.*unused") as error:
        emulator.compile(CORES["cortex-m4"], [program], [], tmp_path / "program.elf")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("program", emulator.PACKAGES)
def test_a_missing_program_names_its_package(monkeypatch, tmp_path, program):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=f"{program}: not installed; apt-get install {emulator.PACKAGES[program]}"):
        emulator.need(program)


def test_a_linker_s_warning_is_told_as_the_cause(tmp_path):
    program = tmp_path / "cc"
    said = "ld: warning: x.o uses 32-bit enums", "collect2: error: ld returned 1"
    program.write_text("".join(["#!/bin/sh\n", *(f"echo '{line}' >&2\n" for line in said), "exit 1\n"]))
    program.chmod(0o755)
    with pytest.raises(UserError, match="cc: ld: warning: x.o uses 32-bit enums$"):
        emulator.call([program])
