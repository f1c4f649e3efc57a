"""The field recipe: what sound goes through, backgrounds, running speech and its hard seconds, runs."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from common.checkpoint import Checkpoint
from common.description import FEATURES, LABELS, SILENCE, UNKNOWN
from common.errors import UserError
from training import distill, prior, train
from training.__main__ import main
from training.features import log_mel
from training.field import augment, backgrounds, music, outside, recipe, sound
from training.field.augment import Field
from training.field.negatives import Negatives, keyword_probability
from training.model import BCResNet

SECOND = FEATURES.clip_samples
RATE = FEATURES.sample_rate
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def noise() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, (3, SECOND)))


def tone(hertz: float, amplitude: float = 0.5, start: int = 0, stop: int = SECOND) -> torch.Tensor:
    """A clip float64 [1, 16000] with a tone from one sample to another."""
    time = torch.arange(SECOND, dtype=torch.float64)
    wave = amplitude * torch.sin(2 * np.pi * hertz / RATE * time)
    return (wave * ((time >= start) & (time < stop)))[None]


# What sound goes through


def test_the_level_is_that_of_the_loudest_300_ms():
    short = tone(1000, start=8000, stop=8000 + 4800)
    assert sound.level(short).item() == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert sound.level(0.1 * tone(1000) + short).item() > sound.level(short).item()
    assert sound.rms(short).item() == pytest.approx(sound.level(short).item() + 10 * np.log10(4800 / SECOND), abs=0.01)


def test_a_gain_is_one_for_all_clips_or_one_for_each(noise):
    wanted = torch.tensor([-20.0, -50.0, -65.0])
    np.testing.assert_allclose(sound.level(sound.gained(noise, wanted - sound.level(noise))), wanted, atol=1e-3)
    np.testing.assert_allclose(sound.gained(noise, 20.0), 10 * noise, rtol=1e-6)


def test_saturation_cuts_off_or_bends():
    loud = tone(500, 4.0).repeat(2, 1)
    cut, bent = sound.saturated(loud, torch.tensor([False, True]))
    assert cut.abs().max() == 1 and (cut.abs() == 1).float().mean() > 0.5
    assert bent.abs().max() < 1 and torch.equal(bent, torch.tanh(loud[1]))


def test_16_bits_hold_what_they_can():
    rounded = sound.in_16_bits(torch.tensor([[0.4 / 32768, 0.6 / 32768, 2.0, -2.0]], dtype=torch.float64))
    assert (rounded * 32768).tolist() == [[0, 1, 32767, -32768]]


@pytest.mark.parametrize("length", [100, 700])
def test_a_room_is_a_convolution(noise, length):
    rng = np.random.default_rng(1)
    responses = [rng.normal(size=length), rng.normal(size=length // 2), rng.normal(size=3)]
    heard = sound.in_rooms(noise, sound.spectra(responses, SECOND, torch.float64))
    for one, response, clip in zip(heard, responses, noise):
        np.testing.assert_allclose(one, np.convolve(clip, response)[:SECOND], atol=1e-9)


@pytest.mark.parametrize("snr", [20.0, 0.0, -10.0])
def test_noise_is_mixed_at_its_signal_to_noise_ratio(noise, snr):
    clip = tone(400).repeat(3, 1)
    added = sound.mixed(clip, noise, snr) - clip
    np.testing.assert_allclose(sound.rms(clip) - sound.rms(added), snr, atol=1e-6)


def test_a_band_passes_its_middle_and_halves_the_power_at_its_edges():
    def gain(hertz: float, **limits: float) -> float:
        passed = sound.filtered(tone(hertz), sound.band(sound.frequencies(SECOND), **limits))
        return float(sound.rms(passed[:, 4000:12000]) - sound.rms(tone(hertz)[:, 4000:12000]))

    assert gain(1000, low=300, high=3400) == pytest.approx(0, abs=0.1)
    for edge in (300, 3400):
        assert gain(edge, low=300, high=3400) == pytest.approx(-3.01, abs=0.1)
    assert gain(50, low=300) < -50 and gain(7000, high=2000) < -40
    np.testing.assert_allclose(sound.filtered(tone(1000), torch.ones(len(sound.frequencies(SECOND)))), tone(1000), atol=1e-9)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_the_power_of_hiss_falls_with_frequency_by_its_slope(slope):
    made = sound.hiss(40, SECOND, slope, np.random.default_rng(0)).numpy()
    power = np.square(np.abs(np.fft.rfft(made))).mean(0)
    low, high = power[400:800].mean(), power[4000:8000].mean()
    assert 10 * np.log10(low / high) == pytest.approx(10 * slope, abs=0.6)
    np.testing.assert_allclose(np.square(made).mean(1), 1, rtol=1e-4)


def test_hum_has_the_mains_frequency_and_multiples_alone():
    power = np.abs(np.fft.rfft(sound.hum(SECOND, torch.tensor([50.0]).double(), torch.tensor([0.3]).double())[0]))
    assert set(np.flatnonzero(power > 1)) == {50, 100, 150, 200, 250}


@pytest.mark.parametrize("samples", [1, 2, 3, 1000, 16000, 23840, 39999])
def test_the_length_of_a_transform_is_fast_and_long_enough(samples):
    length = sound.fft_length(samples)
    assert samples <= length <= 1.34 * samples + 2
    while length % 2 == 0:
        length //= 2
    assert length in (1, 3, 5)


# Backgrounds


def test_pieces_of_music_repeat_by_their_seed_and_differ_otherwise():
    first, second = music.pieces(2, 3, 5)
    assert np.array_equal(music.piece(3, (5, 1)), second) and not np.array_equal(first, second)
    for piece in (first, second):
        assert piece.dtype == np.int16 and len(piece) == 3 * RATE and np.abs(piece).max() == 16384
        loud = np.square(piece.reshape(-1, RATE // 2).astype(float)).mean(1)
        assert loud.min() > 0.001 * loud.max(), "no half second is silent"


def test_babble_has_several_talkers_of_like_strength():
    rng = np.random.default_rng(0)
    quiet = np.sin(np.arange(30 * RATE) / 5) * np.repeat([300, 3000, 30000], 10 * RATE)
    made = [backgrounds.babble(quiet.astype(np.int16), rng) for _ in range(4)]
    assert all(len(piece) == backgrounds.SECONDS * RATE and np.abs(piece).max() == 16384 for piece in made)
    assert not np.array_equal(made[0], made[1])


def test_a_pool_has_the_kinds_that_are_asked_for_and_can_be_made(tmp_path, write_wav):
    speech = np.random.default_rng(0).integers(-9000, 9000, 25 * RATE).astype(np.int16)
    write_wav(tmp_path / "rain.wav", speech[: 2 * RATE])
    write_wav(tmp_path / "empty.wav", np.zeros(RATE, np.int16))
    pool = backgrounds.pool(1, 2, augment.PARTS, speech, [tmp_path])
    assert {kind: len(pieces) for kind, pieces in pool.items()} == {"music": 2, "babble": 2, "hiss": 2, "noise": 1}
    assert all(len(piece) >= backgrounds.SECONDS * RATE for pieces in pool.values() for piece in pieces)
    assert list(backgrounds.pool(1, 2, ["babble", "hiss", "noise"])) == ["hiss"]
    (tmp_path / "rain.wav").unlink()
    with pytest.raises(UserError, match="all recordings are silent"):
        backgrounds.noises([tmp_path])


# The augmentation


@pytest.fixture(scope="module")
def pool() -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(4)
    return {kind: [rng.integers(-9000, 9000, 2 * SECOND).astype(np.int16)] for kind in augment.BACKGROUNDS}


def clips(count: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(3).normal(0, 0.05, (count, SECOND)).astype(np.float32))


def test_a_share_of_the_clips_is_changed_and_the_others_stay(pool):
    field = Field([np.array([1.0, 0.5])], pool, augment.PARTS)
    before = clips(200)
    after = field(before.clone(), np.zeros(200, bool), np.random.default_rng(0))
    same = (before == after).all(1).float().mean().item()
    assert 1 - augment.SHARE - 0.1 < same < 1 - augment.SHARE + 0.1
    again = field(before.clone(), np.zeros(200, bool), np.random.default_rng(0))
    assert torch.equal(after, again) and after.isfinite().all() and after.abs().max() <= 1


@pytest.mark.parametrize("part", augment.PARTS)
def test_every_part_changes_clips_and_without_any_they_are_only_rounded(pool, part):
    before = clips(60)
    rounded = sound.in_16_bits(before.clone())
    field = Field([np.array([1.0, 0.5])], pool, [part])
    changed = field.changed(before.clone(), np.zeros(60, bool), np.random.default_rng(0))
    assert not torch.allclose(changed, rounded, atol=2 / 32768)
    nothing = Field([np.array([1.0, 0.5])], pool, []).changed(before.clone(), np.zeros(60, bool), np.random.default_rng(0))
    assert torch.equal(nothing, rounded)


def test_words_reach_faint_levels_and_saturation(pool):
    field = Field([], pool, ["level"])
    changed = field.changed(clips(300), np.zeros(300, bool), np.random.default_rng(0))
    level = sound.level(changed)
    assert level.min() < -60 and (changed.abs() > 0.999).any(1).float().mean() > 0.05


def test_a_background_drowns_silence_more_than_words(pool):
    field = Field([], pool, ["hiss"])

    def added(silence: bool) -> float:
        before = clips(200)
        after = field.changed(before.clone(), np.full(200, silence), np.random.default_rng(0))
        return float(sound.rms(after - before).mean())

    assert added(True) > added(False) + 5


# Running speech


def test_excerpts_lie_around_their_seconds_and_within_the_recordings():
    ramp = np.arange(20 * SECOND // 10, dtype=np.int16)
    negatives = Negatives([np.repeat(ramp, 10), np.repeat(ramp[:1600], 10)])
    assert len(negatives.starts) == 21
    rng = np.random.default_rng(0)
    for samples in (SECOND, 23_840):
        seconds = np.arange(21)
        found, _ = negatives.excerpts(seconds, torch.empty(0, samples), rng)
        assert found.shape == (21, samples) and found.dtype == torch.float32
        middle = found[:20, samples // 2].numpy() * 32768 / 1600
        assert (middle[1:-2] >= seconds[1:18] - 0.01).all() and (middle[1:-2] <= seconds[1:18] + 1.01).all()


def test_seconds_in_which_a_keyword_is_heard_are_drawn_more_often():
    speech = [np.zeros(100 * SECOND, np.int16)]
    mined, even = Negatives(speech), Negatives(speech, mine=False)
    probability = np.where(np.arange(100) < 10, 0.9, 0.0).astype(np.float32)
    for negatives in (mined, even):
        negatives.learn(np.arange(100) + 5, np.arange(100), torch.from_numpy(np.pad(probability, 5)))
        assert (negatives.score == negatives.score[0]).all(), "an epoch draws by the scores of those before it"
        negatives.rescore()
        assert negatives.draw(5, np.random.default_rng(1)).max() < 100
    drawn, plain = (
        np.bincount(negatives.draw(5000, np.random.default_rng(0)), minlength=100) for negatives in (mined, even)
    )
    assert drawn[:10].sum() > 2000 and drawn[10:].min() > 5, "none is forgotten"
    assert plain[:10].sum() < 700
    assert mined.heard == pytest.approx(0.1)


def test_keywords_are_all_but_silence_and_unknown():
    logits = torch.zeros(2, len(LABELS))
    logits[0, LABELS.index("yes")] = logits[1, LABELS.index(UNKNOWN)] = 20
    np.testing.assert_allclose(keyword_probability(logits, LABELS), [1, 0], atol=1e-6)


def test_the_weight_of_an_excerpt_rises_from_1_to_its_peak():
    assert [outside.weight(epoch, 5, 3) for epoch in range(5)] == [1, 1.5, 2, 2.5, 3]
    assert outside.weight(0, 1, 3) == 1


# The prior of other words


def test_the_logit_of_other_words_is_lowered_to_where_they_are_rejected_as_often_as_keywords_are_heard():
    column, target = 1, np.array([1, 1, 0, 0, 2, 2])
    logits = np.zeros((6, 3))
    logits[np.arange(6), target] = 2.0
    logits[2:5, column] = 2.75  # keywords that are taken for other words, by less than the two other words are certain
    logits[:2, column] = 5.0
    assert prior.right(logits, target) == 3
    by = prior.chosen([logits, logits], target, column)
    assert by == pytest.approx(0.8) and prior.right(logits, target, column, by) == 6
    weights = {prior.BIAS: torch.tensor([1.0, 2.0, 3.0]), "other": torch.ones(1)}
    lowered = prior.lowered(weights, column, by)
    assert lowered[prior.BIAS].tolist() == pytest.approx([1.0, 1.2, 3.0]) and weights[prior.BIAS][1] == 2
    assert prior.chosen([np.eye(3)[target] * 9], target, column) == 0, "nothing to gain: the least"
    logits[:2] = 2.0, 2.1, 0.0  # both other words would be lost for three keywords
    assert prior.chosen([logits], target, column) == 0
    assert prior.chosen([logits], np.zeros(6, int), column) == 0, "no other words: nothing to weigh"


def test_a_run_keeps_the_weights_with_the_prior_that_its_history_tells(tmp_path, pool, monkeypatch):
    monkeypatch.setattr(prior, "chosen", lambda *_: 0.7)
    run = new_run(tmp_path / "last.pt", pool, epochs=1, prior=True)
    run.train_epoch()
    before, kept = run.weights()[prior.BIAS], run.kept[prior.BIAS]
    assert run.history[0]["prior"] == 0.7
    assert (before - kept).numpy() == pytest.approx(np.where(np.array(LABELS) == UNKNOWN, 0.7, 0), abs=1e-6)
    run.load_kept()
    assert prior.right(run.logits(run.validation), run.validation_target) == run.history[0]["correct"]


# Runs


def new_run(state: Path, pool: dict, answers: torch.Tensor | None = None, mine: bool = True, **options) -> train.Trainer:
    rng = np.random.default_rng(5)
    target = np.arange(80) % len(LABELS)
    audio = rng.normal(0, 500 + 100 * target[:, None], (80, SECOND)).astype(np.int16)
    speech = Negatives([rng.normal(0, 900, 9 * SECOND).astype(np.int16)], mine)
    field = Field([np.array([1.0, 0.3])], pool, augment.PARTS)
    made = train.Recipe(
        **{
            "tau": 1,
            "labels": LABELS,
            "epochs": 2,
            "seed": 3,
            "precision": "float32",
            "data": "made by the test",
            "outside": "made by the test",
            "excerpts": 20,
            "weight": 3.0,
            **options,
        }
    )
    changed = outside.changed_log_mel(field, audio[:24], target[:24] == 0)
    noises = [rng.normal(0, 900, 3 * SECOND).astype(np.int16)]
    gear = outside.Outside(field, speech, answers)
    return train.Trainer(
        made, train.Split(audio, target), log_mel(audio[:24]), target[:24], noises, CPU, state, None, gear, changed
    )


def outcome(run: train.Trainer) -> bytes:
    return b"".join(value.numpy().tobytes() for value in run.weights().values()) + run.negatives.score.tobytes()


def test_a_run_is_resumed_bit_for_bit_with_what_it_mined(tmp_path, pool):
    whole = new_run(tmp_path / "last.pt", pool, stream=0.5)
    whole.train_epoch()
    resumed = new_run(tmp_path / "last.pt", pool, stream=0.5)
    resumed.resume()
    assert np.array_equal(resumed.negatives.score, whole.negatives.score)
    for run in (whole, resumed):
        run.train_epoch()
    assert outcome(whole) == outcome(resumed)
    assert {"loss", "correct", "outside"} == whole.history[1].keys()
    assert (whole.negatives.score != 0.5).any(), "the seconds that were drawn have a score of their own"


@pytest.mark.parametrize("last", [False, True])
def test_the_weights_of_the_kept_epoch_are_saved(tmp_path, pool, monkeypatch, last):
    run = new_run(tmp_path / "last.pt", pool, last=last)
    epochs = []

    def validated() -> tuple[dict, dict]:
        epochs.append(run.weights())
        return {"loss": 0.0, "correct": 9 - len(epochs)}, run.weights()

    monkeypatch.setattr(run, "validated", validated)
    for _ in range(2):
        run.train_epoch()
    kept = run.load_kept()
    assert all(np.array_equal(kept[name], epochs[last][name]) for name in kept)
    assert any(not np.array_equal(kept[name], epochs[not last][name]) for name in kept)


def room(seconds: float, level: float, seed: int) -> np.ndarray:
    """A room's noise, int16 [samples]; as loud as speech, where `level` is that of one."""
    return np.rint(np.random.default_rng(seed).normal(0, level, round(seconds * SECOND))).astype(np.int16)


@pytest.mark.parametrize("level, silent", [(1, True), (20, True), (110, True), (2000, False)])
def test_an_excerpt_in_which_nobody_speaks_is_silence_whatever_the_microphone_hears(level, silent):
    """10 s of speech, RMS 2,000, and 10 s of a pause; a recording as loud as its pause is none."""
    recordings = [np.concatenate([room(10, 2000, 1), room(10, level, 2)]), room(5, level, 3)]
    negatives, rng = Negatives(recordings), np.random.default_rng(0)
    for samples in (SECOND, 23_840):
        found, quiet = negatives.excerpts(np.arange(25), torch.empty(0, samples), rng)
        assert not quiet[:8].any() and (quiet[12:18] == silent).all() and not quiet[21:].any()
        assert (found[quiet].abs().amax(1) < 0.02).all()


def test_a_word_within_an_excerpt_is_enough_for_it_to_be_speech():
    word = np.concatenate([room(3, 2, 1), room(0.1, 2000, 2), room(3, 2, 3)])
    negatives = Negatives([np.concatenate([room(30, 2000, 4), word])])
    found, quiet = negatives.excerpts(np.repeat(np.arange(31, 36), 20), torch.empty(0, SECOND), np.random.default_rng(0))
    heard = found.abs().amax(1).numpy() > 0.005
    assert heard.any() and quiet.any() and not (quiet & heard).any()


def test_excerpts_of_pauses_are_silence_in_their_batches(tmp_path, pool, monkeypatch):
    run, told = new_run(tmp_path / "last.pt", pool), []
    excerpts = run.negatives.excerpts

    def every_other(*arguments) -> tuple[torch.Tensor, np.ndarray]:
        found, quiet = excerpts(*arguments)
        told.append(np.arange(len(quiet)) % 2 == 0)
        return found, told[-1]

    monkeypatch.setattr(run.negatives, "excerpts", every_other)
    batches = list(run.batches(0))
    for batch, quiet in zip(batches, told, strict=True):
        expected = np.where(quiet, LABELS.index(SILENCE), LABELS.index(UNKNOWN))
        assert np.array_equal(batch.target[batch.running], expected) and not batch.distil[batch.running].any()
    assert any(quiet.any() for quiet in told)


def test_excerpts_are_other_words_and_batches_name_their_seconds(tmp_path, pool):
    run = new_run(tmp_path / "last.pt", pool)
    batches = list(run.batches(0))
    assert sum(len(batch.running) for batch in batches) <= 20 and run.batches.drawn == 100
    for batch in batches:
        assert (batch.target[batch.running] == LABELS.index(UNKNOWN)).all() and not batch.distil[batch.running].any()
        assert len(batch.seconds) == len(batch.running) and (batch.seconds < 9).all()


def test_a_teacher_that_heard_the_clips_before_is_followed_but_in_excerpts(tmp_path, pool):
    answers = torch.zeros(80, len(LABELS))
    answers[:, 5] = 30.0
    run = new_run(tmp_path / "last.pt", pool, answers, epochs=1)
    (batch,) = list(run.batches(0))[:1]
    assert batch.answers is not None and (batch.answers[:, 5] == 30).all()
    taught = run.step.loss(batch)[0].item()
    alone = new_run(tmp_path / "alone.pt", pool, epochs=1)
    alone.model.load_state_dict(run.weights())
    assert taught != pytest.approx(alone.step.loss(next(alone.batches(0)))[0].item())


def test_the_teacher_is_asked_once_and_for_the_rows_alone(tmp_path):
    torch.manual_seed(0)
    model = BCResNet(1, len(LABELS)).eval()
    tensors = {name: value.numpy() for name, value in model.state_dict().items() if not name.endswith("tracked")}
    teacher = distill.Teacher(Checkpoint(1, LABELS, tensors, {}), LABELS, CPU)
    audio = np.random.default_rng(0).integers(-5000, 5000, (5, SECOND)).astype(np.int16)
    rows, cache = np.array([0, 3]), tmp_path / "answers.npy"
    found = teacher.answers(audio, rows, CPU, cache)
    with torch.no_grad():
        expected = model(torch.from_numpy(log_mel(audio[rows]))[:, None])
    np.testing.assert_allclose(found[rows], expected, atol=1e-5)
    assert not found[[1, 2, 4]].any()
    np.save(cache, found.numpy() + 1)
    assert torch.equal(teacher.answers(audio, rows, CPU, cache), found + 1)
    cache.write_bytes(b"damaged")
    assert torch.equal(teacher.answers(audio, rows, CPU, cache), found)


def test_the_kept_epoch_is_best_as_recorded_and_changed_together_or_the_last():
    recipe = train.Recipe(1, LABELS, 3, 0, "float32", "")
    history = [{"correct": 90, "outside": 70}, {"correct": 90, "outside": 70}, {"correct": 95, "outside": 60}]
    assert train.kept_epoch(recipe, history) == 2
    assert train.kept_epoch(recipe, [{"correct": count} for count in (89, 90, 88)]) == 2
    assert train.kept_epoch(dataclasses.replace(recipe, last=True), history) == 3


# The command


def test_parts_of_either_recipe_are_omitted_and_others_refused():
    assert set(recipe.ALL_PARTS) - set(recipe.parse_omitted("rooms, splices")) == {"rooms", "splices"}
    with pytest.raises(UserError, match="--omit cellar: no part of the field recipe"):
        recipe.parse_omitted("cellar")


def test_recordings_are_for_the_field_recipe(capsys):
    assert main(["--recipe", "open", "--noise", "x"]) != 0
    assert "--noise: only the field recipe takes recordings" in capsys.readouterr().err


def test_too_little_speech_is_refused(tmp_path, write_wav):
    write_wav(tmp_path / "short.wav", np.ones(SECOND, np.int16))
    with pytest.raises(UserError, match="less than a minute of speech"):
        recipe.material([], [tmp_path], [], recipe.ALL_PARTS)


def test_the_command_trains_and_its_card_tells_what_with(tiny_speech_commands, tmp_path, write_wav, capsys):
    rng = np.random.default_rng(0)
    write_wav(tmp_path / "speech" / "long.wav", rng.integers(-3000, 3000, 70 * RATE).astype(np.int16))
    omit = "synthetic,running,splices,rooms,music"
    options = [
        "--recipe",
        "field",
        "--omit",
        omit,
        "--recordings",
        str(tmp_path / "speech"),
        "--epochs",
        "1",
        "--threads",
        "1",
    ]
    assert not main([*options, "--data", str(tiny_speech_commands), "--out", str(tmp_path / "run")])
    card = (tmp_path / "run" / "tau1.md").read_text()
    assert "| epochs | 1, the last kept |" in card
    assert "changed as in the field" in card and "random levels and saturation" in card and "babble" in card
    assert "excerpts of running speech" in card and "simulated rooms" not in card and str(tmp_path) not in card
    assert "changed" in capsys.readouterr().out
