"""The recipe, the augmentation, and that a run repeats bit for bit, interrupted or not."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from common import checkpoint
from common.description import FEATURES, LABELS, TAUS
from common.errors import UserError
from training import augment, distill, train
from training.__main__ import main
from training.augment import NoiseAugment, spec_augment
from training.card import portable
from training.features import log_mel

SECOND = FEATURES.clip_samples
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small networks gain nothing from more, and lose much where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# The schedule


def rates(epochs: int, steps: int = 7) -> np.ndarray:
    return np.array([train.learning_rate(step, steps, epochs) for step in range(epochs * steps)])


def test_the_rate_rises_linearly_for_five_epochs_to_its_peak_and_falls_along_a_cosine():
    rate = rates(200)
    warm_up = train.WARMUP_EPOCHS * 7
    np.testing.assert_allclose(rate[:warm_up], train.PEAK_RATE * np.arange(1, warm_up + 1) / warm_up)
    falling = np.arange(len(rate) - warm_up) / (len(rate) - warm_up)
    np.testing.assert_allclose(rate[warm_up:], train.PEAK_RATE * np.cos(np.pi / 2 * falling) ** 2, atol=1e-15)


@pytest.mark.parametrize("epochs", [1, 2, 5, 40, 200])
def test_the_rate_reaches_its_peak_and_nearly_zero_whatever_the_number_of_epochs(epochs):
    rate = rates(epochs, steps=100)
    top = int(rate.argmax())
    assert rate[top] == pytest.approx(train.PEAK_RATE, rel=1e-3)
    assert (np.diff(rate[: top + 1]) > 0).all() and (np.diff(rate[top + 1 :]) < 0).all()
    assert 0 < rate[-1] < rate[top] / 100


def test_a_run_that_begins_with_a_checkpoint_warms_up_for_a_tenth_of_its_epochs():
    rate = np.array([train.learning_rate(step, 100, 4, 0.03, trained=True) for step in range(400)])
    assert rate.argmax() in (39, 40) and rate.max() == pytest.approx(0.03) and rate[-1] < 1e-5


@pytest.mark.parametrize("epochs, steps, trained", [(1, 7, False), (3, 7, False), (4, 7, True), (1, 7, True), (9, 1, False)])
def test_no_rate_exceeds_the_peak_where_the_warm_up_is_no_whole_number_of_steps(epochs, steps, trained):
    rate = np.array([train.learning_rate(step, steps, epochs, 0.05, trained) for step in range(epochs * steps)])
    assert rate.max() <= 0.05 and (np.diff(np.sign(np.diff(rate))) <= 0).all(), "it rises, then falls"


def test_the_recipe_is_the_papers():
    assert (train.PEAK_RATE, train.WARMUP_EPOCHS, train.MOMENTUM, train.WEIGHT_DECAY, train.BATCH, train.PAPER_EPOCHS) == (
        0.1,
        5,
        0.9,
        1e-3,
        100,
        200,
    )


# The augmentation


def augmented(clips: np.ndarray, silence: bool, noise: np.ndarray, seed: int = 0) -> np.ndarray:
    """float32 [clips, 16000] of int16 clips, all silence or none."""
    apply = NoiseAugment([noise, noise[::-1].copy()], CPU)
    flags = np.full(len(clips), silence)
    return apply(torch.from_numpy(clips), flags, np.random.default_rng(seed)).numpy()


@pytest.fixture(scope="module")
def impulses() -> np.ndarray:
    """200 clips with one loud sample in the middle."""
    clips = np.zeros((200, SECOND), np.int16)
    clips[:, SECOND // 2] = 16384
    return clips


def test_clips_are_shifted_by_a_tenth_of_a_second_at_most_and_both_ways(impulses):
    shifted = augmented(impulses, False, np.zeros(2 * SECOND, np.int16))
    assert (np.count_nonzero(shifted, axis=1) == 1).all() and (shifted.max(1) == 0.5).all()
    shift = shifted.argmax(1) - SECOND // 2
    assert np.abs(shift).max() <= FEATURES.sample_rate // 10
    assert shift.min() < -1400 and shift.max() > 1400


def test_a_fifth_of_the_spoken_clips_stays_as_it_is(impulses):
    unchanged = (augmented(impulses, False, np.full(2 * SECOND, 5000, np.int16)) == impulses / 32768).all(1)
    assert 0.1 < unchanged.mean() < 0.3


def test_silence_is_always_noisy_up_to_the_full_level_and_speech_up_to_a_tenth():
    noise = np.full(2 * SECOND, 16384, np.int16)
    clips = np.zeros((300, SECOND), np.int16)
    silence, speech = (augmented(clips, flag, noise).max(1) / 0.5 for flag in (True, False))
    assert (silence > 0).all() and 0.9 < silence.max() <= 1
    assert (speech == 0).any() and 0.09 < speech.max() <= 0.1


def test_samples_are_clamped_to_one():
    loud = np.full((50, SECOND), 32767, np.int16)
    for sign in (1, -1):
        samples = augmented(sign * loud, True, sign * np.full(2 * SECOND, 32767, np.int16))
        assert np.abs(samples).max() == 1


def test_noise_comes_from_within_one_recording():
    first, second = (np.full(SECOND + 3, value, np.int16) for value in (1000, -1000))
    apply = NoiseAugment([first, second], CPU)
    samples = apply(torch.zeros(100, SECOND, dtype=torch.int16), np.full(100, True), np.random.default_rng(0)).numpy()
    assert (np.ptp(samples, axis=1) == 0).all() and len(np.unique(np.sign(samples[:, 0]))) == 2


def test_noise_begins_or_ends_in_a_share_of_the_silences_at_any_instant_and_never_under_words():
    noise = np.full(2 * SECOND, 16384, np.int16)
    apply = NoiseAugment([noise], CPU, abrupt=0.5)
    silence = np.arange(600) % 3 > 0
    samples = apply(torch.zeros(600, SECOND, dtype=torch.int16), silence, np.random.default_rng(0)).numpy()
    assert (np.ptp(samples[~silence], axis=1) == 0).all()
    stepped = samples[silence][np.ptp(samples[silence], axis=1) > 0]
    assert 170 < len(stepped) < 230
    changes = np.diff(stepped, axis=1) != 0
    assert (changes.sum(1) == 1).all()
    instants = changes.argmax(1) / SECOND
    assert instants.min() < 0.05 and instants.max() > 0.95
    assert (stepped.min(1) <= 0.1 * stepped.max(1) + 1e-6).all()
    assert 0.35 < (stepped[:, -1] > stepped[:, 0]).mean() < 0.65


def masked(tau: float, axis: int) -> np.ndarray:
    """Rows (axis 2) or columns (axis 3) that are zero throughout, bool [clips, size]."""
    zero = spec_augment(torch.ones(300, 1, 40, 101), tau, np.random.default_rng(0)).numpy() == 0
    return zero.all(3 if axis == 2 else 2)[:, 0]


def test_nothing_is_masked_at_tau_1():
    ones = torch.ones(10, 1, 40, 101)
    assert torch.equal(spec_augment(ones.clone(), 1, np.random.default_rng(0)), ones)


@pytest.mark.parametrize("tau, width", [(1.5, 1), (2, 3), (3, 5), (6, 7), (8, 7)])
def test_two_masks_along_frequency_and_two_along_time_write_zeros(tau, width):
    for axis, widest in ((2, width), (3, 20)):
        rows = masked(tau, axis)
        runs = (np.diff(rows.astype(int), axis=1, prepend=0) == 1).sum(1)
        assert runs.max() == 2
        assert rows[runs == 1].sum(1).max() <= 2 * widest and rows.sum(1).max() > widest
        assert rows.any(0).all(), "every row is masked in some clip"


@pytest.mark.parametrize("tau", TAUS)
def test_every_tau_has_its_mask(tau):
    assert (augment.FREQUENCY_MASK[tau] == 0) == (tau == 1)


# Runs


@pytest.fixture(scope="module")
def splits() -> tuple[train.Split, train.Split, list[np.ndarray]]:
    """Training and validation clips, a tone for each label, and noises."""
    rng = np.random.default_rng(0)

    def split(count: int) -> train.Split:
        target = np.arange(count) % len(LABELS)
        pitch = 200 * (1 + target)[:, None] / FEATURES.sample_rate
        audio = 3000 * np.sin(2 * np.pi * pitch * np.arange(SECOND)) + rng.normal(0, 500, (count, SECOND))
        return train.Split(audio.astype(np.int16), target)

    return split(230), split(24), [rng.normal(0, 1000, 2 * SECOND).astype(np.int16)]


def new_run(splits, state: Path, **options) -> train.Trainer:
    training, validation, noises = splits
    recipe = train.Recipe(
        **{"tau": 1, "labels": LABELS, "epochs": 2, "seed": 3, "precision": "float32", "data": "made by the test", **options}
    )
    return train.Trainer(recipe, training, log_mel(validation.audio), validation.target, noises, CPU, state)


def outcome(run: train.Trainer) -> dict[str, bytes]:
    """All that a run leaves: every weight and statistic, the best ones, and the history."""
    tensors = {**run.model.state_dict(), **{f"best {name}": value for name, value in run.kept.items()}}
    return {**{name: value.numpy().tobytes() for name, value in tensors.items()}, "history": repr(run.history).encode()}


@pytest.fixture(scope="module")
def finished(splits, tmp_path_factory) -> dict[str, bytes]:
    """The outcome of two epochs without a stop."""
    run = new_run(splits, tmp_path_factory.mktemp("run") / "last.pt")
    run.train_epoch()
    run.train_epoch()
    return outcome(run)


def test_a_run_repeats_bit_for_bit(splits, finished, tmp_path):
    torch.manual_seed(99)
    np.random.seed(99)
    run = new_run(splits, tmp_path / "last.pt")
    run.train_epoch()
    run.train_epoch()
    assert outcome(run) == finished


def interrupted_after_a_batch(batches, steps):
    for _, batch in zip(range(1), batches):
        yield batch
    raise KeyboardInterrupt


def test_a_run_interrupted_in_its_second_epoch_continues_bit_for_bit(splits, finished, tmp_path):
    run = new_run(splits, tmp_path / "last.pt")
    run.train_epoch()
    with pytest.raises(KeyboardInterrupt):
        run.train_epoch(interrupted_after_a_batch)
    resumed = new_run(splits, tmp_path / "last.pt")
    resumed.resume()
    assert resumed.epoch == 1
    resumed.train_epoch()
    assert outcome(resumed) == finished


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_another_seed_gives_another_run_in_either_precision(splits, finished, tmp_path, precision):
    run = new_run(splits, tmp_path / "last.pt", seed=4, precision=precision, epochs=1)
    run.train_epoch()
    assert np.isfinite(run.history[0]["loss"])
    assert outcome(run)["output.weight"] != finished["output.weight"]


def test_every_clip_is_drawn_once_an_epoch_in_whole_batches_and_in_another_order_each_time(splits, tmp_path):
    training, *_ = splits
    run = new_run(splits, tmp_path / "last.pt")
    run.batches.silence = np.zeros_like(run.batches.silence)
    run.batches.target = torch.arange(len(training.target))
    epochs = [np.concatenate([batch.target.numpy() for batch in run.batches(epoch)]) for epoch in (0, 1, 1)]
    assert [len(np.unique(drawn)) for drawn in epochs] == [len(training.target) // train.BATCH * train.BATCH] * 3
    assert (epochs[0] != epochs[1]).any() and (epochs[1] == epochs[2]).all()


def test_of_equally_good_epochs_the_later_is_kept_and_a_worse_one_is_not(splits, tmp_path):
    run = new_run(splits, tmp_path / "last.pt", epochs=3)
    run.batches.made = lambda epoch: iter(())
    right = np.eye(len(LABELS))[run.validation_target]
    for answers, keeps in ((right, True), (right, True), (np.roll(right, 1, 1), False)):
        run.logits = lambda logmel, answers=answers: answers
        torch.nn.init.normal_(run.model.output.bias)
        run.train_epoch()
        kept = all(torch.equal(run.kept[name], value) for name, value in run.weights().items())
        assert kept == keeps


@pytest.mark.parametrize(
    "options",
    [{"seed": 4}, {"epochs": 3}, {"tau": 1.5}, {"data": "other"}, {"precision": "bfloat16"}],
    ids=lambda o: next(iter(o)),
)
def test_a_state_of_another_run_is_refused_by_the_option_that_differs(splits, tmp_path, options):
    new_run(splits, tmp_path / "last.pt").save()
    with pytest.raises(UserError, match=f"holds a run with {next(iter(options))} .*--out"):
        new_run(splits, tmp_path / "last.pt", **options).resume()


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"no state"],
    ids=["half", "empty", "foreign"],
)
def test_a_damaged_state_is_refused(splits, tmp_path, damage):
    state = tmp_path / "last.pt"
    run = new_run(splits, state)
    run.save()
    state.write_bytes(damage(state.read_bytes()))
    with pytest.raises(UserError, match="damaged"):
        run.resume()


def test_a_teacher_that_is_no_such_network_is_refused(shipped_tau1):
    tensors = {name: array for name, array in shipped_tau1.tensors.items() if name != "output.bias"}
    with pytest.raises(UserError, match="^--teacher: its weights are not those of this network"):
        distill.Teacher(checkpoint.Checkpoint(1, LABELS, tensors, {}), LABELS, torch.device("cpu"))


def spoil(saved: dict, part: str) -> None:
    """Make a part of a state what it cannot be."""
    if part == "history":
        saved["history"] = [{"loss": "low"}]
    elif part == "too many epochs":
        saved["history"] *= 9
    elif part == "momentum":
        saved["optimizer"]["state"][0]["momentum_buffer"] = torch.zeros(2, 2)
    elif part == "a weight":
        saved["best"]["output.bias"] = torch.zeros(3)
    elif part == "no weight":
        del saved["model"]["output.bias"]
    elif part == "recipe":
        saved["recipe"] = "paper"
    else:
        saved[part] = None


@pytest.mark.parametrize(
    "part",
    ["model", "best", "optimizer", "history", "seconds", "recipe", "too many epochs", "momentum", "a weight", "no weight"],
)
def test_a_state_with_a_damaged_part_is_refused(splits, tmp_path, part):
    state = tmp_path / "last.pt"
    run = new_run(splits, state)
    run.train_epoch()
    saved = torch.load(state, weights_only=True)
    spoil(saved, part)
    torch.save(saved, state)
    with pytest.raises(UserError, match=r"last\.pt: damaged \(.*\); remove it"):
        new_run(splits, state).resume()


# The command


def command(data: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "training", "--data", str(data), "--out", str(out), "--threads", "1", *options]


def prepare(limit: int | None):
    """What the child does first: take Ctrl-C as a terminal's command does, and have a full disk."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def start(data: Path, out: Path, *options: str, limit: int | None = None) -> subprocess.Popen:
    return subprocess.Popen(
        command(data, out, *options),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: prepare(limit),
    )


@pytest.fixture(scope="module")
def trained(tiny_speech_commands, tmp_path_factory) -> tuple[Path, str]:
    """Folder and output of a finished command: two epochs on a GPU that does not exist."""
    out = tmp_path_factory.mktemp("trained")
    process = start(tiny_speech_commands, out, "--epochs", "2", "--gpu", "99")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out, output


def test_the_command_trains_and_writes_a_checkpoint_and_its_card(trained, tiny_speech_commands):
    out, output = trained
    saved = checkpoint.load(out / "tau1.safetensors")
    assert saved.tau == 1 and saved.labels == LABELS
    card = (out / "tau1.md").read_text()
    for name in ("data", "seed", "epochs", "command", "validation top-1", "test top-1"):
        assert f"| {name} | {saved.training[name]} |" in card
    assert "95 % interval" in saved.training["test top-1"] and "24 clips" in saved.training["test top-1"]
    assert str(out) not in card and str(tiny_speech_commands) not in card
    assert str(out / "tau1.safetensors") in output


def test_a_finished_run_leaves_a_plot(trained):
    picture = (trained[0] / "run.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n") and int.from_bytes(picture[16:20]) == 1200


def test_no_such_gpu_gives_one_line_and_goes_on_with_the_cpu(trained):
    lines = [line for line in trained[1].splitlines() if "99" in line]
    assert lines == ["no CUDA device 99 here; training on the CPU"]


def test_a_second_run_into_the_same_folder_is_refused_without_resume(trained, tiny_speech_commands, failure):
    out, _ = trained
    line = failure(main, "--data", tiny_speech_commands, "--out", out, "--epochs", 2)
    assert str(out / "last.pt") in line and "--resume" in line


@pytest.mark.parametrize("option, value", [("--epochs", 3), ("--seed", 1), ("--tau", 2)])
def test_resuming_with_other_options_is_refused_and_loses_nothing(trained, tiny_speech_commands, failure, option, value):
    out, _ = trained
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    options = {"--epochs": 2, option: value}
    line = failure(
        main, "--data", tiny_speech_commands, "--out", out, "--resume", *(word for pair in options.items() for word in pair)
    )
    assert f"not {value}" in line and "--out" in line
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_resuming_a_finished_run_writes_the_same_weights(trained, tiny_speech_commands):
    out, _ = trained
    before = checkpoint.load(out / "tau1.safetensors").tensors
    assert main(["--data", str(tiny_speech_commands), "--out", str(out), "--resume", "--epochs", "2"]) == 0
    after = checkpoint.load(out / "tau1.safetensors").tensors
    assert {n: a.tobytes() for n, a in after.items()} == {n: a.tobytes() for n, a in before.items()}


def test_ctrl_c_and_a_full_disk_keep_the_last_complete_epoch(tiny_speech_commands, tmp_path):
    options = "--epochs", "60"
    process = start(tiny_speech_commands, tmp_path, *options)
    while not process.stdout.readline().startswith("epoch 1/"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and errors.splitlines() == ["error: interrupted; what was complete before is kept"]
    complete = 1 + output.count("epoch ")
    state = (tmp_path / "last.pt").read_bytes()

    process = start(tiny_speech_commands, tmp_path, *options, "--resume", limit=50_000)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 2 and f"resuming after epoch {complete}" in output
    assert errors.splitlines() == [f"error: {tmp_path / 'last.pt'}: File too large"]
    assert (tmp_path / "last.pt").read_bytes() == state
    assert {path.name for path in tmp_path.iterdir()} == {"decoded", "last.pt"}


def test_a_disk_full_while_decoding_leaves_no_cache(tiny_speech_commands, tmp_path):
    process = start(tiny_speech_commands, tmp_path, "--epochs", "1", limit=50_000)
    _, errors = process.communicate(timeout=60)
    lines = errors.splitlines()
    assert process.returncode == 2 and len(lines) == 1 and "decoded" in lines[0] and "disk full" in lines[0]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "options, part",
    [
        (("--tua", "1"), "unrecognized arguments: --tua 1; `python -m training --help` lists"),
        (("--ver", "3"), "argument --ver: invalid choice: 3"),
        (("--tau", "4"), "tau 4 does not exist; choose one of 1, 1.5, 2, 3, 6, 8"),
        (("--tau", "one"), "tau one does not exist"),
        (("--epochs", "0"), "--epochs 0: at least 1"),
        (("--threads", "0"), "--threads 0: at least 1"),
        (("--threads", "-2"), "--threads -2: at least 1"),
        (("--seed", "-1"), "--seed -1: choose"),
    ],
    ids=" ".join,
)
def test_a_bad_option_gives_one_line_and_writes_nothing(tiny_speech_commands, tmp_path, failure, options, part):
    assert part in failure(main, "--data", tiny_speech_commands, "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_one_line_before_the_work(tiny_speech_commands, tmp_path, failure, read_only):
    line = failure(main, "--data", tiny_speech_commands, "--out", tmp_path / "out")
    assert line == f"error: {tmp_path / 'out'}: Read-only file system" and not (tmp_path / "out").exists()


def test_paths_of_this_machine_do_not_enter_the_card():
    arguments = ["--data", "/a b/c", "--epochs", "3", "--out=/d", "--tau", "1"]
    assert portable(arguments) == ["--data", "DATA", "--epochs", "3", "--out=OUT", "--tau", "1"]


@pytest.mark.parametrize("module", ["training", "training.download"])
def test_every_command_has_help_with_an_example(module):
    process = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True)
    assert process.returncode == 0 and f"python -m {module} --" in process.stdout
