"""Write the report of a build: report.json, report.md and report.html.

    python -m benchmarks.report --tau 1

Merges conversion.json, the verification of this model (else the one recorded in checkpoints/, marked as recorded), the
costs of its native engine on emulated cores and the manifest of its firmware, and prints the short form.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import schemas
from benchmarks.accuracy import own_rows
from benchmarks.cost import engine_layers
from benchmarks.cost.npu import by_operator
from benchmarks.listening.decided import of_this_detector
from benchmarks.report import comparison, html, memory, npu_section, text as report_text
from common import build_folder, locks, options
from common.atomic import write_text
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import read_json
from common.schema import Each, check
from common.shipped import recorded_path
from detector.settings import Settings
from engine import network, render
from firmware_gen.inputs import detector_settings, native_file
from firmware_gen.settings import arena_estimate

ACCURACY = ("measured", "command", "clips", "data", "split", "backends", "device_backends", "bit_exact_with_tflm")
"""Keys of a verification that the report contains."""
COSTS = ("board", *schemas.COSTS, "bit_exact")
"""Keys of bench.json that it contains, for each core."""
MORE_COSTS = ("board", "note", "layers", *schemas.MORE_COSTS)
"""Optional keys of bench.json that it contains."""


def accuracy(build: Path, conversion: dict, model_sha256: str, recorded: Path) -> dict | None:
    """The verification of this model, with `origin` "measured" or "recorded"; None where there is none.

    Of two, the one that covers this build's native engine, then the one over more clips, then the measured one: a run over
    few clips does not replace the record. Left out are a verification of another model, rows of another native network, and
    rows in noise of streams with other settings, or another detector, than now.
    """
    tau, known, decided = conversion["tau"], [], detector_settings(build, conversion)
    for origin, path, remedy in (
        ("measured", build / build_folder.VERIFY, f"remove it and run `make verify TAU={tau:g}`"),
        ("recorded", recorded, "restore it from the repository"),
    ):
        figures = read_json(path, remedy)
        if figures is None:
            continue
        try:
            if figures["model"]["sha256"] == model_sha256:
                found = {
                    "origin": origin,
                    **{key: figures[key] for key in ACCURACY},
                    "parts": figures.get("parts"),
                    **of_this_engine(figures, conversion["native"], decided),
                }
                schemas.check_accuracy(found, conversion["labels"])
                found["recall_drop_points"] = recall_drops(figures)
                known.append(((found["native"] is not None, found["clips"], origin == "measured"), found))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            reason = f"not a verification of this project ({error})"
            raise UserError(f"{path}: {reason}; {remedy}") from None
    return max(known, key=lambda pair: pair[0], default=(None, None))[1]


def recall_drops(figures: dict) -> dict:
    """By backend on device features: the points of recall that each class loses against PyTorch on log-mel, None where the
    class has no clip."""
    before = figures["backends"]["pytorch"]["recall"]
    return {
        name: {
            label: 100 * (before[label] - recall) if None not in (before[label], recall) else None
            for label, recall in row["recall"].items()
        }
        for name, row in figures["device_backends"].items()
    }


def of_this_engine(figures: dict, native: dict, decided: Settings) -> dict:
    """`device_backends` and `native` of a verification, without the rows of another engine or detector than this build's."""
    foreign = own_rows.foreign(figures, native.get("sha256"), decided)
    rows = {name: row for name, row in figures["device_backends"].items() if name not in foreign}
    return {"device_backends": rows, "native": None if foreign else figures["native"]}


def core_costs(row: dict) -> dict:
    """The report's figures of one core: its row of bench.json, with constants and sums by block and by stage."""
    costs = {key: row[key] for key in COSTS} | {key: row[key] for key in MORE_COSTS if key in row}
    for part in ("engine", "frontend"):
        if f"{part}_code_bytes" in costs:
            costs[f"{part}_constants_bytes"] = costs[f"{part}_flash_bytes"] - costs[f"{part}_code_bytes"]
    if "layers" in costs:
        layers = costs["layers"]
        costs["block_instructions"] = [sum(block.values()) for block in layers["blocks"]]
        costs["stage_instructions"] = {
            "ends": layers["head"] + sum(layers[name] for name in engine_layers.TAIL),
            **{stage: sum(block[stage] for block in layers["blocks"]) for stage in engine_layers.STAGES},
            "rest": layers["rest"],
        }
    return costs


def native(build: Path, conversion: dict) -> dict:
    """The converter's facts about the native engine, its state by part (`memory.state_parts`), and `costs`: the figures of
    bench.json where they are of this engine, else None.

    Raises UserError where the network is not the one that was converted, or bench.json is damaged.
    """
    path = native_file(build, conversion)
    if path is None:
        return conversion["native"]
    made = network.load(path)
    engine = render.engine_id(made)
    remedy = f"remove it and run `make bench TAU={conversion['tau']:g}`"
    bench = read_json(build / build_folder.BENCH, remedy)
    costs = None
    if bench and bench.get("engine") == engine:
        try:
            check(bench, schemas.BENCH)
            check(bench["boards"], Each(schemas.CORE))
            costs = {key: bench[key] for key in ("clip", "compiler")} | {
                "emulator": bench.get("emulator"),
                "boards": {core: core_costs(row) for core, row in bench["boards"].items()},
            }
        except ValueError as error:
            raise UserError(f"{build / build_folder.BENCH}: not a bench of this project ({error}); {remedy}") from None
    return {**conversion["native"], "engine": engine, "state": memory.state_parts(made), "costs": costs}


def detector(build: Path, conversion: dict) -> dict:
    """The detector's pause, its thresholds by sensitivity and word, on what they were chosen, and the curve of the choice
    where it was made of exactly this native engine with exactly these thresholds, else None. UserError where a file is
    damaged."""
    path, decided = build / build_folder.CURVE, detector_settings(build, conversion)
    remedy = f"remove it and run `make tune TAU={conversion['tau']:g}`"
    curve = read_json(path, remedy)
    if curve is not None and not of_this_detector(curve, conversion["native"].get("sha256"), decided):
        curve = None
    try:
        if curve is not None:
            check(curve, schemas.CURVE)
    except ValueError as error:
        raise UserError(f"{path}: not a curve of this project ({error}); {remedy}") from None
    content = decided.to_json()
    return {name: content[name] for name in ("chosen", "pause_ms", "presets")} | {"curve": curve}


def field(build: Path, conversion: dict) -> dict | None:
    """The field test of exactly this native engine; None where there is none. What was reported with other thresholds than
    this build's is left out: `reported` is None in every row. UserError where the file is damaged."""
    path = build / build_folder.FIELD
    remedy = f"remove it and run `make field-test TAU={conversion['tau']:g}`"
    found = read_json(path, remedy)
    if found is None or found.get("native") != conversion["native"].get("sha256"):
        return None
    try:
        check(found, schemas.FIELD)
    except ValueError as error:
        raise UserError(f"{path}: not a field test of this project ({error}); {remedy}") from None
    if not of_this_detector(found, found["native"], detector_settings(build, conversion)):
        found["rows"] = [row | {"reported": None} for row in found["rows"]]
    return found


def npu(build: Path, tau: float, model_sha256: str) -> list[dict]:
    """What Vela estimates of exactly this model, a row for each NPU, with its layers added up as `operators`. UserError
    where the file is damaged."""
    path = build / build_folder.NPU
    remedy = f"remove it and run `make npu TAU={tau:g}`"
    found = read_json(path, remedy)
    if found is None:
        return []
    try:
        check(found, schemas.NPU)
    except ValueError as error:
        raise UserError(f"{path}: not of this project ({error}); {remedy}") from None
    return [
        row | {"operators": [{"operator": name} | sums for name, sums in by_operator(row["layers"]).items()]}
        for row in found["rows"]
        if row["model"] == model_sha256
    ]


def merge(build: Path, recorded: Path | None = None) -> dict:
    """The report of a build, as in report.json.

    recorded: an earlier verify.json, by default the one shipped in checkpoints/. `fidelity` comes
    from the verification made in this build, else from the calibration clips; `fidelity.source`
    says which. Raises UserError where the build is missing or damaged.
    """
    conversion = build_folder.load(build)
    tau = conversion["tau"]
    chosen = conversion["graphs"][conversion["graph"]]
    model, sha256 = build_folder.converted_model(build, conversion), chosen["sha256"]
    verified = accuracy(build, conversion, sha256, recorded or recorded_path(tau, conversion["graph"]))
    if verified and verified["origin"] == "measured":
        row = verified["device_backends"]["tflite"]
        fidelity = {
            "agreement": row["agreement"],
            "sqnr_db": row["sqnr_db"],
            "bit_exact_with_tflm": verified["bit_exact_with_tflm"],
            "clips": verified["clips"],
            "source": "verification",
        }
    else:
        fidelity = {key: chosen[key] for key in ("agreement", "sqnr_db", "bit_exact_with_tflm")}
        fidelity |= {"clips": conversion["calibration"]["clips"], "source": "calibration clips"}
    live = memory.live_tensors(model)
    firmware = read_json(build / build_folder.MANIFEST, f"remove it and run `make quantize TAU={tau:g}`")
    content = {
        "tau": tau,
        "labels": conversion["labels"],
        "features": conversion["features"],
        "checkpoint": conversion["checkpoint"],
        "model": {
            "file": build_folder.MODEL,
            "sha256": sha256,
            "graph": conversion["graph"],
            "parameters": conversion["parameters"],
            "macs": conversion["macs"],
            "macs_counting": conversion["macs_counting"],
            "tflite_bytes": len(model),
            "ops": chosen["ops"],
            "op_table": chosen["op_table"],
            "op_count": sum(chosen["ops"].values()),
            "constant_bytes": sum(row["bytes"] for row in chosen["op_table"]),
            "input": conversion["input"],
            "output": conversion["output"],
        },
        "memory": {
            "arena_bytes": chosen["arena_bytes"],
            "arena_measured": "tflite-micro on the 64-bit host, reference kernels",
            "arena_bytes_arm_estimate": arena_estimate(conversion["graph"], chosen["arena_bytes"]),
            "live_tensors": live,
            "live_peak_bytes": max(row["bytes"] for row in live),
        },
        "calibration": conversion["calibration"],
        "fidelity": fidelity,
        "accuracy": verified,
        "native": native(build, conversion),
        "field": field(build, conversion),
        "npu": npu(build, tau, sha256),
        "detector": detector(build, conversion),
        "graphs": conversion["graphs"],
        "firmware": firmware if firmware and firmware.get("model_sha256") == sha256 else None,
        "versions": conversion["versions"],
    }
    if content["npu"]:
        content["beside_npu"] = npu_section.beside(content)
    return content | {"comparison": comparison.rows(content)}


def write(build: Path, recorded: Path | None = None) -> dict:
    """Rewrite report.json, report.md and report.html of a build; returns the report. See `merge`."""
    content = merge(build, recorded)
    page = html.page(content)
    write_text(build / build_folder.REPORT_JSON, json.dumps(content, indent=1) + "\n")
    write_text(build / build_folder.REPORT_MARKDOWN, report_text.markdown(content))
    write_text(build / build_folder.REPORT_HTML, page)
    return content


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.report", __doc__)
    options.add_tau(parser)
    options.add_build(parser)
    parser.add_argument("--quiet", action="store_true", help="print only where the report is")
    args = parser.parse_args(argv)
    build, _ = options.build_and_tau(args)
    with locks.rewriting(build):
        content = write(build)
    print(build / build_folder.REPORT_HTML if args.quiet else report_text.short(content, build))
