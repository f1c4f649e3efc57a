"""Run the generated native engine on an emulated core: scores, instructions and size.

image = build(core, firmware, Path("engine.elf"))
done = run(image, [window(clip), *stream(columns)])
done.scores, done.run.calls[WINDOW]
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

import numpy as np

from benchmarks.cost import emulator
from benchmarks.cost.emulator import Core, Image, Run
from common.build_folder import CONVERSION, NATIVE
from common.description import FEATURES
from common.errors import UserError
from common.reading import json_object
from engine import golden, network, render
from engine.binding import Status
from engine.network import Network

GUESTS = emulator.HERE / "guests"
WINDOW, HOP = "engine_window", "engine_hop"
FUNCTIONS = ("kws_reset", "kws_push", "kws_scores_window", "kws_scores_stream", "kws_probability")
WEIGHTS = r"(block\d+|head|depthwise|hidden|output)_\w+|kws_(head|depthwise|hidden|output)_constants"
"""Names of the constants that depend on the trained weights; the others are tables."""
UNTOUCHED = 0x5A5A
"""Value of a score that the engine has not written."""
NO_COLUMN = 255
"""Status of a hop of samples that completes no column."""
TIMEOUT = 900  # seconds; tau 8 in Armv6-M code is some 10^9 instructions a second of audio


class Call(IntEnum):
    """The calls that guests/engine.c takes."""

    RESET = 0
    WINDOW = 1
    HOP = 2
    PUSH = 3
    SCORES_WINDOW = 4
    SCORES_STREAM = 5
    OVERWRITE = 6
    MOVE = 7
    NULL_STATE = 8
    NULL_COLUMN = 9
    NULL_SCORES = 10
    NULL_EVERYWHERE = 11


@dataclasses.dataclass(frozen=True)
class Firmware:
    """Generated sources of an engine, in `folder`, and the integer network that they compute."""

    network: Network
    folder: Path

    @property
    def sources(self) -> list[Path]:
        return [self.folder / name for name in render.SOURCES]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The results of n calls.

    status: [n]. stack: largest of all calls, bytes. scores: int16 [n, classes], `UNTOUCHED` where none were written.
    engine_state, stream_state: bytes. stream_columns: output columns that a stream's scores are averaged over.
    """

    status: list[Status]
    stack: int
    scores: np.ndarray
    engine_state: int
    stream_state: int
    stream_columns: int
    run: Run


def find(build: Path, tau: float, firmware: Path | None = None) -> Firmware | None:
    """The engine of a build folder such as `build/tau1`; None where it has none: see `why_none`.

    firmware: its sources by the default names, of `default_names.firmware_of`; left out, those in the build folder. Raises
    UserError where a file is missing, or is of another tau or network, or of another version of the engine.
    """
    folder, remedy = (firmware or build / "firmware") / "native", f"run `make quantize TAU={tau:g}`"
    if not folder.is_dir():
        return None
    made = network.load(build / NATIVE)
    if made.tau != tau:
        raise UserError(f"{build}: holds tau {made.tau:g}, not {tau:g}; name its folder with --build, or {remedy}")
    missing = [name for name in render.FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder / missing[0]}: missing; {remedy}")
    header, expected = folder / "kws_model.h", render.engine_id(made)
    found = re.search(r"^#define KWS_ENGINE_ID 0x(\w{16})", header.read_text("utf-8"), re.M)
    if found is None or found[1] != expected:
        raise UserError(f"{header}: not of the present engine and {build / NATIVE} ({expected}); {remedy}")
    return Firmware(made, folder)


def why_none(build: Path, tau: float) -> str:
    """Why a build folder has no engine, as recorded by the converter."""
    try:
        return json_object((build / CONVERSION).read_bytes())["native"]["refused"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"no {build / 'firmware' / 'native'}; run `make quantize TAU={tau:g}`"


def build(core: Core, firmware: Firmware, out: Path, flags: Sequence[str] = ()) -> Image:
    """The program guests/engine.c with the engine; see `emulator.compile`."""
    return emulator.compile(core, [GUESTS / "engine.c", *firmware.sources], [firmware.folder], out, flags)


def build_listener(core: Core, firmware: Firmware, frontend: Sequence[Path], out: Path, flags: Sequence[str] = ()) -> Image:
    """The program guests/listen.c with the engine and the `frontend`, the C files of the feature pipeline."""
    return emulator.compile(
        core, [GUESTS / "listen.c", *frontend, *firmware.sources], [frontend[0].parent, firmware.folder], out, flags
    )


def footprint(core: Core, firmware: Firmware) -> dict[str, int]:
    """Flash and static RAM of the engine, all functions of its interface included: see `emulator.footprint`."""
    return emulator.footprint(core, firmware.sources, [firmware.folder], FUNCTIONS, WEIGHTS)


def call(what: Call, columns: np.ndarray | None = None) -> bytes:
    """One call of the engine, as bytes that the guest reads. columns: int8, [columns, 40] of a window, [40] of a push
    or hop."""
    dimensions = {Call.WINDOW: 2, Call.HOP: 1, Call.PUSH: 1}
    if what not in dimensions:
        return np.uint32(what).tobytes()
    assert columns is not None
    if columns.dtype != np.int8 or columns.ndim != dimensions[what] or columns.shape[-1] != FEATURES.mels:
        raise ValueError(f"columns int8 [..., {FEATURES.mels}] are needed, not {columns.dtype} {list(columns.shape)}")
    return np.uint32(what).tobytes() + columns.tobytes()


def window(clip: np.ndarray) -> bytes:
    """The call for a whole clip, int8 [40, columns of the window]."""
    return call(Call.WINDOW, clip.T)


def stream(columns: np.ndarray, move_at: int | None = None) -> list[bytes]:
    """Calls for a stream from its reset, a hop for each of columns int8 [n, 40]; the first call is the reset.

    Before column `move_at`, one more call saves, overwrites and restores the state.
    """
    calls = [call(Call.HOP, column) for column in columns]
    return (
        [call(Call.RESET), *calls]
        if move_at is None
        else [call(Call.RESET), *calls[:move_at], call(Call.MOVE), *calls[move_at:]]
    )


def run(image: Image, calls: Sequence[bytes], marks: Sequence[str] = (WINDOW, HOP)) -> Outcome:
    """Make the calls in order on one state, which is zero at first.

    marks: functions whose instructions are counted, call by call. Raises GuestError where the program fails.
    """
    done = emulator.run(image, b"".join(calls), marks, TIMEOUT)
    sizes = np.frombuffer(done.output[:20], np.uint32).tolist()
    engine_state, stream_state, classes, stream_columns, _ = sizes
    record = np.dtype([("status", "<u4"), ("stack", "<u4"), ("scores", "<i2", (classes,))])
    if len(done.output) != 20 + len(calls) * record.itemsize:
        raise emulator.GuestError(f"{image.path.name}: {len(done.output)} bytes of output for {len(calls)} calls")
    records = np.frombuffer(done.output[20:], record)
    return Outcome(
        [Status(value) for value in records["status"]],
        int(records["stack"].max()),
        records["scores"],
        engine_state,
        stream_state,
        stream_columns,
        done,
    )


def listen(image: Image, clips: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Clips int16 [n, samples of the window] through feature pipeline and engine.

    Returns status [n] and scores int16 [n, classes] of each as a recording, status [hops] and scores int16
    [hops, classes] of every hop of the stream that they make. Raises GuestError where the program fails.
    """
    done = emulator.run(image, clips.tobytes(), timeout=TIMEOUT)
    answers = 1 + clips.shape[1] // FEATURES.hop
    record = np.dtype([("status", "<u4"), ("scores", "<i2", (classes,))])
    if len(done.output) != len(clips) * answers * record.itemsize:
        raise emulator.GuestError(f"{image.path.name}: {len(done.output)} bytes of output for {len(clips)} clips")
    records = np.frombuffer(done.output, record).reshape(len(clips), answers)
    whole, hops = records[:, 0], records[:, 1:].ravel()
    return whole["status"], whole["scores"], hops["status"], hops["scores"]


def stream_scores(made: Network, columns: np.ndarray, over: int) -> np.ndarray:
    """The integer model's scores of a stream, int8 [n, 40] -> int16 [n - delay - over + 1, classes]: the first are
    those of column delay + over."""
    return golden.moving_average(golden.stream(made, columns), over)
