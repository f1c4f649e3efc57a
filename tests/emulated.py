"""What the emulated tests share."""

from __future__ import annotations

import shutil

import pytest

from benchmarks.cost import emulator


def need_emulator() -> None:
    """Skip the test, and say so, where the Arm toolchain, the emulator or the host's compiler is missing."""
    for program in emulator.PACKAGES:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: {emulator.PACKAGES[program]})")
