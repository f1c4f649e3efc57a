"""Words held out of training, to measure how often a network rejects words that it was not trained on.

    python -m training --recipe open --without happy,tree --epochs 10 --out build/heldout

The validation split has the same few other words as the training split, so its accuracy says nothing about new ones. A
word named by --without is left out of both splits and of the synthetic words; when the run ends, the network is tested
with all its recordings of both splits. The checkpoints of --start and --teacher must not be trained on it either.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from common.checkpoint import Checkpoint
from common.description import DETECTION_THRESHOLD, KEYWORDS, LABELS, SILENCE, UNKNOWN
from common.errors import UserError
from common.intervals import percent
from training.data.dataset import NOISE, Clip, listed, read_clips, word_clips
from training.features import log_mel
from training.spoken.synthesis import running_words
from training.train import Trainer

UNHEARD = "never heard"
"""Key in a checkpoint's record: the words left out of its training and of that of the checkpoints it is built on."""
NO_KEYWORD = [LABELS.index(SILENCE), LABELS.index(UNKNOWN)]


def parse_words(text: str) -> tuple[str, ...]:
    """`"happy,tree"` -> ("happy", "tree"), sorted, each once; UserError where one is a keyword."""
    words = tuple(sorted({word.strip() for word in text.split(",") if word.strip()}))
    keywords = [word for word in words if word in KEYWORDS]
    if keywords:
        raise UserError(
            f"--without {keywords[0]}: a keyword cannot be held out; name other words, as in --without happy,tree"
        )
    return words


def check_checkpoint(words: Sequence[str], option: str, checkpoint: Checkpoint | None) -> None:
    """UserError where the checkpoint of `option` may be trained on one of the words that the run holds out."""
    held_out = str(checkpoint.training.get(UNHEARD, "")).split() if checkpoint else words
    trained = [word for word in words if word not in held_out]
    if trained:
        raise UserError(
            f"--without {trained[0]}: the checkpoint of {option} was trained on it, or does not record that it "
            f"was not, so the word would not be new to the network; name a checkpoint that was trained "
            f"--without {','.join(words)}, or leave {option} out"
        )


def check_running_speech(words: Sequence[str]) -> None:
    """UserError where synthetic running speech may contain one of the words that a run holds out."""
    contained = [word for word in words if word in running_words()]
    if contained:
        raise UserError(
            f"--without {contained[0]}: synthetic running speech contains it; leave that out with --omit running"
        )


def heldout_clips(archive: Path, words: Sequence[str]) -> list[Clip]:
    """All clips of `words` except those of the testing split; UserError where a word has none."""
    testing = listed(archive, "testing")
    clips = []
    for word in words:
        found = [clip for clip in word_clips(archive / word, UNKNOWN) if clip.key not in testing]
        if not found or word == NOISE:
            raise UserError(f"--without {word}: {archive} has no recordings of it")
        clips += found
    return clips


def rejection_record(trainer: Trainer, clips: Sequence[Clip]) -> dict[str, str]:
    """The fraction of the held-out clips, of all and of each word, that the network classifies as no keyword; and the
    fraction of the validation split's keywords that it recognises. Both without a threshold, and where a keyword needs a
    probability of at least DETECTION_THRESHOLD, as on a device.

    The mean over words weights every word alike, whatever its number of recordings.
    """
    answers, certain = classified(trainer, log_mel(read_clips(clips)))
    rejected = np.isin(answers, NO_KEYWORD)
    keywords = ~np.isin(trainer.validation_target, NO_KEYWORD)
    validated, validated_certain = classified(trainer, trainer.validation)
    recognised = (validated == trainer.validation_target)[keywords]
    words = np.array([clip.word for clip in clips])
    with_threshold = f", at least {100 * DETECTION_THRESHOLD / 255:.0f} % sure"
    return {
        **shares("", rejected, words, recognised),
        **shares(with_threshold, rejected | ~certain, words, recognised & validated_certain[keywords]),
        **{f"held-out {word} rejected": counted(rejected[words == word]) for word in sorted(set(words))},
    }


def classified(trainer: Trainer, logmel: np.ndarray | torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Log-mel [clips, 40, 101] -> the class with the highest probability, int64 [clips], and whether that is at least
    DETECTION_THRESHOLD, bool [clips]."""
    probability = torch.from_numpy(trainer.logits(logmel)).double().softmax(1).numpy()
    return probability.argmax(1), probability.max(1) >= DETECTION_THRESHOLD / 255


def shares(how: str, rejected: np.ndarray, words: np.ndarray, recognised: np.ndarray) -> dict[str, str]:
    """The record of rejected held-out clips and recognised keywords. how: the threshold, in words, behind each name."""
    mean = np.mean([rejected[words == word].mean() for word in set(words)])
    return {
        f"held-out words rejected{how}": counted(rejected),
        f"held-out words rejected{how}, mean over words": f"{100 * mean:.1f} % ({len(set(words))} words)",
        f"keywords recognised{how}": counted(recognised),
    }


def counted(truths: np.ndarray) -> str:
    """The fraction of flags that are true, with its 95 % interval."""
    return percent(int(truths.sum()), len(truths))
