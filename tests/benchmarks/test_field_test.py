"""The field test: what its conditions do to sound, its seeds, its table, its place in the report."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.listening import conditions, field
from benchmarks.listening.conditions import CONDITIONS, Material, Word
from benchmarks.listening.decided import made_by
from benchmarks.report import contents, html, text
from common import build_folder
from common.audio import read_wav
from common.description import FEATURES, LABELS
from common.errors import UserError
from common.shipped import EXAMPLES, detector_path
from detector import settings
from training.data import clip_folder
from training.data.dataset import Clip
from training.spoken import acoustics

SECOND = FEATURES.clip_samples
PRESET = settings.default(LABELS).preset(settings.MEDIUM)
BY_KEY = {condition.key: condition for condition in CONDITIONS}


@pytest.fixture(scope="module")
def material() -> Material:
    rng = np.random.default_rng(0)
    rooms = {rt60: [np.concatenate([[1.0], rng.normal(0, 0.02, 3000)])] for rt60 in conditions.RT60}
    pieces = {kind: [rng.integers(-9000, 9000, 8 * SECOND).astype(np.int16)] for kind in ("music", "babble", "noise")}
    return Material(rooms, pieces)


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """A word: half a second of a tone in faint noise, int16 [16000]."""
    rng = np.random.default_rng(1)
    wave = np.where(abs(np.arange(SECOND) - SECOND // 2) < SECOND // 4, 6000 * np.sin(np.arange(SECOND) * 0.4), 0)
    return np.rint(wave + rng.normal(0, 20, SECOND)).astype(np.int16)


def measured(clip: np.ndarray) -> Word:
    return field.levels(clip[None], np.array([True]))[0]


def applied(key: str, clip: np.ndarray, material: Material) -> np.ndarray:
    return conditions.applied(BY_KEY[key], clip, measured(clip), material)


def test_names_of_conditions_are_unique():
    assert len(BY_KEY) == len(CONDITIONS) > 40


@pytest.mark.parametrize("key", BY_KEY)
def test_every_condition_repeats_and_gives_16_bit_samples(key, clip, material):
    made, again = (applied(key, clip, material) for _ in range(2))
    assert made.dtype == np.int16 and made.shape == clip.shape and np.array_equal(made, again)
    assert np.array_equal(made, clip) == (key == "as recorded")


@pytest.mark.parametrize("dbfs", [-50, -65])
def test_a_word_is_brought_to_its_level(clip, material, dbfs):
    made = applied(f"level of the word, {dbfs} dBFS", clip, material)
    assert measured(made).level == pytest.approx(dbfs, abs=0.3)


def test_saturation_stays_within_16_bits(clip, material):
    made = applied("gain, saturating, +20 dB", clip, material)
    assert made.max() == 32767 and made.min() == -32768


def test_a_microphone_is_quieter_afar_and_has_noise_of_its_own(clip, material):
    levels = [measured(applied(f"INMP441, >> 16, {metres} m", clip, material)).level for metres in (0.1, 1, 2)]
    assert levels == pytest.approx([-40, -60, -66], abs=0.3)
    shifted = applied("INMP441, >> 12, 1 m", clip, material)
    assert measured(shifted).level == pytest.approx(-60 + 24.1, abs=0.3)
    own = np.square(shifted[:2000].astype(float)).mean() ** 0.5 / 32768
    assert 20 * np.log10(own) == pytest.approx(-87 + 24.1, abs=1)


def test_a_room_keeps_the_level_and_draws_one_of_its_rooms(clip, material):
    made = applied("room, RT60, 0.6 s", clip, material)
    assert measured(made).level == pytest.approx(measured(clip).level, abs=0.1)


@pytest.mark.parametrize("group", ["music", "babble", "recorded noise", "white noise"])
@pytest.mark.parametrize("snr", [20, 5])
def test_backgrounds_lie_as_far_below_the_word_as_they_say(clip, material, group, snr):
    added = applied(f"{group}, SNR {snr} dB", clip, material).astype(float) - clip
    noise = 10 * np.log10(np.square(added / 32768).mean())
    assert measured(clip).level - noise == pytest.approx(snr, abs=0.3)


def test_silence_counts_as_loud_as_the_median_word(clip):
    faint = (clip // 10).astype(np.int16)
    words = field.levels(np.stack([clip, faint, faint, np.zeros_like(clip)]), np.array([True, True, True, False]))
    assert words[3] == words[1] == words[2] != words[0]


def test_conditions_without_their_sounds_are_left_out(material):
    assert all(conditions.measured(condition, material) for condition in CONDITIONS)
    without = Material({}, {kind: material.backgrounds[kind] for kind in ("music", "babble")})
    left_out = {key for key, condition in BY_KEY.items() if not conditions.measured(condition, without)}
    assert left_out == {key for key in BY_KEY if key.startswith(("recorded noise", "room"))} and len(left_out) == 6


def test_so_many_clips_of_each_label_are_chosen_by_their_names_alone():
    found = [Clip(label, Path(label) / f"{number}.wav") for label in ("yes", "no") for number in range(30)]
    some = field.some_of_each(found, 4)
    assert [clip.label for clip in some] == ["yes"] * 4 + ["no"] * 4
    assert {*field.some_of_each(found[::-1], 4)} == {*some} and field.some_of_each(found, 0) == found


# With the network that is shipped


@pytest.fixture(scope="module")
def rows(tau1_build, material, clip) -> list[dict]:
    audio = np.stack([np.roll(clip, 200 * index) for index in range(4)])
    target = np.array([LABELS.index(label) for label in ("_silence_", "_unknown_", "yes", "go")])
    noises = [np.random.default_rng(0).normal(0, 100, 5 * SECOND).astype(np.int16)]
    return field.measure(tau1_build / build_folder.NATIVE, PRESET, audio, target, LABELS, material, noises, 1)


def test_the_table_has_a_row_for_each_condition_and_counts_clips(rows):
    assert [text.condition(row) for row in rows] == [condition.key for condition in CONDITIONS]
    for row, condition in zip(rows, CONDITIONS):
        assert row["window"]["clips"] == 4 and (row["reported"] is not None) == condition.stream
        assert row["reported"] is None or row["reported"]["clips"] == 2, "keywords alone"
    table = field.table(rows)
    assert len(table.splitlines()) == len(rows) + 1 and "room, RT60, 0.6 s" in table


def test_windows_are_answered_as_by_the_engine(tau1_build, material, clip):
    from engine import network
    from engine.binding import Engine
    from frontend import binding

    path = tau1_build / build_folder.NATIVE
    answer = int(Engine(network.load(path)).windows(binding.columns(clip[None])).argmax())
    noises = [np.random.default_rng(0).normal(0, 100, 5 * SECOND).astype(np.int16)]
    (row, *_) = field.measure(path, PRESET, clip[None], np.array([answer]), LABELS, material, noises, 1)
    assert row["window"]["right"] == 1


@pytest.mark.parametrize("words, target, right", [(["yes"], "yes", 1), (["yes"], "go", 0), (["yes", "yes"], "yes", 0)])
def test_a_word_counts_as_reported_where_it_is_and_nothing_beside_it(tau1_build, monkeypatch, words, target, right):
    spoken = [acoustics.trim(read_wav(EXAMPLES / f"{word}.wav") / 32768) for word in words]
    whole = np.rint(32768 * np.concatenate(spoken)).astype(np.int16)
    audio = np.pad(whole, (0, SECOND - len(whole)))[None]
    preset = settings.load(detector_path(1)).preset(settings.MEDIUM)
    noises = [np.random.default_rng(0).normal(0, 100, 5 * SECOND).astype(np.int16)]
    monkeypatch.setattr(field, "CONDITIONS", [BY_KEY["as recorded"]])
    path, which = tau1_build / build_folder.NATIVE, np.array([LABELS.index(target)])
    (row,) = field.measure(path, preset, audio, which, LABELS, Material({}, {}), noises, 1)
    assert (row["reported"]["right"], row["reported"]["clips"]) == (right, 1)


@pytest.fixture
def build(tau1_build, rows, tmp_path) -> Path:
    """A build with a field test."""
    path = tmp_path / "tau1"
    shutil.copytree(tau1_build, path)
    native = json.loads((path / build_folder.CONVERSION).read_text())["native"]["sha256"]
    figures = {
        "measured": "2026-11-28",
        "command": "python -m benchmarks.field_test",
        "clips": 4,
        "data": {"origin": "made by the test", "sha256": ""},
        "sensitivity": "medium",
        **made_by(native, settings.load(detector_path(1))),
        "rows": rows,
    }
    (path / build_folder.FIELD).write_text(json.dumps(figures))
    return path


def test_the_report_shows_the_test_of_exactly_this_network(build, rows):
    content = contents.merge(build)
    page = html.page(content)
    assert page.count('id="field-window-t"') == page.count('id="field-reported-t"') == 1
    assert "babble, SNR 5 dB" in page and "| babble, SNR 5 dB |" in text.markdown(content)
    figures = json.loads((build / build_folder.FIELD).read_text())
    (build / build_folder.FIELD).write_text(json.dumps(figures | {"native": "of another"}))
    other = contents.merge(build)
    assert (
        other["field"] is None and "make field-test TAU=1" in html.page(other) and "make field-test" in text.markdown(other)
    )


def test_what_was_reported_with_other_thresholds_is_left_out_and_windows_stay(build, rows):
    conversion = build_folder.load(build)
    made = settings.default(conversion["labels"])
    settings.save(build / settings.FILE, dataclasses.replace(made, native=conversion["native"]["sha256"]))
    found = contents.merge(build)
    assert [row["window"] for row in found["field"]["rows"]] == [row["window"] for row in rows]
    assert not any(row["reported"] for row in found["field"]["rows"])
    page, markdown = html.page(found), text.markdown(found)
    assert page.count('id="field-window-t"') == 1 and "field-reported" not in page
    assert "keyword reported alone" not in markdown
    assert all(text.OTHER_THRESHOLDS in said.replace("&#39;", "'") for said in (page, markdown))
    assert "make field-test TAU=1" in page and "make field-test TAU=1" in markdown


def test_a_damaged_field_test_is_one_line_that_names_the_remedy(build):
    figures = json.loads((build / build_folder.FIELD).read_text())
    del figures["rows"][0]["window"]["ci95"]
    (build / build_folder.FIELD).write_text(json.dumps(figures))
    with pytest.raises(UserError, match="not a field test of this project .*make field-test TAU=1"):
        contents.merge(build)


@pytest.mark.parametrize("arguments, message", [(["--each", "-1"], "--each must be"), ([], "no audio named")])
def test_bad_options_are_one_line(arguments, message, monkeypatch, capsys):
    monkeypatch.delenv("GSC_ROOT", raising=False)
    assert field.main([*arguments]) != 0
    assert message in capsys.readouterr().err


def test_the_clips_of_an_array_are_taken_without_a_split(tau1_build, clip, monkeypatch, tmp_path, failure):
    clip_folder.write(tmp_path / "clips", ["yes", "zebra"], 0, [(0, np.stack([clip, clip]))])
    monkeypatch.setattr(
        field, "measure", lambda path, thresholds, audio, target, labels, *more: [] if len(audio) == 2 else None
    )
    monkeypatch.setattr(field, "make_material", lambda audio, noise: None)
    monkeypatch.setattr(field, "table", lambda rows: "")
    build = shutil.copytree(tau1_build, tmp_path / "build")
    assert field.main(["--build", str(build), "--data", str(tmp_path / "clips")]) == 0
    figures = json.loads((build / build_folder.FIELD).read_text())
    assert figures["clips"] == 2 and "--split" not in figures["command"]
    assert "so no validation split" in failure(
        field.main, "--build", build, "--data", tmp_path / "clips", "--split", "validation"
    )
