"""The training set for a network that meets words it never heard: which clips, and how often each is drawn.

The data set has thousands of recordings of each keyword, but few other words. Here a class is drawn as often
as an average keyword, a rare other word more often than its share, and synthetic words are added (see
`training.synthesis`): other words, in every class of keyword some too, and running speech, which is an other word
as well. Pieces of recorded speech can be more (see `training.speech`), and then keywords are recorded again as they
are.
"""
from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import progress
from training.spoken import pieces, synthesis
from training.data.dataset import Clip
from common.description import FEATURES, KEYWORDS, LABELS, SILENCE, UNKNOWN
from common.errors import UserError
from training.spoken.acoustics import recorded_again
from training.train import Split

PARTS = ("balance", "synthetic", "running", "splices", "steps", "smoothing", "average")
"""What the recipe consists of; any of them can be left out, to see what it does."""
SILENCES = 1.0
OTHERS = 1.25
SYNTHETIC_OTHERS = 1.5
SYNTHETIC_KEYWORDS = 0.06  # of each keyword
RUNNING_SPEECH = 1.5
SPEECH = 1.5
SPLICES = 0.5
"""Clips an epoch, each as a multiple of the recordings of an average keyword."""
STEPS = 0.5
"""Of the silences: the noise begins or ends in them."""
RERECORDED = 0.35
"""Of a keyword's draws, where pieces of speech are among the other words: recordings of it as other voices in other
rooms, as the pieces are. So only what is said tells one from the other."""
RERECORDED_CLIPS = 600
"""Of each keyword, at most."""
RERECORDED_ECHOES = 0.5
RERECORDED_SEED = 5
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
    words = [clip.word for clip in clips]
    count = Counter(words)
    others = sorted({word for word, clip in zip(words, clips) if clip.label == UNKNOWN})  # a set has no fixed order
    roots = sum(count[word] ** 0.5 for word in others)

    def share(word: str, label: str) -> float:
        if label == UNKNOWN:
            return OTHERS * total * count[word] ** -0.5 / roots
        return (SILENCES if label == SILENCE else 1.0) * total / count[word]

    return np.array([share(word, clip.label) for word, clip in zip(words, clips)])


def parse_omitted(text: str) -> tuple[str, ...]:
    """`"splices,average"` -> the parts that are left, in the order of PARTS; UserError where one is none."""
    omitted = {part.strip() for part in text.split(",") if part.strip()}
    if not omitted <= {*PARTS}:
        raise UserError(f"--omit {sorted(omitted - {*PARTS})[0]}: no part of the open recipe; name some of "
                        f"{', '.join(PARTS)}")
    return tuple(part for part in PARTS if part not in omitted)


def training_set(training: Split, clips: Sequence[Clip], synthetic: Path, recordings: Path | None,
                 without: Sequence[str], parts: Sequence[str] = PARTS) -> Split:
    """`training`, the decoded `clips`, with the draws of this recipe and what it adds.

    synthetic: folder of synthetic words, of which those of `without` are left out. recordings: folder of pieces of
    speech, or None; with them, keywords are recorded again. Raises UserError where a folder does not hold them.
    """
    own = Split(training.audio, training.target, draws(clips) if "balance" in parts else np.ones(len(clips)))
    sets = rerecorded(own, clips) if recordings else [own]
    total = average_keyword(clips)
    audio, words = synthetic_speech(synthetic, parts)
    if "synthetic" in parts:
        sets.append(synthetic_words(audio, words, total, without))
    known = sum(len(part.target) for part in sets)
    if "running" in parts:
        sets.append(unknown(audio[[word == synthesis.RUNNING for word in words]], RUNNING_SPEECH * total))
    if recordings:
        sets.append(unknown(pieces.load(recordings), SPEECH * total))
    joined = Split(*(np.concatenate(arrays) for arrays in zip(*((s.audio, s.target, s.draws) for s in sets))))
    return dataclasses.replace(joined, asked=np.arange(len(joined.target)) < known)


def synthetic_speech(folder: Path, parts: Sequence[str]) -> tuple[np.ndarray, Sequence[str]]:
    """The clips of `training.synthesis` in a folder, int16 [clips, 16000] (mapped), and the word of each; none where no
    part takes any. UserError where the folder lacks what a part takes."""
    if not {"synthetic", "running"} & {*parts}:
        return np.empty((0, FEATURES.clip_samples), np.int16), []
    audio, words = synthesis.load(folder)
    if "running" in parts and synthesis.RUNNING not in words:
        raise UserError(f"{folder}: no running speech here; make it again with `python -m training.synthesis --out "
                        f"{folder}`, or leave it out with --omit running")
    return audio, words


def unknown(audio: np.ndarray, total: float) -> Split:
    """Clips int16 [clips, 16000] of other words, of which `total` are drawn in an epoch."""
    return Split(audio, np.full(len(audio), LABELS.index(UNKNOWN)), np.full(len(audio), total / len(audio)))


def rerecorded(recordings: Split, clips: Sequence[Clip]) -> list[Split]:
    """The recordings with fewer draws of keywords, and recordings of these made of them, which have the rest."""
    rng = np.random.default_rng(RERECORDED_SEED)
    words = np.array([clip.label for clip in clips])
    chosen = [rng.permutation(np.flatnonzero(words == word))[:RERECORDED_CLIPS] for word in KEYWORDS]
    often = recordings.draws.copy()
    share = []
    for word, rows in zip(KEYWORDS, chosen):
        share.append(np.full(len(rows), RERECORDED * often[words == word].sum() / len(rows)))
        often[words == word] *= 1 - RERECORDED
    rows = np.concatenate(chosen)
    made = [recorded_again(recordings.audio[row], RERECORDED_ECHOES, rng)
            for row in progress.over(rows, "recording keywords again", "clip")]
    return [Split(recordings.audio, recordings.target, often),
            Split(np.stack(made), recordings.target[rows], np.concatenate(share))]


def synthetic_words(audio: np.ndarray, words: Sequence[str], total: float, without: Sequence[str]) -> Split:
    """The synthetic words but those of `without`; `total` recordings has an average keyword."""
    chosen = [index for index, word in enumerate(words) if word not in without and word != synthesis.RUNNING]
    count = Counter(words[index] for index in chosen)
    keywords = sum(count[word] for word in KEYWORDS)
    label = np.array([LABELS.index(words[i] if words[i] in KEYWORDS else UNKNOWN) for i in chosen])
    often = [SYNTHETIC_KEYWORDS * total / count[words[i]] if words[i] in KEYWORDS
             else SYNTHETIC_OTHERS * total / (len(chosen) - keywords) for i in chosen]
    return Split(audio[chosen], label, np.array(often))


def extras(clips: Sequence[Clip], parts: Sequence[str] = PARTS) -> dict:
    """The fields of `train.Recipe` by which this recipe differs from the paper's, beside its training set."""
    splices = round(SPLICES * average_keyword(clips))
    fields = {"steps": STEPS, "smoothing": SMOOTHING, "average": AVERAGE, "splices": splices}
    return {"parts": parts} | {name: value for name, value in fields.items() if name in parts}
