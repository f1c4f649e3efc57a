"""Other levels of optimisation: the table of docs/costs.md is what the command counts."""

from __future__ import annotations

import re

import pytest
from emulated import need_emulator

from benchmarks.cost import bench, emulator, levels
from benchmarks.cost.emulator import CORES
from common.shipped import ROOT


def test_the_command_prints_what_each_level_costs_and_names_a_missing_build(tau1_build, failure, capsys, monkeypatch):
    need_emulator()
    monkeypatch.setattr(levels, "MEASURED", (CORES["cortex-m4"],))
    monkeypatch.setattr(levels, "LEVELS", ("-O2", "-Og"))
    assert levels.main(["--build", str(tau1_build)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[-2:] == ["-O2", "-Og"]
    found = re.fullmatch(r"cortex-m4 +(\d\.\d\d) +(\d+\.\d\d \(\+\d+ %\))", row)
    documented = (ROOT / "docs" / "costs.md").read_text()
    if f"arm-none-eabi-gcc {bench.version(emulator.COMPILER).split()[-2]}" in documented:
        assert re.search(rf"^\| Cortex-M4 \| {found[1]} \|.*\| {re.escape(found[2])} \|$", documented, re.M)
    assert "firmware: missing; " in failure(levels.main, "--build", tau1_build / "nowhere")


@pytest.mark.parametrize("level", ["-O2", "-Os"])
def test_a_second_is_a_hundred_hops(tau1_build, level):
    """Of features, network, detector and level meter, whatever was heard before."""
    need_emulator()
    hop = levels.a_second(CORES["cortex-m3"], level, tau1_build / "firmware") / 100
    assert 200_000 < hop < 300_000
