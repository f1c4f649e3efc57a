"""Words held out of training, to measure how a network takes words that it never heard.

    python -m training --recipe open --without happy,tree --epochs 10 --out build/heldout

The validation split has the same few other words as the training split, so its accuracy says nothing of new
ones. A word named by --without is left out of both, and out of the synthetic words; when the run ends, all
its recordings of both splits are put to the network.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from training.dataset import NOISE, Clip, read_clips
from training.description import KEYWORDS, LABELS, SILENCE, UNKNOWN
from training.errors import UserError
from training.features import log_mel
from training.intervals import percent
from training.train import Trainer

NO_KEYWORD = [LABELS.index(SILENCE), LABELS.index(UNKNOWN)]


def parse_words(text: str) -> tuple[str, ...]:
    """`"happy,tree"` -> ("happy", "tree"), sorted, each once; UserError where one is a keyword."""
    words = tuple(sorted({word.strip() for word in text.split(",") if word.strip()}))
    keywords = [word for word in words if word in KEYWORDS]
    if keywords:
        raise UserError(f"--without {keywords[0]}: a keyword cannot be held out; name other words, as in "
                        "--without happy,tree")
    return words


def heldout_clips(archive: Path, words: Sequence[str]) -> list[Clip]:
    """All clips of `words` but those of the testing split; UserError where a word has none."""
    testing = set((archive / "testing_list.txt").read_text().split())
    clips = []
    for word in words:
        paths = [path for path in sorted((archive / word).glob("*.wav")) if f"{word}/{path.name}" not in testing]
        if not paths or word == NOISE:
            raise UserError(f"--without {word}: {archive} has no recordings of it")
        clips += [Clip(UNKNOWN, path) for path in paths]
    return clips


def rejection_record(trainer: Trainer, clips: Sequence[Clip]) -> dict[str, str]:
    """Of all held-out clips, and of each word, the share that was taken for no keyword.

    Words differ in their number of recordings: the mean over words counts each alike.
    """
    rejected = np.isin(trainer.logits(log_mel(read_clips(clips))).argmax(1), NO_KEYWORD)
    words = np.array([clip.path.parent.name for clip in clips])
    of_word = {word: rejected[words == word] for word in sorted(set(words))}
    mean = np.mean([values.mean() for values in of_word.values()])
    return {
        "held-out words rejected": percent(int(rejected.sum()), len(clips)),
        "held-out words rejected, mean over words": f"{100 * mean:.1f} % ({len(of_word)} words)",
        **{f"held-out {word} rejected": percent(int(values.sum()), len(values)) for word, values in of_word.items()},
    }
