"""The generated C engine, compiled for this machine and called from Python.

    engine = Engine(network)
    engine.windows(features)     scores of whole clips
    engine.stream(columns)       scores of a stream, column by column
    engine.feed(columns)         scores of what goes on from there

Compiled once into build/cache/, again whenever the sources, the compiler or its flags change.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum

import numpy as np

from common.description import FEATURES
from engine import render
from engine.network import Network
from frontend.binding import compiled, pointer

DRIVER = """
#include "kws_engine.h"

unsigned long kws_sizeof_engine(void);
unsigned long kws_sizeof_engine(void) { return sizeof(kws_engine); }

unsigned long kws_sizeof_stream(void);
unsigned long kws_sizeof_stream(void) { return KWS_STREAM_STATE_BYTES; }

// columns: [count][KWS_MELS]. scores: [count][KWS_CLASSES], those of columns before the first average are not written.
// Returns the number of columns that gave scores.
int32_t kws_run_stream(kws_engine *state, const int8_t *columns, int32_t count, int16_t *scores);
int32_t kws_run_stream(kws_engine *state, const int8_t *columns, int32_t count, int16_t *scores) {
  int32_t ready = 0;
  for (int32_t i = 0; i < count; ++i) {
    kws_push(state, columns + i * KWS_MELS);
    ready += kws_scores_stream(state, scores + i * KWS_CLASSES) == KWS_OK;
  }
  return ready;
}

// scores: [count][KWS_CLASSES]. best, probability: [count].
void kws_best_of_all(const int16_t *scores, int32_t count, uint8_t *best, uint8_t *probability);
void kws_best_of_all(const int16_t *scores, int32_t count, uint8_t *best, uint8_t *probability) {
  for (int32_t i = 0; i < count; ++i) {
    best[i] = (uint8_t)kws_best(scores + i * KWS_CLASSES, probability + i);
  }
}
"""
"""What Python calls besides the engine itself: loops that are slow in Python."""


class Status(IntEnum):
    """`kws_status`."""

    OK = 0
    BAD_ARGUMENT = 1
    NOT_RESET = 2
    WRONG_LENGTH = 3
    NOT_YET = 4


class Engine:
    """One engine and its state. Raises UserError where the C cannot be compiled."""

    def __init__(self, network: Network, flags: tuple[str, ...] = ()):
        """flags: of the compiler, such as "-DKWS_STREAM_COLUMNS=30"."""
        sources = render.sources(network)
        self.network, self.classes = network, len(network.labels)
        self._library = compiled("engine", {**sources, "driver.c": DRIVER}, (*render.SOURCES, "driver.c"), flags)
        self._library.kws_sizeof_engine.restype = self._library.kws_sizeof_stream.restype = ctypes.c_ulong
        self._library.kws_probability.restype = ctypes.c_uint8
        self.state_bytes = self._library.kws_sizeof_engine()
        self.stream_bytes = self._library.kws_sizeof_stream()
        self._state = np.zeros(-(-self.state_bytes // 8), np.uint64)
        self.reset()

    def reset(self) -> Status:
        return Status(self._library.kws_reset(pointer(self._state)))

    def push(self, column: np.ndarray) -> Status:
        """A column int8 [40]. Raises ValueError for another shape or type."""
        return Status(self._library.kws_push(pointer(self._state), pointer(_features(column, 1))))

    def scores_window(self) -> tuple[Status, np.ndarray]:
        """Status and scores int16 [classes], zeros where there are none."""
        return self._scores(self._library.kws_scores_window)

    def scores_stream(self) -> tuple[Status, np.ndarray]:
        """As `scores_window`, of the stream."""
        return self._scores(self._library.kws_scores_stream)

    def _scores(self, function) -> tuple[Status, np.ndarray]:
        scores = np.zeros(self.classes, np.int16)
        return Status(function(pointer(self._state), pointer(scores))), scores

    def probability(self, scores: np.ndarray) -> np.ndarray:
        """Scores int16 [classes] -> uint8 [classes], 255ths."""
        scores = np.ascontiguousarray(scores, np.int16)
        return np.array([self._library.kws_probability(pointer(scores), i) for i in range(self.classes)], np.uint8)

    def best(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores int16 [n, classes] -> the best class of each and its probability in 255ths, uint8 [n] both."""
        scores = np.ascontiguousarray(scores, np.int16)
        best, probability = np.empty(len(scores), np.uint8), np.empty(len(scores), np.uint8)
        self._library.kws_best_of_all(pointer(scores), len(scores), pointer(best), pointer(probability))
        return best, probability

    def windows(self, features: np.ndarray) -> np.ndarray:
        """Whole clips int8 [clips, 40, columns of the window] -> scores int16 [clips, classes]."""
        rows = np.empty((len(features), self.classes), np.int16)
        for clip, row in zip(features, rows):
            self.reset()
            for column in _features(clip.T, 2):
                self._library.kws_push(pointer(self._state), pointer(column))
            status, row[:] = self.scores_window()
            if status != Status.OK:
                raise ValueError(f"a clip of {clip.shape[1]} columns: {status.name}")
        return rows

    def stream(self, columns: np.ndarray) -> np.ndarray:
        """A stream from a reset, int8 [columns, 40] -> scores int16 [columns that gave some, classes]."""
        self.reset()
        return self.feed(columns)

    def feed(self, columns: np.ndarray) -> np.ndarray:
        """As `stream`, but going on from where the stream is."""
        columns = _features(columns, 2)
        scores = np.empty((len(columns), self.classes), np.int16)
        ready = self._library.kws_run_stream(pointer(self._state), pointer(columns), len(columns), pointer(scores))
        return scores[len(columns) - ready :]

    def save(self) -> bytes:
        """The whole state, for `restore`."""
        return self._state.tobytes()

    def restore(self, state: bytes) -> None:
        """Continue where `save` was called. Raises ValueError for bytes of another size."""
        self._state[:] = np.frombuffer(state, np.uint64)


def _features(columns: np.ndarray, dimensions: int) -> np.ndarray:
    columns = np.asarray(columns)
    if columns.dtype != np.int8 or columns.ndim != dimensions or columns.shape[-1] != FEATURES.mels:
        raise ValueError(f"columns int8 [..., {FEATURES.mels}] are needed, not {columns.dtype} {list(columns.shape)}")
    return np.ascontiguousarray(columns)
