"""The generated detector on an emulated core: its words, its instructions, its size."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cost import emulator
from benchmarks.cost.emulator import Core, Image, Run
from benchmarks.cost.engine_on_core import Firmware
from common.atomic import write_text
from detector import golden, render, settings
from detector.golden import Event
from detector.settings import Preset
from engine import golden as engine_golden
from engine.network import Network

GUEST = emulator.HERE / "guests" / "detector.c"
HOP = "detector_hop"
FUNCTIONS = (
    "kws_detector_reset",
    "kws_detector_set_sensitivity",
    "kws_detector_set_threshold",
    "kws_detector_set_pause",
    "kws_detect",
)
NO_WORD, WORD = 0, 1
"""`kws_detection`."""
HOLDS = (1, 2, 5, 20, 60)
"""Answers in a row of `hard_scores` that agree."""


@dataclasses.dataclass(frozen=True)
class Words:
    """The words of n answers of the network, and what they cost.

    events: of each answer, None where it reported none. presets: uint8 [3, classes, 2]. stack: deepest, bytes. run: with
    the calls of `HOP`, from scores to an answer.
    """

    events: list[Event | None]
    presets: np.ndarray
    state_bytes: int
    stack: int
    run: Run


@contextlib.contextmanager
def source_folder(firmware: Path, labels: Sequence[str]) -> Iterator[Path]:
    """A folder with the detector's C sources: the generated firmware where it has them, else freshly rendered ones."""
    if all((firmware / name).is_file() for name in render.FILES):
        yield firmware
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, text in render.sources(settings.default(labels)).items():
            write_text(Path(folder) / name, text)
        yield Path(folder)


def sources(folder: Path) -> list[Path]:
    """The C files in `folder` that make up the detector."""
    return [folder / name for name in render.SOURCES]


def build(core: Core, folder: Path, firmware: Firmware, out: Path, flags: Sequence[str] = ()) -> Image:
    """The program guests/detector.c with the detector in `folder` and an engine; see `emulator.compile`."""
    return emulator.compile(core, [GUEST, *sources(folder), *firmware.sources], [folder, firmware.folder], out, flags)


def footprint(core: Core, folder: Path) -> dict[str, int]:
    """Flash and static RAM of the detector, all functions of its interface included: see `emulator.footprint`."""
    return emulator.footprint(core, sources(folder), [folder], FUNCTIONS)


def words(image: Image, scores: np.ndarray, hops: Sequence[int], preset: Preset, first_ms: int = 0) -> Words:
    """Run answers of the network, scores int16 [n, classes], each `hops[i]` after the one before.

    Raises GuestError where the program fails, ValueError where shapes do not fit.
    """
    classes = len(preset.thresholds)
    if scores.dtype != np.int16 or scores.shape != (len(hops), classes):
        raise ValueError(f"scores int16 [{len(hops)}, {classes}] are needed, not {scores.dtype} {list(scores.shape)}")
    data = np.array([first_ms, preset.pause], np.uint32).tobytes() + bytes(np.array(preset.thresholds, np.uint8))
    data += b"".join(np.uint32(hop).tobytes() + row.tobytes() for hop, row in zip(hops, scores))
    run = emulator.run(image, data, (HOP,))
    head = 4 + len(settings.SENSITIVITIES) * classes * 2
    record = np.dtype([("answer", "<u4"), ("stack", "<u4"), ("event", "<u4", 3)])
    if len(run.output) != head + len(scores) * record.itemsize:
        raise emulator.GuestError(f"{image.path.name}: {len(run.output)} bytes of output for {len(scores)} answers")
    records = np.frombuffer(run.output, record, offset=head)
    refused = set(records["answer"].tolist()) - {NO_WORD, WORD}
    if refused:
        raise emulator.GuestError(f"{image.path.name}: the detector answered {refused.pop()}")
    return Words(
        [Event(*row["event"].tolist()) if row["answer"] == WORD else None for row in records],
        np.frombuffer(run.output, np.uint8, head - 4, 4).reshape(-1, classes, 2),
        int.from_bytes(run.output[:4], "little"),
        int(records["stack"].max()),
        run,
    )


def expected(
    network: Network, scores: np.ndarray, hops: Sequence[int], preset: Preset, first_ms: int = 0
) -> list[Event | None]:
    """What the models in Python make of the same."""
    detector = golden.Detector(preset, first_ms)
    best, probabilities = scores.argmax(1), engine_golden.probability(network, scores)
    return [detector.push(int(word), int(row[word]), hop) for word, row, hop in zip(best, probabilities, hops)]


def hard_scores(classes: int, seed: int = 1) -> np.ndarray:
    """Scores int16 [n, classes]: extremes, equal ones, rising and falling ones, and random ones that agree for a while."""
    rng = np.random.default_rng(seed)
    rising = np.arange(classes) * 2000 - 12_000
    fixed = [np.full(classes, value) for value in (-32768, 0, 32767)]
    alternating = np.where(np.arange(classes) % 2, 32767, -32768)
    rows = [*fixed, rising, rising[::-1], alternating, -1 - alternating]
    for hold in rng.choice(HOLDS, 30):
        row = rng.integers(-2000, 2000, classes)
        row[rng.integers(classes)] += rng.integers(0, 8000)
        rows += [row] * int(hold)
    return np.clip(np.stack(rows), -32768, 32767).astype(np.int16)
