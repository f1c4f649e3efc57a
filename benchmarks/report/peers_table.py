"""Wake words of others beside this project's own words on the same recordings, as a table of the documentation."""

from __future__ import annotations

from benchmarks.listening import continuous, recorded, recorded_peers
from common.errors import UserError
from common.intervals import per_hour, wilson
from detector.settings import SENSITIVITIES

TAU = 1
"""The width that stands beside them."""


def table() -> tuple[list[str], list[list[str]], list[str]]:
    """Head and rows, and the sentences below: reports an hour over each of the recordings, by model.

    UserError where what is recorded is of another protocol, or of other recordings than the project's own counts.
    """
    found = recorded_peers.load()
    own = same_recordings(found)
    hours = {name: row["hours"] for name, row in own.items()}

    def cells(counts: dict[str, int]) -> list[str]:
        return [rate(counts[name], hours[name]) if name in counts else "not counted" for name in hours]

    counts: dict[tuple[str, str, str], dict[str, int]] = {}
    for row in found["rows"]:
        for model in row["models"]:
            key = f"{row['package']} {row['version']}", f"`{model['model']}`", model["settings"]
            counts.setdefault(key, {})[row["name"]] = model["reports"]
    rows = [
        *(
            [f"this project, tau {TAU}", "ten words", f"{sensitivity} sensitivity"]
            + cells({name: row["reports"][sensitivity] for name, row in own.items()})
            for sensitivity in SENSITIVITIES
        ),
        *([*key, *cells(of_model)] for key, of_model in sorted(counts.items())),
    ]
    head = ["", "model", "settings", *(f"{name}, {hours[name]:.2f} h" for name in hours)]
    return head, rows, sentences(found)


def same_recordings(found: dict[str, list[dict]]) -> dict[str, dict]:
    """The project's own counts over the recordings that the peers heard, by name. UserError where there are none such."""
    own = {row["name"]: row for row in recorded.shipped() if row["tau"] == TAU}
    for row in (*found["rows"], *found["keywords"]):
        if row["protocol"] != continuous.PROTOCOL:
            raise UserError(
                f"{recorded_peers.PATH}: {row['package']} is of another protocol; record it anew "
                f"with `make peers PEER={row['package']} RECORD=NAME`"
            )
    for row in found["rows"]:
        name = row["name"]
        if name not in own or (own[name]["hours"], own[name]["protocol"]) != (row["hours"], row["protocol"]):
            raise UserError(
                f"{recorded_peers.PATH}: {name} is of other recordings than in {recorded.PATH.name}; record both anew "
                f"with `make peers RECORD='{name}'` and `make false-accepts TAU={TAU} RECORD='{name}'`"
            )
    return {row["name"]: own[row["name"]] for row in found["rows"]}


def rate(count: int, hours: float) -> str:
    """`3: 1.7 [0.4, 5.0]`: a count, and its rate an hour with the interval."""
    return f"{count}: {per_hour(count, hours)}"


def sentences(found: dict[str, list[dict]]) -> list[str]:
    """What was missed of recorded words, which recordings no model is for, and when all was recorded."""
    said = []
    for row in found["keywords"]:
        package = f"{row['package']} {row['version']}"
        for model in row["models"]:
            missed, count = model["missed"], model["recordings"]
            low, high = (100 * bound for bound in wilson(missed, count))
            share = f"{100 * missed / count:.1f} % [{low:.1f}, {high:.1f}]"
            said.append(f"`{model['model']}` of {package} misses {missed} of {count} recordings of its words: {share}.")
        if row["left_out"]:
            phrases = ", ".join(f'"{phrase}" ({count})' for phrase, count in row["left_out"].items())
            said.append(f"Left out of the recorded words, for no model of {package} has just that phrase: {phrases}.")
    days = sorted({(f"{row['package']} {row['version']}", row["measured"]) for key in found for row in found[key]})
    return [*said, f"Recorded: {', '.join(f'{package} {day}' for package, day in days)} (`make peers`)."]
