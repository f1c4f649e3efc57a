"""The generated C feature pipeline, compiled for this machine and called from Python.

    columns(clips)   whole clips, as for training, calibration and verification
    Stream()         samples as they come

Compiled once into build/cache/, again whenever the sources, the compiler or its flags change.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from common import atomic
from common.description import FEATURES, FeatureDescription, windowed
from common.errors import UserError
from frontend import render
from frontend.tables import POINTS, WINDOW

CACHE = Path("build/cache")
FLAGS = ("-std=c99", "-O2", "-fPIC", "-shared", "-DKWS_PLAIN_NAMES")
NOT_RESET = 0xFFFFFFFF
"""`KWS_FRONTEND_NOT_RESET`: what a push returns for a state that was not reset."""


class State(ctypes.Structure):
    """`kws_frontend`."""

    _fields_ = [("work", ctypes.c_int32 * (2 * POINTS)), ("history", ctypes.c_int16 * WINDOW), ("filled", ctypes.c_uint32)]


def compiler() -> list[str]:
    """The command of the C compiler: $CC, or the first of cc, gcc and clang; UserError where there is none."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in [named] if named else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            return command
    raise UserError(
        f"no C compiler found ({named[0] if named else 'cc, gcc or clang'}), but the device's feature "
        "pipeline is C; install one, for instance with `apt-get install gcc`, or name it in CC"
    )


def compile_library(
    command: Sequence[str], out: Path, files: Mapping[str, str], sources: Sequence[str], flags: Sequence[str] = ()
) -> None:
    """Compile `sources`, some of `files` (name -> text), into the shared library `out`.

    Raises UserError with the compiler's first error where it fails.
    """
    with tempfile.TemporaryDirectory() as folder, atomic.replacing(out) as library:
        for name, text in files.items():
            Path(folder, name).write_text(text, "utf-8")
        paths = [str(Path(folder, name)) for name in sources]
        done = subprocess.run(
            [*command, *FLAGS, *flags, "-o", str(library), *paths], capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            reason = next((line for line in lines if "error" in line), lines[0]).replace(f"{folder}/", "")
            raise UserError(
                f"{shlex.join(command)}: cannot compile the device's C sources ({reason}); name another C compiler in CC"
            )


def compiled(name: str, files: Mapping[str, str], sources: Sequence[str], flags: Sequence[str] = ()) -> ctypes.CDLL:
    """The library `name` of C sources as `compile_library` takes them, compiled once for each compiler and text."""
    command = compiler()
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, errors="replace").stdout
    key = json.dumps([command, FLAGS, flags, version, sources, dict(files)])
    path = CACHE / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    try:
        return ctypes.CDLL(str(path.resolve()))
    except OSError:  # not there, or damaged
        compile_library(command, path, files, sources, flags)
    return ctypes.CDLL(str(path.resolve()))


@functools.cache
def library(features: FeatureDescription) -> ctypes.CDLL:
    """The compiled pipeline of such features. Raises UserError where it cannot be compiled."""
    loaded = compiled("frontend", {name: render.source(name, features) for name in render.FILES}, render.SOURCES)
    loaded.kws_frontend_push.restype = ctypes.c_uint32
    for function in (loaded.kws_frontend_reset, loaded.kws_frontend_clip):
        function.restype = None
    return loaded


def pcm(samples: np.ndarray) -> np.ndarray:
    """The samples as C wants them. Raises ValueError for anything but int16: nothing is scaled or cut in silence."""
    samples = np.asarray(samples)
    if samples.dtype != np.int16:
        raise ValueError(f"16-bit samples are needed (int16), not {samples.dtype}")
    return np.ascontiguousarray(samples)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def columns(clips: np.ndarray) -> np.ndarray:
    """Whole clips int16 [clips, samples] -> int8 features [clips, 40, columns], extended by reflection as in training: of a
    second, 101 columns.

    Raises UserError where the C cannot be compiled, ValueError for another shape or type, or where no window is that long.
    """
    clips = pcm(clips)
    if clips.ndim != 2:
        raise ValueError(f"clips [n, {FEATURES.clip_samples}] are needed, not {list(clips.shape)}")
    features = windowed(clips.shape[1])
    convert, state = library(features).kws_frontend_clip, State()
    out = np.empty((len(clips), features.frames, features.mels), np.int8)
    for clip, columns_of in zip(clips, out):
        convert(ctypes.byref(state), pointer(clip), pointer(columns_of))
    return np.ascontiguousarray(out.transpose(0, 2, 1))


class Stream:
    """A stream of samples; column n is centred on sample 160 n and comes with sample number 160 n + 240."""

    def __init__(self) -> None:
        """Starts with a reset. Raises UserError where the C cannot be compiled."""
        self._library, self._state = library(FEATURES), State()
        self.reset()

    def reset(self) -> None:
        """Start afresh: samples before now count as zero."""
        self._library.kws_frontend_reset(ctypes.byref(self._state))

    def push(self, samples: np.ndarray) -> tuple[int, np.ndarray | None]:
        """One C call, int16 [k] -> how many samples it took, and int8 [40] where a column is complete.

        Raises ValueError where the state that was restored is none of a stream.
        """
        samples, column, ready = pcm(samples).reshape(-1), np.empty(FEATURES.mels, np.int8), ctypes.c_int32(-1)
        taken = self._library.kws_frontend_push(
            ctypes.byref(self._state), pointer(samples), ctypes.c_uint32(len(samples)), pointer(column), ctypes.byref(ready)
        )
        if taken == NOT_RESET:
            raise ValueError("the state of this stream was not reset, or was overwritten")
        return taken, column if ready.value else None

    def feed(self, samples: np.ndarray) -> np.ndarray:
        """Push all samples, int16 [k] -> the columns they complete, int8 [columns, 40]."""
        samples, out = pcm(samples).reshape(-1), []
        while len(samples):
            taken, column = self.push(samples)
            samples = samples[taken:]
            if column is not None:
                out.append(column)
        return np.array(out, np.int8).reshape(-1, FEATURES.mels)

    def save(self) -> bytes:
        """The whole state, for `restore`."""
        return bytes(self._state)

    def restore(self, state: bytes) -> None:
        """Continue where `save` was called. Raises ValueError for bytes of another size."""
        if len(state) != ctypes.sizeof(State):
            raise ValueError(f"a state has {ctypes.sizeof(State)} bytes, not {len(state)}")
        ctypes.memmove(ctypes.byref(self._state), state, len(state))
