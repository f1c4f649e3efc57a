"""A plain BC-ResNet whose weights have the official code's names, written from the paper alone, to compare with.

It is one list of tensors and one function over them: no module of this project's network is used.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

BLOCKS, STRIDES = (2, 2, 4, 4), (1, 2, 2, 1)
WIDTHS = (2, 1, 1.5, 2, 2.5, 4)
"""Of head, four stages and classifier, in units of 8 tau."""


def random_weights(tau: float, classes: int, seed: int = 0, bands: int = 5, rows: int = 5) -> dict[str, torch.Tensor]:
    """A `state_dict` of such a network: weights, statistics of norms, and the norms' counters.

    bands: of SubSpectralNorm. rows: of the classifier's first convolution, along frequency.
    """
    generator = torch.Generator().manual_seed(seed)
    out: dict[str, torch.Tensor] = {}

    def conv(name: str, *shape: int) -> None:
        out[f"{name}.weight"] = torch.randn(shape, generator=generator) * math.sqrt(2 / math.prod(shape[1:]))

    def norm(name: str, size: int) -> None:
        out[f"{name}.weight"] = torch.rand(size, generator=generator) + 0.5
        out[f"{name}.bias"] = 0.2 * torch.randn(size, generator=generator)
        out[f"{name}.running_mean"] = 0.2 * torch.randn(size, generator=generator)
        out[f"{name}.running_var"] = torch.rand(size, generator=generator) + 0.5
        out[f"{name}.num_batches_tracked"] = torch.tensor(1000)

    head, *stages, tail = (int(8 * tau * width) for width in WIDTHS)
    conv("cnn_head.0", head, 1, 5, 5)
    norm("cnn_head.1", head)
    last = head
    for stage, (width, count) in enumerate(zip(stages, BLOCKS)):
        for index in range(count):
            name, layer = f"BCBlocks.{stage}.{index}", 0
            if index == 0:
                conv(f"{name}.f2.0.block.0", width, last, 1, 1)
                norm(f"{name}.f2.0.block.1", width)
                layer = 1
            conv(f"{name}.f2.{layer}.block.0", width, 1, 3, 1)
            norm(f"{name}.f2.{layer}.block.1.ssnorm", width * bands)
            conv(f"{name}.f1.0.block.0", width, 1, 1, 3)
            norm(f"{name}.f1.0.block.1", width)
            conv(f"{name}.f1.1", width, width, 1, 1)
            last = width
    conv("classifier.0", last, 1, rows, 5)
    conv("classifier.1", tail, last, 1, 1)
    norm("classifier.2", tail)
    conv("classifier.5", classes, tail, 1, 1)
    out["classifier.5.bias"] = torch.randn(classes, generator=generator)
    return out


def forward(weights: dict[str, torch.Tensor], logmel: torch.Tensor) -> torch.Tensor:
    """Log-mel (N,1,40,T) -> logits (N, classes) at inference."""

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        mean, variance, scale, shift = (
            weights[f"{name}.{part}"][:, None, None] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift

    def conv(name: str, x: torch.Tensor, **more) -> torch.Tensor:
        return functional.conv2d(x, weights[f"{name}.weight"], **more)

    x = torch.relu(norm("cnn_head.1", conv("cnn_head.0", logmel, stride=(2, 1), padding=2)))
    for stage, (count, stride) in enumerate(zip(BLOCKS, STRIDES)):
        for index in range(count):
            name, layer, before = f"BCBlocks.{stage}.{index}", 0, x
            if index == 0:
                x = torch.relu(norm(f"{name}.f2.0.block.1", conv(f"{name}.f2.0.block.0", x)))
                layer = 1
            else:
                stride = 1
            a = conv(f"{name}.f2.{layer}.block.0", x, stride=(stride, 1), padding=(1, 0), groups=x.shape[1])
            bands = weights[f"{name}.f2.{layer}.block.1.ssnorm.weight"].numel() // a.shape[1]
            split = a.reshape(a.shape[0], a.shape[1] * bands, a.shape[2] // bands, a.shape[3])
            a = norm(f"{name}.f2.{layer}.block.1.ssnorm", split).reshape(a.shape)
            dilation = 2**stage
            b = conv(
                f"{name}.f1.0.block.0",
                a.mean(2, keepdim=True),
                padding=(0, dilation),
                dilation=(1, dilation),
                groups=a.shape[1],
            )
            b = norm(f"{name}.f1.0.block.1", b)
            y = a + conv(f"{name}.f1.1", b * torch.sigmoid(b))
            x = torch.relu(y if index == 0 else y + before)
    x = conv("classifier.0", x, padding=(0, 2), groups=x.shape[1])
    x = torch.relu(norm("classifier.2", conv("classifier.1", x)))
    x = x.mean((2, 3), keepdim=True)
    return conv("classifier.5", x, bias=weights["classifier.5.bias"])[:, :, 0, 0]
