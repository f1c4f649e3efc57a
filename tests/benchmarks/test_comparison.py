"""The report's comparison: this build's engine and TFLM model beside the recorded costs of TFLM with CMSIS-NN."""

from __future__ import annotations

import json

import pytest

from benchmarks.report import comparison, text as report_text
from firmware_gen import settings

KEYS = {"name", "recorded", "versions", "date", "instructions", "ram_bytes", "flash_bytes", "top1"}


@pytest.fixture
def report() -> dict:
    """What the comparison reads of a report."""
    row = {
        "network_window": 4_444_444,
        "engine_state_bytes": 11_000,
        "stream_state_bytes": 700,
        "engine_flash_bytes": 32_000,
    }
    accuracy = {
        "device_backends": {
            "tflite": {"top1": 0.9423, "drop_points": 0.14, "agreement": 0.9928},
            "native": {"top1": 0.9437, "drop_points": 0.0, "agreement": 0.999},
        }
    }
    return {
        "tau": 1,
        "model": {"graph": "accurate", "tflite_bytes": 79_464},
        "accuracy": accuracy,
        "memory": {"arena_bytes": 108_048, "arena_measured": "tflite-micro"},
        "native": {"costs": {"compiler": "a compiler", "boards": {"cortex-m4": row, "cortex-m55": row}}},
    }


def test_own_rows_come_first_and_every_row_has_every_key(report):
    rows = comparison.rows(report)
    assert all(row.keys() >= KEYS for row in rows)
    assert [row["recorded"] for row in rows] == [False, False] + [True] * (len(rows) - 2)


def test_own_rows_hold_the_figures_of_the_report(report):
    native, tflm, *_ = comparison.rows(report)
    assert native["instructions"] == {"cortex-m4": 4_444_444, "cortex-m55": 4_444_444}
    assert (native["ram_bytes"], native["flash_bytes"], native["top1"]) == (11_700, 32_000, 0.9437)
    assert (tflm["ram_bytes"], tflm["model_bytes"], tflm["instructions"]) == (108_048, 79_464, {})
    assert tflm["drop_points"] == 0.14


def test_recorded_rows_carry_versions_date_and_build_and_the_ds_cnn_is_among_them():
    rows = comparison.recorded()
    found = json.loads(comparison.RECORDED.read_text())
    assert len(rows) == len(found["builds"]) * len(found["rows"])
    for row in rows:
        assert all(library in row["versions"] for library in ("TFLM ", "CMSIS-NN ")) and row["date"] == found["date"]
        assert row["name"].endswith(f", {row['build']} build") and row["flags"] == found["builds"][row["build"]]
        assert set(row["instructions"]) == set(comparison.CORES)
    assert {row["build"] for row in rows if "MLPerf Tiny DS-CNN" in row["name"]} == set(found["builds"])


def test_a_build_without_assertions_and_messages_takes_fewer_instructions_and_less_code():
    rows = comparison.recorded()
    for default, release in zip(rows[::2], rows[1::2], strict=True):
        assert (default["build"], release["build"]) == ("default", "release")
        assert all(release["instructions"][core] < default["instructions"][core] for core in comparison.CORES)
        assert default["code_bytes"] is None or release["code_bytes"] < default["code_bytes"]


def test_recorded_flash_is_that_of_int8_kernels_where_it_is_known(monkeypatch, tmp_path):
    found = json.loads(comparison.RECORDED.read_text())
    row = found["rows"][0] | {
        "code_bytes": {"default": {"cortex-m4": 900}, "release": {"cortex-m4": 700}},
        "int8_code_bytes": {"release": {"cortex-m4": 500}},
        "model_bytes": 40,
    }
    monkeypatch.setattr(comparison, "RECORDED", tmp_path / "recorded.json")
    comparison.RECORDED.write_text(json.dumps(found | {"rows": [row]}))
    default, release = comparison.recorded()
    assert (default["flash_bytes"], release["flash_bytes"]) == (940, 540)


def test_recorded_arenas_are_those_that_the_estimate_rests_on():
    rows = {
        (row["graph"], row["tau"]): (row["host_arena_bytes"], row["arena_bytes"])
        for row in json.loads(comparison.RECORDED.read_text())["rows"]
        if "graph" in row
    }
    assert rows == settings.RECORDED_ARENAS


def test_recorded_models_are_of_the_graphs_as_they_are_built(tau1_build):
    """Else rows of other graphs would stand for this build's."""
    for row in json.loads(comparison.RECORDED.read_text())["rows"]:
        if row.get("tau") == 1:
            assert row["model_bytes"] == (tau1_build / "graphs" / f"{row['graph']}.tflite").stat().st_size


def test_the_table_marks_what_was_recorded_and_leaves_out_what_nobody_measured(report):
    text = report_text.table(comparison.TITLES, [comparison.cells(row) for row in comparison.rows(report)])
    native, tflm, *recorded = text.splitlines()[2:]
    assert "| 4.44 M | 4.44 M | 11,700 | 32,000 | 94.37 % | 0.00 | 99.90 % |" in native
    assert "|  |  | 108,048 | 79,464 + TFLM | 94.23 % |" in tflm
    assert all("(recorded)" in line for line in recorded) and "(recorded)" not in native + tflm
    assert "7.70 M" in text and "91 to 92 %" in text
    note = comparison.notes(comparison.rows(report))
    assert "default build: " in note and "release build: " in note


def test_without_bench_verification_or_engine_there_are_fewer_figures_and_no_invented_ones(report):
    report |= {"accuracy": None, "native": {"costs": None}}
    native = comparison.rows(report)[0]
    assert native["instructions"] == {} and native["flash_bytes"] is None and native["top1"] is None
    assert set(comparison.cells(native)[1:]) == {""}
    report["native"] = {"refused": "too wild"}
    assert "TFLM" in comparison.rows(report)[0]["name"]
