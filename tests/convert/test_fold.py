"""The folded network and both ONNX graphs compute what the checkpoint's PyTorch network computes."""

from __future__ import annotations

import dataclasses

import numpy as np
import onnxruntime
import pytest
import torch

from common.checkpoint import Checkpoint
from common.description import FEATURES, LABELS, TAUS
from common.errors import UserError
from convert import fold, graph, macs
from convert.__main__ import GRAPH_NAMES
from training.model import BCResNet

TOLERANCE = 1e-5


def random_network(tau: float, seed: int = 0, labels: tuple[str, ...] = LABELS) -> tuple[BCResNet, Checkpoint]:
    """A network whose norms hold random statistics, so that folding has something to fold."""
    torch.manual_seed(seed)
    network = BCResNet(tau, len(labels)).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.5, 2.0)
            elif name.endswith(("running_mean", ".1.bias")) or "norm.bias" in name:
                value.normal_(0, 0.3)
            elif "norm.weight" in name or (name.endswith(".1.weight") and value.ndim == 1):
                value.uniform_(-0.5, 1.5)
    tensors = {name: value.numpy() for name, value in network.state_dict().items() if "tracked" not in name}
    return network, Checkpoint(tau, labels, tensors, {})


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    """Six clips' worth of float features."""
    return np.random.default_rng(1).normal(-4, 4, (6, FEATURES.mels, FEATURES.frames)).astype(np.float32)


@torch.no_grad()
def torch_logits(network: BCResNet, clips: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(clips)[:, None]).numpy()


def scaled_error(logits: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(logits - expected).max() / max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("tau", TAUS)
def test_folded_network_equals_pytorch(tau, clips):
    network, checkpoint = random_network(tau)
    assert scaled_error(fold.forward(fold.fold(checkpoint), clips), torch_logits(network, clips)) < TOLERANCE


@pytest.mark.parametrize("name", GRAPH_NAMES)
@pytest.mark.parametrize("tau", (1, 1.5, 3))
def test_onnx_graph_equals_pytorch(tau, name, clips):
    network, checkpoint = random_network(tau)
    model = graph.build(fold.fold(checkpoint), name)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    logits = np.concatenate([session.run(["logits"], {"features": clip[None, None]})[0] for clip in clips])
    assert scaled_error(logits, torch_logits(network, clips)) < TOLERANCE


def test_shipped_checkpoint_folds_to_itself(shipped_tau1, clips):
    network = BCResNet(shipped_tau1.tau, len(shipped_tau1.labels)).eval()
    network.load_state_dict({name: torch.from_numpy(value) for name, value in shipped_tau1.tensors.items()}, strict=False)
    assert scaled_error(fold.forward(fold.fold(shipped_tau1), clips), torch_logits(network, clips)) < TOLERANCE


def test_number_of_labels_is_the_checkpoints(clips):
    _, checkpoint = random_network(1, labels=("_silence_", "_unknown_", "yes"))
    folded = fold.fold(checkpoint)
    assert fold.forward(folded, clips).shape == (len(clips), 3)
    assert graph.build(folded, "small").graph.output[0].type.tensor_type.shape.dim[1].dim_value == 3


@pytest.mark.parametrize("tau, millions", [(1, 2.48), (1.5, 4.61), (2, 7.32), (3, 14.52), (6, 50.28), (8, 85.92)])
def test_macs_are_those_that_were_counted_by_hand(tau, millions):
    assert macs.network_macs(fold.fold(random_network(tau)[1])) / 1e6 == pytest.approx(millions, abs=0.0051)


def test_splitting_bands_survives_scales_whose_mean_vanishes():
    block = fold.fold(random_network(1)[1]).blocks[1]
    scale = np.tile([1.0, -1.0, 1.0, -1.0, 1e-9], (block.channels, 1))
    block = dataclasses.replace(block, scale=scale)
    sigma, beta, ratio, rest = graph.split_bands(block)
    y = np.random.default_rng(0).normal(size=(block.channels, 1))
    assert np.abs(ratio).max() <= np.sqrt(5)
    np.testing.assert_allclose(
        ratio * (sigma[:, None] * y + beta[:, None]) + rest, block.scale * y + block.shift, atol=1e-12
    )


def test_splitting_bands_survives_a_dead_channel():
    block = fold.fold(random_network(1)[1]).blocks[1]
    block = dataclasses.replace(block, scale=np.zeros_like(block.scale))
    for part in graph.split_bands(block):
        assert np.isfinite(part).all()


def test_missing_tensor_is_one_clear_line():
    checkpoint = random_network(1)[1]
    del checkpoint.tensors["output.bias"]
    with pytest.raises(UserError, match="lacks output.bias"):
        fold.fold(checkpoint)


def test_tensor_of_another_tau_is_one_clear_line():
    checkpoint = dataclasses.replace(random_network(1)[1], tau=2)
    with pytest.raises(UserError, match="does not fit its tau"):
        fold.fold(checkpoint)


def test_another_number_of_labels_than_of_answers_is_one_clear_line():
    checkpoint = dataclasses.replace(random_network(1)[1], labels=LABELS[:11])
    with pytest.raises(UserError, match=r"output.weight has shape \(12, 32\), which does not fit its 11 labels"):
        fold.fold(checkpoint)


def test_tensor_too_many_is_one_clear_line():
    checkpoint = random_network(1)[1]
    checkpoint.tensors["extra.weight"] = np.zeros(3, np.float32)
    with pytest.raises(UserError, match="holds extra.weight"):
        fold.fold(checkpoint)
