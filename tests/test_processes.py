"""Whatever is killed or run twice at once: the next run gives what an undisturbed one would have given."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import firmware_gen.__main__ as generator
from benchmarks import quantize
from benchmarks.accuracy import verify
from benchmarks.cost import bench, on_board
from benchmarks.report import contents as report
from common import build_folder, checkpoint, locks
from convert import __main__ as converter
from firmware_gen.export import __main__ as exporter
from training import __main__ as trainer
from training.spoken import pieces, synthesis

ROOT = Path(__file__).parents[1]
FORMAT = "--format", "arduino"


def contents(build: Path) -> dict[str, bytes]:
    """Every file of a conversion and its firmware."""
    return {
        str(path.relative_to(build)): path.read_bytes()
        for path in build.rglob("*")
        if path.is_file()
        and path.parent in (build, build / "graphs", build / "firmware", build / "firmware" / "native")
        and path.suffix not in (".json", ".md", ".html")
    }


@pytest.fixture
def build(tau1_build, tmp_path, monkeypatch) -> Path:
    """A copy of a real build, build/tau1 of the current folder."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(tau1_build, tmp_path / "build" / "tau1").relative_to(tmp_path)


# Each command waits for another one in its folder


def wait_for(folder: Path, main, arguments: list[str], capsys) -> int:
    """Run a command while another has the folder, for a moment; it must say that it waits. Its exit status."""
    held = threading.Event()

    def hold():
        with locks.writing(folder):
            held.set()
            deadline = time.monotonic() + 10
            while "waiting" not in "".join(said) and time.monotonic() < deadline:
                said.append(capsys.readouterr().out)
                time.sleep(0.05)

    said: list[str] = []
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    status = main(arguments)
    thread.join()
    assert f"{folder}: another command works here; waiting for it to end" in "".join(said)
    return status


@pytest.mark.parametrize(
    "main, options",
    [(converter.main, ()), (generator.main, ()), (exporter.main, FORMAT), (report.main, ())],
    ids=["convert", "firmware", "export", "report"],
)
def test_each_stage_of_a_build_waits_for_another_command_in_it(build, capsys, monkeypatch, main, options):
    monkeypatch.setattr(converter, "shipped_checkpoint", lambda tau: Path("checkpoints/tau1.safetensors"))
    (build.parents[1] / "checkpoints").symlink_to(ROOT / "checkpoints")
    assert wait_for(build, main, ["--tau", "1", *options], capsys) == 0


def test_no_other_command_comes_between_conversion_firmware_and_report(build, monkeypatch, capsys):
    """Else one that asks for the other graph would have its firmware reported here."""
    stages = []

    def stage(name: str, status: int):
        def run(arguments: list[str]) -> int:
            with pytest.raises(BlockingIOError), open_folder(build) as handle:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            stages.append((name, arguments))
            return status

        return run

    for module, status in ((converter, 0), (generator, 0), (report, 1)):
        monkeypatch.setattr(module, "main", stage(module.__name__, status))
    assert wait_for(build, quantize.main, ["--tau", "1", "--graph", "small"], capsys) == 1
    assert stages == [
        ("convert.__main__", ["--tau", "1", "--graph", "small"]),
        ("firmware_gen.__main__", ["--build", "build/tau1", "--prefix", "kws"]),
        ("benchmarks.report.contents", ["--build", "build/tau1"]),
    ]


def test_what_a_stage_refuses_is_its_own_line_and_the_next_does_not_begin(tmp_path, failure, monkeypatch):
    monkeypatch.setattr(generator, "main", lambda arguments: pytest.fail("it went on"))
    assert "tau 4 does not exist" in failure(quantize.main, "--tau", "4")
    assert "no such checkpoint" in failure(quantize.main, "--checkpoint", "none", "--build", tmp_path / "build")
    assert [*tmp_path.iterdir()] == []


@contextlib.contextmanager
def open_folder(folder: Path) -> Iterator[int]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield handle
    finally:
        os.close(handle)


def test_measuring_waits_for_another_command_in_the_build(build, capsys, monkeypatch):
    monkeypatch.setattr(verify, "verify", lambda *arguments: [])
    assert wait_for(build, verify.main, ["--data", "none"], capsys) == 0
    monkeypatch.setattr(bench, "count", lambda *arguments: [])
    monkeypatch.setattr(bench, "version", lambda program: "")
    monkeypatch.setattr(bench.emulator, "plugin", lambda: None)
    assert wait_for(build, bench.main, [], capsys) == 0
    monkeypatch.setattr(on_board, "build_program", lambda *arguments: None)
    monkeypatch.setattr(on_board, "run_program", lambda *arguments: (0, ""))
    monkeypatch.setattr(on_board.emulator, "need", lambda program: program)
    assert wait_for(build, on_board.main, ["--selftest"], capsys) == 0


def test_training_waits_for_another_command_in_its_folder(tiny_speech_commands, tmp_path, capsys, monkeypatch):
    def run(args, *rest):
        trainer.state_file(args).touch()

    monkeypatch.setattr(trainer, "run", run)
    data = ["--data", str(tiny_speech_commands), "--out", str(tmp_path / "run")]
    assert wait_for(tmp_path / "run", trainer.main, data, capsys) == 0
    monkeypatch.setattr(pieces, "generate", lambda *arguments: 7)
    assert wait_for(tmp_path / "speech", pieces.main, ["x", "--out", str(tmp_path / "speech")], capsys) == 0
    monkeypatch.setattr(synthesis.voices, "missing", list)
    monkeypatch.setattr(synthesis, "speak", lambda *arguments: None)
    assert wait_for(tmp_path / "said", synthesis.main, ["--out", str(tmp_path / "said")], capsys) == 0


# Killed, and two at once


def start(*command: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", *map(str, command)], cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def kill_after(seconds: float, *command: object) -> None:
    process = start(*command)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.communicate()


def finish(*command: object) -> None:
    process = start(*command)
    output, errors = process.communicate()
    assert process.returncode == 0, output + errors


@pytest.mark.slow
def test_a_conversion_that_was_killed_again_and_again_gives_the_same_bytes_in_the_end(tau1_build, tmp_path):
    draw = random.Random(1)
    for _ in range(5):
        kill_after(draw.uniform(1, 60), "convert", "--build", tmp_path)
        kill_after(draw.uniform(0.5, 2), "firmware_gen", "--build", tmp_path)
    for stage in ("convert", "firmware_gen"):
        finish(stage, "--build", tmp_path)
    assert contents(tmp_path) == contents(tau1_build)
    assert not list(tmp_path.rglob(".*")), "and leaves nothing behind"


@pytest.mark.slow
def test_a_change_of_the_graph_that_was_killed_gives_the_same_bytes_in_the_end(tau1_build, tmp_path):
    build, draw = shutil.copytree(tau1_build, tmp_path / "tau1"), random.Random(2)
    for _ in range(12):
        kill_after(draw.uniform(0.5, 1.5), "convert", "--graph", "small", "--build", build)
    for graph in ("small", "accurate"):
        for stage in (("convert", "--graph", graph), ("firmware_gen",)):
            finish(*stage, "--build", build)
    assert contents(build) == contents(tau1_build)


@pytest.mark.slow
def test_training_that_was_killed_goes_on_to_the_same_weights(tiny_speech_commands, tmp_path):
    options = "--data", tiny_speech_commands, "--epochs", "6", "--threads", "1"
    finish("training", *options, "--out", tmp_path / "whole")
    draw = random.Random(3)
    for _ in range(6):
        kill_after(draw.uniform(2, 8), "training", *options, "--out", tmp_path / "killed", "--resume")
    finish("training", *options, "--out", tmp_path / "killed", "--resume")
    whole, resumed = (checkpoint.load(tmp_path / name / "tau1.safetensors").tensors for name in ("whole", "killed"))
    assert {name: array.tobytes() for name, array in whole.items()} == {
        name: array.tobytes() for name, array in resumed.items()
    }
    assert not list((tmp_path / "killed").rglob(".*"))


@pytest.mark.slow
def test_two_commands_at_once_leave_a_build_that_fits_together(tau1_build, tmp_path):
    build = shutil.copytree(tau1_build, tmp_path / "it's a $build")
    for _ in range(3):
        running = {
            graph: start("benchmarks.quantize", "--graph", graph, "--build", build) for graph in ("small", "accurate")
        }
        running |= {stage: start(stage, "--build", build) for stage in ("firmware_gen", "benchmarks.report")}
        for name, process in running.items():
            output, errors = process.communicate()
            assert process.returncode == 0, output + errors
            assert name not in ("small", "accurate") or f"int8, graph {name}" in output
    facts = build_folder.load(build)
    for name, source in ((build_folder.MODEL, "tflite"), (build_folder.ONNX, "onnx")):
        assert (build / name).read_bytes() == (build / facts["graphs"][facts["graph"]][source]).read_bytes()
    manifest = json.loads((build / build_folder.MANIFEST).read_text())
    assert manifest["model_sha256"] == facts["graphs"][facts["graph"]]["sha256"]
    assert not list(build.rglob(".*"))
