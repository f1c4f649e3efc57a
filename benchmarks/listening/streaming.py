"""Clips in a continuous stream: each in background noise, answered by the clearest score around its middle.

In a stream the network's input also covers what surrounds a word, the start of the word is unknown, and every hop of
10 ms has scores of its own. What is measured here, for each clip:

- The stream is 1.2 s of background noise, then the clip, then 1.2 s more. The noise goes on under the clip, at one
  level from 0 to 0.1 of the recording's own, as training adds it. Recording, offset and level are drawn with a
  hash of the clip's samples as seed: the same in every run, and independent of the label. There is no fade between
  noise and clip.
- It goes sample by sample through the streaming feature pipeline and the engine, both generated C, from a reset. 1.2 s
  are longer than the engine's receptive field: no score that counts depends on the reset.
- The hops that count are those whose score, less the lag (`KWS_STREAM_LAG_MS`), lies within 300 ms of the clip's middle.
- A hop answers with the class of the highest score, if that is not silence and its probability (`kws_probability`) is at
  least `common.description.DETECTION_THRESHOLD`. Of the hops that answer, the one with the largest lead over the
  second class decides; where none does, the answer is silence. Only scores are used, so that a device could do the same.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np

from common.description import DETECTION_THRESHOLD, FEATURES, SILENCE
from engine import golden
from engine.binding import Engine
from engine.network import Network
from engine.render import STREAM_COLUMNS
from frontend import binding

SEED = 20240611
NOISE_LEVEL = 0.1  # as in training.augment, whose PyTorch is slow to load
SURROUNDINGS_MS = 1200
TOLERANCE_MS = 300
SYNTHETIC_RMS, SYNTHETIC_SECONDS = 1000, 60
MS_PER_COLUMN = 1000 * FEATURES.hop // FEATURES.sample_rate
LEAD = SURROUNDINGS_MS * FEATURES.sample_rate // 1000
SAMPLES = LEAD + FEATURES.clip_samples + LEAD
MIDDLE_MS = 1000 * (LEAD + FEATURES.clip_samples // 2) // FEATURES.sample_rate


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
    """The noise around and under a clip int16 [16000], scaled to its level: float64 [54400], in units of an int16 sample.

    A recording shorter than that is repeated.
    """
    rng = np.random.default_rng([SEED, zlib.crc32(clip.tobytes())])
    noise = noises[rng.integers(len(noises))]
    start = rng.integers(max(1, len(noise) - SAMPLES + 1))
    return np.resize(noise[start : start + SAMPLES], SAMPLES) * (NOISE_LEVEL * rng.random())


def embed(clip: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """The stream of a clip int16 [16000]: int16 [54400], saturated."""
    stream = noise_for(clip, noises)
    stream[LEAD : LEAD + FEATURES.clip_samples] += clip
    return np.clip(np.rint(stream), -32768, 32767).astype(np.int16)


def noisy_clip(clip: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """The second of a clip's stream in which the clip is: int16 [16000]."""
    return embed(clip, noises)[LEAD : LEAD + FEATURES.clip_samples]


def snr_db(clips: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """Signal-to-noise ratio of each clip int16 [clips, 16000] in its stream, dB; infinite without noise."""
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


def settings(delay_columns: int, columns: int = STREAM_COLUMNS) -> dict:
    """All parameters of the measurement but clips, noise and network; JSON-ready."""
    return {
        "columns": columns,
        "lag_ms": lag_ms(delay_columns, columns),
        "surroundings_ms": SURROUNDINGS_MS,
        "tolerance_ms": TOLERANCE_MS,
        "sure": DETECTION_THRESHOLD,
        "noise_level": [0.0, NOISE_LEVEL],
        "seed": SEED,
    }


def hops(engine: Engine, clip: np.ndarray, noises: Sequence[np.ndarray]) -> np.ndarray:
    """Scores of every hop of a clip's stream that has scores, int16 [hops, classes]."""
    return engine.stream(binding.Stream().feed(embed(clip, noises)))


def middles_ms(hops: int, columns: int) -> np.ndarray:
    """The middle of the columns that each hop's score is the average of, ms from the start of the stream, int64 [hops].

    columns: how many are averaged. The first hop that has scores is the one in which column
    `delay + columns - 1` is complete.
    """
    return MS_PER_COLUMN * (np.arange(hops) + columns - 1) - lag_ms(0, columns)


def due(scores: np.ndarray, columns: int) -> np.ndarray:
    """Of all hops' scores [hops, …], averages over `columns` columns, those that count for the clip:
    [hops that count, …]."""
    return scores[np.abs(middles_ms(len(scores), columns) - MIDDLE_MS) <= TOLERANCE_MS]


def winner_probability(network: Network, scores: np.ndarray) -> np.ndarray:
    """Scores int16 [hops, classes] -> the probability of the best class of each hop, in 255ths, uint8 [hops]."""
    return golden.probability(network, scores).max(1)


def decide(scores: np.ndarray, probability: np.ndarray, silence: int | None, least: int = DETECTION_THRESHOLD) -> np.ndarray:
    """The scores of the hop that decides, int32 [classes]; of equal hops the first.

    scores: of the hops that count, int16 [hops, classes]. probability: `winner_probability` of them [hops]. silence: index
    of that class; None where the model has none, and every hop answers. least: the least probability of an answer, in
    255ths. Where silence is the answer, its score is raised above the others if need be.
    """
    ranked = np.sort(scores.astype(np.int32), 1)
    lead = ranked[:, -1] - ranked[:, -2]
    if silence is None:
        return scores[lead.argmax()].astype(np.int32)
    answers = (scores.argmax(1) != silence) & (probability >= least)
    if answers.any():
        return scores[np.where(answers, lead, -1).argmax()].astype(np.int32)
    answer = scores[(scores[:, silence] - ranked[:, -1]).argmax()].astype(np.int32)
    if answer.argmax() != silence:
        answer[silence] = answer.max() + 1
    return answer


def silence_index(labels: Sequence[str]) -> int | None:
    """The index of silence among a model's labels; None where it is not among them."""
    return list(labels).index(SILENCE) if SILENCE in labels else None
