"""Run the generated feature pipeline on an emulated core: columns, instructions and size."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.cost import emulator
from benchmarks.cost.emulator import Core, Image, Run
from common.atomic import write_text
from common.build_folder import remedy
from common.description import FEATURES, FeatureDescription, windowed
from common.errors import UserError
from frontend import render

GUEST = emulator.HERE / "guests" / "frontend.c"
HOP, CLIP = "frontend_hop", "kws_frontend_clip"
FUNCTIONS = ("kws_frontend_reset", "kws_frontend_push", CLIP)


@dataclasses.dataclass(frozen=True)
class Features:
    """The features of n clips, and their cost.

    stream: int8 [n, columns that a stream of the clip completes, 40]. whole: int8 [n, columns, 40].
    stack: largest of all calls, bytes. run: with the calls of `HOP` (one for each block of the stream, and the first
    completes no column) and of `CLIP`.
    """

    stream: np.ndarray
    whole: np.ndarray
    stack: int
    run: Run

    @property
    def hops(self) -> list[int]:
        """Instructions of every hop of the first clip but that without a column; the clip's blocks must be of one hop."""
        return self.run.calls[HOP][1 : self.whole.shape[1] - 1]


@contextlib.contextmanager
def source_folder(firmware: Path, features: FeatureDescription = FEATURES) -> Iterator[Path]:
    """A folder with the pipeline's C sources: the generated firmware where it has them, else freshly rendered ones of
    `features`.

    Raises UserError where the firmware holds another version of the pipeline.
    """
    header = firmware / "frontend.h"
    if not header.is_file():
        with tempfile.TemporaryDirectory() as folder:
            for name in render.FILES:
                write_text(Path(folder) / name, render.source(name, features))
            yield Path(folder)
        return
    found = re.search(r"^#define KWS_PIPELINE_ID 0x(\w{16})", header.read_text("utf-8"), re.M)
    if found is None or found[1] != render.pipeline_id(features):
        raise UserError(f"{header}: not of the present pipeline ({render.pipeline_id(features)}); {remedy(firmware.parent)}")
    yield firmware


def sources(folder: Path) -> list[Path]:
    """The C files in `folder` that make up the pipeline."""
    return [folder / name for name in render.SOURCES]


def build(core: Core, folder: Path, out: Path, flags: Sequence[str] = ()) -> Image:
    """The program guests/frontend.c with the sources in `folder`; see `emulator.compile`."""
    return emulator.compile(core, [GUEST, *sources(folder)], [folder], out, flags)


def footprint(core: Core, folder: Path) -> dict[str, int]:
    """Flash and static RAM of the pipeline, all functions of its interface included: see `emulator.footprint`."""
    return emulator.footprint(core, sources(folder), [folder], FUNCTIONS)


def features(image: Image, clips: np.ndarray, blocks: Sequence[int]) -> Features:
    """Run clips int16 [n, samples of the window] whole and as a stream; clip i comes in blocks of `blocks[i]` samples.

    Raises GuestError where the program fails.
    """
    if clips.dtype != np.int16 or clips.ndim != 2 or len(clips) != len(blocks):
        raise ValueError(f"clips int16 [{len(blocks)}, samples] are needed, not {clips.dtype} {list(clips.shape)}")
    made = windowed(clips.shape[1])
    streamed = (made.clip_samples - made.window // 2) // made.hop + 1
    data = b"".join(np.uint32(block).tobytes() + clip.tobytes() for block, clip in zip(blocks, clips))
    run = emulator.run(image, data, (HOP, CLIP))
    record = np.dtype(
        [
            ("stack", "<u4", 2),
            ("stream", "i1", (streamed, made.mels)),
            ("whole", "i1", (made.frames, made.mels)),
        ]
    )
    if len(run.output) != len(clips) * record.itemsize:
        raise emulator.GuestError(f"{image.path.name}: {len(run.output)} bytes of output for {len(clips)} clips")
    records = np.frombuffer(run.output, record)
    return Features(records["stream"], records["whole"], int(records["stack"].max()), run)
