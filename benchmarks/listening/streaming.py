"""Clips in a continuous stream: each in background noise, answered by the first word that the detector reports.

In a stream the network's input also covers what surrounds a word, the start of the word is unknown, and every hop of
10 ms has scores of its own. What is measured here, for each clip:

- The stream is 1.2 s of background noise, then the clip, then 1.2 s more. The noise goes on under the clip, at one
  level from 0 to 0.1 of the recording's own, as training adds it. Recording, offset and level are drawn with a
  hash of the clip's samples as seed: the same in every run, and independent of the label. There is no fade between
  noise and clip.
- It goes sample by sample through the streaming feature pipeline and the engine, both generated C, from a reset. 1.2 s
  are longer than the engine's receptive field: no score that counts depends on the reset.
- The scores of every hop go through the generated detector (kws_detector.c) at medium sensitivity. The first word that it
  reports is the answer. Where it reports none, the clip was rejected, which is right for silence and for unknown words.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np

from common.description import FEATURES, SILENCE, UNKNOWN
from detector import render as detector_render
from detector.binding import Detector
from detector.settings import MEDIUM, Settings
from engine.binding import Engine
from engine.render import STREAM_COLUMNS
from frontend import binding

SEED = 20240611
NOISE_LEVEL = 0.1  # as in training.augment, whose PyTorch is slow to load
SURROUNDINGS_MS = 1200
SYNTHETIC_RMS, SYNTHETIC_SECONDS = 1000, 60
MS_PER_COLUMN = 1000 * FEATURES.hop // FEATURES.sample_rate
LEAD = SURROUNDINGS_MS * FEATURES.sample_rate // 1000


@dataclasses.dataclass(frozen=True)
class Background:
    """Recordings of background noise, each int16 [samples], and what they are."""

    origin: str
    noises: Sequence[np.ndarray]


def synthetic_background() -> Background:
    """A minute of white noise, for data without recordings of noise."""
    noise = np.random.default_rng(SEED).normal(0, SYNTHETIC_RMS, SYNTHETIC_SECONDS * FEATURES.sample_rate)
    return Background(f"seeded white noise, RMS {SYNTHETIC_RMS} of 32768", [np.rint(noise).astype(np.int16)])


def noise_for(clip: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """The noise around and under a clip int16 [samples], scaled to its level: float64 [samples + 38400], in units of a
    sample of 16 bits.

    A recording shorter than that is repeated.
    """
    samples = LEAD + len(clip) + LEAD
    rng = np.random.default_rng([SEED, zlib.crc32(clip.tobytes())])
    noise = noises[rng.integers(len(noises))]
    start = rng.integers(max(1, len(noise) - samples + 1))
    return np.resize(noise[start : start + samples], samples) * (NOISE_LEVEL * rng.random())


def embed(clip: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """The stream of a clip int16 [samples]: int16 [samples + 38400], saturated."""
    stream = noise_for(clip, noises)
    stream[LEAD : LEAD + len(clip)] += clip
    return np.clip(np.rint(stream), -32768, 32767).astype(np.int16)


def noisy_clip(clip: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """The part of a clip's stream in which the clip is, int16 of its length."""
    return embed(clip, noises)[LEAD : LEAD + len(clip)]


def snr_db(clips: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """Signal-to-noise ratio of each clip int16 [clips, samples] in its stream, dB; infinite without noise."""
    with np.errstate(divide="ignore"):
        return np.array(
            [
                10 * np.log10(np.square(clip.astype(np.float64)).mean() / np.square(noise_for(clip, noises)).mean())
                for clip in clips
            ]
        )


def lag_ms(delay_columns: int, columns: int) -> int:
    """`KWS_STREAM_LAG_MS`: from a word's middle to its score, an average over `columns` columns; ms, rounded down."""
    return MS_PER_COLUMN * delay_columns + MS_PER_COLUMN * columns // 2


def settings(delay_columns: int, decided: Settings, columns: int = STREAM_COLUMNS) -> dict:
    """All parameters of the measurement but clips, noise and network, and the lag, which follows from the network and them;
    JSON-ready. decided: the detector's."""
    return {"lag_ms": lag_ms(delay_columns, columns)} | parameters(decided, columns)


def parameters(decided: Settings, columns: int = STREAM_COLUMNS) -> dict:
    """As `settings`, without the lag."""
    return {
        "columns": columns,
        "surroundings_ms": SURROUNDINGS_MS,
        "sensitivity": MEDIUM,
        "detector": detector_render.detector_id(decided),
        "noise_level": [0.0, NOISE_LEVEL],
        "seed": SEED,
    }


def hops(engine: Engine, clip: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """Scores of every hop of a clip's stream that has scores, int16 [hops, classes]."""
    return engine.stream(binding.Stream().feed(embed(clip, noises)))


def answer(engine: Engine, detector: Detector, scores: np.ndarray, silence: int | None) -> np.ndarray:
    """What a stream is taken for, as the scores of one hop, int32 [classes]: the hop that completed the first word.

    scores: of every hop, int16 [hops, classes]. silence: index of that class; None where the model has none. Where no word
    is reported, the answer is silence: the hop at which that is clearest, its score raised above the others if need be.
    """
    detector.reset()
    events = detector.feed(*engine.best(scores))
    if events:
        return scores[events[0][0]].astype(np.int32)
    if silence is None:
        return scores[len(scores) // 2].astype(np.int32)
    found = scores[(scores[:, silence] - scores.max(1).astype(np.int32)).argmax()].astype(np.int32)
    if found.argmax() != silence:
        found[silence] = found.max() + 1
    return found


def rejected(scores: np.ndarray, target: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Answers [clips, classes] of streams in which "nothing was reported" is right for unknown words as well as silence:
    where that is the answer and an unknown word the target, both scores change places."""
    if SILENCE not in labels or UNKNOWN not in labels:
        return scores
    silence, unknown = labels.index(SILENCE), labels.index(UNKNOWN)
    found = scores.copy()
    rows = (scores.argmax(1) == silence) & (target == unknown)
    found[np.ix_(rows, [silence, unknown])] = scores[np.ix_(rows, [unknown, silence])]
    return found


def first_ms(columns: int = STREAM_COLUMNS) -> int:
    """`KWS_FIRST_SCORE_MS`."""
    return MS_PER_COLUMN * (columns - 1) // 2
