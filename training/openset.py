"""The training set for a network that meets words it never heard: which clips, and how often each is drawn.

The data set has thousands of recordings of each keyword, but few other words. Here a class is drawn as often
as an average keyword, a rare other word more often than its share, and synthetic words are added (see
`training.synthesis`): other words, and in every class of keyword some too.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.dataset import Clip
from training.description import KEYWORDS, LABELS, SILENCE, UNKNOWN
from training.synthesis import load
from training.train import Split

SILENCES = 1.0
OTHERS = 1.25
SYNTHETIC_OTHERS = 1.5
SYNTHETIC_KEYWORDS = 0.06  # of each keyword
SPLICES = 0.5
"""Clips an epoch, each as a multiple of the recordings of an average keyword."""
SMOOTHING = 0.05
"""Of the labels."""
AVERAGE = 0.998
"""Share of the running mean of the weights that a step leaves: the mean of some two epochs."""


def average_keyword(clips: Sequence[Clip]) -> float:
    """Recordings of a keyword, on average."""
    return sum(clip.label in KEYWORDS for clip in clips) / len(KEYWORDS)


def draws(clips: Sequence[Clip]) -> np.ndarray:
    """How often each recorded clip is drawn in an epoch, on average, float [clips].

    Keywords equally often; the other words in proportion to the square root of their number of clips.
    """
    total = average_keyword(clips)
    words = [clip.path.parent.name if clip.path else SILENCE for clip in clips]
    count = Counter(words)
    others = sorted({word for word, clip in zip(words, clips) if clip.label == UNKNOWN})  # a set has no fixed order
    roots = sum(count[word] ** 0.5 for word in others)

    def share(word: str, label: str) -> float:
        if label == UNKNOWN:
            return OTHERS * total * count[word] ** -0.5 / roots
        return (SILENCES if label == SILENCE else 1.0) * total / count[word]

    return np.array([share(word, clip.label) for word, clip in zip(words, clips)])


def with_synthetic(training: Split, clips: Sequence[Clip], folder: Path, without: Sequence[str]) -> Split:
    """`training`, the decoded `clips`, with the draws of this recipe and the synthetic words of `folder`.

    Words of `without` are left out. Raises UserError where `folder` holds no synthetic words.
    """
    audio, words = load(folder)
    total = average_keyword(clips)
    chosen = [index for index, word in enumerate(words) if word not in without]
    count = Counter(words[index] for index in chosen)
    keywords = sum(count[word] for word in KEYWORDS)
    label = np.array([LABELS.index(words[i] if words[i] in KEYWORDS else UNKNOWN) for i in chosen])
    often = [SYNTHETIC_KEYWORDS * total / count[words[i]] if words[i] in KEYWORDS
             else SYNTHETIC_OTHERS * total / (len(chosen) - keywords) for i in chosen]
    return Split(np.concatenate([training.audio, audio[chosen]]), np.concatenate([training.target, label]),
                 np.concatenate([draws(clips), often]))
