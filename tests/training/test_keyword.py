"""Words of one's own: what is typed, what sounds alike, what is spoken, what of the user's recordings is taken."""

from __future__ import annotations

import contextlib
import os
import shutil
import types
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.keyword import measure
from benchmarks.listening import tune
from common import checkpoint, interrupts
from common.audio import read_wav
from common.description import FEATURES, LONGEST_WINDOW, SILENCE, UNKNOWN
from common.errors import UserError
from common.shipped import EXAMPLES
from training import __main__ as trainings, held_back
from training.data import clip_folder
from training.data.recordings import Excerpt
from training.field.negatives import Negatives
from training.keyword import __main__ as command, held_out, material, negatives, phonemes, samples, speech, vocabulary, words
from training.spoken import speakers, synthesis
from training.spoken.acoustics import CLIP
from training.spoken.speakers import Voice

RATE = FEATURES.sample_rate


@pytest.fixture
def espeak():
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng")


def said(seconds: float, level: float = 0.3, seed: int = 0) -> np.ndarray:
    """A sound like a word: noise whose level rises and falls, float64."""
    count = round(seconds * RATE)
    return level * np.sin(np.linspace(0, np.pi, count)) ** 0.5 * np.random.default_rng(seed).uniform(-1, 1, count)


def quiet(seconds: float) -> np.ndarray:
    return 1e-3 * np.random.default_rng(1).uniform(-1, 1, round(seconds * RATE))


# ---- what is typed ----


def test_words_are_typed_with_commas_in_any_case_and_spacing():
    assert words.parse(" Hey  Computer,lights out ") == ("hey computer", "lights out")
    assert words.labels(("hey computer",)) == (SILENCE, UNKNOWN, "hey computer")
    assert words.folder_name(("hey computer", "stop")) == "hey_computer-stop"


@pytest.mark.parametrize(
    "text, reason",
    [("", "no word"), (" , ", "empty word"), ("a,,b", "empty word"), ("go, Go", "twice"), ("a_b", "holds"), ("r2d2", "'2'")],
)
def test_a_list_of_words_that_is_none_is_refused(text, reason):
    with pytest.raises(UserError, match=reason):
        words.parse(text)


def test_a_word_that_is_a_part_of_another_by_its_sound_is_refused(espeak):
    words.check(["computer", "lights out"], "en")
    for pair in (["computer", "hey computer"], ["lights out", "light"], ["write", "right"]):
        with pytest.raises(UserError, match="part of"):
            words.check(pair, "en")


def test_a_language_that_no_synthesiser_speaks_is_refused(espeak, failure, tmp_path):
    assert "no installed synthesiser" in failure(
        command.main, "--words=computer", "--language=xx", "--clips=50", f"--out={tmp_path}"
    )
    assert not (tmp_path / command.NAME).exists()


def test_a_phrase_longer_than_a_second_takes_longer_clips_and_a_sentence_is_refused(espeak):
    voices = speakers.find("en").training
    assert speech.clip_length(["computer"], voices) == CLIP
    both = speech.clip_length(["computer", "turn on the living room"], voices)
    assert CLIP < both <= LONGEST_WINDOW * RATE and both % (RATE // 10) == 0
    with pytest.raises(UserError, match="more than the 1.5 s"):
        speech.clip_length(["would you kindly switch on all the lights"], voices)


def test_of_a_phrase_that_never_fits_a_random_part_is_kept(monkeypatch):
    ramp = np.linspace(0.1, 1, CLIP + CLIP // 4)
    monkeypatch.setattr(speech, "utterance", lambda text, voices, rng: ramp)
    parts = [speech.fitting("a sentence", [], CLIP, np.random.default_rng(seed)) for seed in range(12)]
    starts = {int(np.flatnonzero(ramp == part[0])[0]) for part in parts}
    assert {len(part) for part in parts} == {CLIP} and len(starts) > 6 and max(starts) <= CLIP // 4


def test_a_long_phrase_is_not_cut(espeak):
    voices = speakers.quick(speakers.find("en").training)
    length = speech.clip_length(["turn on the living room"], voices)
    chosen = speech.texts(["turn on the living room"], "en", length)
    rng = np.random.default_rng(0)
    lengths = [len(speech.fitting("turn on the living room", voices, chosen.samples, rng)) for _ in range(12)]
    assert CLIP < np.median(lengths) < length
    for kind in speech.KINDS:
        clip = speech.clip(speech.Item(kind, "turn on the light"), chosen, voices, (0, 1))
        assert clip.shape == (length,)


# ---- what sounds alike ----


def test_the_distance_of_phonemes_is_symmetric_and_least_for_like_sounds():
    night, light, lit = ("n", "aI", "t"), ("l", "aI", "t"), ("l", "I", "t")
    assert phonemes.distance(light, light) == 0
    assert phonemes.distance(light, lit) == phonemes.distance(light, night) == phonemes.SAME_KIND
    assert phonemes.distance(light, ("l", "aI", "t", "s")) == phonemes.distance(("l", "aI", "t", "s"), light) == 1


def test_the_phonemes_of_many_words_are_those_of_each(espeak, monkeypatch):
    monkeypatch.setattr(phonemes, "AT_ONCE", 2)
    many = ["two", "computer", "tree.\nHouse", "lights out", "bird"]  # the third is two lines
    assert phonemes.of(many, "en") == [phonemes.of([word], "en")[0] for word in many]


def test_words_that_sound_alike_come_first_and_those_that_hold_the_word_not_at_all(espeak):
    others = ["banana", "commuter", "computers", "computing", "tree", "computer"]
    assert {*phonemes.nearest("computer", others, "en", 2)} == {"commuter", "computing"}
    assert "computers" not in phonemes.nearest("computer", others, "en", 9)


def test_a_phrase_is_near_to_its_words_alone_and_to_itself_with_one_replaced(espeak):
    found = phonemes.phrases("hey computer", ["day", "commuter", "banana"], "en", 2)
    assert {"hey", "computer", "computer hey", "day computer", "hey commuter"} <= {*found}
    assert "hey computer" not in found and phonemes.phrases("computer", ["day"], "en") == []


def test_a_changed_word_keeps_its_length_and_differs_in_a_third_of_its_phonemes_at_least(espeak):
    inventory = phonemes.inventory(["banana", "tree", "five", "shop"], "en")
    (word,) = phonemes.of(["computer"], "en")
    for seed in range(8):
        text = phonemes.changed(phonemes.parts("computer", "en"), inventory, np.random.default_rng(seed))
        assert text.startswith(speakers.MNEMONICS)
        (sound,) = phonemes.of([text], "en")
        assert phonemes.distance(word, sound) >= 1


def test_other_words_are_frequent_ones_of_the_language(espeak):
    german = vocabulary.of("de")
    assert len(german) > 1500 and {"wetter", "wasser", "über"} <= {*german}
    assert not {"the", "online", "ab"} & {*german}, "English, said as in English, too short"


def test_where_no_words_of_a_language_can_be_had_english_ones_stand_in(espeak):
    for language in ("en-gb", "cmn", "ja", "eo"):  # a script that espeak-ng cannot read; no list
        assert vocabulary.of(language) == synthesis.other_words()


def test_a_word_without_a_sound_or_of_another_language_is_not_native(espeak):
    assert phonemes.native(["wetter", "...", "online", "haus"], "de") == ["wetter", "haus"]


# ---- what is spoken ----


def test_no_text_of_other_words_holds_the_word(espeak):
    chosen = speech.texts(["computer"], "en")
    assert "computer" not in chosen.words and len(chosen.words) > 500
    counts = dict.fromkeys(speech.KINDS, 3)
    for item in speech.plan(["computer"], "en", counts, chosen, 0):
        assert item.kind in (speech.WORD, speech.PART, speech.REVERSED) or item.text != "computer"


def test_clips_are_a_second_and_the_same_for_the_same_seed(espeak):
    chosen, voices = speech.texts(["computer"], "en"), speakers.find("en").training
    for item in [speech.Item(kind, "" if kind == speech.RUNNING else "computer") for kind in speech.KINDS]:
        first, again = (speech.clip(item, chosen, voices, (0, 5)) for _ in range(2))
        assert first.dtype == np.int16 and first.shape == (RATE,) and (first == again).all() and np.abs(first).max() > 1000


def test_kept_clips_are_spoken_anew_by_other_voices_of_other_texts_and_another_seed(tmp_path, monkeypatch, capsys):
    spoken: list[Sequence[Voice]] = []

    def parts(items, chosen, voices, seed):
        spoken.append(voices)
        return [(0, np.full((len(items), CLIP), len(spoken), np.int16))]

    monkeypatch.setattr(speech, "spoken_parts", parts)
    items, texts = [speech.Item(speech.WORD, "computer"), speech.Item(speech.RUNNING, "")], speech.Texts(["tree"], ["t"])
    slt, awb, rms = (Voice("flite", name) for name in ("slt", "awb", "rms"))
    cases = [  # each differs from the one before in one thing
        (items, texts, [slt, awb], 0),
        (items, texts, [slt, awb, rms], 0),
        (items, texts, [slt, awb, slt], 0),
        (items, texts._replace(words=["house"]), [slt, awb, slt], 0),
        (items, texts._replace(words=["house"]), [slt, awb, slt], 1),
        ([items[0]._replace(text="jarvis"), items[1]], texts._replace(words=["house"]), [slt, awb, slt], 1),
    ]
    for number, case in enumerate(cases, 1):
        for _ in range(2):
            assert (speech.kept(tmp_path / "clips", *case) == number).all() and len(spoken) == number
        assert capsys.readouterr().out.count("other voices, texts or another seed; they are spoken anew") == (number > 1)
    monkeypatch.setattr(speech, "FORMAT", speech.FORMAT + 1)
    assert (speech.kept(tmp_path / "clips", *cases[-1]) == len(cases) + 1).all()


# ---- the user's recordings ----


def test_a_word_is_cut_out_by_its_energy_wherever_it_lies():
    word = said(0.6)
    cut = samples.cut(np.concatenate([quiet(1.2), word, quiet(0.7)]))
    assert 0.5 * RATE < len(cut) < 0.75 * RATE
    assert np.square(cut).sum() > 0.98 * np.square(word).sum()


@pytest.mark.parametrize(
    "recording, reason",
    [
        (quiet(2), "no word|too quiet"),
        (np.concatenate([quiet(1), said(0.6, 0.002), quiet(1)]), "too quiet"),
        (np.concatenate([quiet(1), said(0.6, 4).clip(-1, 1), quiet(1)]), "clipped"),
        (np.concatenate([quiet(1), said(0.5), quiet(0.8), said(0.5), quiet(1)]), "two words"),
        (np.concatenate([quiet(1), said(3), quiet(1)]), "no word"),
        (np.zeros(0), "no word"),
    ],
    ids=["silence", "quiet", "clipped", "two words", "speech", "empty"],
)
def test_a_recording_that_is_no_good_is_told_why(recording, reason):
    with pytest.raises(ValueError, match=reason):
        samples.cut(recording)


def test_recordings_of_any_rate_and_channels_are_taken_and_the_bad_ones_named(tmp_path):
    folder = tmp_path / "hey computer"
    folder.mkdir()
    for number in range(6):
        whole = np.concatenate([quiet(0.5), said(0.7, seed=number), quiet(0.5)])
        stereo = np.stack([whole, whole], 1)
        soundfile.write(folder / f"{number}.flac", stereo[:: 1 + number % 2], RATE // (1 + number % 2))
    soundfile.write(folder / "hum.wav", quiet(1), RATE)
    good, bad = samples.read(tmp_path, ["hey computer"])
    assert len(good) == 6 and len(bad) == 1 and "hum.wav: left out" in bad[0]
    split = samples.split(good)
    assert 1 <= len(split.test) < 6 and not {s.path for s in split.test} & {s.path for s in split.training}


@pytest.mark.parametrize("name", ["hey computer", "hey_computer"])
def test_one_rule_names_the_folders_of_a_phrase_for_training_and_for_thresholds(name, tmp_path):
    recorded_words = recorded_files(tmp_path / name, range(5))
    for path in recorded_words:
        soundfile.write(path, np.concatenate([quiet(0.5), said(0.7), quiet(0.5)]), RATE)
    good, _ = samples.read(tmp_path, ["hey computer"])
    sounds, target, _, _ = tune.own_keywords(tmp_path, words.labels(["lights out", "hey computer"]))
    assert [sample.word for sample in good] == ["hey computer"] * 5 and target.tolist() == [3] * len(sounds) == [3] * 5


def test_no_epochs_are_refused_and_not_the_default():
    for epochs in ("0", "-1"):
        with pytest.raises(UserError, match="--epochs must be at least 1"):
            command.parse_arguments(["--words=computer", f"--epochs={epochs}"])
    defaults = [command.parse_arguments(["--words=computer", *more]).epochs for more in ([], ["--more-negatives=a"])]
    assert defaults == [command.EPOCHS, command.EPOCHS_AGAIN]


def test_three_recordings_are_too_few_and_folders_of_other_words_are_named(tmp_path):
    (tmp_path / "computer").mkdir()
    for number in range(3):
        soundfile.write(tmp_path / "computer" / f"{number}.wav", np.concatenate([quiet(0.5), said(0.7), quiet(0.5)]), RATE)
    with pytest.raises(UserError, match="3 good recordings of 'computer'.* at least 5"):
        samples.read(tmp_path, ["computer"])
    with pytest.raises(UserError, match="no folder here is named like"):
        samples.read(tmp_path, ["jarvis"])


def test_negatives_are_held_back_by_recording_and_none_is_in_both_parts(tmp_path):
    for number in range(20):
        soundfile.write(tmp_path / f"{number}.wav", said(2, seed=number), RATE)
    kept, back = negatives.split([tmp_path], 0)
    assert back.sounds and len(kept.names) + len(back.names) == 20 and not {*kept.names} & {*back.names}


def test_a_phrase_that_is_said_slowly_is_taken_as_it_is():
    tone = 0.3 * np.sin(np.arange(round(1.45 * RATE)))
    whole = np.concatenate([np.zeros(RATE), tone, np.zeros(RATE)]) + np.random.default_rng(0).normal(
        0, 1e-4, 2 * RATE + len(tone)
    )
    assert 1.45 <= len(samples.cut(whole)) / RATE < 1.6
    with pytest.raises(ValueError, match="2.0 s of sound"):
        samples.cut(np.concatenate([np.zeros(RATE), tone, tone[: RATE // 2], np.zeros(RATE)]))


def recorded_files(folder: Path, numbers: range, seconds: int = 1) -> list[Path]:
    """Recordings of noise, named by their number, which is their content's seed."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.wav" for number in numbers]
    for number, path in zip(numbers, paths):
        soundfile.write(path, said(seconds, seed=number), RATE)
    return paths


@pytest.mark.parametrize("content", range(6))
def test_one_minute_of_a_room_is_for_training_and_of_two_one_is_held_back(content, tmp_path):
    (path,) = recorded_files(tmp_path, range(content, content + 1))
    minutes = [Excerpt(path, start * 60 * RATE, 60 * RATE, RATE) for start in range(2)]
    assert negatives.for_the_test(minutes[:1]) == [False] and sum(negatives.for_the_test(minutes)) == 1


def test_what_was_trained_on_is_never_held_back_when_more_is_there():
    keys = [f"item {number}" for number in range(300)]
    trained: set[str] = set()
    for count in range(1, len(keys) + 1):
        flags = held_back.flags(keys[:count], 5)
        assert count == 1 or 0 < sum(flags) < count
        held = {key for key, flag in zip(keys, flags) if flag}
        assert not held & trained
        trained |= {*keys[:count]} - held
    assert 0.15 < np.mean(held_back.flags(keys, 5)) < 0.25
    assert held_back.flags([], 5) == [] and held_back.flags(["a"], 5) == [False]


def test_recordings_of_words_that_are_added_or_renamed_move_none_into_the_test(tmp_path):
    paths = recorded_files(tmp_path, range(30))

    def split(some: list[Path]) -> list[set[str]]:
        good = [samples.Sample("computer", path, np.zeros(1), np.zeros(1), held_back.content(path)) for path in some]
        return [{sample.key for sample in part} for part in samples.split(good)]

    for first in (range(0, 30, 3), range(5, 15), range(20, 30)):  # added before, between and behind
        assert not split([paths[number] for number in first])[0] & split(paths)[1]
    before = split(paths)
    renamed = [path.rename(tmp_path / f"take {29 - number}.wav") for number, path in enumerate(paths)]
    assert split(sorted(renamed)) == before


def test_negatives_that_are_added_move_none_into_the_test_and_a_recording_stays_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(negatives, "PIECE", 1)
    recorded_files(tmp_path / "a", range(7), 3)
    recorded_files(tmp_path / "b", range(10, 40), 2)
    kept, back = ({excerpt.path for excerpt in part.excerpts} for part in negatives.split([tmp_path / "a"], 0))
    more, more_back = ({e.path for e in part.excerpts} for part in negatives.split([tmp_path / "b", tmp_path / "a"], 1))
    assert not kept & back and not more & more_back and back and not kept & more_back
    assert len(more_back) < 15 and len(more | more_back) == 37


def test_of_few_recordings_minutes_are_held_back_and_a_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(negatives, "PIECE", 1)
    for count in (1, negatives.HELD_BACK - 1, negatives.HELD_BACK):
        recorded_files(tmp_path, range(count), 8)
        kept, back = negatives.split([tmp_path], 0)
        assert back.sounds and len(kept.sounds) > len(back.sounds)
        lines = negatives.shared(kept, back)
        assert len(lines) == (count < negatives.HELD_BACK) and all("fewer than 5 recordings" in line for line in lines)


def test_negatives_in_which_the_trained_network_is_sure_of_a_word_are_named_with_their_second():
    kept = negatives.Pieces(
        [np.zeros(5 * RATE, np.int16), np.zeros(4 * RATE, np.int16)],
        [Excerpt(Path("radio.mp3"), 60 * 44100, 5 * 44100, 44100), Excerpt(Path("talk.wav"), 0, 4 * RATE, RATE)],
    )
    learnt = Negatives([*kept.sounds, np.zeros(3 * RATE, np.int16)])
    learnt.score[:] = [0.1, 0.2, 0.95, 0.3, 0.1, 0.1, 0.1, 0.1, 0.99, 1.0, 1.0, 1.0]
    lines = negatives.doubtful(learnt, kept)
    assert [line.split(": sounds")[0] for line in lines] == ["talk.wav at 0:03", "radio.mp3 at 1:02"]
    learnt.score[:] = 0.9
    assert negatives.doubtful(learnt, kept) == negatives.doubtful(learnt, negatives.Pieces([], [])) == []


# ---- from a typed word to a checkpoint ----


JUDGED = "judged.npy"
"""The clips that the epoch of `run` was chosen by."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A tiny run: a typed word, few clips, one epoch, recordings of people as negatives."""
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng")
    out, radio = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("radio")
    examples = np.concatenate([read_wav(path) for path in sorted(EXAMPLES.glob("*.wav"))])
    for number in range(4):
        soundfile.write(radio / f"{number}.wav", np.resize(np.roll(examples, 99 * number), 30 * RATE), RATE)
    arguments = ["--words=computer", f"--negatives={radio}", "--clips=50", "--epochs=1", f"--out={out}"]
    with pytest.MonkeyPatch.context() as patched:
        validation = material.validation

        def kept(*given):
            judged.append(validation(*given)[0])
            return validation(*given)

        judged: list[np.ndarray] = []
        patched.setattr(material, "validation", kept)
        assert command.main(arguments) in (None, 0)
    np.save(out / JUDGED, *judged)
    return out


def test_what_is_reported_helped_to_choose_no_epoch(run):
    said = measure.words_said(run, words.labels(["computer"]))
    side, judged = measure.halves(said), {clip.tobytes() for clip in np.load(run / JUDGED)}
    chosen_by = [sound[-CLIP:].tobytes() in judged for sound in said.sounds]
    assert chosen_by == (side == 0).tolist() and 0 < sum(side) < len(side)


def test_a_typed_word_becomes_a_checkpoint_that_begins_with_the_shipped_trunk(run):
    made = checkpoint.load(run / command.NAME)
    assert made.labels == (SILENCE, UNKNOWN, "computer") and made.tensors["output.weight"].shape[0] == 3
    assert str(run) not in "".join(map(str, made.training.values()))
    assert "begins with checkpoint" in made.training["recipe"] and "the best by validation kept" in made.training["epochs"]


@pytest.mark.parametrize("length", [CLIP, CLIP + 4800])
def test_an_epoch_is_chosen_by_silence_too(length):
    items = [speech.Item(speech.WORD, "computer")] * 6 + [speech.Item(speech.RUNNING, "")] * 2
    spoken = material.Spoken(items, np.full((8, length), 7, np.int16), [])
    noises = [np.full(3 * RATE, level, np.int16) for level in (400, -400)]
    audio, target = material.validation(spoken, noises, words.labels(["computer"]), 0)
    assert audio.shape == (10, length) and target.tolist() == [2] * 6 + [1] * 2 + [0] * 2
    assert (audio[:8] == 7).all() and np.abs(audio[8:]).max() <= 400 and len(np.unique(audio[8:])) > 1


def test_a_run_leaves_calibration_clips_and_a_test_beside_the_checkpoint(run):
    audio, names = clip_folder.load(run / held_out.CALIBRATION, "clips", "")
    assert audio.shape == (held_out.CLIPS, RATE) and {*names} == {SILENCE, UNKNOWN, "computer"}
    assert {path.name for path in (run / held_out.TEST).iterdir()} == {SILENCE, UNKNOWN, "computer"}
    assert len([*(run / held_out.NEGATIVES).glob("*.flac")]) >= 2


def held(out: Path) -> dict[str, bytes]:
    """Every file that a run holds back, or converts with, by its path."""
    return {str(path.relative_to(out)): path.read_bytes() for path in out.glob("*/**/*") if path.is_file()}


@pytest.mark.parametrize("moment", range(12))
def test_a_run_that_is_stopped_as_it_writes_leaves_no_test_that_is_taken_for_the_network_s(moment, tmp_path, monkeypatch):
    labels, noise = words.labels(["computer"]), np.arange(3 * CLIP)
    audio = torch.zeros((9, CLIP), dtype=torch.int16)
    batches = types.SimpleNamespace(
        audio=audio, target=torch.arange(9) % 3, augment=types.SimpleNamespace(noise=torch.from_numpy(noise))
    )
    trainer = types.SimpleNamespace(recipe=types.SimpleNamespace(labels=labels, seed=0), batches=batches)
    word = samples.Sample("computer", Path("a.wav"), said(0.6), said(1))
    networks = [checkpoint.Checkpoint(1, labels, {"weight": np.full(2, value)}, {}) for value in (1, 2)]
    path = tmp_path / command.NAME

    def write(number: int, clips: int) -> None:
        items = [speech.Item(speech.WORD, "computer")] * clips
        test = material.Spoken(items, np.full((clips, CLIP), number, np.int16), [np.full(RATE, number, np.int16)])
        held_out.write(tmp_path, trainer, test, [word] * number, negatives.Pieces([], []), networks[number])
        checkpoint.save(path, networks[number])

    def judged() -> None:
        held_out.check(tmp_path, path, checkpoint.load(path).sha256)

    write(0, 6)
    judged()
    before, renames, rename, first = held(tmp_path), [], os.rename, path.read_bytes()
    assert (tmp_path / held_out.MARK).read_text().strip() == checkpoint.load(path).sha256
    assert {Path(name).parts[0] for name in before} == {held_out.CALIBRATION, held_out.TEST, held_out.NEGATIVES}

    def stopped(*paths, **options):
        renames.append(paths)
        if len(renames) > moment:
            raise KeyboardInterrupt
        rename(*paths, **options)

    monkeypatch.setattr(os, "rename", stopped)
    monkeypatch.setattr(os, "replace", stopped)
    with contextlib.suppress(KeyboardInterrupt):
        write(1, 3)
    monkeypatch.undo()
    assert not [*tmp_path.glob(".held_out*")]
    assert (path.read_bytes() != first) == (moment == 11), "the network is the last that comes into its place"
    if moment < 11 and held(tmp_path) != before:
        with pytest.raises(UserError, match="of another network than keyword.safetensors, since a run was stopped"):
            judged()
    write(1, 3)
    judged()
    assert len([*(tmp_path / held_out.TEST / "computer").iterdir()]) == 3 and (tmp_path / held_out.RECORDINGS).is_dir()


@pytest.mark.slow
def test_the_window_of_a_long_phrase_is_longer_than_a_second(espeak, tmp_path):
    words = "turn on the living room"
    command.main([f"--words={words}", "--clips=50", "--epochs=1", f"--out={tmp_path}"])
    made = checkpoint.load(tmp_path / command.NAME)
    assert made.labels[2:] == (words,) and CLIP < made.clip_samples <= LONGEST_WINDOW * RATE
    assert made.training["window"] == made.features.window_text != "one second"
    audio, _ = clip_folder.load(tmp_path / held_out.CALIBRATION, "clips", "", made.clip_samples)
    assert len(audio) == held_out.CLIPS
    tested = [soundfile.info(path).frames for path in (tmp_path / held_out.TEST).rglob("*.wav")]
    assert {*tested} == {made.clip_samples}


def test_more_negatives_continue_the_run_that_is_there(run, failure, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    soundfile.write(again / "1.wav", said(2), RATE)
    other = ["--words=jarvis", f"--more-negatives={again}", "--clips=50", f"--out={run}"]
    assert "a network for computer" in failure(command.main, *other)
    arguments = ["--words=computer", f"--more-negatives={again}", "--clips=50", "--epochs=1", f"--out={run}"]
    before = checkpoint.load(run / command.NAME)
    assert command.main(arguments) in (None, 0)
    after = checkpoint.load(run / command.NAME)
    assert before.sha256[:16] in after.training["recipe"] and before.sha256 != after.sha256


def test_a_stopped_run_goes_on_and_one_with_other_options_begins_anew(espeak, tmp_path, capsys, monkeypatch):
    def stopped(trainer):
        trainer.train_epoch()
        raise KeyboardInterrupt

    def arguments(out: Path, epochs: int) -> list[str]:
        return ["--words=computer", "--clips=50", f"--epochs={epochs}", f"--out={out}"]

    run, other = tmp_path / "run", tmp_path / "other"
    with monkeypatch.context() as patched:
        patched.setattr(trainings, "train_epochs", stopped)
        assert command.main(arguments(run, 2)) == interrupts.STATUS
    shutil.copytree(run, other)
    capsys.readouterr()
    assert command.main(arguments(run, 2)) == 0
    out = capsys.readouterr().out
    assert "last.pt: going on after epoch 1" in out and "epoch 1/2" not in out and "epoch 2/2" in out
    assert command.main(arguments(other, 1)) == 0
    out = capsys.readouterr().out
    assert "last.pt: of a stopped run with other options" in out and "epoch 1/1" in out
    for folder in (run, other):
        assert (folder / command.NAME).is_file() and not (folder / "last.pt").exists(), "of a run that is through"


def test_nothing_is_continued_where_nothing_was_trained(failure, tmp_path):
    soundfile.write(tmp_path / "1.wav", said(2), RATE)
    out = tmp_path / "none"
    text = failure(command.main, "--words=computer", f"--more-negatives={tmp_path}", f"--out={out}")
    assert "no network to continue" in text and not out.exists()


def centred(said: np.ndarray) -> np.ndarray:
    """A word in the middle of a second, at its own level, int16 [16000]; of a longer one the middle."""
    after = max(0, len(said) - CLIP)
    said = said[after // 2 : after // 2 + CLIP]
    whole = np.zeros(CLIP)
    start = (CLIP - len(said)) // 2
    whole[start : start + len(said)] = said
    return np.rint(32767 * whole.clip(-1, 1)).astype(np.int16)


def test_half_of_the_synthetic_clips_lie_over_recordings_that_are_weaker():
    clips = np.stack([centred(said(0.8, seed=number)) for number in range(40)])
    made = material.over_speech(clips, [np.rint(20000 * said(3, 1, seed=99)).astype(np.int16)], 0)
    changed = np.flatnonzero((made != clips).any(1))
    assert 10 <= len(changed) <= 30 and (material.over_speech(clips, [], 0) == clips).all()
    for row in changed:
        behind = made[row].astype(float) - clips[row]
        snr = 10 * np.log10(np.square(clips[row].astype(float)).mean() / np.square(behind).mean())
        assert material.SNR[0] - 0.5 < snr < material.SNR[1] + 0.5


def test_the_user_s_microphone_is_heard_in_other_classes_than_the_word_too():
    items = [speech.Item(kind, "computer") for kind in speech.KINDS for _ in range(4)]
    made = material.Spoken(items, np.zeros((len(items), CLIP), np.int16), [])
    word = samples.Sample("computer", Path("a.wav"), said(0.6, 1), said(1, 1))
    labels = ("_silence_", "_unknown_", "computer")
    split = material.training_split(labels, made, 100, [word], np.empty((0, CLIP), np.int16), 0)
    own = np.arange(len(items), len(split.target) - int((split.target == 0).sum()))
    drawn = {label: split.draws[own[split.target[own] == label]].sum() for label in (1, 2)}
    assert drawn[2] == pytest.approx(material.SAMPLE_SHARE * material.WORD_CLIPS * 100)
    assert drawn[1] == pytest.approx(material.NO_WORDS * drawn[2])
    assert split.draws[: len(items)][split.target[: len(items)] == 2].sum() == pytest.approx(
        (1 - material.SAMPLE_SHARE) * material.WORD_CLIPS * 100
    )


def test_a_recording_without_its_word_is_backwards_or_a_part():
    whole = said(0.8, seed=4)
    lengths = [len(material.no_word(whole, np.random.default_rng(seed))) for seed in range(60)]
    backwards = sum(length == len(whole) for length in lengths)
    assert 10 < backwards < 40 and max(length for length in lengths if length < len(whole)) <= 0.61 * len(whole)


def test_a_recording_is_read_once_so_that_none_is_in_training_and_in_the_test(tmp_path):
    (tmp_path / "computer").mkdir()
    for number in range(6):
        whole = np.concatenate([quiet(0.5), said(0.7, seed=number), quiet(0.5)])
        soundfile.write(tmp_path / "computer" / f"{number}.wav", whole, RATE)
    good, _ = samples.read(tmp_path, ["computer"])
    assert len({sample.path for sample in good}) == len(good) == 6
