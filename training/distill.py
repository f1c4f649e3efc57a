"""A larger network as teacher: what it thinks of a clip says more than the clip's label (Hinton et al., 2015).

The teacher hears exactly what the network in training hears: shifted, in noise, masked. It is not asked about silence
and running speech, of which the label says all there is to learn.
"""
from __future__ import annotations

import torch
from torch import nn

from common.checkpoint import Checkpoint
from common.errors import UserError
from training.model import BCResNet, load_weights
from training.stream import window

TEMPERATURE = 2.0
SHARE = 0.7
"""Of the teacher in the loss; the rest is the labels'."""


class Teacher:
    """A trained network that is asked, never trained."""

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
        return self.model(window(logmel)).float()


def distilled(losses: torch.Tensor, logits: torch.Tensor, teacher: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """The losses by the labels (N) and how far the logits (N, classes) are from the teacher's, weighted; their mean.

    asked: where the teacher is asked (N); elsewhere the label alone counts.
    """
    divergence = nn.functional.kl_div((logits / TEMPERATURE).log_softmax(1), (teacher / TEMPERATURE).log_softmax(1),
                                      reduction="none", log_target=True).sum(1)
    return torch.where(asked, (1 - SHARE) * losses + SHARE * TEMPERATURE**2 * divergence, losses).mean()
