"""Record the cost of the firmware, or fail where it has grown since.

    python -m benchmarks.baseline            # compare widths 1 and 3 with baseline.json
    python -m benchmarks.baseline --write    # record the cost of every width

The figures are counted over the sounds of examples/, so that they need no other audio. The comparison fails when an
instruction count, a number of bytes of RAM or of flash has grown by more than 2 % on any core, when anything is not
bit-exact, or when the agreement of the native engine with the float network has fallen by more than 0.3 points. Exit
status: 0 when it holds, 1 when not, 2 for bad input.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

from benchmarks.accuracy import known_accuracy
from benchmarks.cost import bench, scaling
from common.atomic import write_text
from common.description import TAUS
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import read_json
from common.schema import Each, fits
from frontend import render

PATH = Path(__file__).parent / "baseline.json"
REMEDY = "restore it from the repository, or run `make bench-baseline`"
CHECKED = (1, 3)
GROWTH = 0.02
FALL = 0.003
FRONTEND = ("frontend_hop", "frontend_clip", "frontend_state_bytes", "frontend_stack_bytes", "frontend_flash_bytes")
ENGINE = ("network_window", "network_hop", "engine_state_bytes", "stream_state_bytes", "stack_bytes", "engine_flash_bytes")
DETECTOR = ("detector_hop", "detector_state_bytes", "detector_stack_bytes", "detector_flash_bytes")
"""What is recorded of each core: instructions, RAM, flash."""
PARTS = {"frontend": FRONTEND, "detector": DETECTOR}
"""What does not depend on the width."""
SHARES = ("engine_code_bytes", "engine_weights_bytes", "engine_tables_bytes")
"""Parts of the flash, recorded but not compared."""
FORM = {
    "recorded": str,
    "compiler": str,
    "frontend": Each(dict.fromkeys(FRONTEND, int)),
    "detector": Each(dict.fromkeys(DETECTOR, int)),
    "taus": Each({"weights": str, "boards": Each(dict.fromkeys(ENGINE, int))}),
    "agreement": Each({"native": float, "clips?": int}),
}
"""Schema of baseline.json, of the keys that are read."""


def load() -> dict:
    """baseline.json; UserError where it is missing or damaged."""
    figures = read_json(PATH, REMEDY)
    if figures is None:
        raise UserError(f"{PATH}: missing; {REMEDY}")
    whole = (
        fits(figures, FORM)
        and figures["agreement"].keys() <= figures["taus"].keys()
        and all(width["boards"].keys() <= figures[part].keys() for width in figures["taus"].values() for part in PARTS)
    )
    if not whole:
        raise UserError(f"{PATH}: damaged, figures are missing; {REMEDY}")
    return figures


def agreement(tau: float) -> dict | None:
    """Fraction of clips on which native engine and float network agree; None where it is not verified."""
    found = known_accuracy.find(tau)
    if found is None or "native" not in found.rows:
        return None
    return {
        "native": found.rows["native"]["agreement"],
        "clips": found.clips,
        "data": found.data,
        "origin": found.origin,
        "measured": found.date,
    }


def record(measured: dict) -> dict:
    """The figures of baseline.json from those of `scaling.measure`."""
    widths = {
        tau: {
            "weights": width["weights"],
            "boards": {core: {key: row[key] for key in (*ENGINE, *SHARES)} for core, row in width["boards"].items()},
        }
        for tau, width in measured["taus"].items()
    }
    known = {tau: found for tau in widths if (found := agreement(float(tau)))}
    return {
        **{
            part: {core: {key: row[key] for key in keys} for core, row in measured[part].items()}
            for part, keys in PARTS.items()
        },
        "taus": widths,
        "agreement": known,
    }


def grown(where: str, before: dict, after: dict, keys: tuple[str, ...]) -> list[str]:
    """A line for every figure of one core that has grown by more than `GROWTH`."""
    return [
        f"{where}: {key} grew from {before[key]:,} to {after[key]:,} ({100 * (after[key] / before[key] - 1):+.1f} %)"
        for key in keys
        if after[key] > before[key] * (1 + GROWTH)
    ]


def comparable(before: dict | None, after: dict) -> bool:
    """Whether two agreements are over equally many clips (of few clips, one alone exceeds `FALL`), and over the same ones
    where the baseline names them."""
    return (
        before is not None and before.get("clips") == after.get("clips") and before.get("data") in (None, after.get("data"))
    )


def regressions(before: dict, after: dict) -> list[str]:
    """Where `after` is worse than `before`, a line each; both as in baseline.json, `after` of some widths only.

    Raises UserError where `before` lacks a width or a core of `after`.
    """
    lines = []
    try:
        for part, keys in PARTS.items():
            for core, row in after[part].items():
                lines += grown(core, before[part][core], row, keys)
        for tau, width in after["taus"].items():
            for core, row in width["boards"].items():
                lines += grown(f"{core}, tau {tau}", before["taus"][tau]["boards"][core], row, ENGINE)
    except KeyError as error:
        raise UserError(f"{PATH}: has no figures of {error.args[0]}; {REMEDY}") from None
    for tau, found in after["agreement"].items():
        agreed = before["agreement"].get(tau)
        if comparable(agreed, found) and found["native"] < agreed["native"] - FALL:
            lines.append(
                f"tau {tau}: agreement with float fell from {100 * agreed['native']:.2f} to {100 * found['native']:.2f} %"
            )
    return lines


def passed(before: dict, after: dict) -> str:
    """The line that says what was compared, where nothing was worse."""
    count = sum(len(keys) * len(after[part]) for part, keys in PARTS.items())
    count += len(ENGINE) * sum(len(width["boards"]) for width in after["taus"].values())
    weights = ", ".join(f"{tau} ({width['weights']} weights)" for tau, width in after["taus"].items())
    compared = [tau for tau, found in after["agreement"].items() if comparable(before["agreement"].get(tau), found)]
    answers = (
        f"agreement with float of tau {', '.join(compared)} has not fallen by more than {100 * FALL:g} points"
        if compared
        else "agreement with float is not compared: no verification of this network over as many clips (make verify)"
    )
    return (
        f"tau {weights}: none of {count} figures on {len(after['frontend'])} cores is more than {100 * GROWTH:g} % "
        f"above that of {before['recorded']}; {answers}"
    )


def main_write(tools: dict, name: str, measured: dict) -> None:
    """Rewrite baseline.json. tools: versions of compiler and emulator. name: of the clip."""
    facts = {
        "command": "make bench-baseline",
        "recorded": datetime.date.today().isoformat(),
        "clip": name,
        "pipeline": render.pipeline_id(),
        **tools,
    }
    write_text(PATH, json.dumps(facts | record(measured), indent=1) + "\n")
    print(PATH)


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    parser = OptionParser("python -m benchmarks.baseline", __doc__)
    parser.add_argument("--write", action="store_true", help="rewrite baseline.json in place of comparing with it")
    args = parser.parse_args(argv)
    before = None if args.write else load()
    tools = scaling.versions()
    name, clip, _, audio = bench.choose_audio(None)
    measured = scaling.measure(TAUS if args.write else CHECKED, clip, audio)
    reasons = scaling.failures(measured)
    if before is not None:
        if before["compiler"] != tools["compiler"]:
            print(f"the baseline was compiled with {before['compiler']}, this with {tools['compiler']}")
        after = record(measured)
        reasons += regressions(before, after)
        if not reasons:
            print(passed(before, after))
    elif not reasons:
        main_write(tools, name, measured)
    for reason in reasons:
        print(f"failed: {reason}", file=sys.stderr)
    return 1 if reasons else 0
