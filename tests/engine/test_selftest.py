"""The self-test for the user's own board: it passes where everything is right, and tells where anything is not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from firmware_builds import SANITISERS, WARNINGS, compile_objects, flip_bit

from common.description import FEATURES
from engine import golden, network, render, selftest
from frontend import golden as frontend

MAIN = """
#include <stdio.h>
#include <string.h>
#include "kws_selftest.h"
static kws_selftest_memory memory;
static void put(char character) { putchar(character); }
int main(int count, char **arguments) {
  const char *const how = count > 1 ? arguments[1] : "";
  memset(&memory, 0xa5, sizeof memory);
  if (strcmp(how, "silent") == 0) { return kws_selftest(&memory, 0); }
  if (strcmp(how, "no memory") == 0) { return kws_selftest(0, put) == -1; }
  return kws_selftest(&memory, put);
}
"""
LINES = [
    "window features   ok",
    "window scores     ok",
    "stream features   ok",
    "stream scores     ok",
    "stream words      ok",
]
FAKE_COUNTER = """
#include <stdint.h>
static volatile uint32_t *device(uint32_t address) {
  static volatile uint32_t demcr, ctrl = NO_COUNTER ? 1u << 25 : 0, count, key, ignored;
  const uint32_t unlocked = !LOCKED || key == 0xC5ACCE55u;
  ctrl = unlocked ? ctrl : 0;
  count += (demcr >> 24 & 1u) & (ctrl & 1u) & (uint32_t)!STANDS_STILL;
  if (!(demcr >> 24 & 1u) && address != 0xE000EDFCu) { return &ignored; }
  return address == 0xE000EDFCu ? &demcr : address == 0xE0001000u ? &ctrl : address == 0xE0001004u ? &count : &key;
}
"""
"""Registers that count their own accesses, in place of the debug unit's."""


def compiled(firmware: Path, sources: list[Path], out: Path, *flags: str) -> dict[str, Path]:
    """Object files of the sources by their names, for this machine, under the sanitisers."""
    units = compile_objects(
        ["gcc"], sources, out, "-std=c99", "-O1", "-Wpedantic", *SANITISERS, f"-I{firmware}", f"-I{firmware}/native", *flags
    )
    return {unit.stem: unit for unit in units}


@pytest.fixture(scope="module")
def units(tau1_build, tmp_path_factory) -> dict[str, Path]:
    """All object files of the unchanged self-test."""
    firmware, out = tau1_build / "firmware", tmp_path_factory.mktemp("units")
    (out / "main.c").write_text(MAIN)
    return compiled(firmware, [out / "main.c", *firmware.glob("*.c"), *firmware.glob("native/*.c")], out)


@pytest.fixture
def firmware(tau1_build, tmp_path) -> Path:
    """A copy of the generated sources that a test may change."""
    return shutil.copytree(tau1_build / "firmware", tmp_path / "firmware")


def build(firmware: Path, units: dict[str, Path], *changed: str, flags: tuple[str, ...] = ()) -> Path:
    """The self-test as a program, with the changed ones of the sources compiled anew."""
    out = firmware.parent
    fresh = compiled(firmware, [firmware / name for name in changed], out, *flags) if changed else {}
    subprocess.run(["gcc", *SANITISERS, *(units | fresh).values(), "-o", out / "selftest"], check=True)
    return out / "selftest"


def run(program: Path, *arguments: str) -> tuple[int, list[str]]:
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_it_passes_whatever_the_memory_held_and_has_nothing_to_say_of_cycles_here(tau1_build, firmware, units):
    program = build(firmware, units)
    status, (first, *lines) = run(program)
    engine = render.engine_id(network.load(tau1_build / "native.npz"))
    assert (status, first, lines) == (0, f"kws self-test, tau 1, engine {engine}", [*LINES, "pass"])
    assert run(program, "silent") == (0, [])
    assert run(program, "no memory") == (1, [])


def test_one_changed_weight_of_the_network_fails(firmware, units):
    flip_bit(firmware / "native" / "kws_model.c", "block0_pointwise_weight", 5)
    status, (_, *lines, last) = run(build(firmware, units, "native/kws_model.c"))
    verdicts = [line[18:20] for line in lines]
    assert (status, last) == (verdicts.count("FA"), "FAIL")
    assert verdicts[:4] == ["ok", "FA", "ok", "FA"]  # the words may be the same
    found, expected = re.fullmatch(r"window scores     FAIL: checksum (\w{8}), not (\w{8})", lines[1]).groups()
    assert found != expected


def test_one_changed_constant_of_the_features_fails(firmware, units):
    flip_bit(firmware / "frontend_tables.c", "kws_frontend_log_mantissa", 19)
    status, lines = run(build(firmware, units, "frontend_tables.c"))
    assert status >= 4 and lines[-1] == "FAIL" and all("FAIL: checksum" in line for line in lines[1:5])


@pytest.mark.parametrize(
    "now, then",
    [
        ("KWS_REPEAT_MS / HOP_MS", "KWS_REFRACTORY_MS / HOP_MS"),
        ("KWS_REFRACTORY_MS / HOP_MS", "KWS_REPEAT_MS / HOP_MS"),
        ("state->agreeing >= threshold.hops", "state->agreeing > threshold.hops"),
        ("+ KWS_RISE_MS", ""),
    ],
)
def test_a_detector_of_another_rule_fails(firmware, units, now, then):
    source = firmware / "kws_detector.c"
    assert source.read_text().count(now) == 1
    source.write_text(source.read_text().replace(now, then))
    status, (_, *lines, last) = run(build(firmware, units, "kws_detector.c"))
    assert (status, last) == (1, "FAIL") and lines[:4] == LINES[:4]
    assert re.fullmatch(r"stream words      FAIL: checksum \w{8}, not \w{8}", lines[4])


def test_its_words_do_not_depend_on_the_thresholds_of_the_build(firmware, units):
    source = firmware / "kws_detector.c"
    changed = re.sub(r"\{\d+, [1-9]\d*\}", "{1, 1}", source.read_text())
    assert changed != source.read_text()
    source.write_text(changed)
    status, (_, *lines) = run(build(firmware, units, "kws_detector.c"))
    assert (status, lines) == (0, [*LINES, "pass"])


def test_its_words_do_not_depend_on_the_pause_of_the_build(firmware, units):
    header = firmware / "kws_detector.h"
    changed = re.sub(r"(#define KWS_PAUSE_MS) \d+", r"\1 10", header.read_text())
    assert changed != header.read_text()
    header.write_text(changed)
    status, (_, *lines) = run(build(firmware, units, "kws_detector.c"))
    assert (status, lines) == (0, [*LINES, "pass"])


def test_scores_that_are_averaged_otherwise_are_not_compared(firmware, units):
    native = [f"native/{path.name}" for path in firmware.glob("native/*.c")]
    (firmware / "main.c").write_text(MAIN)
    flag = f"-DKWS_STREAM_COLUMNS={render.STREAM_COLUMNS + 1}"
    status, lines = run(build(firmware, units, *native, "main.c", flags=(flag,)))
    assert (status, lines[-1]) == (0, "stream not compared, rest: pass")
    assert lines[4] == "stream scores     not compared: KWS_STREAM_COLUMNS was changed"
    assert lines[5] == "stream words      not compared: KWS_STREAM_COLUMNS was changed"


@pytest.mark.parametrize(
    "no_counter, stands_still, locked, counts",
    [
        (0, 0, 0, True),
        (0, 0, 1, True),  # as on most cores, and as on a Cortex-M7
        (1, 0, 0, False),
        (0, 1, 0, False),
        (0, 1, 1, False),
    ],
)
def test_cycles_are_told_where_there_is_a_counter_that_runs(firmware, units, no_counter, stands_still, locked, counts):
    """Over a stand-in for the debug unit whose counter counts the accesses to it."""
    source = firmware / "native" / "kws_selftest.c"
    text, conditions = re.subn(
        r"#if defined\(__ARM_ARCH_PROFILE\)(.|\n)*?KWS_SELFTEST_NO_CYCLES\)", FAKE_COUNTER + "#if 1", source.read_text()
    )
    text, registers = re.subn(r"\(\*\(volatile uint32_t \*\)(0x\w+)\)", r"(*device(\1))", text)
    assert (conditions, registers) == (1, 4)
    source.write_text(text)
    settings = f"-DNO_COUNTER={no_counter}", f"-DSTANDS_STILL={stands_still}", f"-DLOCKED={locked}"
    status, (_, *lines, last) = run(build(firmware, units, "native/kws_selftest.c", flags=settings))
    assert (status, lines[: len(LINES)], last) == (0, LINES, "pass")
    if not counts:
        assert lines[len(LINES) :] == []
        return
    told = [re.fullmatch(r"(\w+ \w+) +(\d+) cycles", line).groups() for line in lines[len(LINES) :]]
    # a pair of accesses adds 1; a block of a hop may take two calls of kws_frontend_push(), a window has 101 columns
    # and the draining
    assert [(what, int(count)) for what, count in told] == [
        ("frontend hop", 2),
        ("network hop", 1),
        ("network window", FEATURES.frames + 1),
    ]


def test_the_header_is_for_cxx_too_and_the_memory_is_what_it_says(tau1_build, tmp_path):
    firmware = tau1_build / "firmware"
    (tmp_path / "user.cc").write_text(
        '#include "kws_selftest.h"\nstatic_assert(sizeof(kws_selftest_memory) < sizeof(kws_frontend) + '
        'sizeof(kws_engine) + sizeof(kws_detector) + 400, "as documented");\n'
    )
    subprocess.run(
        ["g++", "-std=c++11", *WARNINGS, "-fsyntax-only", f"-I{firmware}", f"-I{firmware}/native", tmp_path / "user.cc"],
        check=True,
    )


def test_the_engine_is_named_without_its_self_test(tau1_build):
    """Its checksums follow from the engine, so that they cannot be part of what names it."""
    loaded = network.load(tau1_build / "native.npz")
    files = render.sources(loaded)
    assert not set(render.SELFTEST) & set(files)
    for text in render.selftest_sources(loaded).values():
        assert f"KWS_ENGINE_ID != 0x{render.engine_id(loaded)}ULL" in text


def test_the_signal_asks_much_of_features_and_network(tau1_build):
    """From near silence to full scale, over all of the features' range, and with several answers of the network."""
    loaded = network.load(tau1_build / "native.npz")
    samples = selftest.signal(selftest.SAMPLES)
    levels = np.abs(samples[: len(samples) // 2048 * 2048].reshape(-1, 2048).astype(int)).max(1)
    assert samples.dtype == np.int16 and levels.max() > 30_000 and levels.min() < 3000
    columns = frontend.stream(samples)
    assert np.ptp(columns.astype(int)) > 120
    logits = golden.stream(loaded, columns)
    assert len(set(logits.argmax(1).tolist())) >= 3
    scores = golden.moving_average(logits, render.STREAM_COLUMNS)
    assert len({event.word for event in selftest.words(loaded, scores, render.STREAM_COLUMNS)}) >= 2
