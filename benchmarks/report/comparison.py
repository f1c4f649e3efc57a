"""Compare native engine and TFLM, with the recorded cost of TFLM and CMSIS-NN (recorded_tflm.json)."""

from __future__ import annotations

import json
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded_tflm.json"
CORES = ("cortex-m4", "cortex-m55")
"""The cores of the recorded rows."""
FLASH_CORE = "cortex-m4"


def recorded_code(row: dict, build: str) -> int | None:
    """Bytes of code of a recorded row in one of TFLM's builds: with kernels for int8 alone where that is known, as
    op_resolver.h registers them, else with those for all types."""
    known = row["code_bytes"].get(build, {}) | row["int8_code_bytes"].get(build, {})
    return known.get(FLASH_CORE)


def recorded() -> list[dict]:
    """The rows of recorded_tflm.json, one for each build of TFLM; flash is code and model where both are known."""
    found = json.loads(RECORDED.read_bytes())
    rows = []
    for row in found["rows"]:
        for build, flags in found["builds"].items():
            code, model = recorded_code(row, build), row["model_bytes"]
            rows.append(
                {
                    "name": f"{row['name']}, {build} build",
                    "recorded": True,
                    "versions": found["versions"],
                    "date": found["date"],
                    "build": build,
                    "flags": flags,
                    "instructions": row["instructions"][build],
                    "ram_bytes": row["arena_bytes"],
                    "flash_bytes": code + model if code and model else None,
                    "code_bytes": code,
                    "model_bytes": model,
                    "top1": None,
                    "top1_text": row["top1_text"],
                    "drop_points": None,
                    "agreement": None,
                }
            )
    return rows


def builds(found: list[dict]) -> str:
    """The builds of the recorded rows: `default build: …; release build: …`."""
    flags = {row["build"]: row["flags"] for row in found if row["recorded"]}
    return "; ".join(f"{build} build: {text}" for build, text in flags.items())


def verified(accuracy: dict | None, backend: str) -> dict:
    """Top-1, drop and agreement of one backend of a report's `accuracy`; None where it was not verified."""
    row = (accuracy["device_backends"] if accuracy else {}).get(backend, {})
    return {key: row.get(key) for key in ("top1", "drop_points", "agreement")} | {"top1_text": None}


def tflm_row(report: dict) -> dict:
    """This build's model on TFLM: its bytes and arena are measured here, its code and instructions are not."""
    model, memory = report["model"], report["memory"]
    return {
        "name": f"BC-ResNet-{report['tau']:g} here, TFLM, graph `{model['graph']}`",
        "recorded": False,
        "versions": memory["arena_measured"],
        "date": None,
        "instructions": {},
        "ram_bytes": memory["arena_bytes"],
        "flash_bytes": None,
        "code_bytes": None,
        "model_bytes": model["tflite_bytes"],
        **verified(report["accuracy"], "tflite"),
    }


def native_row(report: dict) -> dict:
    """This build's native engine; its figures are None where `make bench` has not run."""
    native = report["native"]
    row = {
        "name": f"BC-ResNet-{report['tau']:g} here, native engine",
        "recorded": False,
        "versions": None,
        "date": None,
        "instructions": {},
        "ram_bytes": None,
        "flash_bytes": None,
        "code_bytes": None,
        "model_bytes": None,
        **verified(report["accuracy"], "native"),
    }
    if native.get("costs"):
        boards = native["costs"]["boards"]
        shown = boards[FLASH_CORE]
        row |= {
            "versions": native["costs"]["compiler"],
            "instructions": {core: figures["network_window"] for core, figures in boards.items()},
            "ram_bytes": shown["engine_state_bytes"] + shown["stream_state_bytes"],
            "flash_bytes": shown["engine_flash_bytes"],
        }
    return row


def rows(report: dict) -> list[dict]:
    """`comparison` of report.json, from the rest of it: this build's engine, where it has one, and its model on TFLM,
    then what was recorded.

    Each row: name, recorded, versions, date, instructions of a window by core, ram_bytes (state or arena), flash_bytes
    (code_bytes and model_bytes together), top1 (0 to 1; top1_text where a range is known), drop_points, agreement;
    recorded ones also build and flags. None is what was not measured.
    """
    own = [] if "refused" in report["native"] else [native_row(report)]
    return [*own, tflm_row(report), *recorded()]


def flash(row: dict) -> str:
    """Bytes of flash; those of code or model alone where the other is not known."""
    if row["flash_bytes"] is not None:
        return f"{row['flash_bytes']:,}"
    if row["code_bytes"] is not None:
        return f"{row['code_bytes']:,} + model"
    return f"{row['model_bytes']:,} + TFLM" if row["model_bytes"] is not None else ""


def share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def millions_of(count: int) -> str:
    """`7.70 M`, `104.2 M`: three digits or four."""
    return f"{count / 1e6:.{2 if count < 10_000_000 else 1}f} M"


def cells(row: dict) -> list[str]:
    """A row of the Markdown table under `TITLES`."""
    millions = [millions_of(row["instructions"][core]) if core in row["instructions"] else "" for core in CORES]
    return [
        row["name"] + " (recorded)" * row["recorded"],
        *millions,
        "" if row["ram_bytes"] is None else f"{row['ram_bytes']:,}",
        flash(row),
        row["top1_text"] or share(row["top1"]),
        "" if row["drop_points"] is None else f"{row['drop_points']:.2f}",
        share(row["agreement"]),
    ]


TITLES = [
    "",
    *(core.removeprefix("cortex-").upper() for core in CORES),
    "RAM, bytes",
    "flash, bytes",
    "top-1",
    "drop, points",
    "agreement",
]


def notes(found: list[dict]) -> str:
    """The note below the table: what its figures are, and their origin."""
    then = next(row for row in found if row["recorded"])
    return (
        f"Instructions of an inference, executed on emulated cores (no cycles), without the feature pipeline. Rows "
        f"marked so are of a window of one second; they were recorded {then['date']} with {then['versions']} "
        "(`benchmarks/report/recorded_tflm.json`) and "
        f"cannot be measured again here: neither library is built ({builds(found)}). RAM is the arena (here: of a "
        "64-bit host; the recorded ones of a Cortex-M) or the native engine's state, a stream's included; without "
        "stacks. Flash is that of Cortex-M4: code and model, or the native engine's code, weights and tables; TFLM's "
        "code in a release build of BC-ResNet is that with kernels for int8 alone, as `op_resolver.h` registers them, "
        "in the other recorded rows with those for all types. An empty cell was not measured; `make bench` and `make "
        "verify` fill those of this build."
    )
