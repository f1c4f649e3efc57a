"""How a command ends: its exit status, the one line that says why, Ctrl-C at any time, text in any encoding."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import UserError, one_line_errors

ROOT = Path(__file__).parent.parent
PACKAGES = ("training", "convert", "frontend.render", "engine.render", "firmware_gen", "demo", "benchmarks.report")


def ending(error: BaseException | None, result: int | None = None) -> int:
    """Exit status of a command that raises `error`, or returns `result`."""

    @one_line_errors
    def main() -> int | None:
        if error is not None:
            raise error
        return result

    return main()


@pytest.mark.parametrize(
    "error, line",
    [
        (UserError("what is wrong,\n  and the remedy"), "error: what is wrong, and the remedy"),
        (PermissionError(13, "Permission denied", "build/tau1"), "error: build/tau1: Permission denied"),
        (OSError("the disk is gone"), "error: the disk is gone"),
        (MemoryError(), "error: out of memory; close other programs and run it again"),
    ],
)
def test_a_failure_is_one_line_and_status_2(capsys, error, line):
    assert ending(error) == 2
    assert capsys.readouterr().err == f"{line}\n"


def test_a_fault_of_the_program_keeps_its_traceback_and_is_no_regression(capsys):
    assert ending(ZeroDivisionError("of a scale")) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback") and "ZeroDivisionError: of a scale" in lines[-2]
    assert "fault of the program" in lines[-1]


def test_status_1_is_left_to_what_a_command_finds(capsys):
    assert (ending(None, 1), ending(None, 0), ending(None)) == (1, 0, 0)
    assert ending(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "error: interrupted; what was complete before is kept\n"


@pytest.mark.parametrize("command", PACKAGES)
def test_ctrl_c_while_a_command_loads_is_one_line(command, tmp_path):
    (tmp_path / "numpy.py").write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", command],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "error: interrupted; what was complete before is kept\n")


def test_text_that_the_terminal_cannot_show_is_printed_as_escapes():
    program = "from common.errors import one_line_errors; one_line_errors(lambda: print('tür \\udce4'))()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stdout) == (0, b"t\\xfcr \\udce4\n"), done.stderr
