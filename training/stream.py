"""Training batches for continuous listening: clips with noise before and after them instead of zero padding.

The scores of a stream are averages over few columns, and the receptive field of each covers what came before and after
the word. The excerpts of such a batch are therefore longer than a clip, with the word near their middle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from common.description import FEATURES, REACH, STREAM_COLUMNS
from common.errors import UserError
from training.augment import NoiseAugment

EDGE = 2  # columns at either end that depend on the reflect padding of the Fourier transform
COLUMNS = STREAM_COLUMNS + 2 * REACH
"""Columns of features that an average over STREAM_COLUMNS columns of logits depends on."""
SAMPLES = (COLUMNS + 2 * EDGE - 1) * FEATURES.hop
SHIFT = 15 * FEATURES.sample_rate // 100
"""Largest distance, in samples, from the middle of a clip to that of its excerpt: 150 ms."""


def stream_augment(noises: Sequence[np.ndarray], device: torch.device, abrupt: float = 0.0) -> NoiseAugment:
    """The augmentation that puts clips into 1.5 s of noise. abrupt: see `NoiseAugment`.

    Raises UserError where no recording of noise is that long.
    """
    if all(len(noise) <= SAMPLES for noise in noises):
        raise UserError(
            "--stream: no recording of background noise is longer than "
            f"{SAMPLES / FEATURES.sample_rate:.2f} s; unpack the archive again, or train without --stream"
        )
    return NoiseAugment(noises, device, SAMPLES, SHIFT, abrupt)


def without_edges(logmel: torch.Tensor) -> torch.Tensor:
    """Log-mel of such excerpts (N,1,40,150) -> the columns that do not depend on padding (N,1,40,146)."""
    return logmel[..., EDGE:-EDGE]


def middle_second(logmel: torch.Tensor) -> torch.Tensor:
    """Log-mel (N,1,40,T) -> its middle second, (N,1,40,101), for a network that takes whole clips."""
    start = (logmel.shape[3] - FEATURES.frames) // 2
    return logmel[..., start : start + FEATURES.frames]
