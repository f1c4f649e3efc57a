"""The stack of every function: what is read of the compiler's call graph, and that the recorded figures are of these
sources."""

from __future__ import annotations

import pytest
from emulated import need_emulator
from exported import copy_of

from benchmarks.cost import bench, emulator, stack
from benchmarks.cost.emulator import CORES
from firmware_gen import __main__ as firmware_gen

FIRST = """graph: { title: "a.c"
node: { title: "a.c:helper.constprop.0" label: "helper\\na.c:1:1\\n24 bytes (static)" }
node: { title: "outer" label: "outer\\na.c:5:1\\n40 bytes (static)" }
edge: { sourcename: "outer" targetname: "a.c:helper.constprop.0" label: "a.c:6:1" }
edge: { sourcename: "outer" targetname: "inner" label: "a.c:7:1" }
edge: { sourcename: "outer" targetname: "memcpy" label: "a.c:8:1" }
node: { title: "inner" label: "inner\\na.h:1:1" shape : ellipse }
node: { title: "memcpy" label: "__builtin_memcpy\\n<built-in>" shape : ellipse }
}
"""
SECOND = """graph: { title: "b.c"
node: { title: "inner" label: "inner\\nb.c:1:1\\n16 bytes (static)" }
edge: { sourcename: "inner" targetname: "b.c:deep" label: "b.c:2:1" }
node: { title: "b.c:deep" label: "deep\\nb.c:1:1\\n100 bytes (static)" }
}
"""


def test_a_call_takes_the_deepest_chain_through_all_sources():
    graph = stack.read_graph([FIRST, SECOND])
    assert {title: frame for title, (frame, _) in graph.items()} == {
        "a.c:helper.constprop.0": 24,
        "outer": 40,
        "inner": 16,
        "b.c:deep": 100,
    }
    assert stack.depth(graph, "outer") == 40 + 16 + 100 and stack.depth(graph, "a.c:helper.constprop.0") == 24


def test_a_frame_without_a_size_is_refused():
    with pytest.raises(Exception, match="b.c:deep: its frame has no size"):
        stack.read_graph([SECOND.replace("100 bytes (static)", "100 bytes (dynamic)")])


def test_a_table_has_an_empty_cell_where_a_function_was_inlined():
    figures = {
        core: {level: {"calls": {"f": 8}, "functions": {"f": 8}} for level in stack.LEVELS} for core in stack.MEASURED
    }
    figures["cortex-m4"]["-O0"]["functions"]["g"] = 1024
    assert stack.rows(figures, "functions", 16) == [["g", "", "", "", "1,024", "", "", "", "", ""]]
    assert stack.rows(figures, "calls") == [["f", *["8"] * 9]] and len(stack.head("call")) == 10


@pytest.mark.parametrize("damage", ["{", "[]", '{"recorded": "today", "compiler": "gcc", "tau": "1", "cores": {}}'])
def test_a_damaged_record_is_one_line(damage, tmp_path, monkeypatch):
    monkeypatch.setattr(stack, "PATH", tmp_path / "recorded_stack.json")
    with pytest.raises(Exception, match="missing; restore it"):
        stack.load()
    stack.PATH.write_text(damage)
    with pytest.raises(Exception, match="restore it from the repository, or run `make stack TAU=1 KEEP=1`"):
        stack.load()


def test_the_command_prints_both_tables_and_names_a_missing_build(tau1_build, failure, capsys, monkeypatch):
    need_emulator()
    monkeypatch.setattr(stack, "MEASURED", ("cortex-m0",))
    monkeypatch.setattr(stack, "LEVELS", ("-Os",))
    assert stack.main(["--build", str(tau1_build)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("bytes of stack of a call") and lines[1].split() == ["call", "M0", "-Os"]
    assert [line.split()[0] for line in lines[2 : 2 + len(stack.CALLS)]] == list(stack.CALLS)
    assert "firmware: missing; " in failure(stack.main, "--build", tau1_build / "nowhere")


def test_a_build_with_a_prefix_is_measured_and_not_recorded(tau1_build, tmp_path, failure, capsys, monkeypatch):
    need_emulator()
    monkeypatch.setattr(stack, "MEASURED", ("cortex-m4",))
    monkeypatch.setattr(stack, "LEVELS", ("-Os",))
    monkeypatch.setattr(stack, "PATH", tmp_path / "recorded_stack.json")
    build = copy_of(tau1_build, tmp_path)
    firmware_gen.main(["--build", str(build), "--prefix", "door"])
    capsys.readouterr()
    assert stack.main(["--build", str(build)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2 : 2 + len(stack.CALLS)]] == [
        name.replace("kws_", "door_") for name in stack.CALLS
    ]
    assert "keeps the default names, not door_; run `make quantize TAU=1`" in failure(
        stack.main, "--build", build, "--record"
    )
    assert not stack.PATH.exists()


@pytest.mark.parametrize("core, level", [("cortex-m4", "-O2"), ("cortex-m55", "-O0")])
def test_the_recorded_figures_are_of_these_sources(tau1_build, core, level):
    need_emulator()
    recorded = stack.load()
    if recorded["compiler"] != bench.version(emulator.COMPILER):
        pytest.skip(f"recorded with {recorded['compiler']}")
    found = stack.measure(CORES[core], level, tau1_build / "firmware")
    assert found == recorded["cores"][core][level], "run `make stack TAU=1 KEEP=1 && make docs-figures`"
