"""Running speech without keywords as training clips: random excerpts, more often where the network hears a keyword.

A recording is divided into seconds. Each has a score, the probability that the network gave to keywords when it last heard
an excerpt from there, in an earlier epoch; half of the excerpts are drawn in proportion to it (hard negatives), half evenly.

An excerpt that lies in a pause of its recording is silence: a network that takes a real room for speech never hears a pause.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch

from common.description import FEATURES, SILENCE, UNKNOWN
from training.field import sound

SECOND = FEATURES.sample_rate
MINED = 0.5
"""Fraction of the excerpts that are drawn by their scores."""
NEVER_HEARD = 0.5
"""Score of a second that was not drawn yet."""
LEAST = 0.01
"""Added to every score, so that none is forgotten."""
FRAME = SECOND // 20
"""Samples whose level decides whether somebody speaks."""
FAINTEST = -20 * math.log10(sound.FULL_SCALE)
"""dB of full scale: the level of a frame is at least that of a unit of a sample."""
LOUD, FLOOR = 0.95, 0.1
"""Fractions of a recording's frames below what stands for its speech, and for its background."""
PAUSE, NEAR_FLOOR, LEAST_BELOW = 30.0, 6.0, 18.0
"""dB: a frame so far below the speech is in a pause; or one so near the background, if at least so far below the speech."""


class Negatives:
    """Recordings, int16 [samples] each, and the score of each of their seconds.

    mine: whether scores decide; else all excerpts are drawn evenly. UserError where no recording is a second long.
    """

    def __init__(self, recordings: Sequence[np.ndarray], mine: bool = True):
        whole = np.concatenate(recordings)
        self.stream = torch.from_numpy(whole)
        bounds = np.cumsum([0] + [len(recording) for recording in recordings])
        self.spoken = np.cumsum(np.concatenate([[False], speech(whole, bounds)]))
        self.learnt: list[tuple[np.ndarray, np.ndarray, torch.Tensor]] = []
        self.starts = np.concatenate(
            [np.arange(start, max(start + 1, end - SECOND // 2), SECOND) for start, end in itertools.pairwise(bounds)]
        )
        self.score = np.full(len(self.starts), NEVER_HEARD if mine else 1.0, np.float32)
        self.mine = mine

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """The numbers of so many seconds, int64 [count]."""
        even = rng.integers(len(self.starts), size=count)
        passed = np.cumsum(self.score.astype(np.float64) + LEAST)
        hard = np.searchsorted(passed, rng.uniform(0, passed[-1], count), "right").clip(max=len(passed) - 1)
        return np.where(rng.random(count) < MINED, hard, even) if self.mine else even

    def excerpts(
        self, seconds: np.ndarray, clips: torch.Tensor, rng: np.random.Generator
    ) -> tuple[torch.Tensor, np.ndarray]:
        """An excerpt around a random instant of each of these seconds, in +-1, as long and of the type and on the device of
        `clips` [clips, samples]; and whether nobody speaks in it, bool [seconds]."""
        self.stream, samples = self.stream.to(clips.device), clips.shape[1]
        middle = self.starts[seconds] + rng.integers(0, SECOND, len(seconds))
        start = np.clip(middle - samples // 2, 0, len(self.stream) - samples)
        found = self.stream.unfold(0, samples, 1)[torch.from_numpy(start).to(clips.device)].to(clips).div_(32768)
        first, last = start // FRAME, -(-(start + samples) // FRAME)
        return found, self.spoken[np.minimum(last, len(self.spoken) - 1)] == self.spoken[first]

    def learn(self, rows: np.ndarray, seconds: np.ndarray, probability: torch.Tensor) -> None:
        """The network gave the clips of a batch this probability of keywords (N); those in `rows` are excerpts of
        `seconds`."""
        self.learnt.append((rows, seconds, probability))

    def rescore(self) -> None:
        """Take what was learnt as the seconds' scores: after an epoch, so that batches can be made ahead of the network."""
        if self.mine:
            for rows, seconds, probability in self.learnt:
                self.score[seconds] = probability.cpu().numpy()[rows]
        self.learnt = []

    @property
    def heard(self) -> float:
        """The fraction of the seconds in which the network last heard a keyword, more probable than not."""
        return float((self.score > NEVER_HEARD).mean())

    def take(self, score: np.ndarray) -> None:
        """Continue with the scores of an earlier run, [seconds]. ValueError where they are of other recordings."""
        if score.shape != self.score.shape:
            raise ValueError("scores of other recordings")
        self.score[:] = score


def speech(whole: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """In which frames somebody speaks, bool [frames], of recordings one after the other, int16 [samples], which begin and
    end at `bounds`. A frame is of the recording in which it begins."""
    frames = whole[: len(whole) // FRAME * FRAME].reshape(-1, FRAME)
    parts = (torch.from_numpy(frames[first : first + SECOND]) for first in range(0, len(frames), SECOND))
    levels = [sound.rms(part.to(torch.float64) / sound.FULL_SCALE).clamp_min(FAINTEST).numpy() for part in parts]
    level = np.concatenate([np.empty(0), *levels])
    owned = np.searchsorted(np.arange(len(level)) * FRAME, bounds)
    loud = np.ones(len(level), bool)
    for first, end in itertools.pairwise(owned):
        if end > first:
            peak, floor = np.quantile(level[first:end], [LOUD, FLOOR])
            loud[first:end] = level[first:end] >= max(peak - PAUSE, min(floor + NEAR_FLOOR, peak - LEAST_BELOW))
    return loud


def keyword_probability(logits: torch.Tensor, labels: Sequence[str]) -> torch.Tensor:
    """Logits (N, classes) -> the probability of all words among the labels, (N)."""
    others = [labels.index(SILENCE), labels.index(UNKNOWN)]
    return 1 - logits.softmax(1)[:, others].sum(1)
