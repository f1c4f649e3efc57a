"""The generated level meter on an emulated core: its readings, its instructions, its size."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cost import emulator
from benchmarks.cost.emulator import Core, Image
from common.atomic import write_text
from frontend import render
from frontend.level import LEVEL, Status
from frontend.level_binding import Reading

GUEST = emulator.HERE / "guests" / "level.c"
PUSH, READ, TEXT = "kws_level_push", "kws_level_read", "kws_level_text"
FUNCTIONS = ("kws_level_reset", PUSH, READ)
RECORD = np.dtype([("stack", "<u4"), ("counts", "<u4", 3), ("levels", "<i2", 4), ("status", "<u4")])


@dataclasses.dataclass(frozen=True)
class Measured:
    """Readings of sounds, the deepest stack in bytes, and the instructions of every push and of every reading."""

    readings: list[Reading]
    stack: int
    pushes: list[int]
    reads: list[int]


@contextlib.contextmanager
def source_folder() -> Iterator[Path]:
    """A folder with the meter's sources."""
    with tempfile.TemporaryDirectory() as folder:
        for name in (render.LEVEL_HEADER, render.LEVEL_SOURCE):
            write_text(Path(folder) / name, render.source(name))
        yield Path(folder)


def build(core: Core, folder: Path, out: Path) -> Image:
    """The program guests/level.c with the sources in `folder`; see `emulator.compile`."""
    return emulator.compile(core, [GUEST, folder / render.LEVEL_SOURCE], [folder], out)


def footprint(core: Core, folder: Path, texts: bool) -> dict[str, int]:
    """Flash and static RAM of the meter, with or without `kws_level_text`: see `emulator.footprint`."""
    roots = (*FUNCTIONS, TEXT) if texts else FUNCTIONS
    return emulator.footprint(core, [folder / render.LEVEL_SOURCE], [folder], roots)


def measure(image: Image, sounds: Sequence[np.ndarray], pushes: Sequence[int], elapsed_ms: int = 0) -> Measured:
    """Readings of sounds int16 [at most 64000], in pushes of `pushes[i]` samples.

    Raises GuestError where the program fails.
    """
    data = b"".join(
        np.array([push, elapsed_ms, len(sound)], "<u4").tobytes() + sound.astype("<i2").tobytes()
        for push, sound in zip(pushes, sounds)
    )
    run = emulator.run(image, data, (PUSH, READ))
    records = np.frombuffer(run.output, RECORD)
    readings = [Reading._make((*map(int, (*row["counts"], *row["levels"])), Status(int(row["status"])))) for row in records]
    return Measured(readings, int(records["stack"].max()), run.calls[PUSH], run.calls[READ])


def instructions_of_a_sample(image: Image, sound: np.ndarray) -> float:
    """The mean over whole blocks, each of which is one push. sound: int16, some blocks."""
    counted = measure(image, [sound[: len(sound) // LEVEL.block * LEVEL.block]], [LEVEL.block]).pushes
    whole = [count for count in counted if count >= LEVEL.block]  # those that are refused take none
    return sum(whole) / len(whole) / LEVEL.block
