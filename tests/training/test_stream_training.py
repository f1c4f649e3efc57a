"""Training for the stream, and from a teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from common import checkpoint
from common.checkpoint import Checkpoint
from common.description import FEATURES, LABELS, REACH, STREAM_COLUMNS
from common.errors import UserError
from engine.random_network import random_network
from training import distill, stream, train
from training.features import LogMel, log_mel
from training.model import BCResNet

CPU = torch.device("cpu")
SECOND = FEATURES.clip_samples
RATE = FEATURES.sample_rate


@pytest.fixture(autouse=True)
def one_thread():
    """Sums of several threads differ from those of one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3000, 4 * SECOND).astype(np.int16)


def trained_like(tau: float, seed: int = 0) -> Checkpoint:
    """Random weights with statistics that are no identity."""
    torch.manual_seed(seed)
    model = BCResNet(tau, len(LABELS)).train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(8, 1, FEATURES.mels, FEATURES.frames))
    tensors = {name: value.numpy() for name, value in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    return Checkpoint(tau, LABELS, tensors, {})


# The network without padding


@pytest.mark.parametrize("tau", [1, 1.5])
def test_without_zero_padding_the_logits_are_means_over_the_columns_that_no_padding_reaches(tau):
    model = BCResNet(tau, len(LABELS)).eval()
    logmel = torch.randn(3, 1, FEATURES.mels, stream.COLUMNS)
    with torch.no_grad():
        whole = model.classifier(model.blocks(model.head(logmel)))
        expected = model.output(whole[..., REACH:-REACH].mean((2, 3)))
        valid = model(logmel, valid=True)
    assert whole.shape[3] - 2 * REACH == STREAM_COLUMNS
    torch.testing.assert_close(valid, expected, rtol=1e-5, atol=1e-5)


def test_the_reach_is_the_lag_of_the_engine():
    assert random_network(1).delay == REACH


# The audio of a stream


def test_a_clip_lies_within_150_ms_of_the_middle_of_its_stream(noise):
    clips = torch.zeros(400, SECOND, dtype=torch.int16)
    clips[:, SECOND // 2] = 32767
    samples = stream.stream_augment([noise * 0], CPU)
    samples = samples(clips, np.zeros(400, bool), np.random.default_rng(1))
    assert samples.shape == (400, stream.SAMPLES)
    offset = samples.argmax(1).numpy() - stream.SAMPLES // 2
    assert np.abs(offset).max() <= 0.15 * RATE
    assert offset.min() < -0.13 * RATE and offset.max() > 0.13 * RATE


def test_noise_goes_on_before_and_after_a_clip(noise):
    apply = stream.stream_augment([noise], CPU)
    samples = apply(torch.zeros(50, SECOND, dtype=torch.int16), np.ones(50, bool), np.random.default_rng(1))
    assert (samples[:, :2000].std(1) > 0).all() and (samples[:, -2000:].std(1) > 0).all()


def test_noise_begins_or_ends_in_a_share_of_the_silences(noise):
    apply = stream.stream_augment([np.full(3 * SECOND, 10_000, np.int16)], CPU, abrupt=0.5)
    silence = np.arange(400) < 300
    samples = apply(torch.zeros(400, SECOND, dtype=torch.int16), silence, np.random.default_rng(1))
    abrupt = (samples.max(1).values - samples.min(1).values > 1e-6).numpy()
    assert 100 < abrupt[silence].sum() < 200 and not abrupt[~silence].any()


def test_noise_comes_from_within_one_recording_and_short_ones_are_left_out(noise):
    short = np.full(stream.SAMPLES, 32767, np.int16)
    apply = stream.stream_augment([short, np.full(2 * SECOND, 1000, np.int16), np.full(2 * SECOND, 2000, np.int16)], CPU)
    samples = apply(torch.zeros(60, SECOND, dtype=torch.int16), np.ones(60, bool), np.random.default_rng(1))
    assert (samples == samples[:, :1]).all() and samples.max() <= 2000 / 32768


def test_noise_that_is_too_short_is_told():
    with pytest.raises(UserError, match="no recording of background noise is longer than 1.49 s"):
        stream.stream_augment([np.zeros(SECOND + 100, np.int16)], CPU)


def test_no_column_of_a_batch_depends_on_reflected_samples(noise):
    excerpt = torch.from_numpy(np.float32(noise[: 3 * SECOND]) / 32768)[None]
    start = 20 * FEATURES.hop
    with torch.no_grad():
        whole = LogMel()(excerpt)
        cut = stream.without_edges(LogMel()(excerpt[:, start : start + stream.SAMPLES]))
    torch.testing.assert_close(cut, whole[..., 20 + stream.EDGE : 20 + stream.EDGE + stream.COLUMNS], rtol=0, atol=1e-4)


def test_a_teacher_gets_the_middle_second():
    columns = torch.arange(stream.COLUMNS).reshape(1, 1, 1, -1)
    second = stream.middle_second(columns).flatten()
    assert len(second) == FEATURES.frames and abs(int(second[0]) - (stream.COLUMNS - 1 - int(second[-1]))) <= 1
    assert torch.equal(stream.middle_second(columns[..., : FEATURES.frames]), columns[..., : FEATURES.frames])


# Runs


def new_run(
    state: Path, noise: np.ndarray, taught_by: distill.Teacher | None = None, samples: int = SECOND, **options
) -> train.Trainer:
    rng = np.random.default_rng(5)
    target = np.arange(200) % len(LABELS)
    pitch = 200 * (1 + target)[:, None] / RATE
    audio = (3000 * np.sin(2 * np.pi * pitch * np.arange(samples)) + rng.normal(0, 500, (200, samples))).astype(np.int16)
    recipe = train.Recipe(
        **{"tau": 1, "labels": LABELS, "epochs": 2, "seed": 3, "precision": "float32", "data": "made by the test", **options}
    )
    return train.Trainer(
        recipe, train.Split(audio, target), log_mel(audio[:24]), target[:24], [noise], CPU, state, taught_by
    )


def test_batches_of_both_kinds_come_in_their_share(tmp_path, noise):
    run = new_run(tmp_path / "last.pt", noise, stream=0.5)
    kinds = [batch.stream for epoch in range(12) for batch in run.batches(epoch)]
    assert 4 < sum(kinds) < 20
    for batch in run.batches(0):
        assert batch.logmel.shape[3] == (stream.COLUMNS if batch.stream else FEATURES.frames)


@pytest.mark.parametrize("samples", [20_800, 25_600])
def test_clips_of_a_longer_window_are_learnt_whole_and_as_a_stream(tmp_path, noise, samples):
    run = new_run(tmp_path / "last.pt", noise, samples=samples, stream=0.5, clip_samples=samples)
    batches = [batch for epoch in range(6) for batch in run.batches(epoch)]
    assert {batch.logmel.shape[3] for batch in batches if batch.stream} == {stream.COLUMNS}
    assert {batch.logmel.shape[3] for batch in batches if not batch.stream} == {1 + samples // FEATURES.hop}
    run.train_epoch()
    assert run.logits(run.validation).shape == (24, len(LABELS))


def test_a_run_for_the_stream_is_resumed_bit_for_bit_and_is_another_run(tmp_path, noise):
    def weights(run: train.Trainer) -> bytes:
        return b"".join(value.numpy().tobytes() for value in run.weights().values())

    whole = new_run(tmp_path / "whole.pt", noise, stream=0.5)
    whole.train_epoch()
    resumed = new_run(tmp_path / "whole.pt", noise, stream=0.5)
    resumed.resume()
    for run in (whole, resumed):
        run.train_epoch()
    plain = new_run(tmp_path / "plain.pt", noise)
    plain.train_epoch()
    plain.train_epoch()
    assert weights(whole) == weights(resumed) != weights(plain)
    with pytest.raises(UserError, match="holds a run with stream 0.5, not 0.0"):
        new_run(tmp_path / "whole.pt", noise).resume()


def test_a_state_file_with_the_old_name_of_a_field_is_resumed(tmp_path, noise):
    state = tmp_path / "last.pt"
    new_run(state, noise, abrupt=0.5).save()
    saved = torch.load(state, weights_only=True)
    saved["recipe"]["steps"] = saved["recipe"].pop("abrupt")
    torch.save(saved, state)
    new_run(state, noise, abrupt=0.5).resume()
    with pytest.raises(UserError, match="holds a run with abrupt 0.5, not 0.0"):
        new_run(state, noise).resume()


def test_a_teacher_that_agrees_adds_nothing_and_one_that_does_not_is_followed():
    logits, target = torch.randn(6, len(LABELS)), torch.arange(6)
    losses = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    distil = target != 0
    expected = torch.cat([losses[:1], (1 - distill.SHARE) * losses[1:]]).mean()
    assert distill.distilled(losses, logits, logits, distil).item() == pytest.approx(expected.item(), rel=1e-6)
    taught = torch.randn(6, len(LABELS))
    learnt = logits.clone().requires_grad_()
    distance = [(logits.softmax(1) - taught.softmax(1)).abs().sum(1)]
    for _ in range(200):
        (gradient,) = torch.autograd.grad(6 * distill.distilled(torch.zeros(6), learnt, taught, distil), learnt)
        learnt = (learnt - gradient).detach().requires_grad_()
    distance.append((learnt.detach().softmax(1) - taught.softmax(1)).abs().sum(1))
    assert (distance[1][1:] < 0.1 * distance[0][1:]).all()
    assert distance[1][0] == distance[0][0], "silence is learnt from its label alone"


def test_the_divergence_from_the_teacher_counts_by_the_square_of_the_temperature():
    """Softening makes a gradient smaller by that square (Hinton et al., 2015), which this makes up for."""
    rng = np.random.default_rng(0)
    logits, taught = rng.normal(0, 3, (2, 6, len(LABELS)))
    soft, softer = (np.exp(values / 2) / np.exp(values / 2).sum(1, keepdims=True) for values in (taught, logits))
    expected = 0.7 * 2**2 * (soft * np.log(soft / softer)).sum(1).mean()
    made = distill.distilled(torch.zeros(6), *map(torch.from_numpy, (logits, taught)), torch.ones(6, dtype=bool))
    assert made.item() == pytest.approx(expected, rel=1e-9)


def test_the_teacher_answers_as_its_checkpoint_does_and_stays_as_it_is(tmp_path, noise):
    made = trained_like(1.5)
    teacher = distill.Teacher(made, LABELS, CPU)
    model = BCResNet(1.5, len(LABELS)).eval()
    model.load_state_dict({name: torch.from_numpy(value) for name, value in made.tensors.items()}, strict=False)
    logmel = torch.randn(4, 1, FEATURES.mels, FEATURES.frames)
    with torch.no_grad():
        assert torch.equal(teacher(logmel), model(logmel))
    taught = new_run(tmp_path / "taught.pt", noise, teacher, teacher="made by the test", stream=0.5)
    alone = new_run(tmp_path / "alone.pt", noise, stream=0.5)
    for run in (taught, alone):
        run.train_epoch()
    assert not torch.equal(taught.model.output.weight, alone.model.output.weight)
    assert all(np.array_equal(teacher.model.state_dict()[name].numpy(), value) for name, value in made.tensors.items())


def test_a_teacher_of_other_labels_is_refused():
    made = trained_like(1)
    with pytest.raises(UserError, match="--teacher: a checkpoint with other labels"):
        distill.Teacher(Checkpoint(1, ("yes", "no"), made.tensors, {}), LABELS, CPU)


def test_the_command_records_stream_and_teacher(tiny_speech_commands, tmp_path, capsys):
    from training.__main__ import main

    teacher = tmp_path / "teacher.safetensors"
    checkpoint.save(teacher, trained_like(1.5))
    main(
        [
            "--data",
            str(tiny_speech_commands),
            "--out",
            str(tmp_path / "run"),
            "--epochs",
            "1",
            "--threads",
            "1",
            "--stream",
            "0.3",
            "--teacher",
            str(teacher),
            "--dropout",
            "0",
        ]
    )
    card = (tmp_path / "run" / "tau1.md").read_text()
    sha256 = checkpoint.load(teacher).sha256[:16]
    assert f"30 % of the batches heard as a stream, dropout 0, distilled from checkpoint {sha256}" in card
    assert f"| teacher | BC-ResNet-1.5, checkpoint {sha256}: of unknown origin |" in card
    assert "--teacher TEACHER" in card and str(tmp_path) not in card


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.5])
def test_dropout_is_that_of_the_recipe(tmp_path, noise, dropout):
    run = new_run(tmp_path / "last.pt", noise, dropout=dropout)
    found = [module.p for module in run.model.modules() if isinstance(module, torch.nn.Dropout2d)]
    assert found == [dropout] * 12 and train.Recipe(1, LABELS, 1, 0, "float32", "").dropout == 0.1


@pytest.mark.parametrize(
    "options, part",
    [
        (("--stream", "1"), "--stream 1: choose a share"),
        (("--dropout", "-1"), "--dropout -1: choose a share"),
        (("--teacher", "no.safetensors"), "no.safetensors"),
    ],
)
def test_a_bad_option_gives_one_line(tiny_speech_commands, tmp_path, failure, options, part):
    from training.__main__ import main

    assert part in failure(main, "--data", str(tiny_speech_commands), "--out", str(tmp_path / "run"), *options)
    assert not (tmp_path / "run").exists()
