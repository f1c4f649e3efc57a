"""The level meter's C on this machine: equal to the NumPy model, silent about right sounds, right about wrong ones."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from firmware_builds import SANITISERS, WARNINGS
from level_inputs import SAMPLES, sounds, speech_like

from benchmarks.listening.level_sounds import FORMATS, at_level, music, quiet_room, right
from common.description import FEATURES
from frontend import level_binding, level_golden, render
from frontend.level import ADVICE, LEVEL, PREFIX, Status
from frontend.level_binding import Meter, State, measure
from training.data import dataset

FORMAT_STATUSES = {Status.HALF_EMPTY, Status.SWAPPED, Status.WRONG_BITS, Status.STEREO}
CORES = {
    "cortex-m0": ["-mcpu=cortex-m0"],
    "cortex-m4": ["-mcpu=cortex-m4"],
    "cortex-m55": ["-mcpu=cortex-m55", "-mfloat-abi=hard"],
}
SANITISED = """
#include <stdio.h>
#include <string.h>
#include "kws_level.h"

static int16_t samples[20000];

int main(void) {
  kws_level state;
  kws_level_result result;
  uint32_t lengths = 1;
  size_t count = fread(samples, sizeof *samples, sizeof samples / sizeof *samples, stdin);

  for (int filling = 0; filling < 256; ++filling) {
    memset(&state, filling, sizeof state);
    kws_level_push(&state, samples, (uint32_t)count);
    kws_level_read(&state, 0xffffffffu, &result);
    if (result.status != KWS_LEVEL_TOO_SHORT) return 1;
  }
  kws_level_reset(&state);
  for (uint32_t done = 0; done < count; lengths = lengths * 5 % 997) {
    const uint32_t length = lengths < count - done ? lengths : (uint32_t)count - done;
    kws_level_push(&state, samples + done, length);
    kws_level_read(&state, done, &result);
    done += length;
  }
  kws_level_read(&state, 0, &result);
  printf("%d %s", (int)result.status, kws_level_text(result.status));
  return 0;
}
"""


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    return sounds()


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    """A folder with the generated sources."""
    path = tmp_path_factory.mktemp("sources")
    assert render.main([str(path)]) == 0
    return path


# ---- equal to the NumPy model ----


def test_readings_equal_the_model_bit_for_bit(inputs):
    for name, sound in inputs.items():
        assert measure(sound, 1100) == level_golden.measure(sound, 1100), name


def test_the_sounds_reach_every_status(inputs):
    assert {measure(sound).status for sound in inputs.values()} | {Status.WRONG_RATE} == set(Status)
    assert {name for name in inputs if level_golden.findings(inputs[name]).min(initial=9) < level_golden.NOTHING}
    shown = np.concatenate([level_golden.findings(sound) for sound in inputs.values()])
    assert set(shown) == set(range(level_golden.NOTHING + 1))


def test_random_and_truncated_sounds_equal_the_model():
    rng = np.random.default_rng(11)
    for _ in range(60):
        peak, length = 2 ** rng.uniform(0, 15), int(rng.integers(0, 5 * LEVEL.block))
        sound = rng.normal(rng.uniform(-peak, peak), peak, length)
        sound = np.clip(sound, -32768, 32767).astype(np.int16) & np.int16(rng.choice([-1, -256, 255, 0x7FF]))
        elapsed = int(rng.integers(0, 5000))
        assert measure(sound, elapsed) == level_golden.measure(sound, elapsed)


def test_real_clips_equal_the_model_and_raise_no_alarm(gsc_root):
    archive = dataset.training_archive(gsc_root, 2)
    clips = [clip for clip in dataset.split_clips(archive, "validation", 2) if clip.path][::25]
    for clip, samples in zip(clips, dataset.read_clips(clips)):
        reading = measure(samples)
        assert reading == level_golden.measure(samples), clip.name
        assert reading.status not in FORMAT_STATUSES, clip.name


# ---- what it says ----


@pytest.mark.parametrize("level", [-22, -35])
@pytest.mark.parametrize("name", FORMATS)
def test_every_wrong_format_that_can_be_told_is_named(name, level):
    statuses, convert = FORMATS[name]
    sound = at_level(speech_like(np.random.default_rng(3)), level)
    found = measure(np.ascontiguousarray(convert(sound))).status
    if "two microphones" in name or ("without saturation" in name and level < -22):
        assert found in (Status.OK, *(Status[status] for status in statuses))
    else:
        assert found.name in statuses


def test_right_sounds_of_every_level_are_taken_for_no_wrong_format():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        for sound in (speech_like(rng), music(rng, SAMPLES), quiet_room(rng, SAMPLES), rng.standard_normal(SAMPLES)):
            for level in (-10, -30, -50, -65, -80):
                said = measure(right(at_level(sound, level))).status
                assert said in (Status.OK, Status.TOO_QUIET, Status.CLIPPING)


def test_no_tone_of_any_loudness_is_taken_for_a_wrong_format():
    time = np.arange(4 * LEVEL.block) / FEATURES.sample_rate
    for hertz in range(100, 8000, 100):
        for amplitude in (90, 3000, 20000, 29000, 32700):
            tone = np.rint(amplitude * np.sin(2 * np.pi * hertz * time + hertz)).astype(np.int16)
            assert measure(tone).status in (Status.OK, Status.TOO_QUIET, Status.CLIPPING), (hertz, amplitude)


def test_levels_are_those_of_float_arithmetic():
    rng = np.random.default_rng(2)
    for level in (-5, -20, -40, -60, -75):
        sound = right(at_level(rng.standard_normal(4 * LEVEL.block), level)) + np.int16(100)
        reading, blocks = measure(sound), sound.reshape(-1, LEVEL.block).astype(float)
        energies = blocks.var(1)
        for figure, expected in ((reading.rms, energies.mean()), (reading.loudest, energies.max())):
            assert abs(figure - 100 * math.log10(expected / 2**30)) < 0.6
        assert abs(reading.peak - 200 * math.log10(abs(blocks).max() / 32768)) < 0.6
        assert reading.dc == int(blocks.mean())


def test_the_clock_tells_a_wrong_rate_and_nothing_else_does():
    sound = right(at_level(speech_like(np.random.default_rng(4)), -25))
    for rate in (8000, 11025, 22050, 32000, 44100, 48000):
        assert measure(sound, round(1000 * len(sound) / rate)).status == (Status.WRONG_RATE if rate < 20000 else Status.OK)
        assert measure(np.tile(sound, 4), round(4000 * len(sound) / rate)).status == Status.WRONG_RATE
    for elapsed in (0, 999, *(round(1000 * len(sound) / rate) for rate in (14500, 16000, 17500))):
        assert measure(sound, elapsed).status == Status.OK
    assert measure(sound, 1300).rate == len(sound) * 1000 // 1300 and measure(sound, 999).rate == 0


def test_every_status_has_a_line_of_advice():
    assert [level_binding.text(status) for status in Status] == list(ADVICE.values())
    assert level_binding.text(len(Status)) == "no such status"
    assert all(text.isascii() and len(text) < 100 for text in ADVICE.values())


def test_the_header_numbers_the_statuses_as_python_does(sources):
    body = re.search(r"typedef enum \{(.*?)\} kws_level_status", (sources / "kws_level.h").read_text(), re.S)[1]
    assert re.findall(rf"^  {PREFIX}(\w+)", body, re.M) == [status.name for status in Status]


# ---- the calls ----


@pytest.mark.parametrize("length", [1, 7, 4095, 4096, 4097])
def test_a_reading_does_not_depend_on_how_the_samples_are_cut(inputs, length):
    sound = inputs["bytes swapped at -25"]
    meter = Meter()
    for start in range(0, len(sound), length):
        meter.push(sound[start : start + length])
        if start % 5 == 0:
            meter.read()
    assert meter.read() == measure(sound)


def test_what_came_before_a_reset_is_forgotten(inputs):
    meter = Meter()
    meter.push(inputs["random extremes"])
    meter.reset()
    assert bytes(meter.state) == bytes(Meter().state)


def test_a_copied_state_continues_where_it_was(inputs):
    sound, meter, other = inputs["right at -25"], Meter(), Meter()
    meter.push(sound[:5001])
    ctypes.memmove(ctypes.byref(other.state), bytes(meter.state), ctypes.sizeof(State))
    other.push(sound[5001:])
    assert other.read() == measure(sound)


@pytest.mark.parametrize("filling", [0x00, 0x01, 0xA5, 0xFF])
def test_a_state_that_was_never_reset_is_left_as_it_is(inputs, filling):
    meter, garbage = Meter(), bytes([filling]) * ctypes.sizeof(State)
    ctypes.memmove(ctypes.byref(meter.state), garbage, len(garbage))
    meter.push(inputs["right at -25"])
    assert bytes(meter.state) == garbage
    assert meter.read() == level_golden.measure(np.zeros(0, np.int16))


def test_the_meter_stops_at_its_last_block_and_keeps_what_it_has(inputs):
    meter = Meter()
    meter.push(inputs["right at -25"][: LEVEL.block])
    meter.state.blocks = LEVEL.blocks_most - 1
    meter.push(inputs["right at -25"])
    full = bytes(meter.state)
    meter.push(inputs["right at -25"])
    assert bytes(meter.state) == full and meter.state.blocks == LEVEL.blocks_most
    assert meter.read(5000).samples == LEVEL.blocks_most * LEVEL.block and meter.read(5000).rate == 0


def test_sums_of_the_longest_and_loudest_sound_fit():
    """64 bits for energies of all blocks; what a block adds is at most 2^15 squared for each sample."""
    assert LEVEL.blocks_most * LEVEL.block * 2**30 < 2**63 and LEVEL.block * 65535**2 < 2**45


def test_other_than_16_bit_samples_are_refused():
    with pytest.raises(ValueError, match="int16"):
        measure(np.zeros(9000))


# ---- the sources ----


def test_the_state_is_as_large_as_declared_and_within_200_bytes(sources):
    declared = int(re.search(r"KWS_LEVEL_STATE_BYTES (\d+)u", (sources / "kws_level.h").read_text())[1])
    assert declared == ctypes.sizeof(State) <= 200


def test_the_meter_is_no_part_of_the_pipeline_s_name(monkeypatch):
    render.pipeline_id.cache_clear()
    before = render.pipeline_id()
    monkeypatch.setattr(render, "LEVEL", type(LEVEL)(dc=1234))
    render.pipeline_id.cache_clear()
    assert render.pipeline_id() == before and "DC_LEAST = 1234" in render.source("kws_level.c")


@pytest.mark.parametrize("optimise", ["-O2", "-Os"])
@pytest.mark.parametrize("core", CORES)
def test_it_compiles_without_warnings_and_needs_no_library(sources, tmp_path, core, optimise):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    command = ["arm-none-eabi-gcc", "-mthumb", *CORES[core], "-std=c99", "-Wpedantic", *WARNINGS, optimise]
    subprocess.run([*command, "-c", sources / "kws_level.c"], cwd=tmp_path, check=True)
    found = subprocess.run(["arm-none-eabi-nm", tmp_path / "kws_level.o"], capture_output=True, text=True, check=True).stdout
    needed = set(re.findall(r"^ +U (\w+)$", found, re.M))
    assert {name for name in needed if not name.startswith("__aeabi_")} <= {"memset"}
    assert not re.findall(r"^\w+ [bBdDC] ", found, re.M)


@pytest.mark.parametrize("command", [["gcc", "-std=c99", "-x", "c"], ["g++", "-std=c++11", "-x", "c++"]])
def test_the_header_is_c99_and_cpp11(sources, command):
    text = '#include "kws_level.h"\n#include "kws_level.h"\n'
    flags = [*WARNINGS, "-Wpedantic", "-fsyntax-only", f"-I{sources}", "-"]
    subprocess.run([*command, *flags], check=True, text=True, input=text)


@pytest.mark.parametrize(
    "name", ["right at -25", "bytes swapped at -25", "random extremes", "all -32768", "unsigned at -62"]
)
def test_no_sanitiser_complains(sources, tmp_path, inputs, name):
    (tmp_path / "main.c").write_text(SANITISED)
    flags = ["-O1", "-std=c99", *WARNINGS, *SANITISERS, f"-I{sources}"]
    files = [tmp_path / "main.c", sources / "kws_level.c"]
    subprocess.run(["gcc", *flags, *files, "-o", tmp_path / "main"], check=True)
    sound = inputs[name][:20000]
    done = subprocess.run([tmp_path / "main"], input=sound.tobytes(), capture_output=True)
    status = measure(sound).status
    assert (done.returncode, done.stdout.decode()) == (0, f"{status.value} {ADVICE[status]}"), done.stderr
