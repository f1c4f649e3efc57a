"""Other words made of keywords: the first half of one and the second half of another, or one reversed in time.

They teach the network that a keyword is all of its sounds, in their order.
"""

from __future__ import annotations

import numpy as np

from common.description import FEATURES, KEYWORDS, LABELS

REVERSED_SHARE = 0.3
SAME_WHEN_REVERSED = {"no", "on"}
"""Each sounds much like the other when reversed."""
ALIKE = ({"go", "no"}, {"on", "off"}, {"up", "stop"})
"""Pairs that begin or end alike: their splices may sound like one of the two."""
FADE = FEATURES.sample_rate // 100  # 10 ms


def can_follow(first: str, second: str) -> bool:
    """Whether a splice of keyword `first` with `second` is neither of the two."""
    return first != second and {first, second} not in ALIKE


def middle(clip: np.ndarray) -> int:
    """The number of the sample before which half of the clip's energy lies, at least FADE from either end."""
    energy = np.cumsum(clip.astype(np.float64) ** 2)
    return int(np.clip(np.searchsorted(energy, energy[-1] / 2), FADE, len(clip) - FADE))


def splice(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`first` up to its middle, then `second` from its middle on, cross-faded over FADE samples, int16 [16000]; cut or
    zero-padded at the end."""
    ramp = np.linspace(1, 0, FADE)
    begin, end = first[: middle(first)].astype(np.float64), second[middle(second) - FADE :].astype(np.float64)
    begin[-FADE:] = begin[-FADE:] * ramp + end[:FADE] * ramp[::-1]
    out = np.concatenate([begin, end[FADE:]])[: len(first)]
    return np.rint(np.pad(out, (0, len(first) - len(out)))).astype(np.int16)


class Splicer:
    """Makes random splices from clips of keywords: audio int16 [clips, 16000], class index int64 [clips]."""

    def __init__(self, audio: np.ndarray, target: np.ndarray):
        self.audio = audio
        self.rows = {word: np.flatnonzero(target == LABELS.index(word)) for word in KEYWORDS}

    def __call__(self, rng: np.random.Generator) -> np.ndarray:
        """A random splice or reversed keyword, int16 [16000]."""
        first, second = self.draw(rng)
        if rng.random() < REVERSED_SHARE and first not in SAME_WHEN_REVERSED:
            return self.pick(first, rng)[::-1].copy()
        return splice(self.pick(first, rng), self.pick(second, rng))

    def draw(self, rng: np.random.Generator) -> tuple[str, str]:
        """Two random keywords that `can_follow` each other."""
        while True:
            first, second = rng.choice(KEYWORDS, 2)
            if can_follow(first, second):
                return str(first), str(second)

    def pick(self, word: str, rng: np.random.Generator) -> np.ndarray:
        """A recording of `word`, int16 [16000]."""
        return self.audio[rng.choice(self.rows[word])]
