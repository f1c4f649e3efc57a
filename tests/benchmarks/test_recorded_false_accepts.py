"""False accepts of the shipped networks are recorded with checkpoint and recordings, and shown as rates."""

from __future__ import annotations

import dataclasses
import json

import pytest

from benchmarks.accuracy import own_rows
from benchmarks.listening import continuous, recorded
from benchmarks.report import figures, tables
from common.errors import UserError
from common.intervals import poisson
from common.reading import sha256
from common.shipped import checkpoint_path, detector_path, recorded_paths
from detector import settings
from detector.render import detector_id
from detector.settings import MEDIUM, SENSITIVITIES, Settings

AUDIO = {"hours": 2.0, "recordings": 7, "protocol": continuous.PROTOCOL}


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where the rows are kept, with nothing there yet."""
    monkeypatch.setattr(recorded, "PATH", tmp_path / "false_accepts.json")
    return tmp_path / "false_accepts.json"


def record(tau: float, name: str, count: int) -> None:
    decided = settings.load(detector_path(tau))
    recorded.record(tau, name, conversion(tau, decided), decided, AUDIO, {name: range(count) for name in SENSITIVITIES})


def conversion(tau: float, decided: Settings) -> dict:
    """That of a build of the shipped checkpoint, as far as records need it."""
    return {"checkpoint": {"sha256": sha256(checkpoint_path(tau))}, "native": {"sha256": decided.native}}


def test_the_row_of_a_width_and_of_recordings_is_replaced(path):
    record(2, "Czech", 5)
    record(1, "Dutch", 6)
    record(1, "Czech", 7)
    record(1, "Dutch", 8)
    rows = recorded.load()
    assert [(row["tau"], row["name"], row["reports"][MEDIUM]) for row in rows] == [
        (1, "Czech", 7),
        (1, "Dutch", 8),
        (2, "Czech", 5),
    ]


def test_rates_are_counts_an_hour_with_their_interval(path):
    record(1, "Czech", 30)
    low, high = (bound / 2 for bound in poisson(30))
    assert f"| 15.0 [{low:.1f}, {high:.1f}] |" in figures.false_accepts()


def test_another_checkpoint_is_neither_recorded_nor_shown_and_another_protocol_not_shown(path):
    with pytest.raises(UserError, match="not of the shipped checkpoint of tau 1; run `make quantize TAU=1`"):
        recorded.record(1, "Czech", {"checkpoint": {"sha256": "0" * 64}}, settings.load(detector_path(1)), AUDIO, {})
    assert not path.exists()
    record(1, "Czech", 3)
    rows = recorded.load()
    for changed, words in (("checkpoint", "is of another checkpoint"), ("protocol", "is of another protocol")):
        path.write_text(json.dumps({"rows": [rows[0] | {changed: "another"}]}))
        with pytest.raises(UserError, match=f"tau 1 {words}; record it anew with `make false-accepts TAU=1 RECORD='Czech'`"):
            figures.false_accepts()


def test_other_thresholds_are_neither_recorded_nor_shown(path):
    decided = settings.load(detector_path(1))
    other = dataclasses.replace(decided, pause_ms=0)
    with pytest.raises(UserError, match=r"not those of tau1\.detector\.json; run `make quantize TAU=1 DETECTOR=.+`"):
        recorded.record(1, "Czech", conversion(1, decided), other, AUDIO, {})
    assert not path.exists()
    record(1, "Czech", 3)
    (row,) = recorded.load()
    for changed in ({"detector": detector_id(other)}, {"native": "0" * 64}):
        path.write_text(json.dumps({"rows": [row | changed]}))
        with pytest.raises(UserError, match=r"tau 1 is of other thresholds than tau1\.detector\.json; record it anew"):
            figures.false_accepts()


def test_what_is_recorded_is_of_the_shipped_networks_and_detectors():
    """Not of the test's own files: of those in checkpoints/."""
    assert recorded.shipped()
    for tau in tables.shipped():
        decided, paths = settings.load(detector_path(tau)), recorded_paths(tau)
        assert paths, f"tau {tau:g} has a verification"
        for path in paths:
            assert not own_rows.foreign(json.loads(path.read_text()), decided.native, decided), path.name


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"rows": 3}', '{"rows": [{"tau": 1}]}'])
def test_a_damaged_file_is_one_line(path, content):
    path.write_text(content)
    with pytest.raises(UserError, match=r"false_accepts\.json: damaged.*restore it"):
        recorded.load()
