"""BC-ResNet (Kim et al., "Broadcasted Residual Learning for Efficient Keyword Spotting", 2021).

Tensors are (batch, channel, frequency, time) throughout. Written from the paper.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from common.description import BANDS, STAGES, channels
from common.errors import UserError

DROPOUT = 0.1


def convolve(conv: nn.Module, x: torch.Tensor, valid: bool) -> torch.Tensor:
    """conv(x) of a Conv2d without bias; with `valid`, without zero padding along time."""
    assert isinstance(conv, nn.Conv2d)
    assert not isinstance(conv.padding, str)
    padding = (conv.padding[0], 0 if valid else conv.padding[1])
    return nn.functional.conv2d(x, conv.weight, None, conv.stride, padding, conv.dilation, conv.groups)


class SubSpectralNorm(nn.Module):
    """BatchNorm over (channel, band) pairs (Chang et al., 2021). (N,C,F,T) -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels * BANDS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, f, t = x.shape
        return self.norm(x.reshape(n, c * BANDS, f // BANDS, t)).reshape(n, c, f, t)


class Block(nn.Module):
    """One BC-ResNet block: frequency branch, and a temporal branch broadcast over frequency.

    The first block of a stage is a transition: it begins with a 1x1 convolution and has no identity shortcut.
    """

    def __init__(self, c_in: int, c_out: int, stride: int, dilation: int, transition: bool, dropout: float = DROPOUT):
        super().__init__()
        self.transition = (
            nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True))
            if transition
            else None
        )
        self.frequency = nn.Conv2d(c_out, c_out, (3, 1), (stride, 1), (1, 0), groups=c_out, bias=False)
        self.ssn = SubSpectralNorm(c_out)
        self.temporal = nn.Conv2d(
            c_out, c_out, (1, 3), padding=(0, dilation), dilation=(1, dilation), groups=c_out, bias=False
        )
        self.norm = nn.BatchNorm2d(c_out)
        self.pointwise = nn.Conv2d(c_out, c_out, 1, bias=False)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: torch.Tensor, valid: bool = False) -> torch.Tensor:
        """(N,C,F,T) -> (N,C,F,T); with `valid`, without zero padding along time: (N,C,F,T - 2 dilations)."""
        shortcut = x
        if self.transition is not None:
            x = self.transition(x)
        a = self.ssn(self.frequency(x))
        temporal = self.norm(convolve(self.temporal, a.mean(2, keepdim=True), valid))
        b = self.dropout(self.pointwise(nn.functional.silu(temporal, inplace=True)))
        if valid:
            dilation = self.temporal.dilation[1]
            a, shortcut = (tensor[..., dilation:-dilation] for tensor in (a, shortcut))
        y = a + b if self.transition is not None else a + b + shortcut
        return nn.functional.relu_(y)


class BCResNet(nn.Module):
    """Log-mel (N,1,40,T) -> logits (N, classes). Clips of a second have T = 101.

    With `valid`, nothing is zero-padded along time, and the logits are those of a stream: averages over the T - 2 REACH
    columns whose receptive field lies within the input.
    """

    def __init__(self, tau: float, classes: int, dropout: float = DROPOUT):
        super().__init__()
        head, *widths, tail = channels(tau)
        self.head = nn.Sequential(nn.Conv2d(1, head, 5, (2, 1), 2, bias=False), nn.BatchNorm2d(head), nn.ReLU(inplace=True))
        blocks = []
        c_in = head
        for c_out, (count, stride, dilation) in zip(widths, STAGES):
            for index in range(count):
                blocks.append(Block(c_in, c_out, stride if index == 0 else 1, dilation, index == 0, dropout))
                c_in = c_out
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Sequential(
            nn.Conv2d(c_in, c_in, 5, padding=(0, 2), groups=c_in, bias=False),
            nn.Conv2d(c_in, tail, 1, bias=False),
            nn.BatchNorm2d(tail),
            nn.ReLU(inplace=True),
        )
        self.output = nn.Linear(tail, classes)

    def forward(self, x: torch.Tensor, valid: bool = False) -> torch.Tensor:
        x = self.head[1:](convolve(self.head[0], x, valid))
        for block in self.blocks:
            x = block(x, valid)
        x = self.classifier[1:](convolve(self.classifier[0], x, valid))
        return self.output(x.mean((2, 3)))


def load_weights(model: BCResNet, tensors: dict[str, np.ndarray], source: str) -> None:
    """Give the network a checkpoint's weights and statistics; UserError that names their source where they do not fit."""
    fresh = model.state_dict()
    expected = {name: value.shape for name, value in fresh.items() if not name.endswith("num_batches_tracked")}
    if expected != {name: torch.Size(value.shape) for name, value in tensors.items()}:
        raise UserError(f"{source}: its weights are not those of this network; name a checkpoint of the same tau and labels")
    model.load_state_dict(fresh | {name: torch.from_numpy(value) for name, value in tensors.items()})
