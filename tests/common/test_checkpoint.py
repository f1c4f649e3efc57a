"""Checkpoints from strangers: what is no network of this project is one line, before anything is converted."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from common import checkpoint
from common.checkpoint import FORMAT
from common.description import FEATURES, LABELS
from common.errors import UserError
from common.labels import labels_of

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


def test_a_window_of_more_than_a_second_is_kept_and_one_of_a_second_is_not_mentioned(tmp_path, shipped_tau1):
    path = tmp_path / "made.safetensors"
    for samples in (16_000, 20_800, 25_600):
        checkpoint.save(path, dataclasses.replace(shipped_tau1, clip_samples=samples))
        found = checkpoint.load(path)
        assert (found.clip_samples, found.features.frames) == (samples, 1 + samples // 160)
        assert (b"clip_samples" in path.read_bytes()) == (samples != 16_000)
    assert checkpoint.load(path).features.id != FEATURES.id == shipped_tau1.features.id


@pytest.mark.parametrize("samples", [15_840, 25_760, 16_001, 0, -16_000])
def test_a_window_that_no_network_can_have_is_refused(write, samples):
    line = refusal(write(HEADER | {"clip_samples": samples}))
    assert f"a window of {samples} samples" in line and "are possible, such as 16000; train one" in line


@pytest.mark.parametrize("samples", ["20800", None, [20_800], 20_800.0])
def test_a_window_that_is_no_number_of_samples_is_refused(write, samples):
    assert "which is no number of them; train one" in refusal(write(HEADER | {"clip_samples": samples}))


def test_features_of_another_window_than_the_header_says_are_refused(write):
    assert "trained on other features" in refusal(write(HEADER | {"clip_samples": 20_800}))


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
