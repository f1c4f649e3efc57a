"""What a user types."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTED = ("quantize", "verify", "family", "train", "synthetic", "speech", "false-accepts", "bench", "bench-check",
              "bench-baseline", "budget", "run", "selftest", "export", "report", "calibration", "docs-figures", "test", "test-all",
              "clean")


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True,
                          env={**inherited, **environment})


def test_make_alone_lists_every_target():
    listed = make().stdout
    for target in DOCUMENTED:
        assert f"make {target}" in listed
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.M)[1].replace("\\", "").split()
    assert set(phony) == {"help", *DOCUMENTED}


@pytest.mark.parametrize("target, tau", [("quantize", "4"), ("verify", "7"), ("train", "one"), ("report", "0"),
                                         ("run", "5"), ("selftest", "9"), ("export", "5")])
def test_tau_that_does_not_exist_is_one_line_and_fails(target, tau):
    done = make(target, f"TAU={tau}", "DATA=/nowhere")
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert lines == [f"error: tau {tau} does not exist; choose one of 1, 1.5, 2, 3, 6, 8"]


def test_paths_with_blanks_reach_the_command(tmp_path):
    done = make("quantize", f"CHECKPOINT={tmp_path}/my own.safetensors")
    assert done.returncode != 0 and f"{tmp_path}/my own.safetensors: no such checkpoint" in done.stderr


def test_another_python_is_one_line_and_leaves_nothing(tmp_path):
    python = tmp_path / "python3.9"
    pretend = "import sys; sys.version_info = (3, 9, 2, 'final', 0); exec(sys.argv[1])"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}" "$2"\n')
    python.chmod(0o755)
    done = make("train", f"VENV={tmp_path}/venv", f"PYTHON={python}")
    lines = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode != 0 and len(lines) == 1 and "error: needs Python 3.11 on Linux x86-64" in lines[0]
    assert not (tmp_path / "venv").exists()


def test_requirements_pin_every_version():
    for path in (ROOT / "requirements").glob("*.txt"):
        for line in path.read_text().splitlines():
            assert not line or line.startswith("#") or re.fullmatch(r"[\w.-]+==[\w.]+", line), f"{path}: {line}"
