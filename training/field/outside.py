"""What a run of the field recipe does to its batches: excerpts of running speech, the augmentation, a rising weight."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from training.features import LogMel
from training.field.augment import Field
from training.field.negatives import Negatives

VALIDATION_SEED = 18


@dataclasses.dataclass
class Outside:
    """What a run of this recipe needs beside clips and noises.

    negatives: None where the recipe has no excerpts. answers: the teacher's logits of the clips as they were recorded,
    float32 [clips, classes], or None.
    """

    field: Field
    negatives: Negatives | None
    answers: torch.Tensor | None = None

    def apply(self, samples: torch.Tensor, running: np.ndarray, silence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Change a batch float32 [clips, samples] in place: excerpts into the rows `running`, then the augmentation.

        silence: which clips are that, bool [clips]; set for excerpts in which nobody speaks. Returns the number of the
        second that each excerpt is from, int64.
        """
        seconds = np.empty(0, np.int64)
        if self.negatives and len(running):
            seconds = self.negatives.draw(len(running), rng)
            samples[running], silence[running] = self.negatives.excerpts(seconds, samples, rng)
        self.field(samples, silence, rng)
        return seconds


@torch.no_grad()
def changed_log_mel(field: Field, audio: np.ndarray, silence: np.ndarray, batch: int = 100) -> np.ndarray:
    """Validation clips int16 [clips, samples], every one of them changed, the same in every run: log-mel as `log_mel` gives
    it. silence: which clips are that, bool [clips]."""
    rng, extract = np.random.default_rng(VALIDATION_SEED), LogMel()
    rows = []
    for start in range(0, len(audio), batch):
        samples = torch.from_numpy(audio[start : start + batch].astype(np.float32) / 32768)
        rows.append(extract(field.changed(samples, silence[start : start + batch], rng))[:, 0].numpy())
    return np.concatenate(rows)


def weight(epoch: int, epochs: int, peak: float) -> float:
    """That of an excerpt of running speech in the loss: from 1 in the first epoch to `peak` in the last."""
    return 1 + (peak - 1) * epoch / max(1, epochs - 1)
