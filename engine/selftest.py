"""The self-test that a user runs on their own board: its signal, and the checksums that the golden model gives for it.

kws_selftest.c computes the same signal and the same checksums on the target; the firmware carries these ones to compare
with. All from Python alone (frontend/golden.py, engine/golden.py, detector/golden.py), so that no C is compared with itself.
"""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np

from common.description import FEATURES
from detector.golden import Detector, Event
from detector.settings import HOP_MS, Preset, Threshold
from engine import golden
from engine.network import Network
from frontend import golden as frontend

SAMPLES = 3 * FEATURES.sample_rate
"""Of the stream; the window is its beginning."""
SEGMENT_BITS = 12
CHIRP_START, CHIRP_END = 200, 6000
"""The tone rises from the first to the second, Hz, in a segment of 2^12 samples."""
NOISE_FACTORS = 0x9E3779B1, 0x85EBCA77
THRESHOLD, TURN_BITS = Threshold(240, 4), 3
"""The signal is no speech, and a network may have one answer to all of it. So the detector is given the threshold for every
class, silence and unknown words as well, and in every other turn of 2^3 hops the class behind the best one."""


def chirp() -> tuple[int, int]:
    """Factors a and b of the tone's phase after i samples, i * (a + i * b), in units of 2^-32 turns."""
    start, end = (round(hz / FEATURES.sample_rate * 2**32) for hz in (CHIRP_START, CHIRP_END))
    return start, (end - start) // (2 << SEGMENT_BITS)


def signal(samples: int) -> np.ndarray:
    """The first so many samples, int16: a rising tone and noise, each at a level of its own in every segment."""
    n = np.arange(samples, dtype=np.int64)
    segment, position = n >> SEGMENT_BITS, n & (1 << SEGMENT_BITS) - 1
    start, rise = chirp()
    turn = (position * (start + position * rise) % 2**32 >> 16) - 2**15
    tone = turn * (2**15 - np.abs(turn)) >> 14
    mixed = (n.astype(np.uint32) + np.uint32(1)) * np.uint32(NOISE_FACTORS[0])
    mixed = (mixed ^ mixed >> np.uint32(15)) * np.uint32(NOISE_FACTORS[1])
    noise = ((mixed ^ mixed >> np.uint32(13)) >> np.uint32(17)).astype(np.int64) - 2**14
    return ((tone >> 2 * (segment % 3)) + (noise >> 3 * segment % 8)).astype(np.int16)


@dataclasses.dataclass(frozen=True)
class Checksums:
    """CRC-32 of the features, column by column, of the scores with their probabilities, and of the words that the detector
    reports in the stream, each as little-endian."""

    window_features: int
    window_scores: int
    stream_features: int
    stream_scores: int
    stream_words: int


def scores_checksum(network: Network, scores: np.ndarray) -> int:
    """Of scores int16 [n, classes]: the scores of one answer, then its probabilities, then the next."""
    probabilities = golden.probability(network, scores)
    return zlib.crc32(b"".join(s.astype("<i2").tobytes() + p.tobytes() for s, p in zip(scores, probabilities)))


def words(network: Network, scores: np.ndarray, stream_columns: int) -> list[Event]:
    """What the detector reports of scores int16 [n, classes], of every hop of a stream."""
    hops, classes = scores.shape
    detector = Detector(Preset((THRESHOLD,) * classes), HOP_MS * (stream_columns - 1) // 2)
    probability = golden.probability(network, scores).max(1)
    given = (scores.argmax(1) + (np.arange(hops) >> TURN_BITS & 1)) % classes
    found = map(detector.push, given.tolist(), probability.tolist())
    return [event for event in found if event]


def checksums(network: Network, stream_columns: int) -> Checksums:
    """What the golden model gives for the signal; `stream_columns` is what a stream's scores are averaged over."""
    samples = signal(SAMPLES)
    clip = frontend.columns(samples[None, : network.clip_samples])
    window = golden.window(network, clip.transpose(0, 2, 1))
    columns = frontend.stream(samples)
    stream = golden.moving_average(golden.stream(network, columns), stream_columns)
    return Checksums(
        zlib.crc32(clip.tobytes()),
        scores_checksum(network, window),
        zlib.crc32(columns.tobytes()),
        scores_checksum(network, stream),
        zlib.crc32(np.array(words(network, stream, stream_columns), "<u4").tobytes()),
    )
