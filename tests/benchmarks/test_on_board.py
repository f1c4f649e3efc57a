"""The bare-metal example and the self-test on the emulated boards."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from emulated import need_emulator
from firmware_builds import flip_bit

from benchmarks.cost import emulator, on_board
from benchmarks.cost.emulator import CORES, RISCV32, GuestError
from common import build_folder
from common.audio import read_wav
from common.description import FEATURES
from common.errors import UserError
from detector import settings
from detector.golden import Detector
from detector.settings import Preset
from engine import golden, network, render
from engine.network import Network
from firmware_gen import folder, inputs
from frontend import golden as frontend, level_binding

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SILENT_HOPS = 150
"""As in main.c."""
FORMS = {"cortex-m3": "portable C", "cortex-m55": "MVE", "rv32imc": "portable C"}
"""Of the layers; DSP on the other boards' cores."""
BUILDS = CORES | {RISCV32.name: RISCV32}


@pytest.fixture(scope="module")
def loaded(tau1_build) -> Network:
    return network.load(tau1_build / "native.npz")


@pytest.fixture(scope="module")
def preset(tau1_build) -> Preset:
    """Of the sensitivity that main.c names."""
    return inputs.load(tau1_build).detector.preset(settings.MEDIUM)


@pytest.fixture(scope="module")
def listener(tau1_build, tmp_path_factory) -> Callable[[str], emulator.Image]:
    """`listener(core)`: the example for a core, compiled once."""
    images, out = {}, tmp_path_factory.mktemp("listener")

    def image(core: str) -> emulator.Image:
        need_emulator(BUILDS[core].toolchain)
        if core not in images:
            images[core] = on_board.build_program(
                BUILDS[core], on_board.LISTEN, tau1_build / "firmware", out / f"{core}.elf"
            )
        return images[core]

    return image


@pytest.fixture
def build(tau1_build, tmp_path, monkeypatch) -> Path:
    """A copy of the build, build/tau1 of the current folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(tau1_build, tmp_path / "build" / "tau1"))


def line(what: str, word: str, probability: int, ms: int) -> str:
    return f"{what}: {word} ({(100 * int(probability) + 127) // 255} %)  at {ms // 1000}.{ms % 1000 // 10:02d} s"


def level(samples: np.ndarray) -> str:
    """What the program says of the samples themselves."""
    reading = level_binding.measure(samples)
    return f"level: {reading}, {level_binding.text(reading.status)}"


def expected(loaded: Network, preset: Preset, samples: np.ndarray, core: str) -> list[str]:
    """What the example has to say of a sound, by the golden models."""
    clip, width = FEATURES.clip_samples, render.STREAM_COLUMNS
    padded = np.pad(samples, (0, SILENT_HOPS * FEATURES.hop))
    scores = golden.moving_average(golden.stream(loaded, frontend.stream(padded)), width)
    detector = Detector(preset, settings.HOP_MS * (width - 1) // 2)
    answers = zip(scores.argmax(1).tolist(), golden.probability(loaded, scores).max(1).tolist())
    events = [event for event in itertools.starmap(detector.push, answers) if event]
    lines = [line("stream", loaded.labels[event.word], event.confidence, event.ms) for event in events]
    window = np.pad(padded[:clip], (0, max(0, clip - len(padded))))
    row = golden.window(loaded, frontend.columns(window[None]).transpose(0, 2, 1))
    best = row[0].argmax()
    return [
        f"form: {FORMS.get(core, 'DSP')}",
        f"engine: BC-ResNet-1, {len(loaded.labels)} classes, {render.engine_id(loaded)}",
        *(lines or ["stream: no word"]),
        level(samples),
        line("window", loaded.labels[best], golden.probability(loaded, row)[0, best], 500),
    ]


# ---- the example ----


@pytest.mark.parametrize("core", on_board.BOARDS.values(), ids=on_board.BOARDS)
def test_the_word_is_heard_on_every_board_as_a_stream_and_as_a_window(listener, loaded, preset, core):
    samples = read_wav(EXAMPLES / "yes.wav")
    status, text = on_board.run_program(listener(core.name), samples)
    assert (status, text.splitlines()) == (0, expected(loaded, preset, samples, core.name))
    assert re.fullmatch(
        r"form: .*\n"
        r"engine: .*\n"
        r"stream: yes \(\d+ %\)  at 0.\d\d s\n"
        r"level: peak -\d+\.\d dBFS, RMS -\d+\.\d dBFS, ok\n"
        r"window: yes \(\d+ %\)  at 0.50 s\n",
        text,
    )


def sounds() -> dict[str, np.ndarray]:
    """Of all lengths; those between whole hops end in the middle of one."""
    words = {word: read_wav(EXAMPLES / f"{word}.wav") for word in ("go", "left", "no", "right", "stop")}
    quiet = np.zeros(2 * FEATURES.sample_rate, np.int16)
    return {
        "no sample": quiet[:0],
        "one sample": words["go"][8000:8001],
        "0.3 s": words["no"][3000:7813],
        "a word that ends early": words["stop"][:13001],
        "silence": quiet,
        "three words": np.concatenate([words["left"], quiet, words["right"], quiet[:777], words["go"]]),
    }


@pytest.mark.parametrize("name", sounds())
def test_sounds_of_any_length_are_heard_as_the_golden_model_hears_them(listener, loaded, preset, name):
    samples = sounds()[name]
    status, text = on_board.run_program(listener("cortex-m4"), samples)
    assert (status, text.splitlines()) == (0, expected(loaded, preset, samples, "cortex-m4"))
    assert name != "three words" or re.findall(r"stream: (\w+)", text) == ["left", "right", "go"]


def test_the_example_carries_no_self_test(listener):
    symbols = emulator.symbols(listener("cortex-m4").path)
    assert any(name.startswith("kws_push_of_build_") for name in symbols)
    assert not [name for name in symbols if "selftest" in name]


def test_the_readme_tells_how_to_build_and_run_it_by_hand(tau1_build, listener, tmp_path):
    need_emulator()
    shutil.copytree(emulator.BAREMETAL, tmp_path / "baremetal")
    shutil.copytree(tau1_build / "firmware", tmp_path / "firmware")
    shutil.copy(EXAMPLES / "yes.wav", tmp_path)
    readme = (emulator.BAREMETAL / "README.md").read_text()
    commands = re.search(r"```sh\n(.*?)```", readme, re.S)[1]
    done = subprocess.run(["bash", "-ec", commands], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == on_board.run_program(listener("cortex-m4"), read_wav(EXAMPLES / "yes.wav"))[1]
    for board, core in on_board.BOARDS.items():
        assert re.search(rf"\| `{board}` \| .* \| `{' '.join(core.flags)}` \|", readme)


def test_the_example_needs_nothing_of_the_benchmarks():
    for path in (path for path in emulator.BAREMETAL.rglob("*") if path.is_file()):
        included = re.findall(r'^(?:#include|INCLUDE) "?([\w.]+)', path.read_text(), re.M)
        generated = {"frontend.h", "kws_detector.h", "kws_engine.h", "kws_level.h", "kws_selftest.h"}
        assert all(name in generated or (emulator.BAREMETAL / name).is_file() for name in included), path.name


# ---- the self-test ----


@pytest.mark.parametrize("core", BUILDS)
def test_the_self_test_passes_on_every_core(tau1_build, tmp_path, core):
    """QEMU has no cycle counter, so there is nothing to say of cycles."""
    need_emulator(BUILDS[core].toolchain)
    image = on_board.build_program(BUILDS[core], on_board.SELFTEST, tau1_build / "firmware", tmp_path / "selftest.elf")
    status, text = on_board.run_program(image, np.empty(0, np.int16))
    compared = r"((window|stream) (features|scores|words) +ok\n){5}"
    assert status == 0 and re.fullmatch(rf"kws self-test, tau 1, engine \w{{16}}\n{compared}pass\n", text)


def test_a_changed_weight_fails_on_the_board_and_ends_the_command_with_an_error(build, capsys):
    need_emulator()
    flip_bit(build / "firmware" / "native" / "kws_model.c", "block0_pointwise_weight", 5)
    assert on_board.main(["--board", "mps2-an385", "--selftest"]) == 1  # portable C, as the weight is
    printed = capsys.readouterr()
    assert "window features   ok\nwindow scores     FAIL" in printed.out and printed.out.endswith("\nFAIL\n")


# ---- the command ----


def test_the_command_prints_the_word(build, capsys):
    need_emulator()
    assert on_board.main(["--board", "mps2-an385", "--wav", str(EXAMPLES / "left.wav")]) == 0
    assert re.fullmatch(r"form: .*\nengine: .*\nstream: left .*\nlevel: .*, ok\nwindow: left .*\n", capsys.readouterr().out)


def test_bad_input_is_one_line(build, failure, write_wav, tmp_path):
    silence = np.zeros(800, np.int16)
    assert "choose one of mps2-an385, mps2-an386" in failure(on_board.main, "--board", "nucleo")
    assert "tau 5 does not exist" in failure(on_board.main, "--tau", "5")
    assert "missing.wav: no such file; name a" in failure(on_board.main, "--wav", tmp_path / "missing.wav")
    for name, path in {
        "8000 Hz": write_wav(tmp_path / "slow.wav", silence, rate=8000),
        "2 channels": write_wav(tmp_path / "stereo.wav", silence, channels=2),
        "8 bits": write_wav(tmp_path / "bytes.wav", np.zeros(800, np.uint8)),
    }.items():
        line = failure(on_board.main, "--wav", path)
        assert name in line and "16 kHz mono 16-bit PCM is needed; convert it with" in line
    (tmp_path / "text.wav").write_text("no sound")
    assert "not a 16 kHz mono 16-bit PCM wav file" in failure(on_board.main, "--wav", tmp_path / "text.wav")


def test_missing_firmware_names_the_remedy(build, failure):
    wav = EXAMPLES / "yes.wav"
    assert "run `make quantize TAU=3`" in failure(on_board.main, "--tau", "3", "--wav", wav)
    shutil.rmtree(build / "firmware" / "native")
    assert "native engine cannot hold this network" in failure(on_board.main, "--wav", wav)


@pytest.mark.parametrize("how", ["another network", "other thresholds", "no manifest"])
def test_firmware_of_anything_else_than_the_build_is_refused(build, failure, how):
    if how == "another network":
        conversion = json.loads((build / build_folder.CONVERSION).read_text())
        conversion["checkpoint"]["sha256"] = "ab" * 32
        (build / build_folder.CONVERSION).write_text(json.dumps(conversion))
    elif how == "other thresholds":
        labels, native = (build_folder.load(build)[key] for key in ("labels", "native"))
        settings.save(build / settings.FILE, dataclasses.replace(settings.default(labels), native=native["sha256"]))
    else:
        (build / "firmware" / folder.MANIFEST).unlink()
    for arguments in (["--selftest"], ["--wav", EXAMPLES / "yes.wav"]):
        line = failure(on_board.main, *arguments)
        assert "firmware: of another conversion, detector or generator; run `make quantize TAU=1`" in line


@pytest.mark.parametrize("program", [emulator.COMPILER, emulator.EMULATOR])
def test_a_missing_program_names_its_package(build, failure, monkeypatch, tmp_path, program):
    for name in {emulator.COMPILER, emulator.EMULATOR} - {program}:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = failure(on_board.main, "--selftest")
    assert f"{program}: not installed; apt-get install {emulator.PACKAGES[program]}" in found


def test_a_program_that_does_not_end_is_stopped(tmp_path, monkeypatch):
    need_emulator()
    (tmp_path / "endless.c").write_text('int main(void) { for (;;) { __asm__ volatile(""); } }\n')
    image = emulator.compile_bare(CORES["cortex-m4"], [tmp_path / "endless.c"], [], tmp_path / "endless.elf")
    monkeypatch.setattr(on_board, "TIMEOUT", 0.3)
    with pytest.raises(GuestError, match="endless.elf on mps2-an386: still running after 0.3 s; stopped"):
        on_board.run_program(image, np.empty(0, np.int16))


def test_a_fault_is_told(tmp_path):
    need_emulator()
    (tmp_path / "bad.c").write_text('int main(void) { __asm__ volatile("udf #0"); return 0; }\n')
    image = emulator.compile_bare(CORES["cortex-m3"], [tmp_path / "bad.c"], [], tmp_path / "bad.elf")
    assert on_board.run_program(image, np.empty(0, np.int16)) == (1, "fault\n")


def test_what_does_not_compile_is_a_line(tau1_build, tmp_path):
    need_emulator()
    firmware = shutil.copytree(tau1_build / "firmware", tmp_path / "firmware")
    (firmware / "native" / "kws_model.h").write_text("#error of another build\n")
    with pytest.raises(UserError, match="error: #error of another build"):
        on_board.build_program(CORES["cortex-m3"], on_board.LISTEN, firmware, tmp_path / "out.elf")
