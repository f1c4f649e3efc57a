"""What the emulated tests share: the builds of each core, and clips."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import clips
from benchmarks.cost import emulator
from benchmarks.cost.emulator import CORES
from common.audio import read_clip
from common.description import LABELS
from common.shipped import EXAMPLES
from training.data import dataset


def need_emulator(toolchain: emulator.Toolchain = emulator.ARM) -> None:
    """Skip the test, and say so, where a toolchain, its emulator or the host's compiler is missing."""
    others = {emulator.ARM, emulator.RISC_V} - {toolchain}
    for program in emulator.PACKAGES.keys() - {name for other in others for name in (other.compiler, other.emulator)}:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: {emulator.PACKAGES[program]})")


def builds(portable: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Name -> core and compiler flags: every core with its own kernels, and the portable ones on cores that have others.

    portable: the flag that selects the portable kernels.
    """
    own = {core: (core, ()) for core in CORES}
    return own | {f"{core} portable": (core, (portable,)) for core in ("cortex-m4", "cortex-m55")}


def example_clips() -> dict[str, np.ndarray]:
    """Name -> clip, int16 [16000]: the sounds of examples/."""
    return {path.name: read_clip(path) for path in sorted(EXAMPLES.glob("*.wav"))}


def real_clips(count: int) -> dict[str, np.ndarray]:
    """Name -> clip, int16 [16000]: `count` clips of $GSC_ROOT, spread over all labels; none where it is not set."""
    root = os.environ.get("GSC_ROOT")
    if not root:
        return {}
    part, *_ = clips.choose(Path(root), None, LABELS)
    chosen = part.clips[:: max(1, len(part.clips) // count)][:count]
    return {clip.name: samples for clip, samples in zip(chosen, dataset.read_clips(chosen, part.noises))}
