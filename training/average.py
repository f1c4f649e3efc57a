"""The running mean of a network's weights, which is validated and saved in place of the weights themselves."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """The exponential moving average (EMA) of a model's weights and statistics, which is validated and saved.

    decay: of the average, per step; lower in the first steps, so that the initial weights soon count for nothing.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.take({name: value.clone() for name, value in model.state_dict().items()})

    def take(self, weights: dict[str, torch.Tensor]) -> None:
        """Continue with an average that was saved."""
        self.weights = weights
        self.steps = int(next(value for name, value in weights.items() if name.endswith("num_batches_tracked")))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's weights after a step into the average."""
        mean, now = self.weights, model.state_dict()
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 9))
        floating = [name for name in now if now[name].is_floating_point()]
        torch._foreach_lerp_([mean[name] for name in floating], [now[name] for name in floating], 1 - decay)
        counts = [name for name in now if not now[name].is_floating_point()]
        torch._foreach_copy_([mean[name] for name in counts], [now[name] for name in counts])
