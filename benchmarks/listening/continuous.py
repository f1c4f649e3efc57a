"""Recordings as a device hears them that listens without end: one stream, with the noise of a quiet room between them.

- The stream is a pause, then each recording and a pause behind it, in the order of their paths. A recording is heard
  whole, at its own level, its channels averaged, at 16 kHz (`common.resampling`), 16 bits.
- A pause is seeded white noise of ROOM_DBFS: what a microphone of -26 dBFS at 94 dB SPL gives of a room of 35 dB SPL when
  it is raised by 24 dB. Digital silence is like no room. A pause lasts two seconds, and as much longer as it takes for the
  next recording to begin with a hop. No score is of more than LOOK_BACK, 1.5 s, so that none hears two recordings; for
  half a second nothing but the room is heard, so that the word that won last no longer wins; and a word at a recording's
  very end is reported in the pause: its score comes 0.7 s later, the slowest rule asks for 0.3 s.
- What is reported belongs to the recording that was heard last, be it in the pause behind it. Pauses are no time heard.

Because no score reaches back beyond a pause, any part of the stream that begins with one gives the same scores as in the
whole: processes share the recordings, and whatever their number, what they hear is the same.
"""
from __future__ import annotations

import math
from collections.abc import Container, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.listening import decisions, streaming
from common import resampling
from benchmarks.listening.decisions import Rule
from engine import network
from engine.binding import Engine
from engine.render import STREAM_COLUMNS
from frontend import binding
from common import worker_tools, workers
from training.data import recordings
from common.description import FEATURES, REACH

HOP = FEATURES.hop
SEED = 20261127
ROOM_PEAK = 57
ROOM_DBFS = 10 * math.log10(ROOM_PEAK * (ROOM_PEAK + 1) / 3 / 32768**2)
"""The level of the noise, whole numbers up to ROOM_PEAK that are equally frequent: -60, RMS against full scale."""
LOOK_BACK = (2 * REACH + STREAM_COLUMNS - 1) * HOP + FEATURES.window
"""Samples that a score is of."""
PAUSE = 2 * FEATURES.sample_rate
ROOM = np.random.Generator(np.random.PCG64(SEED)).integers(-ROOM_PEAK, ROOM_PEAK, PAUSE + HOP - 1, np.int16, endpoint=True)
FIRST_COLUMN = 1 + -(FEATURES.window // 2) // HOP
"""Of the columns that come while a recording is heard, the first is this far from its beginning: the one before it."""
BLOCK = 30  # seconds that are read at a time
CHUNK = 20  # recordings a process hears at a time

PROTOCOL = (f"one stream: a quiet room's noise ({ROOM_DBFS:.0f} dBFS RMS, white) for {PAUSE / FEATURES.sample_rate:g} s "
            "before the first recording and behind each;\nhours are those of recordings, without the pauses; a report in a "
            "pause counts for the recording before it")


class Heard(NamedTuple):
    """A recording: its samples at 16 kHz, and for each hop of it and of the pause behind it the class that wins and its
    probability in 255ths, both uint8 [hops]."""

    path: Path
    samples: int
    winner: np.ndarray
    certain: np.ndarray


class Report(NamedTuple):
    """A word that was heard: where, its class, and the second of its middle in the recording."""

    path: Path
    word: int
    second: float


def load_engine(path: Path) -> Engine:
    """The engine of a network file."""
    return Engine(network.load(path))


def pause(samples: int) -> np.ndarray:
    """The room behind a recording of so many samples, int16 [samples]: all pauses end alike, and with a hop."""
    return ROOM[len(ROOM) - PAUSE - -samples % HOP:]


class Listener:
    """An engine and a feature pipeline that have heard a pause."""

    def __init__(self, engine: Engine):
        self.engine, self.stream = engine, binding.Stream()
        engine.stream(self.stream.feed(pause(0)))

    def hear(self, path: Path) -> Heard:
        """Go on with a recording and the pause behind it. UserError where it cannot be read."""
        samples, winner, certain = 0, [], []

        def hear_block(block: np.ndarray) -> None:
            scores = self.engine.feed(self.stream.feed(block))
            winner.append(scores.argmax(1).astype(np.uint8))
            certain.append(streaming.certainty(self.engine.network, scores))

        _, rate = recordings.header(path)
        for block in resampling.to_16_khz(recordings.blocks(path, BLOCK), rate):
            samples += len(block)
            hear_block(block)
        if samples:
            hear_block(pause(samples))
        return Heard(path, samples, *(np.concatenate([np.zeros(0, np.uint8), *parts]) for parts in (winner, certain)))


def chunk(paths: Sequence[Path]) -> list[Heard]:
    """Some recordings, in a worker."""
    listener = Listener(worker_tools.get())
    return [listener.hear(path) for path in paths]


def listen(path: Path, paths: Sequence[Path], processes: int | None = None) -> list[Heard]:
    """What the engine of a build's network file hears of each recording, those without a sample left out.

    processes: as many as cores where None.
    """
    load_engine(path)  # compiled once, and not by every worker at the same time
    parts = [(paths[start:start + CHUNK],) for start in range(0, len(paths), CHUNK)]
    made = workers.in_order(chunk, parts, "listening", "recording", processes, worker_tools.prepare,
                            (load_engine, path))
    return [heard for part in made for heard in part if heard.samples]


def reports(stream: Sequence[Heard], words: Container[int], rule: Rule, delay: int) -> list[Report]:
    """What a rule reports of the stream, of the classes `words`. delay: `KWS_DELAY_COLUMNS`."""
    if not stream:
        return []
    winner, certain = (np.concatenate([heard[field] for heard in stream]) for field in (2, 3))
    starts = np.cumsum([0, *(len(heard.winner) for heard in stream)])
    found = []
    for hop, word in decisions.reported(winner, certain, words, rule):
        index = int(np.searchsorted(starts, hop, "right")) - 1
        column = FIRST_COLUMN + hop - int(starts[index])
        middle = streaming.MS_PER_COLUMN * column - streaming.lag_ms(delay, STREAM_COLUMNS)
        found.append(Report(stream[index].path, word, max(0, middle) / 1000))
    return found
