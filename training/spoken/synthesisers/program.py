"""Programs that speak: a text in, a wav file on stdout out."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

import numpy as np

from common import wav
from common.errors import UserError


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[np.ndarray, int]:
    """Run a synthesiser that writes a mono wav file to stdout: samples, float64 in +-1, and their rate in Hz."""
    done = subprocess.run(command, capture_output=True, env=environment)
    try:
        sound = wav.parse(done.stdout)
        if done.returncode or len(sound.data) < 2:
            raise ValueError("no sound")
    except ValueError as error:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(f"{' '.join(command)}: {lines[-1] if lines else error}; is {command[0]} complete?") from None
    return np.frombuffer(sound.data, "<i2", len(sound.data) // 2) / 32768, sound.rate
