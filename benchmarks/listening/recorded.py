"""False accepts of the shipped networks as they were recorded: checkpoints/false_accepts.json.

`python -m benchmarks.false_accepts FOLDER --tau 1 --record NAME` writes a row, where NAME says which recordings they
were; a row of the same width and name is replaced. Documentation shows them (benchmarks/report/figures.py).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence

from common.atomic import write_text
from common.errors import UserError
from common.reading import read_json, sha256
from common.shipped import CHECKPOINTS, checkpoint_path

PATH = CHECKPOINTS / "false_accepts.json"
REMEDY = "restore it from the repository, or record it anew with `make false-accepts RECORD=NAME`"
KEYS = {"tau", "name", "checkpoint", "native", "detector", "measured", "hours", "recordings", "protocol", "reports"}
"""Keys of a row. hours: of recordings. detector: `KWS_DETECTOR_ID`. reports: counts
by sensitivity."""


def load() -> list[dict]:
    """The rows, by width and name; none where nothing was recorded. UserError where the file is damaged."""
    figures = read_json(PATH, REMEDY)
    rows = [] if figures is None else figures.get("rows")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() == KEYS for row in rows):
        raise UserError(f"{PATH}: damaged, figures are missing; {REMEDY}")
    return rows


def record(
    tau: float,
    name: str,
    conversion: dict,
    detector: str,
    audio: Mapping[str, object],
    reports: Mapping[str, Sequence],
) -> None:
    """Write the row of a build, whose conversion.json is `conversion`, of the recordings called `name`.

    detector: `KWS_DETECTOR_ID`. reports: by sensitivity.
    audio: `hours`, `recordings` (a count) and `protocol`. UserError where the build is not of the shipped checkpoint.
    """
    converted = conversion["checkpoint"]["sha256"]
    if converted != sha256(checkpoint_path(tau)):
        raise UserError(
            f"--record: the build is not of the shipped checkpoint of tau {tau:g}; run `make quantize TAU={tau:g}`"
        )
    row = {
        "tau": tau,
        "name": name,
        "checkpoint": converted,
        "native": conversion["native"]["sha256"],
        "detector": detector,
        "measured": datetime.date.today().isoformat(),
        **audio,
        "reports": {name: len(found) for name, found in reports.items()},
    }
    kept = [other for other in load() if (other["tau"], other["name"]) != (tau, name)]
    rows = sorted([*kept, row], key=lambda row: (row["tau"], row["name"]))
    write_text(PATH, json.dumps({"rows": rows}, indent=1) + "\n")
