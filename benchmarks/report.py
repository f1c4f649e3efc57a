"""Put together what the build has learnt: report.json and report.md.

    python -m benchmarks.report --tau 1

Merges the converter's record, the verification of this very model (else the one recorded in
checkpoints/, marked so), what its native engine costs on emulated cores and the manifest of its
firmware, and prints the short form.
"""
from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

from benchmarks import comparison, report_text, streaming
from benchmarks.backends import IN_NOISE, NATIVES, native_network
from convert import result
from engine import network, render
from firmware_gen.settings import arena_estimate
from training.atomic import write_text
from training.description import parse_tau
from training.errors import UserError, one_line_errors

ROOT = Path(__file__).resolve().parents[1]
VERIFY, BENCH, JSON, MARKDOWN = "verify.json", "bench.json", "report.json", "report.md"
MANIFEST = "firmware/manifest.json"


def read_json(path: Path, remedy: str) -> dict | None:
    """A JSON object, None where there is no such file; UserError where it is damaged."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path}: damaged (no JSON object); {remedy}")
    return content


def recorded_path(tau: float, graph: str) -> Path:
    """The verification shipped with the checkpoint of this tau, for one of its graphs."""
    return ROOT / "checkpoints" / f"tau{tau:g}-{graph}.verify.json"


ACCURACY = ("measured", "command", "clips", "data", "split", "backends", "device_backends", "bit_exact_with_tflm")
"""What the report takes from a verification."""
COSTS = ("board", "network_window", "network_hop", "engine_state_bytes", "stream_state_bytes", "engine_flash_bytes",
         "stack_bytes", "bit_exact")
"""What it takes of each core from bench.json."""


def accuracy(build: Path, conversion: dict, model_sha256: str, recorded: Path) -> dict | None:
    """The verification of exactly this model, with `origin` "measured" or "recorded"; else None.

    One of another model says nothing of this one and is left out; so are the native engine's rows of another integer
    network, and those in noise of streams made otherwise than now.
    """
    tau = conversion["tau"]
    for origin, path, remedy in (("measured", build / VERIFY, f"remove it and run `make verify TAU={tau:g}`"),
                                 ("recorded", recorded, "restore it from the repository")):
        figures = read_json(path, remedy)
        if figures is None:
            continue
        try:
            if figures["model"]["sha256"] == model_sha256:
                return {"origin": origin, **{key: figures[key] for key in ACCURACY},
                        **of_this_engine(figures, conversion["native"])}
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{path}: not a verification of this project; {remedy}") from None
    return None


def of_this_engine(figures: dict, native: dict) -> dict:
    """`device_backends` and `native` of a verification, without what says nothing of this build's engine."""
    found = figures.get("native", {})
    stale = set(NATIVES)
    if found.get("sha256") is not None and found["sha256"] == native.get("sha256"):
        expected = streaming.settings(native["delay_columns"])
        same = all(found["stream"][key] == value for key, value in expected.items())
        stale = set() if same else set(IN_NOISE)
    rows = {name: row for name, row in figures["device_backends"].items() if name not in stale}
    return {"device_backends": rows, "native": found if stale != set(NATIVES) else None}


def native(build: Path, conversion: dict) -> dict:
    """The converter's facts of the native engine, and what bench.json says of exactly this one: `costs`, else None.

    Raises UserError where the network is not the one that was converted, or bench.json is damaged.
    """
    path = native_network(build, conversion)
    if path is None:
        return conversion["native"]
    engine = render.engine_id(network.load(path))
    remedy = f"remove it and run `make bench TAU={conversion['tau']:g}`"
    bench = read_json(build / BENCH, remedy)
    costs = None
    if bench and bench.get("engine") == engine:
        try:
            costs = {key: bench[key] for key in ("clip", "compiler")} | {
                "boards": {core: {key: row[key] for key in COSTS} for core, row in bench["boards"].items()}}
            costs["boards"][report_text.SHOWN]
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{build / BENCH}: not a bench of this project; {remedy}") from None
    return {**conversion["native"], "engine": engine, "costs": costs}


def merge(build: Path, recorded: Path | None = None) -> dict:
    """The report of a build as a JSON-ready dict.

    recorded: a verify.json from before, by default the one shipped in checkpoints/. `fidelity` comes
    from the verification made in this build, else from the calibration clips; `fidelity.source`
    says which. Raises UserError where the build is missing or damaged.
    """
    conversion = result.load(build)
    tau = conversion["tau"]
    chosen = conversion["graphs"][conversion["graph"]]
    model = (build / result.MODEL).read_bytes()
    sha256 = hashlib.sha256(model).hexdigest()
    verified = accuracy(build, conversion, sha256, recorded or recorded_path(tau, conversion["graph"]))
    if verified and verified["origin"] == "measured":
        row = verified["device_backends"]["tflite"]
        fidelity = {"agreement": row["agreement"], "sqnr_db": row["sqnr_db"],
                    "bit_exact_with_tflm": verified["bit_exact_with_tflm"],
                    "clips": verified["clips"], "source": "verification"}
    else:
        fidelity = {key: chosen[key] for key in ("agreement", "sqnr_db", "bit_exact_with_tflm")}
        fidelity |= {"clips": conversion["calibration"]["clips"], "source": "calibration clips"}
    firmware = read_json(build / MANIFEST, f"remove it and run `make quantize TAU={tau:g}`")
    content = {
        "tau": tau,
        "labels": conversion["labels"],
        "features": conversion["features"],
        "checkpoint": conversion["checkpoint"],
        "model": {
            "file": result.MODEL,
            "sha256": sha256,
            "graph": conversion["graph"],
            "parameters": conversion["parameters"],
            "macs": conversion["macs"],
            "macs_counting": conversion["macs_counting"],
            "tflite_bytes": len(model),
            "ops": chosen["ops"],
            "op_table": chosen["op_table"],
            "input": conversion["input"],
            "output": conversion["output"],
        },
        "memory": {"arena_bytes": chosen["arena_bytes"],
                   "arena_measured": "tflite-micro on the 64-bit host, reference kernels",
                   "arena_bytes_arm_estimate": list(arena_estimate(chosen["arena_bytes"]))},
        "calibration": conversion["calibration"],
        "fidelity": fidelity,
        "accuracy": verified,
        "native": native(build, conversion),
        "graphs": conversion["graphs"],
        "firmware": firmware if firmware and firmware.get("model_sha256") == sha256 else None,
        "versions": conversion["versions"],
    }
    return content | {"comparison": comparison.rows(content)}


def write(build: Path, recorded: Path | None = None) -> dict:
    """Rewrite report.json and report.md of a build; returns the report. See `merge`."""
    content = merge(build, recorded)
    write_text(build / JSON, json.dumps(content, indent=1) + "\n")
    write_text(build / MARKDOWN, report_text.markdown(content))
    return content


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tau", default="1", help="width of the network (default 1)")
    parser.add_argument("--build", type=Path, help="folder of the build (default build/tau<T>)")
    args = parser.parse_args(argv)
    build = args.build or result.default_build(parse_tau(args.tau))
    print(report_text.short(write(build), build))


if __name__ == "__main__":
    sys.exit(main())
