"""Clips as a network that listens without end hears them: noise before and after, and no zero padding.

Scores of a stream are averages over few columns, each of which sees what came before and after the word. A
batch for it is of longer excerpts, in which the word lies anywhere that a stream's scores may be due for it.
"""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from training.augment import NoiseAugment
from common.description import FEATURES, REACH, STREAM_COLUMNS
from common.errors import UserError

EDGE = 2  # columns at either end that the reflected padding of the transform enters
COLUMNS = STREAM_COLUMNS + 2 * REACH
"""Columns of features that an average over STREAM_COLUMNS columns of logits depends on."""
SAMPLES = (COLUMNS + 2 * EDGE - 1) * FEATURES.hop
SHIFT = 15 * FEATURES.sample_rate // 100
"""Samples between the middle of a clip and that of the columns, at most: 150 ms."""


def stream_augment(noises: Sequence[np.ndarray], device: torch.device, steps: float = 0.0) -> NoiseAugment:
    """Puts clips into noise of 1.5 s, which begins or ends in a share `steps` of the silences.

    Raises UserError where no recording of noise is that long.
    """
    if all(len(noise) <= SAMPLES for noise in noises):
        raise UserError("--stream: no recording of background noise is longer than "
                        f"{SAMPLES / FEATURES.sample_rate:.2f} s; unpack the archive again, or train without --stream")
    return NoiseAugment(noises, device, SAMPLES, SHIFT, steps)


def heard(logmel: torch.Tensor) -> torch.Tensor:
    """Log-mel of such excerpts (N,1,40,150) -> the columns that no padding enters (N,1,40,146)."""
    return logmel[..., EDGE:-EDGE]


def window(logmel: torch.Tensor) -> torch.Tensor:
    """The second in the middle, (N,1,40,101), for a network that hears windows."""
    start = (logmel.shape[3] - FEATURES.frames) // 2
    return logmel[..., start:start + FEATURES.frames]
