"""Knowledge distillation: a larger network's probabilities are learnt beside the labels (Hinton et al., 2015).

The teacher gets the same input as the network in training: shifted, in noise, masked; in the field recipe the clips as they
were recorded, once. Clips of silence and of running speech are learnt from their labels alone.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import torch
from torch import nn

from common import progress
from common.atomic import replacing
from common.checkpoint import Checkpoint
from common.errors import UserError
from training.features import LogMel
from training.model import BCResNet, load_weights
from training.stream import middle_second

TEMPERATURE = 2.0
SHARE = 0.7
"""Weight of the teacher's term in the loss; the labels' term has the rest."""


class Teacher:
    """A trained network, in inference mode."""

    def __init__(self, checkpoint: Checkpoint, labels: tuple[str, ...], device: torch.device):
        """UserError where the checkpoint has other labels, or is no such network."""
        if tuple(checkpoint.labels) != labels:
            raise UserError("--teacher: a checkpoint with other labels; name one of the twelve of Speech Commands")
        self.model = BCResNet(checkpoint.tau, len(labels))
        load_weights(self.model, checkpoint.tensors, "--teacher")
        self.model.to(device).eval()

    @torch.no_grad()
    def __call__(self, logmel: torch.Tensor) -> torch.Tensor:
        """Log-mel (N,1,40,T) -> logits (N, classes) of the second in its middle."""
        return self.model(middle_second(logmel)).float()

    def answers(
        self, audio: np.ndarray, rows: np.ndarray, device: torch.device, cache: Path, batch: int = 200
    ) -> torch.Tensor:
        """Its logits of the clips int16 [clips, 16000] as they are, float32 [clips, classes]; zeros but for `rows`.

        cache: the file that they are kept in; whose name changes with clips and teacher.
        """
        with contextlib.suppress(OSError, ValueError, EOFError):
            kept = np.load(cache)
            if (kept.dtype, kept.shape) == (np.float32, (len(audio), len(self.model.output.bias))):
                return torch.from_numpy(kept)
        found, extract = torch.zeros(len(audio), len(self.model.output.bias)), LogMel().to(device)
        for start in progress.over(range(0, len(rows), batch), "asking the teacher", f"batch of {batch} clip"):
            some = rows[start : start + batch]
            samples = torch.from_numpy(audio[some].astype(np.float32) / 32768).to(device)
            found[some] = self(extract(samples)).cpu()
        with replacing(cache) as temporary:
            np.save(temporary, found.numpy())
        return found


def distilled(losses: torch.Tensor, logits: torch.Tensor, teacher: torch.Tensor, distil: torch.Tensor) -> torch.Tensor:
    """The mean over clips of the loss by the labels (N) and the KL divergence of the logits (N, classes) from the
    teacher's, weighted by SHARE.

    distil: which clips are learnt from the teacher too, bool (N); the others from their labels alone.
    """
    divergence = nn.functional.kl_div(
        (logits / TEMPERATURE).log_softmax(1), (teacher / TEMPERATURE).log_softmax(1), reduction="none", log_target=True
    ).sum(1)
    return torch.where(distil, (1 - SHARE) * losses + SHARE * TEMPERATURE**2 * divergence, losses).mean()
