"""The user's recordings of their words: SAMPLES/<word>/*, found, judged, and cut to the word by their energy.

A recording is cut into spans of sound, with pauses of at least PAUSE between them. The span with the most energy is the
word; a second one nearly as strong is another word. Rate, length, format and channels are any that soundfile reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.description import FEATURES
from common.errors import UserError
from training import held_back
from training.data import recordings
from training.spoken.acoustics import RATE

FRAME = FEATURES.hop  # 10 ms
SMOOTHED = 5  # frames of the moving average that is the envelope
PAUSE = 30
"""Frames of silence that separate two words."""
MARGIN = 3  # frames kept before and after a word
ABOVE_FLOOR, BELOW_PEAK = 4.0, 0.06
"""A frame is sound where its RMS exceeds so many times the recording's floor and such a fraction of its peak."""
QUIET = 0.003
"""RMS, of full scale, of the loudest frame (-50 dBFS), below which a recording is too quiet."""
CLIPPED = 0.01
"""Fraction of a word's samples at full scale from which it is clipped."""
FULL = 0.999
SHORTEST, LONGEST = 0.15, 1.6
"""Seconds of a word, or of a phrase that is said slowly."""
SECOND_WORD = 0.4
"""Energy of a second span of sound, relative to the word's, from which there are two words."""
LEAST = 5
"""Recordings of a word with which its training and its test can be held apart."""
HELD_BACK = 5
"""About one of so many recordings of a word is held back for the test, at least one."""


class Sample(NamedTuple):
    """A recording: its word, its path, the word in it, float64 [samples] at 16 kHz, all of it, and a key of its content."""

    word: str
    path: Path
    said: np.ndarray
    whole: np.ndarray
    key: str = ""


class Samples(NamedTuple):
    """Those to train with, and those held back for the test."""

    training: list[Sample]
    test: list[Sample]


def spans(samples: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
    """The spans of sound in a recording at 16 kHz, [(first, last + 1)] in frames, and the RMS of each frame."""
    frames = len(samples) // FRAME
    rms = np.sqrt(np.square(samples[: frames * FRAME].reshape(frames, FRAME)).mean(1))
    envelope = np.convolve(rms, np.full(SMOOTHED, 1 / SMOOTHED), "same")
    floor = np.percentile(envelope, 10)
    loud = np.flatnonzero(envelope > max(min(ABOVE_FLOOR * floor, envelope.max() / 2), BELOW_PEAK * envelope.max()))
    breaks = np.flatnonzero(np.diff(loud) > PAUSE) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(loud, breaks) if len(part)], rms


def cut(samples: np.ndarray) -> np.ndarray:
    """The word in a recording, float64 at 16 kHz. ValueError that says why it is no good."""
    if len(samples) < SHORTEST * RATE:
        raise ValueError("no word: shorter than one")
    found, rms = spans(samples)
    if rms.max() < QUIET:
        raise ValueError("too quiet; speak nearer to the microphone, or raise its gain")
    energy = [float(np.square(rms[first:last]).sum()) for first, last in found]
    best = int(np.argmax(energy))
    first, last = found[best]
    if sum(value >= SECOND_WORD * energy[best] for value in energy) > 1:
        raise ValueError("two words, or more; record one at a time")
    seconds = (last - first) * FRAME / RATE
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(f"no word: {seconds:.1f} s of sound where a word is expected")
    said = samples[max(0, first - MARGIN) * FRAME : (last + MARGIN) * FRAME]
    if (np.abs(said) >= FULL).mean() >= CLIPPED:
        raise ValueError("clipped; lower the gain of the microphone")
    return said


def read(folder: Path, words: Sequence[str]) -> tuple[list[Sample], list[str]]:
    """The good recordings of each word, and a line on each other. UserError where no word has a folder, or too few good
    recordings."""
    good: list[Sample] = []
    bad = []
    for word, where in recordings.word_folders(folder, words):
        found = recordings.find_and_tell([where], ())
        before = len(good)
        for path in found.paths:
            length, rate = recordings.header(path)
            whole = recordings.read(recordings.Excerpt(path, 0, length, rate))
            try:
                good.append(Sample(word, path, cut(whole), whole, held_back.content(path)))
            except ValueError as error:
                bad.append(f"{path}: left out, {error}")
        count = len(good) - before
        if count < LEAST:
            reasons = f" ({bad[-1]})" if bad else ""
            raise UserError(
                f"{where}: {count} good recordings of '{word}'{reasons}, but at least {LEAST} are needed, and 10 help; "
                "record more, or leave SAMPLES= out"
            )
    return good, bad


def split(good: Sequence[Sample]) -> Samples:
    """About one of HELD_BACK recordings of each word for the test, by their content: see `held_back.flags`."""
    test: set[int] = set()
    for word in sorted({sample.word for sample in good}):
        rows = [index for index, sample in enumerate(good) if sample.word == word]
        back = held_back.flags([good[row].key for row in rows], HELD_BACK)
        test |= {row for row, held in zip(rows, back) if held}
    return Samples(
        [sample for index, sample in enumerate(good) if index not in test],
        [sample for index, sample in enumerate(good) if index in test],
    )
