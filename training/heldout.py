"""Words held out of training, to measure how a network takes words that it never heard.

    python -m training --recipe open --without happy,tree --epochs 10 --out build/heldout

The validation split has the same few other words as the training split, so its accuracy says nothing of new
ones. A word named by --without is left out of both, and out of the synthetic words; when the run ends, all
its recordings of both splits are put to the network. A checkpoint to begin with or to learn from must not have
heard it either.
"""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from common.checkpoint import Checkpoint
from training.data.dataset import Clip, NOISE, listed, read_clips, word_clips
from common.description import KEYWORDS, LABELS, SILENCE, SURE, UNKNOWN
from common.errors import UserError
from training.features import log_mel
from common.intervals import percent
from training.spoken.synthesis import running_words
from training.train import Trainer

UNHEARD = "never heard"
"""In a checkpoint's record, the words that neither its own training nor any before it heard."""
NO_KEYWORD = [LABELS.index(SILENCE), LABELS.index(UNKNOWN)]


def parse_words(text: str) -> tuple[str, ...]:
    """`"happy,tree"` -> ("happy", "tree"), sorted, each once; UserError where one is a keyword."""
    words = tuple(sorted({word.strip() for word in text.split(",") if word.strip()}))
    keywords = [word for word in words if word in KEYWORDS]
    if keywords:
        raise UserError(f"--without {keywords[0]}: a keyword cannot be held out; name other words, as in "
                        "--without happy,tree")
    return words


def check_unheard(words: Sequence[str], option: str, checkpoint: Checkpoint | None) -> None:
    """UserError where a checkpoint that a run builds on may have heard one of the words that the run holds out."""
    unheard = str(checkpoint.training.get(UNHEARD, "")).split() if checkpoint else words
    heard = [word for word in words if word not in unheard]
    if heard:
        raise UserError(f"--without {heard[0]}: the checkpoint of {option} has heard it, or does not say that it has not, "
                        f"and what it taught is no measure of words never heard; name one that was trained --without "
                        f"{','.join(words)}, or leave {option} out")


def check_unsaid(words: Sequence[str]) -> None:
    """UserError where synthetic running speech may say one of the words that a run holds out."""
    said = [word for word in words if word in running_words()]
    if said:
        raise UserError(f"--without {said[0]}: synthetic running speech says it; leave that out with --omit running")


def heldout_clips(archive: Path, words: Sequence[str]) -> list[Clip]:
    """All clips of `words` but those of the testing split; UserError where a word has none."""
    testing = listed(archive, "testing")
    clips = []
    for word in words:
        found = [clip for clip in word_clips(archive / word, UNKNOWN) if clip.key not in testing]
        if not found or word == NOISE:
            raise UserError(f"--without {word}: {archive} has no recordings of it")
        clips += found
    return clips


def rejection_record(trainer: Trainer, clips: Sequence[Clip]) -> dict[str, str]:
    """Of all held-out clips, and of each word, the share that was taken for no keyword; and how many keywords of the
    validation split are recognised. Both as the network answers, and where a keyword counts with a probability of at
    least SURE only, as on a device.

    Words differ in their number of recordings: the mean over words counts each alike.
    """
    answers, sure = answers_of(trainer, log_mel(read_clips(clips)))
    rejected = np.isin(answers, NO_KEYWORD)
    keywords = ~np.isin(trainer.validation_target, NO_KEYWORD)
    known, known_sure = answers_of(trainer, trainer.validation)
    recognised = (known == trainer.validation_target)[keywords]
    words = np.array([clip.word for clip in clips])
    surely = f", at least {100 * SURE / 255:.0f} % sure"
    return {
        **shares("", rejected, words, recognised),
        **shares(surely, rejected | ~sure, words, recognised & known_sure[keywords]),
        **{f"held-out {word} rejected": counted(rejected[words == word]) for word in sorted(set(words))},
    }


def answers_of(trainer: Trainer, logmel: np.ndarray | torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Of each clip [clips, 40, 101] the class that wins, and whether it is sure enough."""
    probability = torch.from_numpy(trainer.logits(logmel)).double().softmax(1).numpy()
    return probability.argmax(1), probability.max(1) >= SURE / 255


def shares(how: str, rejected: np.ndarray, words: np.ndarray, recognised: np.ndarray) -> dict[str, str]:
    """The record of held-out clips that are rejected, and of keywords that are recognised; `how` says by which rule."""
    mean = np.mean([rejected[words == word].mean() for word in set(words)])
    return {
        f"held-out words rejected{how}": counted(rejected),
        f"held-out words rejected{how}, mean over words": f"{100 * mean:.1f} % ({len(set(words))} words)",
        f"keywords recognised{how}": counted(recognised),
    }


def counted(truths: np.ndarray) -> str:
    """How many of them hold, with an interval."""
    return percent(int(truths.sum()), len(truths))
