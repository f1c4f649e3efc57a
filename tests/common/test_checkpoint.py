"""Checkpoints from strangers: what is no network of this project is one line, before anything is converted."""

from __future__ import annotations

import dataclasses
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from common import checkpoint
from common.checkpoint import FORMAT, Checkpoint
from common.description import FEATURES, LABELS, TAUS
from common.errors import UserError
from common.labels import labels_of
from convert import __main__ as command, calibration, plausible
from convert.fold import fold

HEADER = {"format": FORMAT, "tau": 1, "labels": list(LABELS), "features": FEATURES.id, "training": {"command": "train"}}


@pytest.fixture
def write(tmp_path, shipped_tau1):
    """`write(header=…, convert=…) -> path`: the shipped weights, each as `convert` makes it, with such a header."""

    def written(header: dict | str = HEADER, convert=lambda name, tensor: tensor) -> Path:
        tensors = {name: convert(name, torch.from_numpy(array.copy())) for name, array in shipped_tau1.tensors.items()}
        path = tmp_path / "stranger.safetensors"
        path.write_bytes(save(tensors, {"bcresnet": header if isinstance(header, str) else json.dumps(header)}))
        return path

    return written


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as raised:
        checkpoint.load(path)
    assert str(raised.value).startswith(f"{path}: ")
    return str(raised.value)


@pytest.mark.parametrize(
    "dtype, name",
    [
        (torch.bfloat16, "BF16"),
        (torch.float8_e4m3fn, "F8_E4M3"),
        (torch.int32, "I32"),
        (torch.bool, "BOOL"),
        (torch.complex64, "C64"),
    ],
)
def test_weights_of_another_type_are_refused_by_name(write, dtype, name):
    line = refusal(write(convert=lambda _, tensor: tensor.to(dtype)))
    assert f"blocks.0.frequency.weight is of type {name}, but weights must be F32" in line


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_weights_of_every_size_of_float_are_read_as_float32(write, dtype, shipped_tau1):
    read = checkpoint.load(write(convert=lambda _, tensor: tensor.to(dtype)))
    assert read.labels == LABELS and read.training == HEADER["training"]
    assert read.tensors.keys() == shipped_tau1.tensors.keys()
    for name, array in read.tensors.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, torch.from_numpy(shipped_tau1.tensors[name]).to(dtype).float().numpy())


def test_numbers_that_cannot_be_weights_are_refused(write):
    beyond = refusal(write(convert=lambda name, tensor: tensor.double() * (1e300 if name == "output.bias" else 1)))
    assert "not finite (output.bias)" in beyond
    negative = refusal(write(convert=lambda name, tensor: -tensor if name == "head.1.running_var" else tensor))
    assert "head.1.running_var, a variance, is negative" in negative


@pytest.mark.parametrize(
    "training, words",
    [
        (None, "no JSON object"),
        ([1], "no JSON object"),
        ("long", "no JSON object"),
        ({"epochs": None}, "'epochs' neither a text nor a number"),
        ({"from": {"a": 1}}, "'from' neither"),
    ],
)
def test_a_record_of_training_that_is_none_is_refused(write, training, words):
    assert words in refusal(write(HEADER | {"training": training}))


@pytest.mark.parametrize(
    "header",
    [
        {key: value for key, value in HEADER.items() if key != "training"},
        HEADER | {"format": []},
        HEADER | {"tau": True},
        HEADER | {"tau": "1"},
        HEADER | {"tau": [1]},
        "[]",
        "",
        "[" * 100_000 + "]" * 100_000,
    ],
    ids=["no training", "format", "true", "text", "list", "no object", "nothing", "deep"],
)
def test_a_foreign_header_is_refused(write, header):
    assert "its header is foreign" in refusal(write(header))


@pytest.mark.parametrize(
    "labels, words",
    [
        (3, "no list of texts"),
        ("abc", "no list of texts"),
        ({"yes": 1}, "no list of texts"),
        ([1, 2], "no list of texts"),
        ([["yes"], ["no"]], "no list of texts"),
        ([], "fewer than two"),
        (["yes"], "fewer than two"),
        (["yes", ""], "is empty"),
        (["yes", " no"], "begins or ends with a blank"),
        (["yes", "n\0o"], "cannot be printed"),
        (["yes", "n\no"], "cannot be printed"),
        (["yes", "\ud800"], "cannot be printed"),
        (["yes", "n\u2028o"], "cannot be printed"),
        (["no", "yes", "no"], "'no' stands twice"),
    ],
)
def test_labels_that_cannot_be_are_refused(write, labels, words):
    assert words in refusal(write(HEADER | {"labels": labels}))


def test_labels_in_any_writing_are_taken():
    labels = ["ja", "größe", "说 好", "👍🏽", "नमस्ते", "??/"]
    assert labels_of(labels) == tuple(labels)


def test_a_checkpoint_that_cannot_be_read_is_not_called_missing(write, monkeypatch, tmp_path):
    path = write()

    def read_bytes(self):
        raise PermissionError(13, "Permission denied", str(self))

    assert "no such checkpoint" in refusal(tmp_path / "none.safetensors")
    assert "a folder" in refusal(tmp_path)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert "cannot be read (Permission denied)" in refusal(path)


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
        assert "the same answer whatever it hears" in implausible(silent)


@pytest.mark.parametrize("tau", TAUS)
def test_untrained_networks_are_plausible(tau):
    from test_fold import random_network

    plausible.check(fold(random_network(tau)[1]), calibration.shipped().features)


def test_an_implausible_checkpoint_is_one_line_of_the_command_that_leaves_nothing(shipped_tau1, tmp_path, failure):
    path = tmp_path / "ones.safetensors"
    checkpoint.save(path, filled(shipped_tau1, 1))
    line = failure(command.main, "--checkpoint", path, "--build", tmp_path / "build")
    assert f"{path}: its " in line and "train it again" in line and not (tmp_path / "build").exists()
