"""Measure accuracy: the same real clips through PyTorch, ONNX Runtime, TFLite, TFLM and the native engine.

Once on the float log-mel of training, and once on the features that the device's pipeline computes. The native engine
runs on the latter only, over whole clips and over clips in a stream of background noise (benchmarks/listening/streaming.py).

    python -m benchmarks.verify_int8 --tau 1 --data ~/speech_commands
    python -m benchmarks.verify_int8 --tau 1 --data ~/speech_commands --split all --max-drop 0.3

Writes verify.json into the build folder; verify_fewer.json where verify.json is of the same networks over more clips. Exit
status: 1 when the int8 model or the native engine loses more than --max-drop points of top-1 on whole clips, or when an
output of TFLM differs from TFLite's reference kernels; else 0; 2 for bad input.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import shlex
import sys
from pathlib import Path

import numpy as np

from benchmarks.accuracy import backends, clips, statistics
from benchmarks.listening import streaming
from benchmarks.report import text as report_text
from common import build_folder, checkpoint, locks, options
from common.atomic import write_text
from common.errors import OptionParser, UserError, one_line_errors
from common.labels import is_word, silence_index
from common.reading import read_json, sha256, sha256_of
from common.shipped import ROOT
from detector.settings import Settings
from engine import binding, network
from firmware_gen.inputs import detector_settings, native_file


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m benchmarks.verify_int8", __doc__)
    options.add_tau(parser)
    options.add_build(parser)
    options.add_data(
        parser, "folder that holds both official archives, or one of them, <label>/*.wav, or audio.npy and clips.json"
    )
    parser.add_argument(
        "--split",
        choices=clips.SPLITS,
        help="testing: the test-set archive, else the training archive's testing list (default); "
        "validation; all: validation and the test-set archive",
    )
    parser.add_argument(
        "--max-drop",
        type=float,
        default=1.0,
        metavar="POINTS",
        help="largest loss of top-1 that passes, in percentage points (default 1.0)",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures to OUT as well")
    options.add_processes(parser)
    return parser.parse_args(argv)


def models(build: Path, tau: float) -> tuple[dict, dict]:
    """The content of conversion.json, and the `source` of `backends.make_backends` without its `noises`.

    Raises UserError where a file of the build is missing or is not the one that was converted.
    """
    remedy = f"run `make quantize TAU={tau:g}`"
    conversion = build_folder.load(build)
    if conversion["tau"] != tau:
        raise UserError(f"{build}: holds tau {conversion['tau']:g}, not {tau:g}; name its folder with --build, or {remedy}")
    path = Path(conversion["checkpoint"]["path"])
    path = path if path.exists() else ROOT / path
    saved = checkpoint.load(path)
    if saved.sha256 != conversion["checkpoint"]["sha256"]:
        raise UserError(f"{path}: not the checkpoint that {build} was converted from; {remedy}")
    found, features = conversion["features"]["id"], saved.features.id
    if found != features:
        raise UserError(f"{build}: made for other features ({found}, not {features}); {remedy}")
    chosen = conversion["graphs"][conversion["graph"]]
    model = build_folder.converted_model(build, conversion)
    onnx = build / build_folder.ONNX
    if sha256(onnx) != conversion["files"][chosen["onnx"]]:
        raise UserError(f"{onnx}: not the graph that was converted; {remedy}")
    output = conversion["output"]
    return conversion, {
        "checkpoint": path,
        "onnx": onnx,
        "tflite": model,
        "scale": output["scale"],
        "zero_point": output["zero_point"],
        "native": native_file(build, conversion),
    }


def summarise(
    logits: dict[str, np.ndarray], device_logits: dict[str, np.ndarray], recordings: clips.Recordings, labels: list[str]
) -> dict:
    """The measured part of verify.json: see `statistics.describe` and `statistics.compare`.

    logits: of every backend on float log-mel. device_logits: the same on the device's features. All are compared with
    PyTorch on float log-mel. A backend that runs in noise has no SQNR: it would measure the noise. A stream is also
    compared with whole windows in the same noise: `drop_against_in_noise` is the loss by streaming and by the detector,
    which must be sure; there an unknown word that is not reported is right.
    """
    target, reference = recordings.target, logits["pytorch"]
    rows, device_rows = (
        {name: statistics.describe(values, target, labels) for name, values in some.items()}
        for some in (logits, device_logits)
    )
    for some, found in ((logits, rows), (device_logits, device_rows)):
        for name, values in some.items():
            if values is not reference:
                compared = statistics.compare(reference, values, target)
                found[name] |= {
                    key: value for key, value in compared.items() if key != "sqnr_db" or name not in backends.IN_NOISE
                }
    if backends.NATIVE_STREAM in device_logits:
        streamed, windows = (device_logits[name] for name in (backends.NATIVE_STREAM, backends.NATIVE_IN_NOISE))
        own = statistics.compare(windows, streamed, target)
        device_rows[backends.NATIVE_STREAM] |= {
            "drop_against_in_noise": {"points": own["drop_points"], "ci95": own["drop_ci95"]}
        }
    parts, start = {}, 0
    for origin, count in recordings.origins.items():
        part = slice(start, start + count)
        parts[origin] = {"clips": count} | {
            key: {name: float((values[part].argmax(1) == target[part]).mean()) for name, values in some.items()}
            for key, some in (("top1", logits), ("device_top1", device_logits))
        }
        start += count
    return {
        "clips": len(target),
        "parts": parts,
        "backends": rows,
        "device_backends": device_rows,
        "bit_exact_with_tflm": all(np.array_equal(some["tflite"], some["tflm"]) for some in (logits, device_logits)),
    }


def native_facts(
    conversion: dict, decided: Settings, background: streaming.Background, recordings: clips.Recordings
) -> dict:
    """`native` of verify.json: which network, and the streams' settings, noise and signal-to-noise ratio; or why the
    engine was left out."""
    facts = conversion["native"]
    if "refused" in facts:
        return {"refused": facts["refused"]}
    silence = silence_index(conversion["labels"])
    spoken = recordings.audio[recordings.target != silence]
    levels = streaming.snr_db(spoken, background.noises)
    quartiles = np.percentile(levels, (25, 50, 75), method="nearest") if len(spoken) else ()
    return {
        "sha256": facts["sha256"],
        "stream": streaming.settings(facts["delay_columns"], decided)
        | {
            "noise": background.origin,
            "snr_db_quartiles": [round(float(level), 1) if np.isfinite(level) else None for level in quartiles],
        },
    }


def place(build: Path, figures: dict) -> tuple[Path, int]:
    """The file for these figures; and the number of clips of the verification that stays in VERIFY, 0 where it is replaced.

    One of the same networks over more clips stays: a run over few clips does not replace it.
    """
    try:
        before = read_json(build / build_folder.VERIFY, "") or {}
        same = all(before[key]["sha256"] == figures[key]["sha256"] for key in ("model", "native"))
        if same and before["clips"] > figures["clips"]:
            return build / build_folder.VERIFY_FEWER, before["clips"]
    except (UserError, KeyError, TypeError):
        pass  # missing or damaged
    (build / build_folder.VERIFY_FEWER).unlink(missing_ok=True)
    return build / build_folder.VERIFY, 0


def failures(figures: dict, max_drop: float) -> list[str]:
    """The reasons why the verification fails, a line each."""
    lines = []
    for key, where in (("backends", ""), ("device_backends", " on device features")):
        for name in (*backends.INT8, backends.NATIVE):
            if name not in figures[key]:
                continue
            drop, (low, high) = (figures[key][name][field] for field in ("drop_points", "drop_ci95"))
            if drop > max_drop:
                chance = f" (it may be chance: {figures['clips']:,} clips tell {low:.2f} to {high:.2f}; name more)"
                lines.append(
                    f"{name}{where} loses {drop:.2f} points of top-1, more than --max-drop {max_drop:g}"
                    + chance * (low <= 0)
                )
    if not figures["bit_exact_with_tflm"]:
        lines.append("tflm and tflite differ: some int8 logit of some clip is not the same in both")
    return lines


def table(figures: dict) -> str:
    """The figures as the terminal shows them."""
    head = f"{'backend':<17}{'top-1':>8}  {'95 % interval':<15}{'drop':>6}  {'95 % interval':<16}{'agree':>8}{'SQNR':>9}  "
    lines = [head + "worst class"]
    named = list(figures["backends"].items())
    named += [(f"{name}*", row) for name, row in figures["device_backends"].items()]
    for name, row in named:
        line = f"{name:<17}{100 * row['top1']:>7.2f}%  {report_text.span(row['ci95'], 100):<15}"
        if "drop_points" in row:
            line += (
                f"{row['drop_points']:>6.2f}  {report_text.span(row['drop_ci95']):<16}"
                f"{100 * row['agreement']:>7.2f}%{report_text.sqnr(row):>9}  "
            )
        worst = row["worst"]
        lines.append(f"{line:<{len(head)}}{worst['label']} {100 * worst['recall']:.1f}%")
    lines.append("* on the features of the device's pipeline; every drop is against pytorch on float log-mel")
    lines.append(report_text.native_note(figures["native"]))
    recall = figures["device_backends"]["tflite"]["recall"]
    known = [f"{label} {100 * value:.1f}" for label, value in recall.items() if value is not None]
    return "\n".join(lines + [f"recall in int8 on device features, %: {', '.join(known)}"])


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    build, tau = options.build_and_tau(args)
    if args.data is None:
        raise UserError("no audio named: give --data DIR (make verify DATA=DIR), or set GSC_ROOT")
    if math.isnan(args.max_drop):
        raise UserError("--max-drop nan: give a number of percentage points")
    if args.processes < 1:
        raise UserError(f"--processes {args.processes}: at least 1 is needed")
    with locks.rewriting(build):
        reasons = verify(build, tau, args)
    for reason in reasons:
        print(f"failed: {reason}", file=sys.stderr)
    if not reasons:
        print(
            f"passed: on whole clips no backend loses more than {args.max_drop:g} points, and TFLM equals TFLite bit for bit"
        )
    return 1 if reasons else 0


def verify(build: Path, tau: float, args: argparse.Namespace) -> list[str]:
    """Measure a build, print and write its figures; returns the reasons why it fails, a line each."""
    conversion, source = models(build, tau)
    locks.try_to_write(build)
    labels = conversion["labels"]
    parts = clips.choose(args.data, args.split, labels)
    for part in parts:
        if part.passed_over:
            print(part.passed_over)
    recordings = clips.decode(parts, labels, conversion["features"]["clip_samples"])
    unsaid = [label for index, label in enumerate(labels) if is_word(label) and index not in recordings.target]
    if unsaid:
        print(f"no clip says {', '.join(unsaid)}: nothing is measured of them")
    background = clips.background(args.data)
    source["noises"], source["detector"] = background.noises, detector_settings(build, conversion)
    print(f"{build}: {len(recordings.target)} clips, " + " and ".join(recordings.origins), flush=True)
    if source["native"]:
        binding.Engine(network.load(source["native"]))  # compiled once, and not by every worker at the same time
    logits, device_logits = backends.run_all(source, recordings.audio, args.processes)
    if backends.NATIVE_STREAM in device_logits:
        streamed = device_logits[backends.NATIVE_STREAM]
        device_logits[backends.NATIVE_STREAM] = streaming.rejected(streamed, recordings.target, labels)
    figures = summarise(logits, device_logits, recordings, labels)
    command = ["python", "-m", "benchmarks.verify_int8", "--tau", f"{tau:g}", "--data", "DATA"]
    figures |= {
        "tau": tau,
        "labels": labels,
        "split": args.split or "default",
        "data": {"origin": " and ".join(recordings.origins), "sha256": recordings.sha256},
        "checkpoint": {"sha256": conversion["checkpoint"]["sha256"]},
        "model": {"graph": conversion["graph"], "sha256": sha256_of(source["tflite"])},
        "native": native_facts(conversion, source["detector"], background, recordings),
        "measured": datetime.date.today().isoformat(),
        "command": shlex.join(command + (["--split", args.split] if args.split else [])),
        "max_drop_points": args.max_drop,
    }
    text = json.dumps(figures, indent=1) + "\n"
    path, stays = place(build, figures)
    for file in [path] + ([args.json] if args.json else []):
        write_text(file, text)
    print(f"{table(figures)}\n{path}")
    if stays:
        print(
            f"{build / build_folder.VERIFY} and the report stay with the {stays:,} clips that this model was verified "
            f"over before; remove it to let these {figures['clips']:,} take their place"
        )
    return failures(figures, args.max_drop)
