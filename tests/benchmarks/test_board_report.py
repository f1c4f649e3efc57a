"""The cycles of a real board: what is taken of a log, what is refused, and that a budget uses them."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from benchmarks.cost import baseline, board_report, budget
from benchmarks.cost.emulator import CORES
from benchmarks.report import figures
from common.errors import UserError
from engine import network, render
from frontend.render import pipeline_id

CORE = "cortex-m33"
RATIO = 1.25
"""Cycles an instruction of the made-up board; twice as many in a window."""


@pytest.fixture
def engine(tau1_build, tmp_path, monkeypatch) -> str:
    """The engine of a build/tau1 in the current folder, and an empty record in it."""
    (tmp_path / "build" / "tau1").mkdir(parents=True)
    for name in ("conversion.json", "model.onnx", "model_int8.tflite", "native.npz"):
        shutil.copy(tau1_build / name, tmp_path / "build" / "tau1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(board_report, "PATH", tmp_path / "recorded_boards.json")
    return render.engine_id(network.load(tau1_build / "native.npz"))


@pytest.fixture
def lines(engine) -> list[str]:
    """What the self-test prints."""
    counted = board_report.instructions_of("1", CORE)
    ratios = {"frontend_hop": RATIO, "network_hop": RATIO, "network_window": 2 * RATIO}
    cycles = {part: round(ratios[part] * count) for part, count in counted.items()}
    return [
        f"kws self-test, tau 1, engine {engine}",
        *(f"{name:<18}ok" for name in board_report.CHECKED),
        *(f"{part.replace('_', ' '):<18}{count} cycles" for part, count in cycles.items()),
        "pass",
    ]


def write(lines: list[str], ending: str = "\r\n") -> Path:
    Path("log").write_bytes((ending.join(lines) + ending).encode() + b"\xff\x00")
    return Path("log")


def report(log: Path, board: str = "nucleo-u575", core: str = CORE) -> int:
    return board_report.main([str(log), "--board", board, "--core", core])


def test_a_log_with_other_lines_around_it_is_kept_and_replaces_the_board_s_earlier_one(lines, capsys):
    assert report(write(["boot", *(f"I (31) test: {line}" for line in lines), "bye"])) == 0
    first = board_report.load()
    assert report(write([*lines[:3], "reset", *lines])) == 0 and report(write(lines), "other board") == 0
    rows = board_report.load()
    assert [row["board"] for row in rows] == ["nucleo-u575", "other board"] and rows[:1] == first
    assert first[0]["origin"] == "measured by a user" and first[0]["measured"] and first[0]["tau"] == "1"
    assert board_report.cpi(first[0], windows=False) == pytest.approx(RATIO, abs=1e-3)
    assert board_report.cpi(first[0], windows=True) == pytest.approx(2 * RATIO, abs=1e-3)
    assert "nucleo-u575, cortex-m33, tau 1, measured by a user, " in capsys.readouterr().out


def test_a_network_of_another_window_is_judged_by_its_own_bench(engine, failure):
    path = Path("build/tau1/native.npz")
    made = dataclasses.replace(network.load(path), clip_samples=20_800)
    network.save(path, made)
    with pytest.raises(UserError, match="its window is no second, .*run `make bench TAU=1`"):
        board_report.instructions_of("1", CORE)
    agreed = baseline.load()
    row = agreed["frontend"][CORE] | agreed["detector"][CORE] | agreed["taus"]["1"]["boards"][CORE] | {"network_window": 7}
    figures = {"engine": render.engine_id(made), "pipeline": pipeline_id(made.features), "boards": dict.fromkeys(CORES, row)}
    Path("build/tau1/bench.json").write_text(json.dumps(figures))
    assert board_report.instructions_of("1", CORE)["network_window"] == 7


@pytest.mark.parametrize("mode, cpi", [("stream", RATIO), ("window", 2 * RATIO)])
def test_a_budget_takes_the_board_s_core_and_cycles(mode, cpi, lines, capsys):
    report(write(lines))
    chip = ["--ram", "64k", "--flash", "200k", "--clock", "480MHz", "--mode", mode]
    assert budget.main([*chip, "--board", "nucleo-u575"]) == 0
    measured = capsys.readouterr().out.splitlines()
    assert budget.main([*chip, "--core", CORE, "--cpi", f"{cpi}"]) == 0
    assumed = capsys.readouterr().out.splitlines()
    told = [line for line in measured if "measured by a user on nucleo-u575, cortex-m33, " in line]
    assert len(told) == 1 and f": {cpi:.2f} cycles an instruction" in told[0]
    rows = [[line for line in out if line.startswith(" 1 ")] for out in (measured, assumed)]
    assert f"{CORE}:" in measured and rows[0] == rows[1]


def test_a_budget_refuses_a_board_that_was_not_reported_and_one_with_another_core_or_cpi(lines, failure):
    chip = ["--ram", "64k", "--flash", "200k", "--clock", "160MHz", "--board"]
    assert "BOARD=none: no cycles of it; run `make board-report BOARD='none' CORE= LOG=`" in failure(
        budget.main, *chip, "none"
    )
    report(write(lines))
    assert failure(budget.main, *chip, "none").endswith("or choose one of nucleo-u575")
    assert "has its own; leave one of them out" in failure(budget.main, *chip, "nucleo-u575", "--cpi", "2")
    assert "is a cortex-m33" in failure(budget.main, *chip, "nucleo-u575", "--core", "cortex-m4")


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda lines: ["hello"], "no self-test of this project"),
        (lambda lines: [], "no self-test of this project"),
        (lambda lines: lines[:3], "breaks off before stream features"),
        (lambda lines: lines[:-1], "breaks off before its last line"),
        (
            lambda lines: [*lines[:2], lines[2].replace("ok", "FAIL: checksum 1, not 2"), *lines[3:-1], "FAIL"],
            "window scores",
        ),
        (
            lambda lines: [*lines[:6], "pass"],
            "no cycles of frontend hop; log it on a board: an emulator (`make selftest`) has",
        ),
        (lambda lines: [*lines[:6], "frontend hop      0 cycles", *lines[7:]], "no cycles of frontend hop"),
        (lambda lines: [lines[0][:-16] + "0123456789abcdef", *lines[1:]], "is of engine 0123456789abcdef, not of "),
        (lambda lines: [lines[0].replace("tau 1", "tau 4"), *lines[1:]], "tau 4 does not exist"),
        (lambda lines: [lines[0].replace("tau 1", "tau 3"), *lines[1:]], "build/tau3 is not converted"),
        (lambda lines: [*lines[:6], "frontend hop      99999999 cycles", *lines[7:]], "are not those of a cortex-m33"),
    ],
)
def test_a_broken_or_foreign_log_is_one_line_and_nothing_is_kept(change, said, lines, failure):
    log = write(change(lines))
    assert said in failure(board_report.main, log, "--board", "nucleo-u575", "--core", CORE)
    assert not board_report.PATH.exists()


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["log", "--core", CORE], "BOARD: not given; say for example BOARD=nucleo-u575"),
        (["log", "--board", "a"], "CORE: not given; choose one of cortex-m0, "),
        (["log", "--board", "a|b", "--core", CORE], "BOARD=a|b: say for example"),
        (["log", "--board", "a", "--core", "cortex-m99"], "CORE=cortex-m99: does not exist; choose one of cortex-m0, "),
        (["--board", "a", "--core", CORE], "LOG: not given"),
        (["nowhere", "--board", "a", "--core", CORE], "nowhere: "),
    ],
)
def test_wrong_arguments_are_one_line(arguments, said, lines, failure):
    write(lines)
    assert said in failure(board_report.main, *arguments)


def test_a_damaged_record_is_one_line(lines, failure):
    board_report.PATH.write_text('{"rows": [{"board": "a"}]}')
    assert "recorded_boards.json: damaged; restore it" in failure(
        board_report.main, write(lines), "--board", "a", "--core", CORE
    )
    assert json.loads(board_report.PATH.read_text()) == {"rows": [{"board": "a"}]}


def test_the_documentation_lists_the_boards(lines):
    assert figures.boards() == "No board was reported yet."
    report(write(lines))
    *_, row = figures.boards().splitlines()
    assert row.startswith("| nucleo-u575 | cortex-m33 | 1 | ") and " | 1.25 | 2.50 | measured by a user, " in row


def test_the_shipped_record_is_whole():
    assert isinstance(board_report.load(), list)
