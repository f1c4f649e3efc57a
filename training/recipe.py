"""What the result of a training run depends on."""

from __future__ import annotations

import dataclasses

from common.description import FEATURES, FeatureDescription, windowed
from training.model import DROPOUT

PEAK_RATE = 0.1

RENAMED = {"steps": "abrupt"}
"""Field of `Recipe` in older state files -> its name now."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that the result of a run depends on, bit for bit, on one kind of device."""

    tau: float
    labels: tuple[str, ...]
    epochs: int
    seed: int
    precision: str  # "float32", or "bfloat16" for the activations
    data: str  # hash of the clips and noises, and of how often each is drawn
    rate: float = PEAK_RATE
    smoothing: float = 0.0  # label smoothing
    average: float = 0.0  # EMA decay of the saved weights, per step; 0: the weights themselves are saved
    parts: tuple[str, ...] = ()  # of the open recipe
    splices: int = 0  # words spliced from keywords, per epoch
    start: str = ""  # hash of the initial weights; empty: random
    stream: float = 0.0  # fraction of the batches that are made for continuous listening (training/stream.py)
    dropout: float = DROPOUT  # probability, of whole channels
    teacher: str = ""  # hash of the teacher's weights; empty: no distillation
    abrupt: float = 0.0  # fraction of silence clips whose noise starts or stops mid-clip
    outside: str = ""  # hash of the field recipe's rooms, backgrounds and speech; empty: another recipe
    excerpts: int = 0  # of running speech, per epoch
    pauses: bool = False  # excerpts in which nobody speaks are silence; in older runs they are other words
    weight: float = 1.0  # of an excerpt in the loss of the last epoch
    prior: bool = False  # whether the bias of other words is set by validation clips
    last: bool = False  # whether the last epoch is kept, not the best by validation
    clip_samples: int = FEATURES.clip_samples  # of a clip, and so of the network's window

    @property
    def features(self) -> FeatureDescription:
        """What the network takes."""
        return windowed(self.clip_samples)


NEWER = {field.name: field.default for field in dataclasses.fields(Recipe) if field.default is not dataclasses.MISSING}
"""Fields that older state files lack, and what stands for them."""
