"""`make bench-check` fails where a cost grew or agreement fell, and for nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from emulated import need_emulator

from benchmarks.accuracy import known_accuracy
from benchmarks.cost import baseline, bench, engine_on_core, scaling
from benchmarks.cost.emulator import CORES
from common.atomic import write_text
from common.description import FEATURES, LABELS
from common.errors import UserError
from engine import network, render as engine_render
from engine.random_network import random_network

FRONTEND = dict.fromkeys(baseline.FRONTEND, 1000)
DETECTOR = dict.fromkeys(baseline.DETECTOR, 100)
ENGINE = dict.fromkeys(baseline.ENGINE, 10_000)


def apart(figures: dict) -> dict:
    """A copy in which no two rows are the same object."""
    return json.loads(json.dumps(figures))


@pytest.fixture
def before() -> dict:
    """A baseline of two widths on two cores."""
    cores = ("cortex-m4", "cortex-m55")
    width = {"weights": "random", "boards": dict.fromkeys(cores, ENGINE)}
    return apart(
        {
            "recorded": "2031-05-07",
            "compiler": "a compiler",
            "frontend": dict.fromkeys(cores, FRONTEND),
            "detector": dict.fromkeys(cores, DETECTOR),
            "taus": {"1": width, "3": width},
            "agreement": {"1": {"native": 0.99}},
        }
    )


@pytest.fixture
def after(before) -> dict:
    return apart(before)


@pytest.mark.parametrize("key", baseline.ENGINE)
@pytest.mark.parametrize("tau", ["1", "3"])
def test_a_figure_of_the_engine_that_grows_by_more_than_2_percent_is_named(before, after, tau, key):
    after["taus"][tau]["boards"]["cortex-m55"][key] = 10_200
    assert baseline.regressions(before, after) == []
    after["taus"][tau]["boards"]["cortex-m55"][key] = 10_201
    assert baseline.regressions(before, after) == [f"cortex-m55, tau {tau}: {key} grew from 10,000 to 10,201 (+2.0 %)"]


@pytest.mark.parametrize("key", baseline.FRONTEND)
def test_a_figure_of_the_feature_pipeline_that_grows_is_named(before, after, key):
    after["frontend"]["cortex-m4"][key] = 1050
    assert baseline.regressions(before, after) == [f"cortex-m4: {key} grew from 1,000 to 1,050 (+5.0 %)"]


@pytest.mark.parametrize("key", baseline.DETECTOR)
def test_a_figure_of_the_detector_that_grows_is_named(before, after, key):
    after["detector"]["cortex-m4"][key] = 103
    assert baseline.regressions(before, after) == [f"cortex-m4: {key} grew from 100 to 103 (+3.0 %)"]


def test_every_offence_has_its_line(before, after):
    after["taus"]["1"]["boards"]["cortex-m4"] = dict.fromkeys(baseline.ENGINE, 20_000)
    after["agreement"]["1"]["native"] = 0.98
    assert len(baseline.regressions(before, after)) == len(baseline.ENGINE) + 1


def test_what_shrinks_does_not_fail(before, after):
    after["taus"]["3"]["boards"]["cortex-m4"] = dict.fromkeys(baseline.ENGINE, 5)
    after["agreement"]["1"]["native"] = 1.0
    assert baseline.regressions(before, after) == []


def test_agreement_may_fall_by_up_to_three_tenths_of_a_point(before, after):
    after["agreement"]["1"]["native"] = 0.9871
    assert baseline.regressions(before, after) == []
    after["agreement"]["1"]["native"] = 0.9869
    assert baseline.regressions(before, after) == ["tau 1: agreement with float fell from 99.00 to 98.69 %"]


def test_agreement_over_other_clips_is_not_compared(before, after):
    before["agreement"]["1"]["clips"], after["agreement"]["1"] = 5013, {"native": 0.5, "clips": 60}
    assert baseline.regressions(before, after) == []
    assert "agreement with float is not compared" in baseline.passed(before, after)


def test_agreement_that_is_not_known_is_not_compared_and_that_is_said(before, after):
    after["agreement"] = {}
    assert baseline.regressions(before, after) == []
    assert "agreement with float is not compared" in baseline.passed(before, after)


def test_what_passed_is_counted(before, after):
    text = baseline.passed(before, after)
    assert f"none of {2 * sum(map(len, baseline.PARTS.values())) + 4 * len(baseline.ENGINE)} figures on 2 cores" in text
    assert "tau 1 (random weights), 3 (random weights)" in text and "agreement with float of tau 1 has not" in text


def test_a_baseline_without_a_width_is_one_line(before, after):
    del before["taus"]["3"]
    with pytest.raises(UserError, match="has no figures of 3; .*make bench-baseline"):
        baseline.regressions(before, after)


@pytest.fixture
def one_core(monkeypatch, tmp_path):
    """One core, one narrow width, a baseline of its own, and no build."""
    need_emulator()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(scaling, "CORES", {"cortex-m3": CORES["cortex-m3"]})
    monkeypatch.setattr(baseline, "CHECKED", (1,))
    monkeypatch.setattr(baseline, "TAUS", (1,))
    monkeypatch.setattr(baseline, "PATH", tmp_path / "baseline.json")


def test_what_was_just_recorded_passes_and_a_cheaper_baseline_fails(one_core, capsys, monkeypatch):
    assert baseline.main(["--write"]) == 0
    measure, measured = scaling.measure, []
    monkeypatch.setattr(scaling, "measure", lambda *arguments: measured.append(measure(*arguments)) or measured[-1])
    assert baseline.main([]) == 0
    assert "tau 1 (random weights): none of 15 figures on 1 cores" in capsys.readouterr().out
    recorded = json.loads(baseline.PATH.read_text())
    row = recorded["taus"]["1"]["boards"]["cortex-m3"]
    assert row["engine_flash_bytes"] == sum(row[key] for key in baseline.SHARES)
    row["network_hop"] = row["network_hop"] * 95 // 100
    baseline.PATH.write_text(json.dumps(recorded))
    monkeypatch.setattr(scaling, "measure", lambda *_: measured[-1])
    assert baseline.main([]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("failed: cortex-m3, tau 1: network_hop grew from ") and errors.count("\n") == 1


def test_without_a_baseline_nothing_is_measured(monkeypatch, tmp_path, failure):
    monkeypatch.setattr(baseline, "PATH", tmp_path / "baseline.json")
    assert "baseline.json: missing; restore it" in failure(baseline.main)


def test_agreement_comes_from_a_verification_of_the_native_engine(monkeypatch):
    row = {"agreement": 0.9934}
    for rows, expected in (({"native": row, "float": {}}, 0.9934), ({"float": {}}, None)):
        found = known_accuracy.Accuracy("recorded", "2031-05-07", 40, "some clips", "0" * 64, rows)
        monkeypatch.setattr(known_accuracy, "find", lambda tau, found=found: found)
        assert (baseline.agreement(1) or {}).get("native") == expected


@pytest.mark.parametrize(
    "before, can",
    [
        (None, False),
        ({"clips": 39}, False),
        ({"clips": 40}, True),
        ({"clips": 40, "data": "mine"}, True),
        ({"clips": 40, "data": "others"}, False),
    ],
)
def test_agreements_are_compared_over_the_same_clips_alone(before, can):
    assert baseline.comparable(before, {"clips": 40, "data": "mine"}) == can


@pytest.mark.parametrize("other", [{"clip_samples": 20_800}, {"labels": ("_silence_", "_unknown_", "computer")}])
def test_a_build_of_another_window_or_other_words_is_no_measure_of_its_width(tmp_path, monkeypatch, other):
    monkeypatch.chdir(tmp_path)
    made, build = random_network(1, **other), Path("build/tau1")
    network.save(build / "native.npz", made)
    for name, text in engine_render.sources(made).items():
        write_text(build / "firmware" / "native" / name, text)
    with scaling.firmware(1) as (weights, found):
        assert weights == scaling.RANDOM and found.network.features == FEATURES and found.network.labels == LABELS


def test_random_weights_take_the_sizes_of_trained_ones_and_but_on_cortex_m0_their_instructions(tau1_build, tmp_path):
    need_emulator()
    _, clip, _, audio = bench.choose_audio(None)
    inputs, trained = bench.engine_inputs(clip, audio[:1]), engine_on_core.find(tau1_build, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with scaling.firmware(1) as (weights, random):
            assert weights == scaling.RANDOM
            for core, tolerance in (("cortex-m0", 0.01), ("cortex-m3", 0), ("cortex-m4", 0), ("cortex-m55", 0)):
                of_trained, of_random = (bench.measure_engine(CORES[core], made, *inputs) for made in (trained, random))
                for key in (*baseline.ENGINE, *baseline.SHARES):
                    exact = tolerance if key.startswith("network") else 0
                    assert of_random[key] == pytest.approx(of_trained[key], rel=exact, abs=0), (core, key)
