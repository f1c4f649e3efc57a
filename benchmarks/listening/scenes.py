"""Scenes: keywords at random intervals in a background of stated level, and where each of them is.

A scene is a background of BACKGROUND_DBFS with words in it, one after the other, GAP_MS apart; each word is scaled so that
the RMS of its loudest 300 ms lies the stated signal-to-noise ratio above the background. In a quiet room words keep the
level of their recording. Everything is drawn with a stated seed. The way is that of MLPerf Tiny's streaming wake word test
and of TensorFlow's streaming accuracy test, with the data set's own recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from common.description import FEATURES

RATE = FEATURES.sample_rate
BACKGROUND_DBFS = -35.0
GAP_MS = 1200, 3000
"""From the end of a word's clip to the beginning of the next one."""
TWICE_MS = 300
"""Between a word and itself, where each is said twice."""
FRAME, BESIDE = RATE // 50, RATE // 100
"""Samples of a frame whose energy is looked at, 20 ms, and from one to the next."""
BELOW_DB, PAUSE_FRAMES, PAUSE_FRAMES_OF_A_PHRASE = 25.0, 12, 30
"""A word reaches as far as its frames are within that of the loudest, over pauses of at most so many frames; a phrase, whose
clips are longer than a second, over longer ones."""
LOUDEST = 3 * RATE // 10


class Said(NamedTuple):
    """A word in a scene: its class, and its first sample and the one after its last."""

    word: int
    start: int
    end: int

    @property
    def middle_ms(self) -> float:
        return 1000 * (self.start + self.end) / 2 / RATE


class Scene(NamedTuple):
    """What is heard, int16 [samples], and what is said in it. snr_db: None where words keep their level."""

    background: str
    snr_db: float | None
    audio: np.ndarray
    said: tuple[Said, ...]


def frame_energy(clip: np.ndarray) -> np.ndarray:
    """Mean square of frames of 20 ms, every 10 ms; float64."""
    squares = np.concatenate([[0.0], np.cumsum(np.square(clip.astype(np.float64)))])
    starts = np.arange(0, len(clip) - FRAME + 1, BESIDE)
    return (squares[starts + FRAME] - squares[starts]) / FRAME


def span(clip: np.ndarray) -> tuple[int, int]:
    """Where the word is in a clip int16 [samples]: its first sample and the one after its last, by its energy."""
    pause = PAUSE_FRAMES_OF_A_PHRASE if len(clip) > RATE else PAUSE_FRAMES
    decibel = 10 * np.log10(frame_energy(clip) + 1)
    loudest = int(decibel.argmax())
    loud = np.flatnonzero(decibel > decibel[loudest] - BELOW_DB)
    first = last = loudest
    for frame in loud[loud < loudest][::-1]:
        if first - frame > pause:
            break
        first = int(frame)
    for frame in loud[loud > loudest]:
        if frame - last > pause:
            break
        last = int(frame)
    return max(0, first * BESIDE - FRAME), min(len(clip), last * BESIDE + 2 * FRAME)


def loudest_rms(clip: np.ndarray) -> float:
    """RMS of the loudest 300 ms of a clip, at least 1."""
    squares = np.concatenate([[0.0], np.cumsum(np.square(clip.astype(np.float64)))])
    count = min(LOUDEST, len(clip))
    return max(1.0, float(np.sqrt((squares[count:] - squares[:-count]).max() / count)))


def at_level(sound: np.ndarray, dbfs: float) -> np.ndarray:
    """A sound at that RMS against full scale, float64."""
    rms = max(1.0, float(np.sqrt(np.square(sound.astype(np.float64)).mean())))
    return sound.astype(np.float64) * (32768 * 10 ** (dbfs / 20) / rms)


def joined(sounds: Sequence[np.ndarray], samples: int, dbfs: float, rng: np.random.Generator) -> np.ndarray:
    """So many samples of background, float64: sounds in a random order, each at that level, again and again."""
    parts, length = [], 0
    while length < samples:
        for index in rng.permutation(len(sounds)):
            parts.append(at_level(sounds[index], dbfs))
            length += len(parts[-1])
    return np.concatenate(parts)[:samples]


def compose(
    name: str,
    sounds: Sequence[np.ndarray] | None,
    clips: np.ndarray,
    words: np.ndarray,
    snr_db: float | None,
    seed: Sequence[int],
    room: np.ndarray,
    twice: bool = False,
) -> Scene:
    """A scene of clips int16 [n, samples] of the classes `words` [n], in this order.

    sounds: of the background; None for a quiet room, whose noise is `room`, repeated. twice: each word is cut out of its
    clip and said again TWICE_MS later.
    """
    rng = np.random.default_rng(list(seed))
    gaps = rng.integers(GAP_MS[0] * RATE // 1000, GAP_MS[1] * RATE // 1000, len(clips) + 1)
    placed: list[tuple[int, np.ndarray]] = []
    said, at = [], int(gaps[0])
    for clip, word, gap in zip(clips, words.tolist(), gaps[1:].tolist()):
        start, end = span(clip)
        gain = 1.0 if snr_db is None else 32768 * 10 ** ((BACKGROUND_DBFS + snr_db) / 20) / loudest_rms(clip[start:end])
        sound = (clip[start:end] if twice else clip) * gain
        offset = 0 if twice else start
        for _ in range(2 if twice else 1):
            placed.append((at, sound))
            said.append(Said(word, at + offset, at + offset + end - start))
            at += len(sound) + (TWICE_MS * RATE // 1000 if twice else 0)
        at += gap
    quiet = np.resize(room, at).astype(np.float64)
    whole = quiet if sounds is None else joined(sounds, at, BACKGROUND_DBFS, rng)
    for start, sound in placed:
        whole[start : start + len(sound)] += sound
    return Scene(name, snr_db, np.clip(np.rint(whole), -32768, 32767).astype(np.int16), tuple(said))
