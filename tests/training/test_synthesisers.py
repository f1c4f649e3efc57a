"""The synthesisers: who speaks, what a voice says, what is left out, and models that the user brings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from common.description import FEATURES
from common.errors import UserError
from training.spoken import codecs, speakers
from training.spoken.speakers import Voice
from training.spoken.synthesisers import espeak, flite, kokoro, models, pico, piper

RATE = FEATURES.sample_rate
LETTERS = {letter: number for number, letter in enumerate("kəmpjuːtɚˈɾəʊɹ .,!?_^$", 1)}
"""Phonemes of the models here; "computer" has no other in either accent."""


@pytest.fixture
def needs_espeak():
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs espeak-ng")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder of models, which VOICES names."""
    for cached in (models.session, models.description, kokoro.style, kokoro.table, piper.configuration):
        cached.cache_clear()
    monkeypatch.setenv(models.VARIABLE, "")
    models.use(tmp_path)
    return tmp_path


def network(path: Path, inputs: dict[str, str], nodes: list[tuple]) -> None:
    """A model that gives audio: inputs by name and type, of any shape; nodes (operator, inputs, outputs, attributes)."""
    onnx = pytest.importorskip("onnx", reason="needs onnx")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    tensor = onnx.helper.make_tensor_value_info
    given = [tensor(name, getattr(onnx.TensorProto, kind), None) for name, kind in inputs.items()]
    made = [onnx.helper.make_node(*node[:3], **node[3]) for node in nodes]
    graph = onnx.helper.make_graph(made, "speaks", given, [tensor("audio", onnx.TensorProto.FLOAT, None)])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def kokoros(folder, needs_espeak) -> Path:
    """A model that says its style, and then its speed; voices a to f, each a number."""
    (folder / "voices").mkdir()
    for number, name in enumerate("abcdef"):
        np.full((64, kokoro.STYLE), number, "<f4").tofile(folder / "voices" / f"{name}.bin")
    (folder / "vocab.json").write_text(json.dumps({"vocab": LETTERS}))
    network(
        folder / "model.onnx",
        {"tokens": "INT64", "style": "FLOAT", "speed": "FLOAT"},
        [("Squeeze", ["style"], ["flat"], {}), ("Concat", ["flat", "speed"], ["audio"], {"axis": 0})],
    )
    return folder


@pytest.fixture
def pipers(folder, needs_espeak) -> Path:
    """A voice of three speakers that says its scales, and then the number of its speaker."""
    network(
        folder / "lee.onnx",
        {"input": "INT64", "input_lengths": "INT64", "scales": "FLOAT", "sid": "INT64"},
        [("Cast", ["sid"], ["who"], {"to": 1}), ("Concat", ["scales", "who"], ["audio"], {"axis": 0})],
    )
    described = {
        "espeak": {"voice": "en-us"},
        "audio": {"sample_rate": 22050},
        "num_speakers": 3,
        "phoneme_id_map": {letter: [number] for letter, number in LETTERS.items()},
    }
    (folder / "lee.onnx.json").write_text(json.dumps(described))
    return folder


def test_no_throat_of_the_test_is_in_training(needs_espeak, kokoros):
    voices = speakers.find("en")
    throats = [{(voice.synthesiser, throat) for voice in some for throat in voice.throats} for some in voices]
    assert not throats[0] & throats[1] and ("kokoro", "a") in throats[0] and len(voices.training) > 2 * len(voices.test) > 0


def test_voices_that_are_added_hold_out_none_that_was_trained_with():
    names = [f"/one/{number:03}.onnx.json#0" for number in range(120)]
    few = {name for name in names if int(name[5:8]) % 4}
    for some in (few, {*sorted(few)[:3]}, {*sorted(few)[40:50]}):
        assert not (some - speakers.apart("piper", some)) & speakers.apart("piper", {*names})
        assert 0 < len(speakers.apart("piper", some)) < len(some)
    elsewhere = {f"/some/where{name}" for name in few}
    assert speakers.apart("piper", elsewhere) == {f"/some/where{name}" for name in speakers.apart("piper", few)}
    assert speakers.apart("piper", {*names[:2]}) == set(), "two are both for training"


def test_a_fifth_of_the_voices_that_are_always_there_is_held_out():
    for name, throats in (("espeak-ng", espeak.VARIANTS), ("flite", flite.VOICES)):
        assert 0.19 < len(speakers.apart(name, {*throats})) / len(throats) < 0.26


def test_a_missing_synthesiser_is_left_out_with_a_line(needs_espeak, monkeypatch, capsys):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "flite" else which(name))
    assert "flite" not in {voice.synthesiser for voice in speakers.find("en").training}
    assert "flite is not here, so its voices are left out (Debian: apt-get install flite)" in capsys.readouterr().out


def test_only_who_reads_phonemes_is_given_them():
    voices = [Voice("espeak-ng", "en-gb+f1"), Voice("flite", "slt"), Voice("pico", "en-GB")]
    rng = np.random.default_rng(0)
    assert {speakers.draw(voices, "[[k@mpj'u:t@]]", rng).synthesiser for _ in range(40)} == {"espeak-ng"}
    assert {speakers.draw(voices, "computer", rng).synthesiser for _ in range(40)} == {"espeak-ng", "flite", "pico"}


def test_each_synthesiser_speaks_by_its_share():
    voices = [Voice("espeak-ng", f"en-gb+f{number}") for number in range(1, 6)] + [Voice("kokoro", "en/a*b")]
    rng = np.random.default_rng(0)
    often = sum(speakers.draw(voices, "computer", rng).synthesiser == "kokoro" for _ in range(3000)) / 3000
    assert abs(often - kokoro.SHARE / (kokoro.SHARE + espeak.SHARE)) < 0.03


def test_pico_says_a_word_at_different_speeds(monkeypatch):
    pytest.importorskip("py_nanotts", reason="needs py-nanotts")
    assert pico.voices("en") == ["en-US", "en-GB"] and pico.voices("de") == ["de-DE"] and pico.voices("ja") == []
    said = []
    for seed, memory in ((0, "7"), (0, "200"), (1, "7")):
        monkeypatch.setenv("MALLOC_PERTURB_", memory)
        said.append(pico.say("computer", "en-GB", np.random.default_rng(seed))[0])
    assert np.array_equal(said[0], said[1]), "whatever is in memory"
    assert len(said[0]) != len(said[2]) and np.abs(said[0]).max() > 0.05


def test_a_model_of_kokoro_speaks_in_a_mixture_of_two_voices_at_a_random_speed(kokoros):
    assert len(kokoro.voices("en")) == 15 and kokoro.voices("de") == []
    first, rate = kokoro.say("computer", "en/b*d", np.random.default_rng(0))
    other, _ = kokoro.say("computer", "en/b*d", np.random.default_rng(1))
    style, speed = first[: kokoro.STYLE], first[kokoro.STYLE]
    share = (3 - style) / 2
    assert rate == kokoro.RATE and (style == style[0]).all() and kokoro.MIXED[0] <= share[0] <= kokoro.MIXED[1]
    assert kokoro.SPEED[0] <= speed <= kokoro.SPEED[1] and not np.array_equal(first, other)
    assert np.array_equal(kokoro.say("computer", "en/b*d", np.random.default_rng(0))[0], first)


def test_a_model_of_piper_speaks_in_each_of_its_speakers(pipers):
    names = piper.voices("en")
    assert len(names) == 3 and piper.voices("cs") == []
    for speaker, name in enumerate(names):
        said, rate = piper.say("computer", name, np.random.default_rng(0))
        noise, length, pace, who = said
        assert rate == 22050 and who == speaker and piper.LENGTH[0] <= length <= piper.LENGTH[1]
        assert piper.NOISE[0] <= noise <= piper.NOISE[1] and piper.PACE[0] <= pace <= piper.PACE[1]


def test_voices_are_known_by_their_models_wherever_these_lie(kokoros, tmp_path_factory):
    voices = [Voice("kokoro", name) for name in kokoro.voices("en")]
    before = speakers.digest(voices)
    assert speakers.digest(voices) == before != speakers.digest(voices[:-1])
    for name in ("model.onnx", "vocab.json", "voices/c.bin"):
        content = (kokoros / name).read_bytes()
        (kokoros / name).write_bytes(content + b" ")
        assert speakers.digest(voices) != before
        (kokoros / name).write_bytes(content)
    assert speakers.digest(voices) == before
    models.use(shutil.copytree(kokoros, tmp_path_factory.mktemp("elsewhere") / "models"))
    assert speakers.digest(voices) == before


def test_a_voice_of_piper_is_known_by_its_model_and_its_description(pipers, tmp_path_factory):
    def digest(folder: Path) -> str:
        return speakers.digest([Voice("piper", f"{folder / 'lee.onnx.json'}#{speaker}") for speaker in range(3)])

    elsewhere = shutil.copytree(pipers, tmp_path_factory.mktemp("elsewhere") / "models")
    assert digest(elsewhere) == digest(pipers)
    for name in ("lee.onnx", "lee.onnx.json"):
        content = (elsewhere / name).read_bytes()
        (elsewhere / name).write_bytes(content + b" ")
        assert digest(elsewhere) != digest(pipers)
        (elsewhere / name).write_bytes(content)


def test_the_plain_model_of_several_speaks(kokoros):
    shutil.copy(kokoros / "model.onnx", kokoros / "model_q8f16.onnx")
    assert kokoro.model(kokoros) == kokoros / "model.onnx"


def no_table(folder: Path) -> None:
    (folder / "vocab.json").unlink()


def table_of_numbers(folder: Path) -> None:
    (folder / "vocab.json").write_text("[1, 2")


def half_a_voice(folder: Path) -> None:
    (folder / "voices" / "b.bin").write_bytes(bytes(100))


def half_a_model(folder: Path) -> None:
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:100])


def no_phoneme_known(folder: Path) -> None:
    (folder / "vocab.json").write_text(json.dumps({"vocab": {"x": 1}}))


@pytest.mark.parametrize(
    "damage, reason",
    [
        (no_table, "no tokenizer.json or config.json or vocab.json"),
        (table_of_numbers, "vocab.json: .*; download it again"),
        (half_a_voice, "b.bin: 25 numbers are no vectors"),
        (half_a_model, "model.onnx: .*; download it again"),
        (no_phoneme_known, "'computer' has 0 phonemes"),
    ],
)
def test_a_damaged_model_of_kokoro_is_one_line(kokoros, damage, reason):
    damage(kokoros)
    with pytest.raises(UserError, match=reason):
        kokoro.say("computer", "en/b*d", np.random.default_rng(0))


def test_a_description_that_is_none_of_pipers_is_one_line(pipers):
    (pipers / "lee.onnx.json").write_text("{}")
    with pytest.raises(UserError, match="lee.onnx.json: no description of a Piper voice"):
        piper.voices("en")


def test_a_folder_of_voices_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match=f"VOICES={tmp_path / 'nowhere'}: no such folder"):
        models.use(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", codecs.KINDS, ids=lambda kind: kind[1])
def test_a_codec_keeps_a_clip_in_its_place_and_changes_it(kind, monkeypatch):
    monkeypatch.setattr(codecs, "KINDS", {kind: codecs.KINDS[kind]})
    time = np.arange(RATE) / RATE
    clip = np.rint(8000 * np.sin(2 * np.pi * 300 * time) * np.exp(-(((time - 0.4) / 0.1) ** 2))).astype(np.int16)
    heard = codecs.coded(clip, np.random.default_rng(0))
    assert heard.shape == clip.shape and heard.dtype == np.int16 and not np.array_equal(heard, clip)
    assert np.argmax(np.correlate(heard.astype(float), clip.astype(float), "full")) - len(clip) + 1 == 0
    error = np.square(heard.astype(float) - clip).sum() / np.square(clip.astype(float)).sum()
    assert error < 0.5, "it is the same sound"
