"""Options that several commands share are declared in one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from common import options
from common.errors import OptionParser, UserError

ROOT = Path(__file__).parents[2]
OF_THEIR_OWN = {("budget.py", "tau"), ("import_checkpoint.py", "tau"), ("__main__.py", "data")}
"""Without --tau a budget is for every width and a checkpoint of any width is imported; without --data a conversion takes
the shipped features."""


def parsed(*arguments: str):
    parser = OptionParser("command", "")
    options.add_tau(parser)
    options.add_build(parser)
    options.add_data(parser, "sounds", "data/", Path("data"))
    return parser.parse_args(arguments)


def test_a_shared_option_is_declared_once():
    declared = {
        (path.name, name)
        for room in ("training", "frontend", "engine", "convert", "firmware_gen", "benchmarks")
        for path in (ROOT / room).rglob("*.py")
        for name in re.findall(r'add_argument\(\s*"--(tau|build|data|ver|seed|processes)"', path.read_text())
    }
    assert declared == OF_THEIR_OWN


def test_a_build_is_the_folder_that_is_named_or_that_of_its_width():
    assert options.build_and_tau(parsed("--tau", "1.5")) == (Path("build/tau1.5"), 1.5)
    assert options.build_and_tau(parsed("--tau", "3", "--build", "mine")) == (Path("mine"), 3)
    with pytest.raises(UserError, match="tau 4 does not exist"):
        options.build_and_tau(parsed("--tau", "4"))


def test_data_are_the_folder_that_is_named_or_gsc_root_or_the_default(monkeypatch):
    monkeypatch.setenv("GSC_ROOT", "archives")
    assert (parsed("--data", "mine").data, parsed().data) == (Path("mine"), Path("archives"))
    monkeypatch.setenv("GSC_ROOT", "")
    assert parsed().data == Path("data")
