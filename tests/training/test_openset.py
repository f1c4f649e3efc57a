"""The open recipe: which clips are drawn how often, splices, the running mean, words held out."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from common import checkpoint
from common.description import FEATURES, KEYWORDS, LABELS, UNKNOWN
from common.errors import UserError
from training import openset, train
from training.__main__ import main
from training.average import WeightAverage
from training.batches import SPLICE, Split
from training.data.clip_folder import ARRAY, LIST
from training.data.dataset import Clip
from training.features import log_mel
from training.heldout import heldout_clips, parse_words, rejection_record
from training.splices import FADE, Splicer, can_follow, middle, splice
from training.spoken import synthesis

SECOND = FEATURES.clip_samples
CPU = torch.device("cpu")


def recordings(counts: dict[str, int]) -> list[Clip]:
    """As many clips of each word, and of silence."""
    clips = []
    for word, count in counts.items():
        label = word if word in LABELS else UNKNOWN
        clips += [Clip(label, None if word == "_silence_" else Path(word) / f"{i}.wav") for i in range(count)]
    return clips


@pytest.fixture
def clips() -> list[Clip]:
    return recordings({**dict.fromkeys(KEYWORDS, 40), "go": 10, "bed": 64, "tree": 1, "_silence_": 20})


@pytest.fixture
def synthetic(tmp_path) -> Path:
    """A folder as `training.synthesis` makes it: 40 clips of keywords, 60 of bed and visual, 30 of running speech.

    All samples of the latter are 7, those of the others 9."""
    words = [KEYWORDS[i % 10] for i in range(40)] + ["bed", "visual", "visual"] * 20 + [synthesis.RUNNING] * 30
    np.save(tmp_path / ARRAY, np.repeat(np.array([9, 7], np.int16), [100, 30])[:, None] + np.zeros(SECOND, np.int16))
    (tmp_path / LIST).write_text(json.dumps({"words": words}))
    return tmp_path


# Draws


def test_each_keyword_is_drawn_equally_often_and_a_rare_word_more_often_than_its_share(clips):
    draws = openset.draws(clips)
    drawn = Counter()
    for clip, often in zip(clips, draws):
        drawn[clip.path.parent.name if clip.path else clip.label] += often
    mean = openset.average_keyword(clips)
    assert mean == 37
    assert [drawn[word] for word in KEYWORDS] == pytest.approx([mean] * 10)
    assert drawn["bed"] + drawn["tree"] == pytest.approx(openset.OTHERS * mean)
    assert drawn["bed"] / drawn["tree"] == pytest.approx(8), "the square root of 64"
    assert drawn["_silence_"] == pytest.approx(openset.SILENCES * mean)


def test_the_draws_are_the_same_bits_in_every_process():
    script = """if True:
        from pathlib import Path
        from training.data.dataset import Clip
        from common.description import KEYWORDS
        from training.openset import draws
        counts = {word: 3 + 7 * i for i, word in enumerate("bed cat dog eight five four happy house one six".split())}
        clips = [Clip(word, Path(word) / "a.wav") for word in KEYWORDS]
        clips += [Clip("_unknown_", Path(word) / f"{i}.wav") for word, n in counts.items() for i in range(n)]
        print(draws(clips).tobytes().hex())"""
    seen = {
        subprocess.run(
            [sys.executable, "-c", script], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in "123"
    }
    assert len(seen) == 1


def test_synthetic_words_are_added_to_their_classes_but_for_those_held_out(clips, synthetic):
    audio = np.zeros((len(clips), SECOND), np.int16)
    target = np.array([LABELS.index(clip.label) for clip in clips])
    split = openset.training_set(Split(audio, target), clips, synthetic, None, ("bed",), ("balance", "synthetic"))
    added = slice(len(clips), None)
    assert split.distil.all() and (split.audio[added] == 9).all() and len(split.target[added]) == 80
    drawn = np.bincount(split.target[added], split.draws[added], len(LABELS)) / openset.average_keyword(clips)
    assert drawn[LABELS.index(UNKNOWN)] == pytest.approx(openset.SYNTHETIC_OTHERS)
    assert drawn[2:] == pytest.approx([openset.SYNTHETIC_KEYWORDS] * 10)


def test_running_speech_is_an_other_word_and_learnt_without_a_teacher(clips, synthetic):
    audio, target = np.zeros((len(clips), SECOND), np.int16), np.zeros(len(clips), int)
    split = openset.training_set(Split(audio, target), clips, synthetic, None, ("bed",))
    running = (split.audio == 7).all(1)
    assert running.sum() == 30 and (split.target[running] == LABELS.index(UNKNOWN)).all()
    assert split.draws[running].sum() == pytest.approx(openset.RUNNING_SPEECH * openset.average_keyword(clips))
    assert (split.distil == ~running).all()


def test_a_folder_of_synthetic_words_alone_is_refused_where_running_speech_is_wanted(synthetic):
    words = json.loads((synthetic / LIST).read_text())["words"]
    (synthetic / LIST).write_text(json.dumps({"words": [w.replace(synthesis.RUNNING, "bed") for w in words]}))
    with pytest.raises(UserError, match="no running speech here; make it again"):
        openset.synthetic_speech(synthetic, openset.PARTS)
    assert len(openset.synthetic_speech(synthetic, ("synthetic",))[1]) == 130


def test_with_pieces_of_speech_among_the_other_words_keywords_are_recorded_again(clips, synthetic, monkeypatch):
    rng = np.random.default_rng(0)
    audio = rng.normal(0, 3000, (len(clips), SECOND)).astype(np.int16)
    target = np.array([LABELS.index(clip.label) for clip in clips])
    monkeypatch.setattr(openset, "RERECORDED_CLIPS", 20)
    one, two = (
        openset.training_set(Split(audio, target), clips, Path("none"), synthetic, (), ("balance",)) for _ in range(2)
    )
    assert np.array_equal(one.audio, two.audio) and np.array_equal(one.audio[: len(clips)], audio)
    pieces = np.flatnonzero((one.audio == 9).all(1) | (one.audio == 7).all(1))
    assert len(pieces) == 130 and (one.target[pieces] == LABELS.index(UNKNOWN)).all() and not one.distil[pieces].any()
    assert one.draws[pieces].sum() == pytest.approx(openset.SPEECH * openset.average_keyword(clips))
    again = slice(len(clips), len(one.target) - 130)
    assert one.distil[:-130].all()
    assert np.bincount(one.target[again]).tolist() == [0, 0] + [10 if word == "go" else 20 for word in KEYWORDS]
    assert (np.abs(one.audio[again].astype(int)).max(1) > 500).all() and not np.array_equal(one.audio[again][0], audio[0])
    before = np.bincount(target, openset.draws(clips), len(LABELS))
    drawn = np.bincount(one.target[again], one.draws[again], len(LABELS))
    assert drawn[2:] == pytest.approx(openset.RERECORDED * before[2:]) and (drawn[:2] == 0).all()
    assert np.bincount(one.target, one.draws, len(LABELS))[2:] == pytest.approx(before[2:])


def test_each_part_of_the_recipe_can_be_left_out(clips, synthetic):
    audio, target = np.zeros((len(clips), SECOND), np.int16), np.zeros(len(clips), int)
    plain = openset.training_set(Split(audio, target), clips, Path("none"), None, (), ("balance",))
    assert len(plain.target) == len(clips) and (plain.draws == openset.draws(clips)).all()
    unbalanced = openset.training_set(Split(audio, target), clips, synthetic, None, (), ("synthetic",))
    assert (unbalanced.draws[: len(clips)] == 1).all() and len(unbalanced.target) == len(clips) + 100
    assert openset.extras(clips).keys() == {"parts", "abrupt", "smoothing", "average", "splices"}
    assert openset.extras(clips, ("splices",)) == {"parts": ("splices",), "splices": 18}
    assert openset.parse_omitted("average, smoothing") == ("balance", "synthetic", "running", "splices", "steps")


def new_trainer(draws: np.ndarray | None, state: Path, splices: int = 0, **options) -> train.Trainer:
    rng = np.random.default_rng(0)
    count = 200 if draws is None else len(draws)
    target = np.arange(count) % len(LABELS)
    audio = rng.normal(0, 2000, (count, SECOND)).astype(np.int16)
    noise = rng.normal(0, 500, 2 * SECOND).astype(np.int16)
    recipe = train.Recipe(1, LABELS, 2, 0, "float32", "made by the test", splices=splices, **options)
    return train.Trainer(recipe, Split(audio, target, draws), log_mel(audio[:24]), target[:24], [noise], CPU, state)


def test_a_clip_is_drawn_as_often_as_its_mean_rounded_up_or_down_and_epochs_are_of_one_length(tmp_path):
    draws = np.random.default_rng(1).uniform(0, 3, 150)
    run = new_trainer(draws, tmp_path / "last.pt", splices=20)
    orders = [run.batches.order(np.random.default_rng(seed)) for seed in range(300)]
    assert {len(order) for order in orders} == {run.batches.drawn}
    assert all((order == SPLICE).sum() == 20 for order in orders)
    times = np.stack([np.bincount(order[order >= 0], minlength=150) for order in orders])
    assert ((np.abs(times - draws) >= 1).sum(1) <= 1).all(), "but for one clip, where one draw is too many"
    np.testing.assert_allclose(times.mean(0), draws, atol=0.15)


def test_splices_reach_the_network_as_unknown(tmp_path):
    run = new_trainer(None, tmp_path / "last.pt", splices=100)
    run.batches.target = torch.where(run.batches.target == LABELS.index(UNKNOWN), 0, run.batches.target)
    targets, distil = (torch.cat(parts) for parts in zip(*((batch.target, batch.distil) for batch in run.batches(0))))
    assert (targets == LABELS.index(UNKNOWN)).sum() == 100 and len(targets) == 300
    assert distil.sum() == 300 - run.batches.silence.sum() == 283, "about all but silence"
    assert not (run.batches.target == LABELS.index(UNKNOWN)).any(), "the batches do not write into the run's own targets"


# Splices


@pytest.mark.parametrize(
    "first, second, allowed",
    [
        ("yes", "left", True),
        ("right", "off", True),
        ("stop", "no", True),
        ("yes", "yes", False),
        ("go", "no", False),
        ("no", "go", False),
        ("on", "off", False),
        ("off", "on", False),
        ("up", "stop", False),
        ("stop", "up", False),
    ],
)
def test_only_keywords_that_make_another_word_are_spliced(first, second, allowed):
    assert can_follow(first, second) == allowed


def burst(start: int, length: int, level: int) -> np.ndarray:
    clip = np.zeros(SECOND, np.int16)
    clip[start : start + length] = level
    return clip


def test_a_splice_is_the_first_half_of_one_sound_and_the_second_half_of_the_other():
    first, second = burst(4000, 2000, 1000), burst(8000, 4000, -3000)
    assert middle(first) == pytest.approx(5000, abs=1) and middle(second) == pytest.approx(10000, abs=1)
    made = splice(first, second)
    assert made.shape == (SECOND,) and made.dtype == np.int16
    at = middle(first)
    assert (made[:4000] == 0).all() and (made[4000 : at - FADE] == 1000).all()
    assert (made[at : at + 2000 - 2] == -3000).all() and (made[at + 2002 :] == 0).all()
    assert (np.diff(made[at - FADE : at].astype(int)) < 0).all(), "one fades into the other"


def test_silent_and_early_clips_are_spliced_without_an_error():
    silent = np.zeros(SECOND, np.int16)
    assert (splice(silent, silent) == 0).all()
    assert splice(burst(0, 10, 1000), burst(SECOND - 10, 10, 1000)).shape == (SECOND,)


def test_no_and_on_are_never_reversed_and_each_draw_is_another_word():
    """Clip i holds i + 1 up to the middle and -(i + 1) after it: what a draw is made of can be read off."""
    target = np.arange(2, 12)
    half = np.arange(1, 11, dtype=np.int16)[:, None] * np.ones(SECOND // 2, np.int16)
    draw = Splicer(np.concatenate([half, -half], 1), target)
    seen = Counter()
    rng = np.random.default_rng(0)
    for _ in range(500):
        made = draw(rng)
        begin, end = made[0], made[-1]
        backwards = begin < 0
        seen[backwards] += 1
        if backwards:
            assert KEYWORDS[-begin - 1] not in ("no", "on") and end == -begin
        else:
            assert can_follow(KEYWORDS[begin - 1], KEYWORDS[-end - 1])
    assert 80 < seen[True] < 170


# The running mean, and weights to begin with


def test_the_running_mean_of_equal_steps_is_their_value_and_lags_behind_a_change():
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.BatchNorm1d(1))
    model[1].num_batches_tracked.fill_(1000)
    mean = WeightAverage(model, 0.9)
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        mean.weights["0.weight"].fill_(0.0)
    for _ in range(3):
        mean.update(model)
    assert mean.weights["0.weight"].item() == pytest.approx(1 - 0.9**3)
    assert mean.weights["1.num_batches_tracked"] == 1000


def test_the_running_mean_soon_forgets_the_weights_that_a_run_began_with():
    model = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.BatchNorm1d(1))
    mean = WeightAverage(model, 0.998)
    mean.weights["0.weight"].fill_(1.0)
    with torch.no_grad():
        model[0].weight.fill_(0.0)
    for _ in range(20):
        mean.update(model)
    left = np.prod([step / (step + 9) for step in range(1, 21)])  # of the first weights: a ten-thousandth, not 96 %
    assert mean.weights["0.weight"].item() == pytest.approx(left, rel=1e-4) and left < 1e-4


def test_a_run_with_draws_splices_and_a_mean_continues_bit_for_bit(tmp_path):
    draws = np.full(150, 0.9)

    def outcome(interrupted: bool) -> list[bytes]:
        state = tmp_path / f"{interrupted}.pt"
        run = new_trainer(draws, state, splices=40, smoothing=0.1, average=0.9)
        run.train_epoch()
        if interrupted:
            run = new_trainer(draws, state, splices=40, smoothing=0.1, average=0.9)
            run.resume()
        run.train_epoch()
        tensors = [*run.weights().values(), *run.average.weights.values(), *run.kept.values()]
        return [tensor.numpy().tobytes() for tensor in tensors]

    assert outcome(False) == outcome(True)


def test_the_best_weights_are_those_of_the_mean_not_of_the_last_step(tmp_path):
    run = new_trainer(None, tmp_path / "last.pt", average=0.9)
    run.train_epoch()
    assert all(torch.equal(run.kept[name], value) for name, value in run.average.weights.items())
    assert not torch.equal(run.kept["output.weight"], run.model.state_dict()["output.weight"])


def test_weights_to_begin_with_must_fit(tmp_path, shipped_tau1):
    run = new_trainer(None, tmp_path / "last.pt")
    run.begin_with(shipped_tau1.tensors)
    assert all(np.array_equal(run.weights()[name].numpy(), value) for name, value in shipped_tau1.tensors.items())
    for tensors in (
        {**shipped_tau1.tensors, "output.weight": np.zeros((3, 32), np.float32)},
        {name: value for name, value in shipped_tau1.tensors.items() if name != "output.bias"},
    ):
        with pytest.raises(UserError, match="--start"):
            run.begin_with(tensors)


# Words held out


def test_words_are_sorted_and_counted_once_and_a_keyword_is_refused():
    assert parse_words("tree, happy,tree") == ("happy", "tree") and parse_words("") == ()
    with pytest.raises(UserError, match="--without up: a keyword"):
        parse_words("bed,up")


def test_held_out_clips_are_those_of_training_and_validation(tiny_speech_commands):
    archive = tiny_speech_commands / "speech_commands_v0.02"
    held = heldout_clips(archive, ("bed",))
    assert len(held) == 16 and {clip.path.parent.name for clip in held} == {"bed"}
    with pytest.raises(UserError, match="--without marvin: .* has no recordings"):
        heldout_clips(archive, ("marvin",))


def test_a_rejection_is_silence_or_unknown_and_the_mean_counts_each_word_alike(tiny_speech_commands, tmp_path):
    held = heldout_clips(tiny_speech_commands / "speech_commands_v0.02", ("bed", "cat"))
    held = held[:12] + held[-4:]  # of bed 12, of cat 4
    run = new_trainer(None, tmp_path / "last.pt")
    answers = [0, 1] * 3 + [5] * 6 + [2] * 4
    certain, doubtful = 20, 2  # of 12 classes, one that leads by 2 has a probability of 40 %
    leads = np.array([doubtful] * 6 + [certain] * 3 + [doubtful] * 3 + [certain] * 2 + [doubtful] * 2)
    known = {
        True: leads[:, None] * np.eye(len(LABELS))[answers],
        False: certain * np.eye(len(LABELS))[np.where(np.arange(24) < 12, run.validation_target, 0)],
    }
    run.logits = lambda logmel: known[len(logmel) == 16]
    record = rejection_record(run, held)
    assert record["held-out words rejected"].startswith("37.5 %")
    assert record["held-out words rejected, mean over words"] == "25.0 % (2 words)"
    assert record["held-out bed rejected"].startswith("50.0 %") and "4 clips" in record["held-out cat rejected"]
    assert record["held-out words rejected, at least 60 % sure"].startswith("68.8 %")
    assert record["held-out words rejected, at least 60 % sure, mean over words"] == "62.5 % (2 words)"
    for how in ("", ", at least 60 % sure"):
        assert record[f"keywords recognised{how}"].startswith("50.0 %") and "20 clips" in record[f"keywords recognised{how}"]


def test_the_command_holds_a_word_out_and_starts_from_a_checkpoint(tiny_speech_commands, synthetic, tmp_path, monkeypatch):
    monkeypatch.setattr(synthesis, "check", lambda folder: None)
    data = ["--data", str(tiny_speech_commands), "--threads", "1", "--epochs", "1"]
    assert main([*data, "--out", str(tmp_path / "a"), "--without", "bed,cat"]) == 0
    start = tmp_path / "a" / "tau1.safetensors"
    assert (
        main(
            [
                *data,
                "--out",
                str(tmp_path / "b"),
                "--recipe",
                "open",
                "--synthetic",
                str(synthetic),
                "--without",
                "bed",
                "--start",
                str(start),
                "--rate",
                "0.001",
            ]
        )
        == 0
    )
    record = checkpoint.load(tmp_path / "b" / "tau1.safetensors").training
    assert "16 clips" in record["held-out bed rejected"] and "12 clips" not in record["held-out words rejected"]
    assert checkpoint.load(start).sha256[:16] in record["recipe"] and "rate 0.001" in record["recipe"]
    assert record["from"].startswith(f"checkpoint {checkpoint.load(start).sha256[:16]}: python -m training --data DATA")
    assert str(tmp_path) not in str(record) and record["never heard"] == "bed"
    assert "recipe" in (tmp_path / "b" / "tau1.md").read_text()


def test_a_run_refuses_words_that_another_synthesiser_spoke_unless_it_goes_on(
    tiny_speech_commands, synthetic, tmp_path, failure, monkeypatch
):
    monkeypatch.setattr(synthesis.voices, "missing", list)
    options = (
        "--data",
        tiny_speech_commands,
        "--out",
        tmp_path / "out",
        "--recipe",
        "open",
        "--synthetic",
        synthetic,
        "--epochs",
        "1",
        "--threads",
        "1",
    )
    assert "made by another version" in failure(main, *options)
    assert not (tmp_path / "out").exists()
    assert main([*map(str, options), "--resume"]) == 0


@pytest.mark.parametrize("option", ["--start", "--teacher"])
@pytest.mark.parametrize(
    "record, heard",
    [({}, "bed"), ({"never heard": "bed tree"}, "cat"), ({"command": "python -m training --without bed,cat"}, "bed")],
    ids=str,
)
def test_a_word_that_a_checkpoint_may_have_heard_cannot_be_held_out_of_what_learns_from_it(
    tiny_speech_commands, tmp_path, failure, shipped_tau1, option, record, heard
):
    checkpoint.save(tmp_path / "made.safetensors", dataclasses.replace(shipped_tau1, training=record))
    line = failure(
        main,
        "--data",
        tiny_speech_commands,
        "--out",
        tmp_path / "out",
        "--without",
        "bed,cat",
        option,
        tmp_path / "made.safetensors",
    )
    assert f"--without {heard}: the checkpoint of {option} was trained on it" in line and "--without bed,cat" in line
    assert not (tmp_path / "out").exists()


def test_a_word_that_running_speech_says_cannot_be_held_out_beside_it(tiny_speech_commands, tmp_path, failure):
    said = synthesis.running_words()[0]
    options = ("--data", tiny_speech_commands, "--out", tmp_path / "out", "--recipe", "open", "--without", said)
    assert f"--without {said}: synthetic running speech contains it" in failure(main, *options)
    assert "has no recordings of it" in failure(main, *options, "--omit", "running")


@pytest.mark.parametrize(
    "options, part",
    [
        (("--recipe", "open", "--synthetic", "none"), "none: no synthetic words here; make them with"),
        (("--recipe", "open", "--omit", "mixup"), "--omit mixup: no part of the open recipe; name some of balance"),
        (
            ("--recipe", "open", "--speech", "none", "--omit", "synthetic,running"),
            "none: no pieces of speech here; make them with",
        ),
        (("--speech", "none"), "--speech: only the open recipe"),
        (("--omit", "splices"), "--omit: only the open recipe has parts"),
        (("--without", "yes"), "--without yes: a keyword"),
        (("--without", "marvin"), "has no recordings of it"),
        (("--rate", "0"), "--rate 0: choose"),
        (("--rate", "nan"), "--rate nan: choose"),
        (("--start", "none.safetensors"), "none.safetensors: no such checkpoint"),
        (("--start", "checkpoints/tau1.safetensors", "--tau", "2"), "a checkpoint of tau 1, not 2"),
    ],
    ids=str,
)
def test_a_bad_option_gives_one_line_and_writes_nothing(tiny_speech_commands, tmp_path, failure, options, part):
    assert part in failure(main, "--data", tiny_speech_commands, "--out", tmp_path / "out", *options)
    assert not (tmp_path / "out").exists()
