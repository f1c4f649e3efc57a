"""Wake words of others as they were counted: benchmarks/listening/recorded_peers.json.

`python -m benchmarks.peers FOLDER --record NAME` writes a row for each package, where NAME says which recordings they were,
as for benchmarks.false_accepts; a row of the same name and package is replaced. Documentation shows them beside the
project's own (benchmarks/report/figures.py). With --keywords, what was missed of them takes the place of what there was of
the package.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path

from common.atomic import write_text
from common.errors import UserError
from common.reading import read_json
from common.schema import Each, check

PATH = Path(__file__).parent / "recorded_peers.json"
REMEDY = "restore it from the repository, or record it anew with `make peers RECORD=NAME`"
PACKAGE = {"package": str, "version": str, "measured": str, "protocol": str}
MODEL = {"model": str, "phrase": str, "settings": str}
ROW = PACKAGE | {
    "name": str,
    "hours": float,
    "recordings": int,
    "models": [MODEL | {"activations": int, "reports": int}],
}
WORDS = PACKAGE | {"left_out": Each(int), "models": [MODEL | {"recordings": int, "missed": int}]}
"""models: those whose phrase is said. left_out: phrases that no model of the package has, with the number of recordings."""
FORM = {"rows": [ROW], "keywords": [WORDS]}


def load() -> dict[str, list[dict]]:
    """`rows`, by name and package, and `keywords`, by package. UserError where the file is damaged."""
    found = read_json(PATH, REMEDY)
    if found is None:
        return {"rows": [], "keywords": []}
    try:
        check(found, FORM)
    except ValueError as error:
        raise UserError(f"{PATH}: damaged ({error}); {REMEDY}") from None
    return found


def record(name: str, protocol: str, rows: Sequence[dict], keywords: Sequence[dict]) -> None:
    """Write what was counted today.

    name: of the recordings of `rows`, each a ROW without `name`, `measured` and `protocol`. keywords: each a WORDS without
    the last two; none where no words were heard.
    """
    common = {"measured": datetime.date.today().isoformat(), "protocol": protocol}
    before = load()
    made = {
        "rows": replaced(before["rows"], [{"name": name} | row | common for row in rows], ("name", "package")),
        "keywords": replaced(before["keywords"], [row | common for row in keywords], ("package",)),
    }
    check(made, FORM)
    write_text(PATH, json.dumps(made, indent=1) + "\n")


def replaced(before: Sequence[dict], rows: Sequence[dict], keys: Sequence[str]) -> list[dict]:
    """The rows, sorted by `keys`, each in place of that before it that has the same ones."""
    kept = {tuple(row[key] for key in keys): row for row in (*before, *rows)}
    return [kept[key] for key in sorted(kept)]
