"""Weights that no training gives are told before minutes of conversion."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from test_fold import random_network

from common import checkpoint
from common.checkpoint import Checkpoint
from common.description import TAUS
from common.errors import UserError
from convert import __main__ as command, calibration, plausible
from convert.fold import fold


def scaled(network: Checkpoint, factor: float, part: str) -> Checkpoint:
    tensors = {name: array * np.float32(factor) if part in name else array for name, array in network.tensors.items()}
    return dataclasses.replace(network, tensors=tensors)


def filled(network: Checkpoint, value: float) -> Checkpoint:
    tensors = {name: np.full_like(array, value) for name, array in network.tensors.items()}
    return dataclasses.replace(network, tensors=tensors)


def implausible(network: Checkpoint) -> str:
    with pytest.raises(UserError) as raised, warnings.catch_warnings():
        warnings.simplefilter("error")
        plausible.check(fold(network), calibration.shipped().features)
    return str(raised.value)


def test_weights_that_no_training_gives_are_refused_before_the_conversion(shipped_tau1):
    for value in (1, 1e30):
        assert "reaches" in implausible(filled(shipped_tau1, value))
    assert "its output reaches" in implausible(scaled(shipped_tau1, 1e7, "output.weight"))
    for silent in (filled(shipped_tau1, 0), scaled(shipped_tau1, 0, "head.1.weight")):
        assert "the same answer for every clip" in implausible(silent)


@pytest.mark.parametrize("tau", TAUS)
def test_untrained_networks_are_plausible(tau):
    plausible.check(fold(random_network(tau)[1]), calibration.shipped().features)


def test_an_implausible_checkpoint_is_one_line_of_the_command_that_leaves_nothing(shipped_tau1, tmp_path, failure):
    path = tmp_path / "ones.safetensors"
    checkpoint.save(path, filled(shipped_tau1, 1))
    line = failure(command.main, "--checkpoint", path, "--build", tmp_path / "build")
    assert f"{path}: its " in line and "train it again" in line and not (tmp_path / "build").exists()
