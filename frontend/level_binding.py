"""The generated level meter, kws_level.c, compiled for this machine and called from Python."""

from __future__ import annotations

import ctypes
import functools
from typing import NamedTuple

import numpy as np

from frontend import render
from frontend.binding import compiled, pcm, pointer
from frontend.level import Status


class Reading(NamedTuple):
    """`kws_level_result`: see kws_level.h. Levels in tenths of a dBFS."""

    samples: int
    rate: int
    clipped_ppm: int
    peak: int
    rms: int
    loudest: int
    dc: int
    status: Status

    def __str__(self) -> str:
        """The levels as the examples print them."""
        return f"peak {self.peak / 10:.1f} dBFS, RMS {self.rms / 10:.1f} dBFS"


class Result(ctypes.Structure):
    """`kws_level_result`."""

    _fields_ = [
        *((name, ctypes.c_uint32) for name in ("samples", "rate", "clipped_ppm")),
        *((name, ctypes.c_int16) for name in ("peak", "rms", "loudest", "dc")),
        ("status", ctypes.c_int),
    ]


class State(ctypes.Structure):
    """`kws_level`."""

    _fields_ = [
        ("energy", ctypes.c_uint64 * 2),
        ("step", ctypes.c_uint64 * 2),
        *((name, ctypes.c_uint64) for name in ("step_of_two", "wrapped", "swapped_energy", "swapped_step")),
        *((name, ctypes.c_uint64) for name in ("total", "loudest")),
        ("sum_of_all", ctypes.c_int64),
        ("sum", ctypes.c_int32 * 2),
        ("swapped_sum", ctypes.c_int32),
        *((name, ctypes.c_uint32) for name in ("filled", "blocks", "clipped", "judged")),
        ("votes", ctypes.c_uint32 * 5),
        *((name, ctypes.c_uint16) for name in ("peak", "clipped_now", "upper", "low_bytes")),
        *((name, ctypes.c_int16) for name in ("last", "before", "swapped_last")),
        ("wraps", ctypes.c_uint16),
    ]


@functools.cache
def library() -> ctypes.CDLL:
    """The compiled meter. Raises UserError where it cannot be compiled."""
    files = {name: render.source(name) for name in (render.LEVEL_HEADER, render.LEVEL_SOURCE)}
    loaded = compiled("level", files, (render.LEVEL_SOURCE,))
    for function in (loaded.kws_level_reset, loaded.kws_level_push, loaded.kws_level_read):
        function.restype = None
    loaded.kws_level_text.restype = ctypes.c_char_p
    return loaded


def text(status: int) -> str:
    """`kws_level_text`. Raises UserError where the C cannot be compiled."""
    return library().kws_level_text(status).decode()


class Meter:
    """A level meter."""

    def __init__(self) -> None:
        """Starts with a reset. Raises UserError where the C cannot be compiled."""
        self._library, self.state = library(), State()
        self.reset()

    def reset(self) -> None:
        """Start afresh."""
        self._library.kws_level_reset(ctypes.byref(self.state))

    def push(self, samples: np.ndarray) -> None:
        """Take all samples, int16 [k]. Raises ValueError for another type."""
        samples = pcm(samples).reshape(-1)
        self._library.kws_level_push(ctypes.byref(self.state), pointer(samples), ctypes.c_uint32(len(samples)))

    def read(self, elapsed_ms: int = 0) -> Reading:
        """The figures up to now; elapsed_ms: time since the reset, 0 where it is not known."""
        result = Result()
        self._library.kws_level_read(ctypes.byref(self.state), ctypes.c_uint32(elapsed_ms), ctypes.byref(result))
        figures = {name: getattr(result, name) for name in Reading._fields}
        return Reading(**figures | {"status": Status(result.status)})


def measure(samples: np.ndarray, elapsed_ms: int = 0) -> Reading:
    """The reading of a whole sound, int16 [samples]."""
    meter = Meter()
    meter.push(samples)
    return meter.read(elapsed_ms)
