"""The generated detector on this machine: equal to the golden model, and both keep the rule of kws_detector.h."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from engine_inputs import CLASS_COUNTS, numbered
from firmware_builds import AWKWARD, SANITISERS, WARNINGS

from common import shipped as shipped_files
from common.ctext import without_comments
from common.description import LABELS, SILENCE
from common.errors import UserError
from detector import binding, golden, render, settings
from detector.golden import Event
from detector.settings import HIGH, LOW, MEDIUM, NEVER, RISE_MS, SENSITIVITIES, Preset, Settings, Threshold
from engine import golden as engine_golden
from engine.binding import Engine
from engine.random_network import random_network
from firmware_gen import inputs

NO_WORD, WORD, NOT_RESET, BAD_ARGUMENT = range(4)
"""`kws_detection`."""
PRIVATE = (
    *("magic", "hops", "start", "first_ms", "best", "reported", "since", "amid", "agreeing", "confidence", "over", "pause"),
)
"""Members of `kws_detector` ahead of the thresholds."""
REST, SAID, OTHER, SPEECH = range(4)
"""Silence, two words, and other speech."""
THRESHOLD = Threshold(200, 5)
MEASURED = {
    "date": "2026-01-01",
    "protocol": "three kinds of sound",
    "presets": {
        name: {
            "keywords": [
                {"background": "quiet", "snr_db": 20.0, "said": 1000, "hit": 900, "wrong": 1, "repeats": 0, "elsewhere": 2}
            ],
            "twice": {"gap_ms": 300, "pairs": 10, "both": 8, "repeats": 0},
            "false_accepts": [{"kind": "speech", "hours": 2.5, "reports": 7}],
        }
        for name in SENSITIVITIES
    },
}
TRIED = {
    "date": "2026-01-02",
    "command": "make tune",
    "hours": 2.5,
    "presets": {
        name: {"reports": 7, "keywords": [{"of": "recordings", "said": 1000, "hit": 900}]} for name in SENSITIVITIES
    },
}
NO_SILENCE = {"labels": ["yes"], "pause_ms": 10, "presets": {name: {} for name in SENSITIVITIES}}
COMPILERS = {
    "gcc": ["gcc"],
    "clang": ["clang"],
    "cortex-m0": ["arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb"],
    "cortex-m4": ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"],
    "cortex-m55": ["arm-none-eabi-gcc", "-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"],
}


def state_of(classes: int) -> type[ctypes.Structure]:
    """`kws_detector` for so many classes."""
    kinds = (*[ctypes.c_uint32] * 4, *[ctypes.c_int16] * 2, *[ctypes.c_uint16] * 2, *[ctypes.c_uint8] * 4)
    fields = [*zip(PRIVATE, kinds), ("thresholds", ctypes.c_uint8 * 2 * classes)]
    return type("State", (ctypes.Structure,), {"_fields_": fields})


class Raw(binding.Detector):
    """The C functions themselves, over a state that a test may look into and change."""

    def __init__(self, preset: Preset, first_ms: int = 0):
        super().__init__(preset, first_ms)
        self.library, self.event = self._library, (ctypes.c_uint32 * 3)(*[99] * 3)
        self.state = state_of(len(preset.thresholds)).from_buffer(self._state)

    def call(self, name: str, *arguments: object) -> int:
        return getattr(self.library, name)(ctypes.byref(self.state), *arguments)

    def detect(self, best: int, probability: int, hops: int = 1) -> int:
        return self.call("kws_detect", best, ctypes.c_uint8(probability), ctypes.c_uint8(hops), self.event)

    def push(self, best: int, probability: int, hops: int = 1) -> Event | None:
        answer = self.detect(best, probability, hops)
        assert answer in (NO_WORD, WORD)
        return Event(*self.event) if answer == WORD else None


def any_thresholds(rng: np.random.Generator, classes: int) -> list[Threshold]:
    """Extremes and ordinary ones, classes that are never reported among them."""
    return [
        Threshold(*map(int, (rng.choice([0, 1, 90, 200, 254, 255]), rng.choice([0, 1, 2, 5, 20, 255]))))
        for _ in range(classes)
    ]


def any_preset(rng: np.random.Generator, classes: int) -> Preset:
    """Any thresholds, with a pause of any length or with none; any class, or none, is silence."""
    silence = rng.choice([None, *range(classes)])
    pause = 0 if silence is None else int(rng.choice([0, 1, 20, 100, 255]))
    return Preset(tuple(any_thresholds(rng, classes)), pause, silence)


def answers(rng: np.random.Generator, classes: int, count: int) -> list[tuple[int, int, int]]:
    """Class, probability and hops of so many answers: runs of all lengths, and hops from 0 to 255."""
    rows: list[tuple[int, int, int]] = []
    while len(rows) < count:
        word, level = int(rng.integers(classes)), int(rng.integers(256))
        for _ in range(int(rng.choice([1, 2, 6, 25, 70]))):
            hops = int(rng.choice([0, 1, 1, 1, 1, 2, 10, 254, 255]))
            rows.append((word, int(np.clip(level + rng.integers(-60, 61), 0, 255)), hops))
    return rows[:count]


def same_state(model: golden.Detector, state: ctypes.Structure) -> bool:
    return all(int(getattr(model, name)) == getattr(state, name) for name in PRIVATE[1:])


# ---- equal to the golden model ----


@pytest.mark.parametrize("classes", CLASS_COUNTS)
def test_c_equals_the_golden_model_event_by_event(classes):
    rng, words = np.random.default_rng(classes), 0
    for _ in range(12):
        preset, first_ms = any_preset(rng, classes), int(rng.integers(2**32))
        model, raw = golden.Detector(preset, first_ms), Raw(preset, first_ms)
        for answer in answers(rng, classes, 500):
            expected = model.push(*answer)
            assert raw.push(*answer) == expected and same_state(model, raw.state)
            words += expected is not None
    assert words > 30


@pytest.mark.parametrize("hops", [0, 1, 2, 10, 255])
def test_answers_any_hops_apart_equal_the_golden_model(hops):
    rng = np.random.default_rng(hops)
    preset = Preset((NEVER, *[Threshold(100, 5)] * 11), 255, 0)
    best = np.repeat(rng.integers(0, 12, 400), 9)
    probability = rng.integers(0, 256, len(best))
    model, ours = golden.Detector(preset, 145), binding.Detector(preset, 145)
    expected = [(i, event) for i, row in enumerate(zip(best, probability)) if (event := model.push(*map(int, row), hops))]
    assert ours.feed(best, probability, hops) == expected and bool(expected) == (hops > 0)


def test_counters_at_their_ends_equal_the_golden_model():
    """`hops` goes round at 2^32; `since`, `amid`, `agreeing` and the hops of a run stay at their largest values."""
    rng = np.random.default_rng(3)
    starts = [
        {"hops": 2**32 - 40, "start": 2**32 - 60},
        {"since": 0xFFFF - 3},
        {"amid": 0xFFFF - 3},
        {"amid": 250},
        {"agreeing": 250},
        {"start": 1, "hops": 70_000},
    ]
    for changes in starts:
        for threshold in (Threshold(100, 255), Threshold(100, 7)):
            preset = Preset((threshold,) * 3, 255, 0)
            model, raw = golden.Detector(preset, 2**32 - 500), Raw(preset, 2**32 - 500)
            for name, value in ({"best": 1, "confidence": 101} | changes).items():
                setattr(model, name, value)
                setattr(raw.state, name, value)
            for answer in [(1, 150, 1)] * 60 + answers(rng, 3, 400):
                assert raw.push(*answer) == model.push(*answer) and same_state(model, raw.state), changes


def test_thresholds_changed_while_it_runs_equal_the_golden_model():
    rng = np.random.default_rng(5)
    ours = settings.default([SILENCE, *numbered(12)[1:]])
    presets, high = ours.presets, ours.preset(HIGH)
    model, raw = golden.Detector(high), Raw(high)
    for index, answer in enumerate(answers(rng, 12, 3000)):
        if index % 40 == 39:
            sensitivity = int(rng.integers(3))
            model.thresholds = list(presets[SENSITIVITIES[sensitivity]])
            assert raw.call("kws_detector_set_sensitivity", sensitivity) == NO_WORD
        if index % 7 == 6:
            word, (threshold,) = int(rng.integers(12)), any_thresholds(rng, 1)
            model.thresholds[word] = threshold
            assert raw.call("kws_detector_set_threshold", word, *map(ctypes.c_uint8, threshold)) == NO_WORD
        if index % 11 == 10:
            model.pause = int(rng.integers(256))
            assert raw.call("kws_detector_set_pause", ctypes.c_uint8(model.pause)) == NO_WORD
        assert raw.push(*answer) == model.push(*answer) and same_state(model, raw.state)
        assert [tuple(row) for row in raw.state.thresholds] == model.thresholds


def test_a_saved_state_resumes_where_it_was():
    rng = np.random.default_rng(7)
    preset = Preset((NEVER, *[THRESHOLD] * 4), 60, 0)
    best, probability = np.repeat(rng.integers(0, 5, 300), 8), rng.integers(150, 256, 2400)
    whole = binding.Detector(preset).feed(best, probability)
    first, second = binding.Detector(preset), binding.Detector(Preset((Threshold(1, 1),) * 5, 0, 0), 999)
    for at in (1, 777, 1203):
        first.reset()
        before = first.feed(best[:at], probability[:at])
        saved = first.save()
        first.feed(best[::-1], probability)  # the original goes its own way, and the one that takes over has a past
        second.restore(saved)
        rest = second.feed(best[at:], probability[at:])
        assert whole and before + [(at + hop, event) for hop, event in rest] == whole
    with pytest.raises(ValueError):
        second.restore(saved[:-8])


def test_a_reset_forgets_everything():
    raw = Raw(Preset((THRESHOLD,) * 3), 5)
    fresh = raw.save()
    raw.feed([1] * 9 + [2] * 50, [255] * 59)
    assert raw.save() != fresh
    raw.reset()
    assert raw.save() == fresh


# ---- the rule ----


@pytest.fixture(params=[golden.Detector, Raw], ids=["golden", "C"])
def hear(request):
    """`hear((class, probability, answers), ...)`: the events of one hop after the other, with THRESHOLD for both words."""

    def events(*runs: tuple[int, int, int], pause: int = 0) -> list[Event]:
        detector = request.param(Preset((NEVER, THRESHOLD, THRESHOLD, NEVER), pause, REST))
        pushed = [detector.push(word, probability) for word, probability, count in runs for _ in range(count)]
        return [event for event in pushed if event]

    return events


def test_a_word_is_reported_once_a_run_with_its_middle_and_its_highest_probability(hear):
    assert hear((REST, 255, 30), (SAID, 220, 4), (SAID, 240, 1), (SAID, 255, 400)) == [Event(SAID, 240, 300 + RISE_MS)]


def test_fewer_hops_than_the_persistence_make_no_word(hear):
    assert hear((SAID, 255, 4), (OTHER, 255, 4), (REST, 255, 9), (SAID, 255, 4)) == []
    assert hear((SAID, 199, 400)) == [] != hear((SAID, 200, 5))


def test_hops_that_do_not_count_do_not_end_a_run(hear):
    pieces = [(SAID, 230, 2), (SAID, 10, 30), (SAID, 210, 2), (SAID, 199, 50), (SAID, 200, 1)]
    assert hear((REST, 0, 10), *pieces) == [Event(SAID, 230, 100 + RISE_MS)]


def test_a_class_of_persistence_0_is_never_reported(hear):
    assert hear((REST, 255, 1000)) == []


def test_a_word_said_twice_is_reported_twice_however_short_the_pause(hear):
    for pause in ((SAID, 199, 1), (REST, 255, 1), (OTHER, 0, 1)):
        assert [event.ms for event in hear((SAID, 255, 49), pause, (SAID, 255, 40))] == [RISE_MS, 500 + RISE_MS]


def test_a_word_is_not_reported_twice_within_500_ms(hear):
    for pause in ((SAID, 199, 1), (REST, 255, 1)):
        assert len(hear((SAID, 255, 48), pause, (SAID, 255, 400))) == 1
        assert len(hear((SAID, 255, 48), pause, (SAID, 255, 40), pause, (SAID, 255, 40))) == 2  # the run after that one


def test_another_word_is_not_reported_within_300_ms(hear):
    assert [event.word for event in hear((SAID, 255, 29), (OTHER, 255, 400))] == [SAID]
    assert [event.word for event in hear((SAID, 255, 30), (OTHER, 255, 400))] == [SAID, OTHER]


def test_the_time_counts_from_the_beginning_of_the_reported_run(hear):
    """Of the first hop that counted, not of the report."""
    late = [(SAID, 255, 1), (SAID, 0, 25), (SAID, 255, 4)]
    assert [event.word for event in hear(*late, (OTHER, 255, 5))] == [SAID, OTHER]


def test_a_word_amid_speech_is_not_reported_where_a_pause_is_wanted(hear):
    """Its first hop that counts may be the 100th after silence, and not the next."""
    after = (REST, 255, 30), (SPEECH, 255, 99), (SAID, 255, 5)
    assert hear(*after, pause=100) == hear(*after) == [Event(SAID, 255, 10 * (30 + 99) + RISE_MS)]
    late = (REST, 255, 30), (SPEECH, 255, 99), (SAID, 199, 1), (SAID, 255, 400)
    assert hear(*late, pause=100) == [] != hear(*late)
    assert hear(*late, (REST, 0, 1), (SAID, 255, 5), pause=100)[0].ms == 10 * (30 + 99 + 401 + 1) + RISE_MS


def test_a_run_amid_speech_stays_so_whatever_its_probability(hear):
    for between in ((SAID, 0, 30), (SPEECH, 255, 30)):
        assert hear((SPEECH, 255, 101), (SAID, 255, 30), between, (SAID, 255, 30), pause=100) == []


def test_a_reset_counts_as_a_pause_and_so_does_a_report(hear):
    assert len(hear((SPEECH, 255, 99), (SAID, 255, 40), (SPEECH, 255, 30), (OTHER, 255, 40), pause=100)) == 2
    assert len(hear((SAID, 255, 5), (SPEECH, 255, 99), (OTHER, 255, 40), pause=100)) == 2
    assert len(hear((SAID, 255, 5), (SPEECH, 255, 100), (OTHER, 255, 40), pause=100)) == 1


@pytest.mark.parametrize("kind", [golden.Detector, Raw])
def test_the_first_scores_may_lie_anywhere_and_the_time_goes_round(kind):
    detector = kind(Preset((NEVER, Threshold(1, 1))), 2**32 - RISE_MS - 20)
    events = [detector.push(word, 255, 30) for word in (1, 0, 1, 0, 1)]
    assert [event and event.ms for event in events] == [2**32 - 20, None, 580, None, 1180]


# ---- the calls ----


def test_every_misuse_has_its_status_and_changes_nothing():
    raw = Raw(Preset((THRESHOLD,) * 12))
    byte, event, library = ctypes.c_uint8, raw.event, raw.library
    before = raw.save()
    assert library.kws_detector_reset(None, 1, 0) == BAD_ARGUMENT
    assert library.kws_detector_set_sensitivity(None, 1) == BAD_ARGUMENT
    assert library.kws_detector_set_threshold(None, 1, byte(1), byte(1)) == BAD_ARGUMENT
    assert library.kws_detector_set_pause(None, byte(0)) == BAD_ARGUMENT
    assert raw.call("kws_detector_set_pause", byte(1)) == BAD_ARGUMENT  # without a class of silence
    assert library.kws_detect(None, 1, byte(1), byte(1), event) == BAD_ARGUMENT
    assert raw.call("kws_detect", 1, byte(255), byte(1), None) == BAD_ARGUMENT
    for word in (-(2**31), -1, 12, 2**31 - 1):
        assert raw.detect(word, 255) == BAD_ARGUMENT
        assert raw.call("kws_detector_set_threshold", word, byte(1), byte(1)) == BAD_ARGUMENT
    for sensitivity in (-1, 3, 255, 2**31 - 1):
        assert raw.call("kws_detector_reset", sensitivity, ctypes.c_uint32(0)) == BAD_ARGUMENT
        assert raw.call("kws_detector_set_sensitivity", sensitivity) == BAD_ARGUMENT
    assert raw.save() == before and list(event) == [99] * 3


@pytest.mark.parametrize("filling", [0x00, 0x01, 0xA5, 0xFF])
def test_a_state_that_was_never_reset_is_refused_and_left_as_it_is(filling):
    raw = Raw(Preset((THRESHOLD,) * 12))
    garbage = bytes([filling]) * len(raw.save())
    raw.restore(garbage)
    assert raw.detect(1, 255) == NOT_RESET
    assert raw.call("kws_detector_set_sensitivity", 1) == NOT_RESET
    assert raw.call("kws_detector_set_threshold", 1, ctypes.c_uint8(1), ctypes.c_uint8(1)) == NOT_RESET
    assert raw.call("kws_detector_set_pause", ctypes.c_uint8(0)) == NOT_RESET
    assert raw.save() == garbage and list(raw.event) == [99] * 3


def test_the_event_is_written_with_a_word_only():
    raw = Raw(Preset((NEVER, THRESHOLD)))
    assert [raw.detect(1, 255) for _ in range(4)] == [NO_WORD] * 4 and list(raw.event) == [99] * 3
    assert raw.detect(1, 255) == WORD and list(raw.event) == [1, 255, RISE_MS]


@pytest.mark.parametrize("classes", CLASS_COUNTS)
def test_the_state_is_as_large_as_declared(classes):
    declared = re.search(r"STATE_BYTES (\d+)u", render.sources(settings.default(numbered(classes)))["kws_detector.h"])
    size = binding.Detector(Preset((THRESHOLD,) * classes)).state_bytes
    assert int(declared[1]) == size == ctypes.sizeof(state_of(classes)) <= 600


def test_the_binding_refuses_what_does_not_fit():
    detector = binding.Detector(Preset((THRESHOLD,) * 3))
    with pytest.raises(ValueError, match="classes 0 to 2 are known, not 3"):
        detector.feed([0, 3], [1, 1])
    with pytest.raises(ValueError, match="as many classes as probabilities"):
        detector.feed([0, 1], [1])


# ---- the best class ----


@pytest.mark.parametrize("classes", CLASS_COUNTS)
def test_the_best_class_is_the_first_of_the_greatest_with_its_probability(classes):
    network = random_network(1, labels=numbered(classes))
    rng = np.random.default_rng(classes)
    scores = np.concatenate(
        [
            rng.integers(-32768, 32768, (200, classes)),
            rng.integers(-2000, 2000, (400, classes)),
            rng.integers(0, 3, (200, classes)),  # equal ones
            np.full((1, classes), -32768),
            np.full((1, classes), 32767),
            np.eye(classes) * 65535 - 32768,
        ]
    ).astype(np.int16)
    best, probability = Engine(network).best(scores)
    assert np.array_equal(best, scores.argmax(1))
    assert np.array_equal(probability, engine_golden.probability(network, scores)[np.arange(len(scores)), best])


# ---- settings ----


def made(labels: Sequence[str] = LABELS, **changes: object) -> Settings:
    """Settings in which every word has a threshold of its own, and one is never reported."""
    words = [index for index, label in enumerate(labels) if settings.is_word(label)]
    presets = {
        name: tuple(
            Threshold(255 - 9 * at - index, 3 + index) if index in words[1:] else NEVER for index in range(len(labels))
        )
        for at, name in enumerate(SENSITIVITIES)
    }
    return dataclasses.replace(Settings(tuple(labels), presets, "10 hours", "ab" * 32), **changes)


@pytest.mark.parametrize("which", [settings.default(LABELS), made(), made(pause_ms=420)], ids=["default", "made", "pause"])
def test_the_presets_in_c_are_those_of_the_settings(which, tmp_path):
    for name, text in render.sources(which).items():
        (tmp_path / name).write_text(text)
    library = tmp_path / "detector.so"
    command = ["gcc", "-shared", "-fPIC", "-DKWS_PLAIN_NAMES", f"-I{tmp_path}"]
    subprocess.run([*command, tmp_path / "kws_detector.c", "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))
    table = np.ctypeslib.as_array((ctypes.c_uint8 * (3 * len(LABELS) * 2)).in_dll(loaded, "kws_presets"))
    assert np.array_equal(table.reshape(3, -1, 2), [which.presets[name] for name in (LOW, MEDIUM, HIGH)])
    state = state_of(len(LABELS))()
    for sensitivity, name in enumerate(SENSITIVITIES):
        assert loaded.kws_detector_reset(ctypes.byref(state), sensitivity, 0) == NO_WORD
        assert [tuple(row) for row in state.thresholds] == list(which.presets[name])
        assert state.pause == which.preset(name).pause == which.pause_ms // settings.HOP_MS


def test_silence_and_unknown_words_have_no_threshold_by_default():
    for rows in settings.default(LABELS).presets.values():
        assert [row.hops > 0 for row in rows] == [not label.startswith("_") for label in LABELS]


def test_a_network_without_silence_has_no_pause_by_default():
    assert settings.default(LABELS).preset(HIGH)[1:] == (settings.PAUSE_MS // settings.HOP_MS, 0)
    assert settings.default(numbered(3)).preset(HIGH)[1:] == (0, None)


@pytest.mark.parametrize("found", [{}, {"measured": MEASURED}, {"tried": TRIED}], ids=["nothing", "measured", "tried"])
def test_a_file_of_settings_comes_back_as_it_was_saved(tmp_path, found):
    ours = made(pause_ms=750, **found)
    settings.save(tmp_path / "made.json", ours)
    assert settings.load(tmp_path / "made.json") == ours


def test_a_file_of_before_the_pause_has_none(tmp_path):
    content = made(pause_ms=750).to_json()
    del content["pause_ms"]
    (tmp_path / "old.json").write_text(json.dumps(content))
    assert settings.load(tmp_path / "old.json") == made()


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda content: content.pop("native"), "native is missing"),
        (lambda content: content["presets"].pop("low"), "presets.low is missing"),
        (lambda content: content["presets"]["low"].update(sheep=[1, 2]), "sheep is no word of this network"),
        (lambda content: content["presets"]["low"].update(_unknown_=[1, 2]), "_unknown_ is no word of this network"),
        (lambda content: content["presets"]["high"].update(yes=[256, 2]), "yes: a probability and a number of hops from 0"),
        (lambda content: content["presets"]["high"].update(yes=[-1, 2]), "yes: a probability and a number of hops from 0"),
        (lambda content: content["presets"]["high"].update(yes=[1]), "yes: a probability and a number of hops from 0"),
        (lambda content: content["presets"]["high"].update(yes=[1, 2.5]), "whole number"),
        (lambda content: content.update(pause_ms=-10), "a pause of 0 to 2550 ms in steps of 10 is wanted, not -10"),
        (lambda content: content.update(pause_ms=2560), "a pause of 0 to 2550 ms in steps of 10 is wanted, not 2560"),
        (lambda content: content.update(pause_ms=15), "a pause of 0 to 2550 ms in steps of 10 is wanted, not 15"),
        (lambda content: content.update(NO_SILENCE), "a network that has no class _silence_"),
        (lambda content: content.update(measured=5), "measured"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_the_remedy(tmp_path, change, reason):
    path, content = tmp_path / "damaged.json", made().to_json()
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=re.escape(reason)) as error:
        settings.load(path)
    assert str(error.value).startswith(f"{path}: damaged (") and str(error.value).endswith("make it again with `make tune`")
    assert "\n" not in str(error.value)


def test_a_file_that_is_none_is_one_line(tmp_path):
    (tmp_path / "text.json").write_bytes(b"\xff no JSON")
    with pytest.raises(UserError, match=r"text.json: damaged \(.*make tune"):
        settings.load(tmp_path / "text.json")
    with pytest.raises(UserError, match=r"missing.json: no such file; .*make tune"):
        settings.load(tmp_path / "missing.json")


def test_a_build_takes_its_own_settings_then_the_shipped_ones_then_defaults(tmp_path, monkeypatch):
    shipped, own = made(chosen="shipped"), made(chosen="own")
    monkeypatch.setattr(shipped_files, "CHECKPOINTS", tmp_path)
    record = {"native": {"sha256": shipped.native}, "tau": 1, "labels": list(LABELS)}
    assert inputs.detector_settings(tmp_path, record) == settings.default(LABELS)
    settings.save(tmp_path / "tau1.detector.json", dataclasses.replace(shipped, native="ab" * 32))
    settings.save(tmp_path / "tau1-field.detector.json", shipped)  # of another network of this width
    assert inputs.detector_settings(tmp_path, record) == shipped
    settings.save(tmp_path / settings.FILE, own)
    assert inputs.detector_settings(tmp_path, record) == own
    assert inputs.detector_settings(tmp_path, record | {"tau": 3, "labels": list(LABELS[::-1])}) == settings.default(
        LABELS[::-1]
    )
    settings.save(tmp_path / settings.FILE, dataclasses.replace(own, native="cd" * 32))  # of another network
    assert inputs.detector_settings(tmp_path, record) == shipped
    for other in ({"sha256": "ef" * 32}, None):
        assert inputs.detector_settings(tmp_path, record | {"native": other}) == settings.default(LABELS)
    (tmp_path / settings.FILE).write_text("{}")
    with pytest.raises(UserError, match=f"{settings.FILE}: damaged"):
        inputs.detector_settings(tmp_path, record)


# ---- the sources ----


def test_the_id_names_thresholds_and_rule_but_no_comment(monkeypatch):
    ours = made()
    assert render.detector_id(made(chosen="other recordings", measured=MEASURED)) == render.detector_id(ours)
    for text in render.sources(ours).values():
        assert f"0x{render.detector_id(ours)}ULL" in text
    presets = ours.presets | {LOW: settings.every_word(LABELS, Threshold(1, 2))}
    assert render.detector_id(made(presets=presets)) != render.detector_id(ours)
    assert render.detector_id(made(pause_ms=1000)) != render.detector_id(ours)
    before = render.detector_id(ours)
    monkeypatch.setattr(render, "REPEAT_MS", 600)
    assert render.detector_id(ours) != before


@pytest.fixture(params=["default", "measured", "awkward"])
def sources(request, tmp_path) -> Path:
    """A folder with the sources of ordinary settings, of measured ones, and of ones with awkward texts all over."""
    text = "".join(AWKWARD) + "*/ \\\n#error broken\r ??/\n \u2028 end \\"
    measured = json.loads(
        json.dumps(MEASURED).replace("three kinds of sound", "@").replace("quiet", "@").replace("speech", "@")
    )
    awkward = json.loads(json.dumps(measured).replace('"@"', json.dumps(text)))
    which = {
        "default": settings.default(LABELS),
        "measured": made(measured=MEASURED),
        "awkward": made(AWKWARD, chosen=text, measured=awkward),
    }[request.param]
    for name, content in render.sources(which).items():
        (tmp_path / name).write_text(content, "utf-8")
    return tmp_path


def test_generated_lines_are_short_and_ascii(sources):
    for name in render.FILES:
        text = (sources / name).read_text()
        assert text.isascii() and "{{" not in text and text.startswith("// SPDX-License-Identifier: Apache-2.0\n")
        assert max(map(len, text.splitlines())) <= 120, name


def test_texts_of_the_settings_stay_within_comments(sources):
    code = without_comments((sources / "kws_detector.h").read_text())
    assert "error" not in code and code.startswith("#ifndef KWS_DETECTOR_H ")


@pytest.mark.parametrize("optimise", ["-O2", "-Os"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_sources_are_c99_without_warnings_and_without_variables(sources, tmp_path, compiler, optimise):
    command = COMPILERS[compiler]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    unit = tmp_path / "kws_detector.o"
    subprocess.run(
        [*command, "-std=c99", "-Wpedantic", *WARNINGS, optimise, "-c", sources / "kws_detector.c", "-o", unit], check=True
    )
    nm = "arm-none-eabi-nm" if command[0].startswith("arm") else "nm"
    kinds = re.findall(r" ([A-Za-z]) (\S+)$", subprocess.check_output([nm, unit], text=True), re.M)
    assert {name for kind, name in kinds if kind in "bBdDCU"} <= {"memcpy", "memset"}  # how compilers copy structures


def test_the_header_is_c99_and_cpp11(sources):
    for command in (["gcc", "-std=c99", "-x", "c"], ["g++", "-std=c++11", "-x", "c++"]):
        subprocess.run(
            [*command, *WARNINGS, "-Wpedantic", "-fsyntax-only", f"-I{sources}", "-"],
            check=True,
            text=True,
            input='#include "kws_detector.h"\n#include "kws_detector.h"\n',
        )


def test_parts_of_two_builds_do_not_mix(tmp_path):
    ours, other = render.sources(made()), render.sources(settings.default(LABELS))
    for name, text in {"kws_detector.h": other["kws_detector.h"], "kws_detector.c": ours["kws_detector.c"]}.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(["gcc", "-fsyntax-only", tmp_path / "kws_detector.c"], capture_output=True, text=True)
    assert done.returncode and "kws_detector.c and kws_detector.h are of different builds" in done.stderr


def test_the_header_tells_what_was_measured_with_its_intervals():
    text = render.sources(made(measured=MEASURED))["kws_detector.h"]
    assert "// Thresholds were chosen on 10 hours.\n" in text and "// KWS_SENSITIVITY_MEDIUM\n" in text
    assert re.search(r"//   false accepts an hour, speech: 2\.8 \[1\.1, 5\.8\] \(2\.50 hours\)\n", text)
    assert re.search(r"//   missed, quiet at 20 dB: 10\.0 \[8\.\d, 1[12]\.\d\] % of 1,000\n", text)
    assert "was not measured" in render.sources(made())["kws_detector.h"]


def test_the_header_tells_what_the_command_that_chose_found():
    text = render.sources(made(tried=TRIED))["kws_detector.h"]
    assert "with `make tune`, on recordings that they were not chosen on" in text and "was not measured" not in text
    assert re.search(r"//   false accepts an hour, recordings without words: 2\.8 \[1\.1, 5\.8\] \(2\.50 hours\)\n", text)
    assert re.search(r"//   missed, recordings: 10\.0 \[8\.\d, 1[12]\.\d\] % of 1,000\n", text)
    assert "make tune" not in render.sources(made(tried=TRIED, measured=MEASURED))["kws_detector.h"]


SANITISED = r"""
#include <stdio.h>
#include <string.h>
#include "kws_detector.h"
int main(void) {
  static kws_detector state;
  kws_event event;
  unsigned char row[3];
  uint32_t found = 0;
  memset(&state, 0xa5, sizeof state);
  if (kws_detect(&state, 0, 0, 0, &event) != KWS_DETECTOR_NOT_RESET) { return 1; }
  kws_detector_reset(&state, KWS_SENSITIVITY_HIGH, UINT32_MAX);
  state.hops = UINT32_MAX - 1000;
  for (int32_t i = 0; i < KWS_DETECTOR_CLASSES; ++i) { kws_detector_set_threshold(&state, i, 100, 3); }
  while (fread(row, sizeof row, 1, stdin) == 1) {
    found += kws_detect(&state, row[0] % KWS_DETECTOR_CLASSES, row[1], row[2], &event) == KWS_WORD;
    if (row[2] == 7) { kws_detector_set_sensitivity(&state, (kws_sensitivity)(row[1] % 3)); }
  }
  printf("%u\n", found);
  return 0;
}
"""


def test_nothing_is_undefined(tmp_path):
    """Under the sanitisers, over random answers, as 35 classes and as 2."""
    for classes in (2, 35):
        for name, text in (render.sources(settings.default(numbered(classes))) | {"main.c": SANITISED}).items():
            (tmp_path / name).write_text(text)
        program = tmp_path / "program"
        units = [tmp_path / name for name in (*render.SOURCES, "main.c")]
        subprocess.run(["gcc", "-std=c99", "-O1", *WARNINGS, *SANITISERS, *units, "-o", program], check=True)
        rows = np.repeat(np.random.default_rng(classes).integers(0, 256, (4000, 3)), 5, 0).astype(np.uint8)
        done = subprocess.run([program], input=rows.tobytes(), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"") and int(done.stdout) > 100
