"""The generated C detector, compiled for this machine and called from Python.

    detector = Detector(preset, first_ms)
    detector.feed(best, probability)     events of what goes on from there

Compiled once into build/cache/, again whenever the sources, the compiler or its flags change.
"""

from __future__ import annotations

import ctypes
import functools

import numpy as np

from common.description import SILENCE
from detector import render, settings
from detector.golden import Event
from detector.settings import SENSITIVITIES, Preset
from frontend.binding import compiled, pointer

DRIVER = """
#include "kws_detector.h"

unsigned long kws_sizeof_detector(void);
unsigned long kws_sizeof_detector(void) { return sizeof(kws_detector); }

// best, probability: [count]. hops: of each. events: [count][4], hop, word, confidence, ms. Returns their number; -1 where
// a hop was refused.
int32_t kws_detect_all(kws_detector *state, const uint8_t *best, const uint8_t *probability, uint8_t hops, int32_t count,
                       uint32_t *events);
int32_t kws_detect_all(kws_detector *state, const uint8_t *best, const uint8_t *probability, uint8_t hops, int32_t count,
                       uint32_t *events) {
  int32_t found = 0;
  for (int32_t i = 0; i < count; ++i) {
    kws_event event;
    const kws_detection answer = kws_detect(state, best[i], probability[i], hops, &event);
    if (answer == KWS_WORD) {
      uint32_t *const row = events + 4 * found++;
      row[0] = (uint32_t)i;
      row[1] = (uint32_t)event.word;
      row[2] = event.confidence;
      row[3] = event.ms;
    } else if (answer != KWS_NO_WORD) {
      return -1;
    }
  }
  return found;
}
"""
"""What Python calls besides the detector itself: a loop that is slow in Python."""


@functools.cache
def library(classes: int, silence: int | None, flags: tuple[str, ...]) -> ctypes.CDLL:
    """The compiled detector of so many classes, `silence` being that. Raises UserError where it cannot be compiled."""
    labels = [SILENCE if index == silence else f"word {index}" for index in range(classes)]
    sources = render.sources(settings.default(labels))
    loaded = compiled("detector", {**sources, "driver.c": DRIVER}, (*render.SOURCES, "driver.c"), flags)
    loaded.kws_sizeof_detector.restype = ctypes.c_ulong
    return loaded


class Detector:
    """One detector and its state. Raises UserError where the C cannot be compiled."""

    def __init__(self, preset: Preset, first_ms: int = 0, flags: tuple[str, ...] = ()):
        self._library = library(len(preset.thresholds), preset.silence, flags)
        self.state_bytes = self._library.kws_sizeof_detector()
        self.preset, self.first_ms = preset, first_ms
        self._state = np.zeros(-(-self.state_bytes // 8), np.uint64)
        self.reset()

    def reset(self) -> None:
        """Start afresh with the same preset."""
        state, high = pointer(self._state), SENSITIVITIES.index(settings.HIGH)
        self._library.kws_detector_reset(state, high, ctypes.c_uint32(self.first_ms))
        self._library.kws_detector_set_pause(state, ctypes.c_uint8(self.preset.pause))
        for index, threshold in enumerate(self.preset.thresholds):
            self._library.kws_detector_set_threshold(state, index, *map(ctypes.c_uint8, threshold))

    def feed(self, best: np.ndarray, probability: np.ndarray, hops: int = 1) -> list[tuple[int, Event]]:
        """Answers of the network, uint8 [n] each, `hops` apart -> the events, each with the number of its answer.

        Raises ValueError for a class that does not exist.
        """
        best, probability = (np.ascontiguousarray(values, np.uint8) for values in (best, probability))
        if best.ndim != 1 or best.shape != probability.shape:
            raise ValueError(f"as many classes as probabilities are needed, not {best.shape} and {probability.shape}")
        rows = np.empty((len(best), 4), np.uint32)
        state = pointer(self._state)
        found = self._library.kws_detect_all(
            state, pointer(best), pointer(probability), ctypes.c_uint8(hops), len(best), pointer(rows)
        )
        if found < 0:
            raise ValueError(f"classes 0 to {len(self.preset.thresholds) - 1} are known, not {best.max()}")
        return [(hop, Event(*event)) for hop, *event in rows[:found].tolist()]

    def save(self) -> bytes:
        """The whole state, for `restore`."""
        return self._state.tobytes()

    def restore(self, state: bytes) -> None:
        """Continue where `save` was called. Raises ValueError for bytes of another size."""
        self._state[:] = np.frombuffer(state, np.uint64)
