"""Checkpoints of other code: taken with the same answers, or refused in one line that says what they are."""

from __future__ import annotations

import collections
import dataclasses
import os
import pickle
from pathlib import Path

import numpy as np
import official_network
import pytest
import torch
from safetensors.torch import save_file

from common import checkpoint
from common.description import FEATURES, LABELS, TAUS
from training import import_checkpoint
from training.model import BCResNet, load_weights

NAMED = ",".join(LABELS)


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    """Of an official BC-ResNet-1 of twelve classes."""
    return official_network.random_weights(1, len(LABELS))


@pytest.fixture
def take(tmp_path, monkeypatch):
    """`take(content, name="net.pt", labels=NAMED, **options) -> Checkpoint`: imports what torch.save wrote, or bytes."""
    monkeypatch.chdir(tmp_path)

    def taken(content: object, name: str = "net.pt", labels: str | None = NAMED, **options: str):
        path = written(tmp_path / name, content)
        given = {"checkpoint": str(path), "out": str(tmp_path / "out.safetensors")} | options
        given |= {} if labels is None else {"labels": labels}
        assert import_checkpoint.main([f"--{option}={value}" for option, value in given.items()]) == 0
        return checkpoint.load(given["out"])

    return taken


@pytest.fixture
def refused(tmp_path, failure):
    """`refused(content, name="net.pt", labels=NAMED, **options) -> line`: the same where it must be refused."""

    def line(content: object, name: str = "net.pt", labels: str | None = NAMED, **options: str) -> str:
        path, out = written(tmp_path / name, content), tmp_path / "out.safetensors"
        given = {"checkpoint": str(path), "out": str(out)} | options | ({} if labels is None else {"labels": labels})
        found = failure(import_checkpoint.main, *(f"--{option}={value}" for option, value in given.items()))
        assert name in found and not out.exists() and not out.with_suffix(".md").exists()
        return found

    return line


def written(path: Path, content: object) -> Path:
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in content.items()}, path)
    else:
        torch.save(content, path)
    return path


def logits(made: checkpoint.Checkpoint, logmel: torch.Tensor) -> torch.Tensor:
    network = BCResNet(made.tau, len(made.labels)).eval()
    load_weights(network, made.tensors, "")
    with torch.no_grad():
        return network(logmel)


def logmel() -> torch.Tensor:
    shape = (2, 1, FEATURES.mels, FEATURES.frames)
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(1)) - 5


# ---- what is taken ----


@pytest.mark.parametrize("tau", TAUS)
def test_an_official_network_of_every_width_gives_the_same_logits(take, tau):
    weights = official_network.random_weights(tau, 5)
    made = take(weights, labels="_silence_,_unknown_,lamp,door,window")
    assert made.tau == tau and made.labels == ("_silence_", "_unknown_", "lamp", "door", "window")
    expected = official_network.forward(weights, logmel())
    np.testing.assert_allclose(logits(made, logmel()), expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(
    "around, prefix",
    [
        (lambda found: collections.OrderedDict(found), ""),
        (lambda found: {f"module.{name}": value for name, value in found.items()}, "module."),
        (lambda found: {"epoch": 3, "model_state_dict": found, "optimizer": {"lr": 0.1}}, ""),
        (lambda found: {"model": found, "best_acc": 0.97}, ""),
        (
            lambda found: {
                "pytorch-lightning_version": "2.5.0",
                "hyper_parameters": {"n_mels": 40, "lr": 0.1},
                "state_dict": {f"model.net.{name}": value for name, value in found.items()}
                | {"mel.spectrogram.window": torch.zeros(480), "mel.mel_scale.fb": torch.zeros(257, 40)},
            },
            "model.net.",
        ),
    ],
    ids=["state_dict", "data parallel", "training state", "model and figures", "lightning"],
)
def test_the_weights_are_found_in_whatever_was_saved_around_them(take, weights, around, prefix):
    made = take(around(weights))
    np.testing.assert_array_equal(made.tensors["head.0.weight"], weights["cnn_head.0.weight"])
    assert (f"below {prefix[:-1]}" in made.training["names"]) == bool(prefix)


def test_the_older_file_format_and_half_precision_and_safetensors_are_read(take, weights, tmp_path):
    torch.save(weights, tmp_path / "old", _use_new_zipfile_serialization=False)
    whole = take((tmp_path / "old").read_bytes()).tensors
    half = take({name: value.half() if value.is_floating_point() else value for name, value in weights.items()}).tensors
    plain = take(weights, "net.safetensors").tensors
    for name, value in whole.items():
        np.testing.assert_allclose(half[name], value, rtol=1e-3, atol=1e-6)
        np.testing.assert_array_equal(plain[name], value)


def test_this_projects_own_weights_are_taken_as_state_dict_and_as_checkpoint(take, shipped_tau1, tmp_path):
    own = BCResNet(1, len(LABELS))
    load_weights(own, shipped_tau1.tensors, "")
    for found in (
        take(own.state_dict()),
        take((Path(__file__).parents[2] / "checkpoints" / "tau1.safetensors").read_bytes(), "net.safetensors", None),
    ):
        assert found.labels == LABELS
        for name, value in shipped_tau1.tensors.items():
            np.testing.assert_array_equal(found.tensors[name], value)
    renamed = take(
        (Path(__file__).parents[2] / "checkpoints" / "tau1.safetensors").read_bytes(),
        "net.safetensors",
        ",".join(f"ř {index}" for index in range(12)),
    )
    assert renamed.labels[3] == "ř 3" and renamed.training["before: command"] == shipped_tau1.training["command"]


def test_an_own_checkpoint_keeps_its_window_and_brings_its_calibration_clips(take, shipped_tau1, tmp_path, capsys):
    own = tmp_path / "mine" / "keyword.safetensors"
    checkpoint.save(own, dataclasses.replace(shipped_tau1, clip_samples=20_800))
    clips = own.with_suffix(checkpoint.CALIBRATION)
    clips.mkdir()
    (clips / "audio.npy").write_bytes(b"sound")
    out = tmp_path / "out.safetensors"
    for source, window in ((own, "1.3 s"), (own, "1.3 s")):
        assert import_checkpoint.main(["--checkpoint", str(source), "--out", str(out)]) in (None, 0)
        assert f"window: {window}" in capsys.readouterr().out
        assert checkpoint.load(out).clip_samples == 20_800
        assert (out.with_suffix(checkpoint.CALIBRATION) / "audio.npy").read_bytes() == b"sound"
    shipped = Path(__file__).parents[2] / "checkpoints" / "tau1.safetensors"
    assert import_checkpoint.main(["--checkpoint", str(shipped), "--out", str(out)]) in (None, 0)
    assert not out.with_suffix(checkpoint.CALIBRATION).exists() and "window: one second" in capsys.readouterr().out


def test_the_card_says_where_it_came_from_and_the_terminal_what_is_next(take, weights, tmp_path, capsys):
    made = take(weights, labels=NAMED.replace("yes", "a|b"))
    shown = capsys.readouterr().out
    assert f"next: make quantize TAU=1 CHECKPOINT={tmp_path / 'out.safetensors'}" in shown and "40 HTK mels" in shown
    card = (tmp_path / "out.md").read_text()
    assert "from net.pt, SHA-256" in card and "those of the official code" in card
    assert made.training["imported"] in card and "a\\|b" in card


def test_without_out_it_is_named_after_the_file(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(weights, "mine.pth")
    assert import_checkpoint.main(["--checkpoint=mine.pth", f"--labels={NAMED}", "--tau=1"]) == 0
    assert checkpoint.load("build/imported/mine.safetensors").labels == LABELS


# ---- what is refused ----


class Harmful:
    """Unpickled, it would make a folder."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("around", [lambda harm: harm, lambda harm: {"state_dict": {}, "callbacks": harm}])
@pytest.mark.parametrize("write", [pickle.dumps, None], ids=["pickle", "torch"])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(refused, tmp_path, monkeypatch, around, write):
    monkeypatch.chdir(tmp_path)
    content = around(Harmful())
    line = refused(write(content) if write else content)
    assert "would call" in line and "mkdir" in line and "torch.save(model.state_dict()" in line
    assert not (tmp_path / "harm").exists()


def test_a_whole_module_is_refused_by_name(refused):
    assert "would call" in refused(BCResNet(1, 12))


def test_a_torchscript_program_is_refused(refused, tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "script")
    assert "a TorchScript program" in refused((tmp_path / "script").read_bytes())


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"not a checkpoint at all", b"\x80\x02}q\x00.", b"PK\x03\x04" + bytes(60), bytes(8) + b"{", b"\x80\x04N."],
    ids=["empty", "a byte", "text", "an empty pickle", "a zip's head", "a safetensors' head", "None"],
)
def test_what_is_no_checkpoint_is_refused(refused, content):
    line = refused(content)
    assert any(words in line for words in ("no checkpoint, or a damaged one", "no safetensors file", "no weights by name"))


def test_a_truncated_checkpoint_is_refused(refused, weights, tmp_path):
    content = written(tmp_path / "whole", weights).read_bytes()
    for size in (10, 1000, len(content) // 2, len(content) - 1):
        assert "no checkpoint, or a damaged one" in refused(content[:size])


@pytest.mark.parametrize(
    "content, words",
    [
        ([1, 2], "no weights by name in it (list)"),
        ({"epoch": 3, "loss": 0.1}, "no weights by name in it (it holds epoch, loss)"),
        (
            {"fc.weight": torch.zeros(3, 3)},
            "no BC-ResNet of the official code or of this project: its first tensor is 'fc.weight'",
        ),
        (torch.zeros(3), "no weights by name in it (Tensor)"),
    ],
)
def test_what_holds_no_such_network_is_refused(refused, content, words):
    assert words in refused(content)


def changed(weights: dict[str, torch.Tensor], **changes) -> dict[str, torch.Tensor]:
    """The weights with some of them replaced, by the ends of their names; removed where None."""
    out = {}
    for name, value in weights.items():
        ending = next((ending for ending in changes if name.endswith(ending.replace("__", "."))), None)
        if ending is None:
            out[name] = value
        elif changes[ending] is not None:
            out[name] = changes[ending](value)
    return out


@pytest.mark.parametrize(
    "change, words",
    [
        (
            lambda found: official_network.random_weights(1.25, 12),
            "of another width: its first convolution is [20, 1, 5, 5]",
        ),
        (lambda found: official_network.random_weights(1, 12, rows=8), "of another number of mels than 40"),
        (lambda found: official_network.random_weights(1, 12, bands=4), "SubSpectralNorm of another number of bands than 5"),
        (
            lambda found: {name.replace(".ssnorm", ""): value for name, value in found.items()},
            "no SubSpectralNorm with a scale for each band: it holds BCBlocks.0.0.f2.1.block.1.weight",
        ),
        (
            lambda found: {k: v for k, v in found.items() if "ssnorm" not in k},
            "it lacks what is called blocks.0.ssn.norm.weight here",
        ),
        (lambda found: found | {"attention.weight": torch.zeros(2)}, "it holds attention.weight, which the official"),
        (
            lambda found: changed(found, BCBlocks__3__3__f1__1__weight=None),
            "it lacks what is called blocks.11.pointwise.weight",
        ),
        (
            lambda found: changed(found, classifier__5__weight=None),
            "its last layer, with an output for each label, is missing",
        ),
        (lambda found: changed(found, cnn_head__0__weight=lambda value: value * torch.nan), "not finite (head.0.weight)"),
        (
            lambda found: changed(found, cnn_head__1__running_var=lambda value: -value),
            "head.1.running_var, a variance, is negative",
        ),
        (lambda found: changed(found, cnn_head__0__weight=lambda value: value.long()), "is of type torch.int64"),
        (
            lambda found: {"a." + k: v for k, v in found.items()} | {"b." + k: v for k, v in found.items()},
            "several networks",
        ),
        (
            lambda found: {"state_dict": found, "hyper_parameters": {"n_mels": 64}},
            "trained with n_mels 64, but the features here have 40",
        ),
        (
            lambda found: {"net." + k: v for k, v in found.items()} | {"mel.mel_scale.fb": torch.zeros(257, 80)},
            "trained on other features: its mel filters mel.mel_scale.fb have the shape (257, 80)",
        ),
    ],
)
def test_another_network_is_refused_with_what_it_is(refused, weights, change, words):
    assert words in refused(change(weights))


def test_labels_must_be_given_and_as_many_as_there_are_classes(refused, weights):
    line = refused(weights, labels=None)
    assert "its 12 labels are not in it" in line and f"LABELS={NAMED}" in line
    assert "tells 12 classes apart, but 3 labels are given" in refused(weights, labels="a,b,c")
    assert "its label 'a' stands twice" in refused(weights, labels="a,a")
    assert "is empty" in refused(weights, labels="a,,b")


def test_another_width_than_the_wanted_one_is_refused(refused, weights):
    assert "holds tau 1, not 2; say TAU=1" in refused(weights, tau="2")


def test_files_that_cannot_be_are_refused(failure, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no checkpoint named" in failure(import_checkpoint.main)
    assert "nowhere.pt: no such checkpoint" in failure(import_checkpoint.main, "--checkpoint=nowhere.pt")
    assert "a folder" in failure(import_checkpoint.main, f"--checkpoint={tmp_path}")
    torch.save(weights, "net.pt")
    assert "ends in .safetensors" in failure(import_checkpoint.main, "--checkpoint=net.pt", "--out=net.pt")
    save_file(weights, "net.safetensors")
    same = failure(import_checkpoint.main, "--checkpoint=net.safetensors", "--out=./net.safetensors")
    assert "take the place of what it is made from" in same
