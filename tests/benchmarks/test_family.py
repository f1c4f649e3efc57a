"""The table of the shipped checkpoints."""

from __future__ import annotations

import json
import shutil

import pytest

from benchmarks.accuracy import family
from common import shipped
from common.errors import UserError
from common.shipped import ROOT


def test_figures_are_those_of_the_verification():
    figures = json.loads((ROOT / "checkpoints" / "tau1-accurate.verify.json").read_text())
    cells = dict(zip(family.HEAD, family.row(1)))
    assert cells["parameters"] == "9,232" and cells["MACs"] == "2.48 M"
    assert cells["native"].startswith(f"{100 * figures['device_backends']['native']['top1']:.2f} [")
    part = figures["parts"]["test-set archive (speech_commands_test_set_v0.02)"]
    assert cells["float, test clips"].startswith(f"{100 * part['top1']['pytorch']:.2f} [")


def test_what_rounds_to_zero_has_no_sign():
    assert family.interval(-0.12, -0.28, -0.004) == "-0.12 [-0.28, 0.00]"


def test_a_record_of_another_checkpoint_is_refused(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "checkpoints", tmp_path / "checkpoints")
    monkeypatch.setattr(shipped, "CHECKPOINTS", tmp_path / "checkpoints")
    record = tmp_path / "checkpoints" / "tau1-accurate.verify.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"checkpoint": {"sha256": "0" * 64}}))
    with pytest.raises(UserError, match="is of another checkpoint; record it anew"):
        family.table()
    record.unlink()
    with pytest.raises(UserError, match="missing; record it anew"):
        family.table()
