"""False accepts of the shipped networks as they were recorded: checkpoints/false_accepts.json.

`python -m benchmarks.false_accepts FOLDER --tau 1 --record NAME` writes a row, where NAME says which recordings they
were; a row of the same width and name is replaced. Documentation shows them (benchmarks/report/figures.py).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence

from benchmarks.listening import continuous
from benchmarks.listening.decided import made_by, of_shipped
from common.atomic import write_text
from common.errors import UserError
from common.reading import read_json, sha256
from common.shipped import CHECKPOINTS, checkpoint_path, detector_path
from detector.settings import Settings

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


def shipped() -> list[dict]:
    """The rows of `load`; UserError where one is of another checkpoint or detector than is shipped for its width now, or of
    another protocol."""
    rows = load()
    for row in rows:
        other = None
        if row["checkpoint"] != sha256(checkpoint_path(row["tau"])):
            other = "another checkpoint"
        elif not of_shipped(row, row["tau"]):
            other = f"other thresholds than {detector_path(row['tau']).name}"
        elif row["protocol"] != continuous.PROTOCOL:
            other = "another protocol"
        if other:
            raise UserError(
                f"{PATH}: tau {row['tau']:g} is of {other}; record it anew with "
                f"`make false-accepts TAU={row['tau']:g} RECORD='{row['name']}'`"
            )
    return rows


def check_recordable(tau: float, conversion: dict, decided: Settings) -> None:
    """UserError where a build is not of the checkpoint, or not of the detector, that are shipped for this width."""
    remedy = f"run `make quantize TAU={tau:g}"
    if conversion["checkpoint"]["sha256"] != sha256(checkpoint_path(tau)):
        raise UserError(f"--record: the build is not of the shipped checkpoint of tau {tau:g}; {remedy}`")
    if not of_shipped(made_by(conversion["native"]["sha256"], decided), tau):
        path = detector_path(tau)  # thresholds stay in a build until others are given
        raise UserError(f"--record: the build's thresholds are not those of {path.name}; {remedy} DETECTOR={path}`")


def record(
    tau: float,
    name: str,
    conversion: dict,
    decided: Settings,
    audio: Mapping[str, object],
    reports: Mapping[str, Sequence],
) -> None:
    """Write the row of a build, whose conversion.json is `conversion`, of the recordings called `name`.

    decided: the build's detector. reports: by sensitivity. audio: `hours`, `recordings` (a count) and `protocol`. UserError
    as of `check_recordable`.
    """
    check_recordable(tau, conversion, decided)
    row = {
        "tau": tau,
        "name": name,
        "checkpoint": conversion["checkpoint"]["sha256"],
        **made_by(conversion["native"]["sha256"], decided),
        "measured": datetime.date.today().isoformat(),
        **audio,
        "reports": {name: len(found) for name, found in reports.items()},
    }
    kept = [other for other in load() if (other["tau"], other["name"]) != (tau, name)]
    rows = sorted([*kept, row], key=lambda row: (row["tau"], row["name"]))
    write_text(PATH, json.dumps({"rows": rows}, indent=1) + "\n")
