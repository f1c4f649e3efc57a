"""The detector in Python: the definition of what kws_detector.c decides, to the bit.

detector = Detector(preset, first_ms)
detector.push(best, probability)    an Event, or None
"""

from __future__ import annotations

from typing import NamedTuple

from detector.settings import HOP_MS, REFRACTORY_MS, REPEAT_MS, RISE_MS, Preset, Threshold

LONGEST = 0xFFFF
"""`since` and `amid` stay at that."""


class Event(NamedTuple):
    """`kws_event`: a class, its highest probability in 255ths, and the word's middle, ms since the reset modulo 2^32."""

    word: int
    confidence: int
    ms: int


class Detector:
    """One detector after its reset."""

    def __init__(self, preset: Preset, first_ms: int = 0):
        self.thresholds, self.first_ms = list(preset.thresholds), first_ms
        self.pause, self.silence = preset.pause, preset.silence
        self.hops = self.start = self.agreeing = self.confidence = self.amid = 0
        self.best = self.reported = -1
        self.since = LONGEST
        self.over = False

    def push(self, best: int, probability: int, hops: int = 1) -> Event | None:
        """One answer of the network: its best class and that class's probability in 255ths, `hops` after the one before."""
        threshold = self.thresholds[best]
        self.amid = 0 if best == self.silence else min(self.amid + hops, LONGEST)
        if best != self.best or (self.over and probability < threshold.probability):
            self.best, self.agreeing, self.over = best, 0, False
        found = None
        if threshold.hops and hops and probability >= threshold.probability:
            found = self.count(threshold, probability, hops)
        self.since = min(self.since + hops, LONGEST)
        self.hops = (self.hops + hops) % 2**32
        return found

    def count(self, threshold: Threshold, probability: int, hops: int) -> Event | None:
        """A hop that counts."""
        if not self.agreeing:
            self.start, self.confidence = self.hops, 0
            same_word = self.since < (REPEAT_MS if self.best == self.reported else REFRACTORY_MS) // HOP_MS
            self.over = same_word or 0 < self.pause < self.amid
        self.agreeing = min(self.agreeing + hops, 255)
        self.confidence = max(self.confidence, probability)
        if self.over or self.agreeing < threshold.hops:
            return None
        self.over, self.reported, self.amid = True, self.best, 0
        self.since = min((self.hops - self.start) % 2**32, LONGEST)
        return Event(self.best, self.confidence, (self.first_ms + HOP_MS * self.start + RISE_MS) % 2**32)
