"""The report's comparison: this build's two ways beside what was recorded of TFLM with CMSIS-NN."""
from __future__ import annotations

import pytest

from benchmarks import comparison, report_text

KEYS = {"name", "recorded", "versions", "date", "instructions", "ram_bytes", "flash_bytes", "top1"}


@pytest.fixture
def report() -> dict:
    """What the comparison reads of a report."""
    row = {"network_window": 4_444_444, "engine_state_bytes": 11_000, "stream_state_bytes": 700,
           "engine_flash_bytes": 32_000}
    accuracy = {"device_backends": {"tflite": {"top1": 0.9423, "drop_points": 0.14, "agreement": 0.9928},
                                    "native": {"top1": 0.9437, "drop_points": 0.0, "agreement": 0.999}}}
    return {"tau": 1, "model": {"graph": "accurate", "tflite_bytes": 79_464}, "accuracy": accuracy,
            "memory": {"arena_bytes": 108_048, "arena_measured": "tflite-micro"},
            "native": {"costs": {"compiler": "a compiler", "boards": {"cortex-m4": row, "cortex-m55": row}}}}


def test_own_rows_come_first_and_every_row_has_every_key(report):
    rows = comparison.rows(report)
    assert all(KEYS <= row.keys() for row in rows)
    assert [row["recorded"] for row in rows] == [False, False] + [True] * (len(rows) - 2)


def test_own_rows_hold_the_figures_of_the_report(report):
    native, tflm, *_ = comparison.rows(report)
    assert native["instructions"] == {"cortex-m4": 4_444_444, "cortex-m55": 4_444_444}
    assert (native["ram_bytes"], native["flash_bytes"], native["top1"]) == (11_700, 32_000, 0.9437)
    assert (tflm["ram_bytes"], tflm["model_bytes"], tflm["instructions"]) == (108_048, 79_464, {})
    assert tflm["drop_points"] == 0.14


def test_recorded_rows_carry_versions_and_date_and_the_ds_cnn_is_among_them():
    rows = comparison.recorded()
    assert all("TFLM 90b983c2, CMSIS-NN 99f736a6" in row["versions"] and row["date"] == "2026-11-22" for row in rows)
    cnn, = [row for row in rows if "DS-CNN" in row["name"]]
    assert cnn["instructions"] == {"cortex-m4": 7_700_000, "cortex-m7": 7_650_000, "cortex-m33": 7_680_000,
                                   "cortex-m55": 1_820_000}
    assert "MLPerf Tiny" in cnn["name"] and cnn["flash_bytes"] is None
    accurate, = [row for row in rows if "`accurate`" in row["name"]]
    assert accurate["flash_bytes"] == 105 * 1024 + 82_528


def test_the_table_marks_what_was_recorded_and_leaves_out_what_nobody_measured(report):
    text = report_text.table(comparison.TITLES, [comparison.cells(row) for row in comparison.rows(report)])
    native, tflm, *recorded = text.splitlines()[2:]
    assert "| 4.44 M |  |  | 4.44 M | 11,700 | 32,000 | 94.37 % | 0.00 | 99.90 % |" in native
    assert "|  |  |  |  | 108,048 | 79,464 + TFLM | 94.23 % |" in tflm
    assert all("(recorded)" in line for line in recorded) and "(recorded)" not in native + tflm
    assert "104.2 M" in text and "7.70 M" in text and "91 to 92 %" in text


def test_without_bench_verification_or_engine_there_are_fewer_figures_and_no_invented_ones(report):
    report |= {"accuracy": None, "native": {"costs": None}}
    native = comparison.rows(report)[0]
    assert native["instructions"] == {} and native["flash_bytes"] is None and native["top1"] is None
    assert set(comparison.cells(native)[1:]) == {""}
    report["native"] = {"refused": "too wild"}
    assert "TFLM" in comparison.rows(report)[0]["name"]
