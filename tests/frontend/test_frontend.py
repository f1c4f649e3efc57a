"""The generated C feature pipeline on this machine: equal to the integer NumPy model, whatever comes in and however.

On emulated Cortex-M cores the same is checked by the tests of the emulator.
"""

from __future__ import annotations

import ctypes
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from firmware_builds import SMALL, WARNINGS, ObjectFile
from frontend_inputs import recordings

from common.description import FEATURES
from common.errors import UserError
from frontend import binding, golden, render
from training.data import dataset

TESTS = Path(__file__).parent
SEEDS = sorted((TESTS / "frontend_corpus").iterdir())
CORES = {
    "cortex-m0": ["-mcpu=cortex-m0"],
    "cortex-m3": ["-mcpu=cortex-m3"],
    "cortex-m4": ["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
    "cortex-m7": ["-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"],
    "cortex-m33": ["-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"],
    "cortex-m55": ["-mcpu=cortex-m55", "-mfloat-abi=hard"],
}
VARIANTS = {
    "cortex-m0": "frontend",
    "cortex-m3": "frontend",
    "cortex-m4": "frontend_dsp",
    "cortex-m7": "frontend_dsp",
    "cortex-m33": "frontend_dsp",
    "cortex-m55": "frontend_mve",
}
"""The file that each core takes its inner functions from."""
SANITISERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
CLIPS_TO_TIME, CLIPS_PROMISED, SECONDS_PROMISED = 200, 4890, 20
FUZZ_SECONDS = 3


@pytest.fixture(scope="module")
def sounds() -> dict[str, np.ndarray]:
    return recordings()


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """A folder with the generated sources."""
    path = tmp_path_factory.mktemp("sources")
    assert render.main([str(path)]) == 0
    return path


@pytest.fixture
def no_library(monkeypatch, tmp_path):
    """As in a fresh clone: nothing is compiled and the cache is empty."""
    monkeypatch.chdir(tmp_path)
    binding.library.cache_clear()
    yield
    binding.library.cache_clear()


def in_chunks(stream: binding.Stream, samples: np.ndarray, length: int) -> np.ndarray:
    chunks = [stream.feed(samples[start : start + length]) for start in range(0, len(samples), length)]
    return np.concatenate(chunks)


# ---- equal to the NumPy model ----


def test_clips_equal_the_golden_model_bit_for_bit(sounds):
    ours = binding.columns(np.array(list(sounds.values())))
    for name, samples, features in zip(sounds, sounds.values(), ours):
        np.testing.assert_array_equal(features, golden.columns(samples[None])[0].T, err_msg=name)


def test_streams_equal_the_golden_model_bit_for_bit(sounds):
    samples = np.concatenate(list(sounds.values()))
    np.testing.assert_array_equal(binding.Stream().feed(samples), golden.stream(samples))


def test_real_clips_equal_the_golden_model_bit_for_bit(gsc_root):
    clips = dataset.read_clips(dataset.folder_clips(gsc_root / "speech_commands_test_set_v0.02")[::50])
    np.testing.assert_array_equal(binding.columns(clips), golden.columns(clips).transpose(0, 2, 1))


@pytest.mark.parametrize("length", [1, 7, 159, 160, 161, 16000])
def test_a_stream_does_not_depend_on_how_it_is_cut(sounds, length):
    samples = np.concatenate([sounds["random extremes"][:4000], sounds["noise of 2^9 LSB"], sounds["silence"][:777]])
    np.testing.assert_array_equal(in_chunks(binding.Stream(), samples, length), golden.stream(samples))


@pytest.mark.parametrize("at", [0, 1, 239, 240, 241, 400, 5003])
def test_a_saved_state_continues_where_it_was(sounds, at):
    samples = sounds["noise of 2^12 LSB"]
    stream, restored = binding.Stream(), binding.Stream()
    before = stream.feed(samples[:at])
    saved = stream.save()
    stream.feed(samples[::-1].copy())  # the original goes on with other samples
    restored.feed(sounds["random extremes"][:1234])  # and the one that continues was used before
    restored.restore(saved)
    np.testing.assert_array_equal(np.concatenate([before, restored.feed(samples[at:])]), golden.stream(samples))


def test_columns_2_to_98_of_a_clip_are_those_of_a_stream(sounds):
    clips = binding.columns(np.array(list(sounds.values())))
    for name, samples, clip in zip(sounds, sounds.values(), clips):
        np.testing.assert_array_equal(clip.T[2:99], binding.Stream().feed(samples)[2:99], err_msg=name)


# ---- the calls ----


def test_a_push_stops_behind_the_sample_that_completes_a_column():
    stream, samples = binding.Stream(), np.arange(1000, dtype=np.int16)
    assert stream.push(samples[:239]) == (239, None)
    for expected in (1, FEATURES.hop, FEATURES.hop):
        taken, column = stream.push(samples)
        assert taken == expected and column.shape == (FEATURES.mels,)
    assert stream.push(samples[:0]) == (0, None)
    assert stream.push(samples[: FEATURES.hop - 1]) == (FEATURES.hop - 1, None)
    assert stream.push(samples[:0]) == (0, None)
    taken, column = stream.push(samples[:1])
    assert taken == 1 and column is not None


def test_what_came_before_a_reset_counts_as_zero(sounds):
    stream = binding.Stream()
    stream.feed(sounds["all -32768"][:3210])
    stream.reset()
    assert stream.save() == binding.Stream().save()
    np.testing.assert_array_equal(stream.feed(sounds["impulses"]), golden.stream(sounds["impulses"]))


@pytest.mark.parametrize("filling", [0x00, 0x01, 0xA5, 0xFF])
def test_a_state_that_was_never_reset_is_refused_and_left_as_it_is(sounds, filling):
    state, column, ready = binding.State(), np.full(FEATURES.mels, 99, np.int8), ctypes.c_int32(-1)
    garbage, samples = bytes([filling]) * ctypes.sizeof(state), sounds["impulses"]
    ctypes.memmove(ctypes.byref(state), garbage, len(garbage))
    taken = binding.library(FEATURES).kws_frontend_push(
        ctypes.byref(state), binding.pointer(samples), len(samples), binding.pointer(column), ctypes.byref(ready)
    )
    assert (taken, ready.value, bytes(state)) == (binding.NOT_RESET, 0, garbage) and (column == 99).all()
    stream = binding.Stream()
    stream.restore(garbage)
    with pytest.raises(ValueError, match="was not reset"):
        stream.feed(samples)
    stream.reset()
    np.testing.assert_array_equal(stream.feed(samples), golden.stream(samples))


def test_a_clip_leaves_the_state_reset(sounds):
    state, columns, clip = binding.State(), np.empty((FEATURES.frames, FEATURES.mels), np.int8), sounds["impulses"]
    binding.library(FEATURES).kws_frontend_clip(ctypes.byref(state), binding.pointer(clip), binding.pointer(columns))
    assert bytes(state) == binding.Stream().save()


def test_the_state_is_as_large_as_declared_and_within_4_kb(sources):
    declared = int(re.search(r"KWS_FRONTEND_STATE_BYTES (\d+)u", (sources / "frontend.h").read_text())[1])
    assert declared == ctypes.sizeof(binding.State) <= 4096


def test_other_than_16_bit_samples_are_refused():
    for wrong in (np.zeros((1, 16000)), np.zeros((1, 16000), np.int32), np.zeros((1, 16000), np.uint16)):
        with pytest.raises(ValueError, match="int16"):
            binding.columns(wrong)
    for shape in ((16000,), (1, 15999), (1, 1, 16000)):
        with pytest.raises(ValueError, match="16000"):
            binding.columns(np.zeros(shape, np.int16))
    with pytest.raises(ValueError, match="bytes"):
        binding.Stream().restore(b"short")


def test_all_clips_of_the_test_set_take_less_than_the_promised_time():
    clips = np.random.default_rng(0).integers(-9999, 9999, (CLIPS_TO_TIME, FEATURES.clip_samples)).astype(np.int16)
    binding.columns(clips[:1])
    start = time.process_time()
    binding.columns(clips)
    assert (time.process_time() - start) * CLIPS_PROMISED / CLIPS_TO_TIME < SECONDS_PROMISED


@pytest.mark.parametrize("samples", [16_160, 20_800, 25_600])
def test_a_clip_of_a_longer_window_equals_the_integer_model(samples):
    clips = np.random.default_rng(0).integers(-9999, 9999, (2, samples)).astype(np.int16)
    found = binding.columns(clips)
    assert found.shape == (2, FEATURES.mels, 1 + samples // FEATURES.hop)
    np.testing.assert_array_equal(found, golden.columns(clips).transpose(0, 2, 1))


@pytest.mark.parametrize("samples", [0, 15_999, 16_001, 25_760])
def test_a_clip_that_is_no_window_is_refused(samples):
    with pytest.raises(ValueError, match="a window of"):
        binding.columns(np.zeros((1, samples), np.int16))


# ---- the binding ----


def test_the_library_is_compiled_once(no_library, monkeypatch):
    features = binding.columns(np.zeros((1, FEATURES.clip_samples), np.int16))
    binding.library.cache_clear()
    monkeypatch.setattr(binding, "compile_library", lambda *_: pytest.fail("compiled again"))
    np.testing.assert_array_equal(binding.columns(np.zeros((1, FEATURES.clip_samples), np.int16)), features)
    binding.library.cache_clear()
    monkeypatch.setattr(binding, "FLAGS", (*binding.FLAGS, "-O1"))
    with pytest.raises(pytest.fail.Exception, match="compiled again"):
        binding.library(FEATURES)


@pytest.mark.parametrize("variable", ["PATH", "CC"])
def test_a_missing_compiler_is_one_line_that_names_the_remedy(no_library, monkeypatch, variable):
    monkeypatch.setenv(variable, "no-such-compiler")
    with pytest.raises(UserError, match="no C compiler found .*; install one") as error:
        binding.Stream()
    assert "\n" not in str(error.value)


def test_a_failing_compiler_is_one_line_and_leaves_nothing_behind(no_library, monkeypatch, tmp_path):
    compiler = tmp_path / "broken"
    compiler.write_text("#!/bin/sh\necho first line >&2\necho 'x.c:1: error: it is broken' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(UserError, match="error: it is broken") as error:
        binding.library(FEATURES)
    assert "\n" not in str(error.value)
    assert not list(binding.CACHE.iterdir())


# ---- the sources ----


def test_the_pipeline_id_names_features_and_arithmetic(sources, monkeypatch):
    ours = render.pipeline_id()
    for name in render.HEADERS[:1] + render.SOURCES:
        assert f"0x{ours}ULL" in (sources / name).read_text(), name
    assert render.pipeline_id(SMALL) != ours
    render.pipeline_id.cache_clear()
    tables = render.tables
    monkeypatch.setattr(render, "tables", lambda features: dataclasses.replace(tables(features), floor=12345))
    assert render.pipeline_id() != ours
    monkeypatch.undo()
    render.pipeline_id.cache_clear()
    assert render.pipeline_id() == ours


@pytest.mark.parametrize("mels", [0, 7, 20, 39, 41, 80])
def test_features_that_the_network_cannot_take_are_refused(mels):
    with pytest.raises(UserError, match=f"BC-ResNet takes 40 mels, not {mels}; change common/description.py"):
        render.source("frontend.h", dataclasses.replace(FEATURES, mels=mels))


WITH_OTHER_FEATURES = """
import dataclasses, runpy, sys
from common import description
description.FEATURES = dataclasses.replace(description.FEATURES, **{changes})
sys.argv[0] = "command"
runpy.run_module("{command}", run_name="__main__")
"""


@pytest.mark.parametrize("changes", [{"mels": 80}, {"hop": 500}], ids=str)
@pytest.mark.parametrize("command", ["frontend.render out", "convert", "convert.calibration --data data", "firmware_gen"])
def test_commands_refuse_features_that_do_not_work_in_one_line(command, changes, tmp_path):
    """Where one is refused for something else, it is not before it could say so."""
    name, *options = command.split()
    program = WITH_OTHER_FEATURES.format(changes=changes, command=name)
    done = subprocess.run(
        [sys.executable, "-c", program, *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(TESTS.parents[1])},
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and done.stderr.startswith("error: "), done.stderr
    assert name != "frontend.render" or "change common/description.py" in done.stderr
    assert not list(tmp_path.iterdir())


def test_generated_lines_are_short_and_ascii(sources):
    for path in sources.iterdir():
        text = path.read_text()
        assert text.isascii() and max(map(len, text.splitlines())) <= 120 and "{{" not in text, path.name
        assert text.startswith("// SPDX-License-Identifier: Apache-2.0\n"), path.name


def test_parts_of_two_builds_do_not_mix(sources, tmp_path):
    for name in render.FILES:
        (tmp_path / name).write_text(render.source(name, SMALL))

    def errors(file: str, folder: Path) -> str:
        command = ["gcc", "-std=c99", "-fsyntax-only", "-iquote", str(folder), "-x", "c", "-"]
        return subprocess.run(command, input=file, capture_output=True, text=True).stderr

    for name in render.SOURCES:
        assert errors((sources / name).read_text(), sources) == ""
        assert "of different builds" in errors((sources / name).read_text(), tmp_path), name


@pytest.mark.parametrize("optimise", ["-O2", "-Os"])
@pytest.mark.parametrize("core", CORES)
def test_each_core_compiles_one_variant_without_warnings(sources, tmp_path, core, optimise):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    subprocess.run(
        [
            "arm-none-eabi-gcc",
            "-mthumb",
            *CORES[core],
            "-std=c99",
            "-Wpedantic",
            "-DKWS_PLAIN_NAMES",
            *WARNINGS,
            optimise,
            f"-I{sources}",
            "-c",
            *(sources / name for name in render.SOURCES),
        ],
        cwd=tmp_path,
        check=True,
    )
    units = {path.stem: ObjectFile(path) for path in tmp_path.glob("*.o")}
    assert len(units) == len(render.SOURCES)
    kernels = {"first_stage", "later_stages", "split", "mel"}
    for stem, unit in units.items():
        defined = {symbol.name.removeprefix("kws_frontend_") for symbol in unit.symbols if symbol.section}
        assert defined & kernels == (kernels if stem == VARIANTS[core] else set()), stem
        needed = {symbol.name for symbol in unit.symbols if symbol.name and not symbol.section}
        library = {name for name in needed if not name.startswith(("kws_frontend_", "__aeabi_"))}
        assert library <= {"memcpy", "memmove", "memset"}
        assert not [
            name
            for name in unit.section_names
            if name in (".data", ".bss")
            and any(symbol.section == unit.section_names.index(name) and symbol.size for symbol in unit.symbols)
        ]


@pytest.mark.parametrize("command", [["gcc", "-std=c99", "-x", "c"], ["g++", "-std=c++11", "-x", "c++"]])
def test_the_headers_are_c99_and_cpp11(sources, command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    for header in render.HEADERS:
        subprocess.run(
            [*command, *WARNINGS, "-Wpedantic", "-fsyntax-only", f"-I{sources}", "-"],
            check=True,
            text=True,
            input=f'#include "{header}"\n#include "{header}"\n',
        )


# ---- fuzzing ----


def test_the_seeds_of_the_fuzzer_pass_under_the_sanitisers(sources, tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    program = tmp_path / "seeds"
    subprocess.run(
        [
            "gcc",
            "-g",
            "-O1",
            "-std=c99",
            *WARNINGS,
            *SANITISERS,
            f"-I{sources}",
            TESTS / "fuzz_frontend.c",
            *(sources / name for name in render.SOURCES),
            "-o",
            program,
        ],
        check=True,
    )
    ran = subprocess.run([program, *SEEDS], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, f"{len(SEEDS)} inputs\n"), ran.stderr


def test_a_short_run_of_the_fuzzer_finds_nothing(sources, tmp_path):
    if shutil.which("clang") is None:
        pytest.skip("clang with libFuzzer is not installed")
    program = tmp_path / "fuzz"
    built = subprocess.run(
        [
            "clang",
            "-g",
            "-O1",
            "-fsanitize=fuzzer",
            *SANITISERS,
            "-DWITH_LIBFUZZER",
            f"-I{sources}",
            TESTS / "fuzz_frontend.c",
            *(sources / name for name in render.SOURCES),
            "-o",
            program,
        ],
        capture_output=True,
        text=True,
    )
    if built.returncode and "libclang_rt" in built.stderr:
        pytest.skip("clang is installed without libFuzzer's runtime")
    assert built.returncode == 0, built.stderr
    (tmp_path / "new").mkdir()
    limits = [f"-max_total_time={FUZZ_SECONDS}", "-max_len=4096"]
    ran = subprocess.run([program, *limits, tmp_path / "new", SEEDS[0].parent], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
