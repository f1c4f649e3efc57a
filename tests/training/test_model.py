"""BC-ResNet against the paper: parameter counts, structure, and each part by its definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from common.description import BANDS, FEATURES, LABELS, TAUS
from training.model import BCResNet, Block, SubSpectralNorm

PARAMETERS = {1: 9_232, 1.5: 17_154, 2: 27_284, 3: 54_168, 6: 187_812, 8: 321_068}
"""Of the paper's network with twelve classes."""


@pytest.fixture(scope="module")
def network() -> BCResNet:
    """tau = 1, in evaluation, with norms that have seen other statistics than 0 and 1."""
    torch.manual_seed(0)
    model = BCResNet(1, len(LABELS))
    randomise_norms(model)
    return model.eval()


def randomise_norms(module: nn.Module) -> None:
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.5, 0.5)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)


def numpy_sub_spectral_norm(x: np.ndarray, mean, variance, weight, bias, eps: float) -> np.ndarray:
    """Row f of channel c is normalised by entry `c * BANDS + band of f` of each vector."""
    y = np.empty_like(x)
    rows = x.shape[2] // BANDS
    for c in range(x.shape[1]):
        for band in range(BANDS):
            entry, where = c * BANDS + band, slice(band * rows, (band + 1) * rows)
            y[:, c, where] = (x[:, c, where] - mean[entry]) / np.sqrt(variance[entry] + eps)
            y[:, c, where] = y[:, c, where] * weight[entry] + bias[entry]
    return y


@pytest.mark.parametrize("tau", TAUS)
def test_every_tau_has_the_papers_number_of_parameters(tau):
    assert sum(p.numel() for p in BCResNet(tau, len(LABELS)).parameters()) == PARAMETERS[tau]


@pytest.mark.parametrize("tau", TAUS)
def test_a_clip_becomes_one_logit_a_class(tau):
    model = BCResNet(tau, 7).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 1, FEATURES.mels, FEATURES.frames)).shape == (2, 7)


def test_stages_have_the_papers_blocks_dilations_and_strides(network):
    dilations = [block.temporal.dilation for block in network.blocks]
    strides = [block.frequency.stride for block in network.blocks]
    transitions = [block.transition is not None for block in network.blocks]
    assert dilations == [(1, d) for d, count in ((1, 2), (2, 2), (4, 4), (8, 4)) for _ in range(count)]
    assert strides == [(2 if index in (2, 4) else 1, 1) for index in range(12)]
    assert [index for index, is_first in enumerate(transitions) if is_first] == [0, 2, 4, 8]


def test_frequency_shrinks_to_five_rows_and_time_never_does(network):
    shapes = []
    hooks = [
        module.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape[2:])))
        for module in [network.head[-1], *network.blocks]
    ]
    with torch.no_grad():
        network(torch.zeros(1, 1, FEATURES.mels, FEATURES.frames))
    for hook in hooks:
        hook.remove()
    assert [rows for rows, _ in shapes] == [20] * 3 + [10] * 2 + [5] * 8
    assert {columns for _, columns in shapes} == {FEATURES.frames}


def test_only_the_last_layer_and_the_norms_have_a_bias(network):
    biased = [
        name
        for name, module in network.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None
    ]
    assert biased == ["output"]


def test_sub_spectral_norm_is_a_batch_norm_of_every_channel_and_band():
    torch.manual_seed(1)
    layer = SubSpectralNorm(3)
    randomise_norms(layer)
    x = torch.randn(4, 3, 20, 7) * 3 + 1
    norm = layer.norm
    weight, bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    grouped = x.numpy().reshape(4, 3, BANDS, 4, 7)
    in_training = numpy_sub_spectral_norm(
        x.numpy(), grouped.mean((0, 3, 4)).ravel(), grouped.var((0, 3, 4)).ravel(), weight, bias, norm.eps
    )
    in_use = numpy_sub_spectral_norm(
        x.numpy(), norm.running_mean.numpy().copy(), norm.running_var.numpy().copy(), weight, bias, norm.eps
    )
    with torch.no_grad():
        np.testing.assert_allclose(layer.eval()(x).numpy(), in_use, rtol=0, atol=2e-6)
        np.testing.assert_allclose(layer.train()(x).numpy(), in_training, rtol=0, atol=5e-6)


def test_a_block_is_its_definition(network):
    """Both kinds of block, recomputed from their parts' weights in float64 NumPy."""
    torch.manual_seed(2)
    for block, rows in ((network.blocks[2], 20), (network.blocks[3], 10)):
        x = torch.randn(2, channels_in(block), rows, 31)
        with torch.no_grad():
            np.testing.assert_allclose(block(x).numpy(), numpy_block(block, x.numpy()), rtol=0, atol=1e-5)


def channels_in(block: Block) -> int:
    return (block.transition[0] if block.transition else block.frequency).in_channels


def numpy_block(block: Block, x: np.ndarray) -> np.ndarray:
    """(N,C,F,T) -> (N,C',F',T), float64, loops over taps only."""

    def array(tensor):
        return tensor.detach().numpy().astype(np.float64)

    def norm(layer, x):
        scale = array(layer.weight) / np.sqrt(array(layer.running_var) + layer.eps)
        return (x - array(layer.running_mean)[:, None, None]) * scale[:, None, None] + array(layer.bias)[:, None, None]

    shortcut = x
    if block.transition:
        convolution, batch_norm, _ = block.transition
        x = np.maximum(0, norm(batch_norm, np.einsum("oi,nift->noft", array(convolution.weight)[:, :, 0, 0], x)))
    stride, dilation = block.frequency.stride[0], block.temporal.dilation[1]
    taps = array(block.frequency.weight)[:, 0, :, 0]
    rows = x.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    a = sum(taps[:, k, None, None] * padded[:, :, k : k + rows : stride] for k in range(3))
    entries = block.ssn.norm
    a = numpy_sub_spectral_norm(
        a, *(array(v) for v in (entries.running_mean, entries.running_var, entries.weight, entries.bias)), entries.eps
    )
    mean = np.pad(a.mean(2, keepdims=True), ((0, 0), (0, 0), (0, 0), (dilation, dilation)))
    taps = array(block.temporal.weight)[:, 0, 0]
    frames = x.shape[3]
    b = sum(taps[:, k, None, None] * mean[..., k * dilation : k * dilation + frames] for k in range(3))
    b = norm(block.norm, b)
    b = np.einsum("oi,nift->noft", array(block.pointwise.weight)[:, :, 0, 0], b / (1 + np.exp(-b)))
    return np.maximum(0, a + b + (0 if block.transition else shortcut))


def test_the_head_and_the_classifier_are_their_definition(network):
    torch.manual_seed(3)
    head, depthwise, pointwise = network.head[0], network.classifier[0], network.classifier[1]
    assert (head.kernel_size, head.stride, head.padding) == ((5, 5), (2, 1), (2, 2))
    assert (depthwise.kernel_size, depthwise.padding, depthwise.groups) == ((5, 5), (0, 2), depthwise.in_channels)
    x = torch.randn(2, 1, FEATURES.mels, FEATURES.frames)
    with torch.no_grad():
        last = network.classifier(network.blocks(network.head(x)))
        assert pointwise.kernel_size == (1, 1) and last.shape[2:] == (1, FEATURES.frames)
        logits = last.numpy().mean((2, 3)) @ network.output.weight.numpy().T + network.output.bias.numpy()
        np.testing.assert_allclose(network(x).numpy(), logits, rtol=0, atol=1e-5)


def test_dropout_drops_whole_channels_of_the_temporal_branch_in_training_only():
    torch.manual_seed(4)
    block = Block(64, 64, 1, 1, transition=False)
    seen = []
    block.dropout.register_forward_hook(lambda _, inputs, output: seen.append((inputs[0], output)))
    x = torch.rand(20, 64, 10, 9)
    with torch.no_grad():
        block.train()(x)
        block.eval()(x)
    before, after = seen[0]
    dropped = (after == 0).flatten(2).all(2)
    kept = before / (1 - block.dropout.p)
    torch.testing.assert_close(after, torch.where(dropped[:, :, None, None], 0, kept))
    assert 0.05 < dropped.float().mean() < 0.15
    assert torch.equal(*seen[1])
