"""The exponential moving average (EMA) of a model's weights over the steps of training."""

from __future__ import annotations

import torch
from torch import nn


class WeightAverage:
    """The exponential moving average (EMA) of a model's weights and statistics, which is validated and saved.

    decay: of the average, per step; lower in the first steps, so that the initial weights soon count for nothing.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.weights = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's weights after a step into the average."""
        mean, now = self.weights, model.state_dict()
        steps = int(next(value for name, value in now.items() if name.endswith("num_batches_tracked")))
        decay = min(self.decay, steps / (steps + 9))
        floating = [name for name in now if now[name].is_floating_point()]
        torch._foreach_lerp_([mean[name] for name in floating], [now[name] for name in floating], 1 - decay)
        for name in now.keys() - set(floating):
            mean[name].copy_(now[name])
