"""What is told of a JSON file that is not of the form that its reader needs, and of one that is no object at all."""

from __future__ import annotations

import json

import pytest

from benchmarks import schemas
from common import build_folder
from common.reading import json_object
from common.schema import Each, Either, check, fits
from common.shipped import ROOT

FORM = {
    "count": int,
    "share?": float,
    "names": [str],
    "span": (float, float),
    "rows": Each({"exact": bool}),
    "state": Either({"refused": str}, {"bytes": int}),
    "mean": Either(None, float),
}
GOOD = {"count": 3, "names": ["a"], "span": [1, 2.5], "rows": {"x": {"exact": True}}, "state": {"bytes": 7}, "mean": None}


@pytest.mark.parametrize(
    "change",
    [{}, {"share": 1}, {"more": [{}]}, {"rows": {}}, {"names": []}, {"mean": 0.5}, {"state": {"refused": "too large"}}],
)
def test_what_has_the_form_passes(change):
    check(GOOD | change, FORM)
    assert fits(GOOD | change, FORM)


@pytest.mark.parametrize(
    "change, line",
    [
        ({"count": "3"}, "count is not a whole number"),
        ({"count": True}, "count is not a whole number"),
        ({"count": 3.5}, "count is not a whole number"),
        ({"share": "much"}, "share is not a number"),
        ({"share": False}, "share is not a number"),
        ({"names": "a"}, "names is not a list"),
        ({"names": ["a", 1]}, "names.1 is not a text"),
        ({"span": [1]}, "span has 1 entries, not 2"),
        ({"rows": [1]}, "rows is not an object"),
        ({"rows": {"x": {}}}, "rows.x.exact is missing"),
        ({"rows": {"x": {"exact": 1}}}, "rows.x.exact is not true or false"),
        ({"state": {}}, "state.bytes is missing"),
        ({"mean": "none"}, "mean is not a number"),
    ],
)
def test_what_has_another_form_is_told_with_its_place(change, line):
    with pytest.raises(ValueError) as raised:
        check(GOOD | change, FORM)
    assert str(raised.value) == line and not fits(GOOD | change, FORM)
    with pytest.raises(ValueError, match="^it is not an object$"):
        check([], FORM)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", '"x"', "\ud800", b"\xff", "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000],
)
def test_what_holds_no_json_object_is_a_value_error(text):
    with pytest.raises(ValueError):
        json_object(text)
    assert json_object('{"a": [1]}') == {"a": [1]}


def test_recorded_verifications_have_the_form_that_reports_and_budgets_read():
    paths = sorted((ROOT / "checkpoints").glob("*.verify.json"))
    assert paths
    for path in paths:
        figures = json.loads(path.read_text())
        schemas.check_accuracy(figures, figures["labels"])
        check(figures, schemas.KNOWN_ACCURACY)


def nodes(value: object, path: tuple = ()) -> list[tuple]:
    """The places of a JSON value, one of each kind of entry."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path] * bool(path)
    seen = set()
    for key, child in children:
        kind = json.dumps(sorted(child) if isinstance(child, dict) else type(child).__name__)
        if isinstance(value, list) and kind in seen:
            continue
        seen.add(kind)
        found += nodes(child, (*path, key))
    return found


def spoilt(value: dict, path: tuple, new: object) -> dict:
    """A copy in which `new` stands at a place."""
    copy = json.loads(json.dumps(value))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = new
    return copy


def test_whatever_is_spoilt_in_conversion_json_is_one_line_with_the_remedy(tau1_build, tmp_path):
    for name in (build_folder.MODEL, build_folder.ONNX):
        (tmp_path / name).write_bytes(b"there")
    facts = json.loads((tau1_build / build_folder.CONVERSION).read_text())
    unread = {("calibration", "list"), ("features", "pipeline")}
    for path in nodes(facts):
        if path in unread or (path[0] in ("versions", "checkpoint") and len(path) > 1):
            continue
        (tmp_path / build_folder.CONVERSION).write_text(json.dumps(spoilt(facts, path, [[]])))
        if path[-1] in ("ranges_inexact", "sure_clips", "sure_agreement"):  # of no use to a later stage
            build_folder.load(tmp_path)
        else:
            with pytest.raises(build_folder.UserError, match=r"conversion\.json: damaged \(.*\); run `make quantize"):
                build_folder.load(tmp_path)


@pytest.mark.parametrize("change", [{"graph": "foo"}, {"labels": 3}, {"graphs": {}}, {"native": {"refused": 3}}])
def test_a_conversion_that_names_what_it_does_not_hold_is_one_line(tau1_build, tmp_path, change):
    for name in (build_folder.MODEL, build_folder.ONNX):
        (tmp_path / name).write_bytes(b"there")
    facts = json.loads((tau1_build / build_folder.CONVERSION).read_text())
    (tmp_path / build_folder.CONVERSION).write_text(json.dumps(facts | change))
    with pytest.raises(build_folder.UserError, match="damaged"):
        build_folder.load(tmp_path)
