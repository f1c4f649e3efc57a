"""The training set of the open recipe, for words that are not in the data set: which clips, and how often each is drawn.

Speech Commands has thousands of recordings of each keyword, but few other words. Here a class is drawn as often as an
average keyword, and rare other words more often than in proportion to their recordings. Synthetic clips are added (see
`training.synthesis`): other words, some keywords, and running speech, which is labelled _unknown_. Pieces of recorded
speech can be added too (see `training.speech`); then some recordings of keywords get the same augmentation as the pieces.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import progress
from common.description import FEATURES, KEYWORDS, LABELS, SILENCE, UNKNOWN
from common.errors import UserError
from training.batches import Split
from training.data.dataset import Clip
from training.spoken import pieces, synthesis
from training.spoken.acoustics import recorded_again

PARTS = ("balance", "synthetic", "running", "splices", "steps", "smoothing", "average")
"""The parts of the recipe; --omit leaves any of them out, to measure its effect."""
SILENCES = 1.0
OTHERS = 1.25
SYNTHETIC_OTHERS = 1.5
SYNTHETIC_KEYWORDS = 0.06  # of each keyword
RUNNING_SPEECH = 1.5
SPEECH = 1.5
SPLICES = 0.5
"""Clips per epoch, each as a multiple of the recordings of an average keyword."""
ABRUPT = 0.5
"""Fraction of silence clips whose noise starts or stops mid-clip: the part `steps`."""
RERECORDED = 0.35
"""Fraction of a keyword's draws that are augmented like pieces of speech (other voice, room and microphone), where such
pieces are among the other words: the two then differ in the words alone."""
RERECORDED_CLIPS = 600
"""Most augmented recordings of each keyword."""
RERECORDED_ECHOES = 0.5
RERECORDED_SEED = 5
SMOOTHING = 0.05
"""Label smoothing."""
AVERAGE = 0.998
"""EMA decay of the saved weights, per step: an average over about two epochs."""


def average_keyword(clips: Sequence[Clip]) -> float:
    """Mean number of recordings of a keyword."""
    return sum(clip.label in KEYWORDS for clip in clips) / len(KEYWORDS)


def draws(clips: Sequence[Clip]) -> np.ndarray:
    """How often each recorded clip is drawn per epoch, on average, float [clips].

    Every keyword is drawn equally often, each other word in proportion to the square root of its number of clips.
    """
    total = average_keyword(clips)
    words = [clip.word for clip in clips]
    count = Counter(words)
    others = sorted({word for word, clip in zip(words, clips) if clip.label == UNKNOWN})  # the order of a set varies
    roots = sum(count[word] ** 0.5 for word in others)

    def share(word: str, label: str) -> float:
        if label == UNKNOWN:
            return OTHERS * total * count[word] ** -0.5 / roots
        return (SILENCES if label == SILENCE else 1.0) * total / count[word]

    return np.array([share(word, clip.label) for word, clip in zip(words, clips)])


def parse_omitted(text: str) -> tuple[str, ...]:
    """`"splices,average"` -> the parts that are kept, in the order of PARTS; UserError for a name that is no part."""
    return kept_parts(text, PARTS, "open")


def kept_parts(text: str, parts: Sequence[str], recipe: str) -> tuple[str, ...]:
    """Those of `parts` that `text` does not name; UserError for a name that is no part of the recipe."""
    omitted = {part.strip() for part in text.split(",") if part.strip()}
    if not omitted <= {*parts}:
        raise UserError(
            f"--omit {sorted(omitted - {*parts})[0]}: no part of the {recipe} recipe; name some of {', '.join(parts)}"
        )
    return tuple(part for part in parts if part not in omitted)


def training_set(
    training: Split,
    clips: Sequence[Clip],
    synthetic: Path,
    recordings: Path | None,
    without: Sequence[str],
    parts: Sequence[str] = PARTS,
) -> Split:
    """`training`, the decoded `clips`, drawn as often as in this recipe, and the clips that the recipe adds.

    synthetic: folder of synthetic words, of which those of `without` are left out. recordings: folder of pieces of
    speech, or None; with them, some keywords are augmented likewise. Raises UserError where a folder lacks its clips.
    """
    own = Split(training.audio, training.target, draws(clips) if "balance" in parts else np.ones(len(clips)))
    sets = rerecorded(own, clips) if recordings else [own]
    total = average_keyword(clips)
    audio, words = synthetic_speech(synthetic, parts)
    if "synthetic" in parts:
        sets.append(synthetic_words(audio, words, total, without))
    single_words = sum(len(part.target) for part in sets)  # the clips before running speech
    if "running" in parts:
        sets.append(unknown(audio[[word == synthesis.RUNNING for word in words]], RUNNING_SPEECH * total))
    if recordings:
        sets.append(unknown(pieces.load(recordings), SPEECH * total))
    joined = Split(*(np.concatenate(arrays) for arrays in zip(*((s.audio, s.target, s.draws) for s in sets))))
    return dataclasses.replace(joined, distil=np.arange(len(joined.target)) < single_words)


def synthetic_speech(folder: Path, parts: Sequence[str]) -> tuple[np.ndarray, Sequence[str]]:
    """The clips of `training.synthesis` in a folder, int16 [clips, 16000] (mapped), and the word of each; none where no
    part needs any. UserError where the folder lacks clips that a part needs."""
    if not {"synthetic", "running"} & {*parts}:
        return np.empty((0, FEATURES.clip_samples), np.int16), []
    audio, words = synthesis.load(folder)
    if "running" in parts and synthesis.RUNNING not in words:
        raise UserError(
            f"{folder}: no running speech here; make it again with `python -m training.synthesis --out "
            f"{folder}`, or leave it out with --omit running"
        )
    return audio, words


def unknown(audio: np.ndarray, total: float) -> Split:
    """Clips int16 [clips, 16000] labelled _unknown_, of which `total` are drawn per epoch."""
    return Split(audio, np.full(len(audio), LABELS.index(UNKNOWN)), np.full(len(audio), total / len(audio)))


def rerecorded(recordings: Split, clips: Sequence[Clip]) -> list[Split]:
    """The recordings, with keywords drawn less often, and augmented copies of keywords, which are drawn instead."""
    rng = np.random.default_rng(RERECORDED_SEED)
    words = np.array([clip.label for clip in clips])
    chosen = [rng.permutation(np.flatnonzero(words == word))[:RERECORDED_CLIPS] for word in KEYWORDS]
    assert recordings.draws is not None
    often = recordings.draws.copy()
    share = []
    for word, rows in zip(KEYWORDS, chosen):
        share.append(np.full(len(rows), RERECORDED * often[words == word].sum() / len(rows)))
        often[words == word] *= 1 - RERECORDED
    rows = np.concatenate(chosen)
    made = [
        recorded_again(recordings.audio[row], RERECORDED_ECHOES, rng)
        for row in progress.over(rows.tolist(), "recording keywords again", "clip")
    ]
    return [
        Split(recordings.audio, recordings.target, often),
        Split(np.stack(made), recordings.target[rows], np.concatenate(share)),
    ]


def synthetic_words(audio: np.ndarray, words: Sequence[str], total: float, without: Sequence[str]) -> Split:
    """The synthetic words except those of `without`. total: recordings of an average keyword."""
    chosen = [index for index, word in enumerate(words) if word not in without and word != synthesis.RUNNING]
    count = Counter(words[index] for index in chosen)
    keywords = sum(count[word] for word in KEYWORDS)
    label = np.array([LABELS.index(words[i] if words[i] in KEYWORDS else UNKNOWN) for i in chosen])
    often = [
        SYNTHETIC_KEYWORDS * total / count[words[i]]
        if words[i] in KEYWORDS
        else SYNTHETIC_OTHERS * total / (len(chosen) - keywords)
        for i in chosen
    ]
    return Split(audio[chosen], label, np.array(often))


def extras(clips: Sequence[Clip], parts: Sequence[str] = PARTS) -> dict:
    """The fields of `train.Recipe` by which this recipe differs from the paper's, apart from its training set."""
    splices = round(SPLICES * average_keyword(clips))
    fields = {
        "steps": ("abrupt", ABRUPT),
        "smoothing": ("smoothing", SMOOTHING),
        "average": ("average", AVERAGE),
        "splices": ("splices", splices),
    }
    return {"parts": parts} | dict(field for part, field in fields.items() if part in parts)
