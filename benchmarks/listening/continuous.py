"""Recordings as one continuous stream, with the noise of a quiet room between them.

- The stream is a pause, then each recording and a pause after it, in the order of their paths. A recording goes in whole,
  at its own level, its channels averaged, at 16 kHz (`common.resampling`), 16 bits.
- A pause is seeded white noise of ROOM_DBFS: the level that a microphone of -26 dBFS at 94 dB SPL gives in a room of
  35 dB SPL with 24 dB of gain. Digital silence occurs in no room. A pause lasts two seconds, plus what is missing for the
  next recording to begin with a hop. A score depends on LOOK_BACK samples, 1.5 s, so none depends on two recordings; for
  half a second the scores are of the room alone, so that the last word is no longer the best class; and a word at the very
  end of a recording is reported in the pause: its score comes 0.7 s later, and the slowest rule takes 0.3 s more.
- A report belongs to the latest recording, also in the pause after it. Pauses do not count as hours.

Because no score reaches back beyond a pause, any part of the stream that begins with one gives the same scores as in the
whole: processes share the recordings, and their number changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from benchmarks.listening import streaming
from common import resampling, worker_tools, workers
from common.description import FEATURES, REACH
from detector.binding import Detector
from detector.settings import Preset
from engine import network
from engine.binding import Engine
from engine.render import STREAM_COLUMNS
from frontend import binding
from training.data import recordings

HOP = FEATURES.hop
SEED = 20261127
ROOM_PEAK = 57
ROOM_DBFS = 10 * math.log10(ROOM_PEAK * (ROOM_PEAK + 1) / 3 / 32768**2)
"""Level of the noise, uniform integers from -ROOM_PEAK to ROOM_PEAK: -60 dB, RMS against full scale."""
LOOK_BACK = (2 * REACH + STREAM_COLUMNS - 1) * HOP + FEATURES.window
"""Samples that a score depends on."""
PAUSE = 2 * FEATURES.sample_rate
ROOM = np.random.Generator(np.random.PCG64(SEED)).integers(-ROOM_PEAK, ROOM_PEAK, PAUSE + HOP - 1, np.int16, endpoint=True)
FIRST_COLUMN = 1 + -(FEATURES.window // 2) // HOP
"""The first column that a recording completes, counted from its beginning: the one before it."""
FIRST_MS = streaming.MS_PER_COLUMN * FIRST_COLUMN - streaming.first_ms()
"""What the first scores that a recording brings would be about if the network had no delay, ms from its beginning."""
BLOCK = 30  # seconds that are read at a time
CHUNK = 20  # recordings of one task

PROTOCOL = (
    f"one stream: a quiet room's noise ({ROOM_DBFS:.0f} dBFS RMS, white) for {PAUSE / FEATURES.sample_rate:g} s "
    "before the first recording and behind each;\nhours are those of recordings, without the pauses; a report in a "
    "pause counts for the recording before it"
)


class Sound(Protocol):
    """What has a length."""

    @property
    def samples(self) -> int: ...


def hours(sounds: Iterable[Sound]) -> float:
    """Hours of sounds at 16 kHz, without the pauses behind them."""
    return sum(sound.samples for sound in sounds) / FEATURES.sample_rate / 3600


class Scored(NamedTuple):
    """A recording: its number of samples at 16 kHz, and for each hop of it and of the pause after it the best class and its
    probability in 255ths, both uint8 [hops]."""

    path: Path
    samples: int
    winner: np.ndarray
    probability: np.ndarray


class Report(NamedTuple):
    """A reported word: the recording, its class, and the second of its middle in the recording."""

    path: Path
    word: int
    second: float


def load_engine(path: Path, columns: int = STREAM_COLUMNS) -> Engine:
    """The engine of a network file. columns: of logits that the scores of its stream are averaged over."""
    return Engine(network.load(path), (f"-DKWS_STREAM_COLUMNS={columns}",) * (columns != STREAM_COLUMNS))


def pause(samples: int) -> np.ndarray:
    """The noise after a recording of `samples` samples, int16: all pauses end with the same samples, and with a hop."""
    return ROOM[len(ROOM) - PAUSE - -samples % HOP :]


def sound(path: Path) -> Iterator[np.ndarray]:
    """A recording and the pause after it, in blocks, int16 [samples] at 16 kHz: the last block is the pause. None for a
    recording without a sample. UserError where it cannot be read."""
    samples = 0
    _, rate = recordings.header(path)
    for block in resampling.to_16_khz(recordings.blocks(path, BLOCK), rate):
        samples += len(block)
        yield block
    if samples:
        yield pause(samples)


def excerpt(path: Path, first: float, last: float) -> np.ndarray:
    """A recording from one second to another, as far as it goes, int16 [samples] at 16 kHz."""
    _, rate = recordings.header(path)
    whole = np.concatenate([np.zeros(0, np.int16), *resampling.to_16_khz(recordings.blocks(path, BLOCK), rate)])
    return whole[max(0, round(first * FEATURES.sample_rate)) : max(0, round(last * FEATURES.sample_rate))]


class Listener:
    """An engine and a feature pipeline in the middle of the stream, after a pause."""

    def __init__(self, engine: Engine):
        self.engine, self.stream = engine, binding.Stream()
        engine.stream(self.stream.feed(pause(0)))

    def score(self, path: Path) -> Scored:
        """Continue with a recording and the pause after it. UserError where it cannot be read."""
        lengths: list[int] = []
        winner: list[np.ndarray] = []
        probability: list[np.ndarray] = []
        for block in sound(path):
            lengths.append(len(block))
            scores = self.engine.feed(self.stream.feed(block))
            best, sure = self.engine.best(scores)
            winner.append(best)
            probability.append(sure)
        parts = (np.concatenate([np.zeros(0, np.uint8), *made]) for made in (winner, probability))
        return Scored(path, sum(lengths[:-1]), *parts)


def chunk(paths: Sequence[Path]) -> list[Scored]:
    """Some recordings, in a worker."""
    listener = Listener(worker_tools.get())
    return [listener.score(path) for path in paths]


def listen(path: Path, paths: Sequence[Path], processes: int | None = None) -> list[Scored]:
    """The engine's scores of each recording, in their order; recordings without a sample are left out.

    path: of the integer network. processes: as many as cores where None.
    """
    if not paths:
        return []
    load_engine(path)  # compiled once, and not by every worker at the same time
    parts = [(paths[start : start + CHUNK],) for start in range(0, len(paths), CHUNK)]
    made = workers.in_order(chunk, parts, "listening", "recording", processes, worker_tools.prepare, (load_engine, path))
    return [recording for part in made for recording in part if recording.samples]


def reports(stream: Sequence[Scored], preset: Preset, delay: int) -> list[Report]:
    """What the detector reports over the stream. delay: `KWS_DELAY_COLUMNS`."""
    if not stream:
        return []
    winner = np.concatenate([recording.winner for recording in stream])
    probability = np.concatenate([recording.probability for recording in stream])
    starts = np.cumsum([0, *(len(recording.winner) for recording in stream)])
    found = []
    for hop, event in Detector(preset).feed(winner, probability):
        index = int(np.searchsorted(starts, hop, "right")) - 1
        middle = event.ms + FIRST_MS - streaming.MS_PER_COLUMN * (int(starts[index]) + delay)
        found.append(Report(stream[index].path, event.word, max(0, middle) / 1000))
    return found
