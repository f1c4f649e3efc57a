"""Killed at any moment, three at once, in folders of any name: what is there in the end is what one quiet run leaves."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from emulated import need_emulator

from common import build_folder

ROOT = Path(__file__).parent.parent
SEED = 20261127
AT_RENAME = """if True:
    import os, runpy, signal, sys

    left = int(sys.argv[1])

    def hook(event, arguments):
        global left
        if event == "os.rename":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module that is killed as it is about to put its n-th file or folder into its place."""
ON_ONE_CORE = """if True:
    import sys
    from benchmarks.cost import bench

    bench.CORES = {"cortex-m4": bench.CORES["cortex-m4"]}
    sys.exit(bench.main(sys.argv[1:]))
"""
LEFTOVERS = ".*"
"""Names of what a killed command may leave behind for the next one to remove."""


def run(*command: object, timeout: float | None = None) -> subprocess.CompletedProcess | None:
    """Run Python so; None where it was killed after `timeout` seconds, with all its processes."""
    environment = {**os.environ, "GSC_ROOT": ""}
    process = subprocess.Popen(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=environment,
    )
    try:
        output, errors = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return None
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def finished(*command: object) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def contents(build: Path) -> dict[str, bytes]:
    """Every file of a build folder but leftovers, by its path."""
    return {
        str(path.relative_to(build)): path.read_bytes()
        for path in sorted(build.rglob("*"))
        if path.is_file() and not any(part.startswith(LEFTOVERS[0]) for part in path.relative_to(build).parts)
    }


@pytest.fixture
def copy(tau1_build, tmp_path) -> Callable[[str], Path]:
    """`copy(name) -> folder`: a whole build of this name, of which nothing was reported, exported or measured yet."""
    made = (build_folder.VERIFY, build_folder.BENCH, "report.*", "export")
    return lambda name: shutil.copytree(tau1_build, tmp_path / name / "tau1", ignore=shutil.ignore_patterns(*made))


def other_inputs(build: Path) -> None:
    """Let the firmware be that of another conversion."""
    (build / build_folder.MANIFEST).write_text("{}")


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("firmware_gen",),
        ("firmware_gen.export", "--format", "zephyr"),
        ("benchmarks.report",),
        ("convert", "--graph", "small"),
    ],
    ids=lambda command: command[0],
)
def test_a_command_that_is_killed_at_any_of_its_renames_gives_the_same_bytes_the_next_time(copy, command):
    module, *options = command
    quiet, killed = copy("quiet"), 0
    if module == "firmware_gen":
        other_inputs(quiet)
    finished("-m", module, "--build", quiet, *options)
    while True:
        build = copy(f"killed {killed}")
        if module == "firmware_gen":
            other_inputs(build)
        done = run("-c", AT_RENAME, killed, module, "--build", build, *options)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        killed += 1
        finished("-m", module, "--build", build, *options)
        assert contents(build) == contents(quiet)
    assert killed


@pytest.mark.slow
def test_bench_and_export_that_are_killed_at_random_give_the_same_bytes_in_the_end(copy):
    need_emulator()
    quiet, build, draw = copy("quiet"), copy("killed"), random.Random(SEED)
    export = "-m", "firmware_gen.export", "--format", "cmsis-pack", "--build"
    for folder in (quiet, build):
        for _ in range(4 if folder == build else 0):
            run("-c", ON_ONE_CORE, "--build", folder, timeout=draw.uniform(0.5, 8))
            run(*export, folder, timeout=draw.uniform(0.3, 1.5))
        finished("-c", ON_ONE_CORE, "--build", folder)
        finished(*export, folder)
    ours, theirs = contents(build), contents(quiet)
    assert build_folder.BENCH in ours and ours == theirs


@pytest.mark.slow
def test_three_commands_at_once_leave_what_one_after_the_other_does(copy):
    commands = (("firmware_gen",), ("benchmarks.report",), ("firmware_gen.export", "--format", "arduino"))
    quiet, build = copy("quiet"), copy("at once")
    for module, *options in commands:
        finished("-m", module, "--build", quiet, *options)
    for _ in range(3):
        running = [
            subprocess.Popen(
                [sys.executable, "-m", module, "--build", str(build), *options], cwd=ROOT, stdout=subprocess.DEVNULL
            )
            for module, *options in commands
        ]
        assert [process.wait(120) for process in running] == [0, 0, 0]
    assert contents(build) == contents(quiet)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["it's in $HOME", 'a "quoted" folder', "größe`ls`;&", "100%,s"])
def test_a_folder_of_any_name_does_for_every_command(tau1_build, tmp_path, name):
    need_emulator()
    build, data = shutil.copytree(tau1_build, tmp_path / name / "tau1"), tmp_path / name / "data"
    for word in ("yes", "no"):
        (data / word).mkdir(parents=True)
        shutil.copy(ROOT / "examples" / f"{word}.wav", data / word / f"{name}.wav")
    other_inputs(build)
    finished("-m", "convert", "--build", build, "--graph", "small")
    finished("-m", "firmware_gen", "--build", build)
    finished("-m", "firmware_gen.export", "--build", build, "--format", "platformio")
    finished("-m", "benchmarks.verify_int8", "--build", build, "--data", data, "--max-drop", "100")
    finished("-c", ON_ONE_CORE, "--build", build, "--data", data)
    finished("-m", "benchmarks.report", "--build", build)
    finished("-m", "engine.render", build / build_folder.NATIVE, build / "sources")
    made = {build_folder.VERIFY, build_folder.BENCH, build_folder.REPORT_HTML, "sources/kws_engine.c"}
    assert made < contents(build).keys()
