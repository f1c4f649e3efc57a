"""Convert a checkpoint to a full-int8 TFLite model and to the native engine's integer network.

    python -m convert --tau 1
    python -m convert --tau 1 --checkpoint mine.safetensors --graph small --data ~/speech_commands

Both graphs and the native engine's integer network are made and measured on the calibration clips; --graph says which
graph ships. Writes build/tau<T>/model_int8.tflite, model.onnx, graphs/, native.npz, calibration.txt and
conversion.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import numpy as np

from common import build_folder, checkpoint, locks, options, sources, workers
from common.atomic import naming
from common.build_folder import CALIBRATION, CONVERSION, GRAPHS, MODEL, NATIVE, ONNX
from common.checkpoint import Checkpoint
from common.description import FEATURES
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import json_object, sha256
from common.schema import check
from common.shipped import ROOT, checkpoint_path
from convert import calibration, fidelity, make_graph, native, plausible
from convert.calibration import Calibration
from convert.equalise import equalised
from convert.fold import FoldedNetwork, fold, parameters
from convert.macs import counting, network_macs
from engine import network
from frontend.render import pipeline_id

GRAPH_NAMES = ("small", "accurate")
DEFAULT_GRAPH = "accurate"
PACKAGES = ("numpy", "onnx", "onnx2tf", "tensorflow", "tflite-runtime", "tflite-micro")
UNDER_WAY, CHOICE = ".conversion-", ".choice-"
"""Prefixes of temporary folders in the build folder."""


def shipped_checkpoint(tau: float) -> Path:
    """The shipped checkpoint of a tau; UserError with the command that trains one where there is none."""
    path = checkpoint_path(tau)
    if not path.is_file():
        trained = f"build/tau{tau:g}/training/tau{tau:g}.safetensors"
        raise UserError(
            f"no checkpoint for tau {tau:g} is shipped yet: train one with `make train TAU={tau:g} "
            f"DATA=<Speech Commands>` (or DOWNLOAD=1), then "
            f"`make quantize TAU={tau:g} CHECKPOINT={trained}`"
        )
    return Path(os.path.relpath(path))


def fingerprint(*inputs: str) -> str:
    """SHA-256 of everything that determines the conversion: inputs, source files and versions of packages."""
    digest = hashlib.sha256("\n".join(inputs).encode())
    digest.update(sources.digest("convert.__main__").encode())
    digest.update(json.dumps(versions(requirements())).encode())
    return digest.hexdigest()


def requirements() -> tuple[str, ...]:
    """PACKAGES and, where requirements/convert.txt exists, all packages in it, among them the dependencies of PACKAGES."""
    path = ROOT / "requirements" / "convert.txt"
    lines = path.read_text().splitlines() if path.is_file() else []
    return PACKAGES + tuple(line.partition("==")[0] for line in lines if line and not line.startswith("#"))


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of those of these packages that are installed; by default of those that determine the model's bytes."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # no tflite-runtime after Python 3.11
    return found


def already_made(build: Path, mark: str) -> dict | None:
    """The content of conversion.json where `build` holds an undamaged conversion of the fingerprint `mark`; else None."""
    try:
        facts = json_object((build / CONVERSION).read_bytes())
        check(facts, build_folder.FORM)
        whole = facts["fingerprint"] == mark and all(
            sha256(build / name) == expected for name, expected in facts["files"].items()
        )
        return facts if whole else None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def choose(build: Path, facts: dict, graph: str, path: Path) -> bool:
    """Ship `graph`, which is converted already; returns False where it is the shipped one already.

    path: of the checkpoint, which may have moved since. Raises UserError where the gate refused the graph.
    """
    row = facts["graphs"][graph]
    if "refused" in row:
        raise UserError(f"graph {graph} must not ship: {row['refused']}")
    shipped = {MODEL: row["tflite"], ONNX: row["onnx"]}
    if (facts["graph"], facts["checkpoint"]["path"]) == (graph, str(path)) and all(
        sha256(build / name) == facts["files"][source] for name, source in shipped.items()
    ):
        return False
    with naming(build, build / CHOICE), tempfile.TemporaryDirectory(dir=build, prefix=CHOICE) as temporary:
        folder = Path(temporary)
        for name, source in shipped.items():
            shutil.copy(build / source, folder / name)
        chosen = {
            **facts,
            "graph": graph,
            "input": row["input"],
            "output": row["output"],
            "checkpoint": {**facts["checkpoint"], "path": str(path)},
            "calibration": {**facts["calibration"], "ranges": row["ranges"]},
        }
        (folder / CONVERSION).write_text(json.dumps(chosen, indent=2) + "\n")
        for name in (ONNX, MODEL, CONVERSION):
            os.replace(folder / name, build / name)
    return True


def publish(folder: Path, build: Path) -> None:
    """Move a complete conversion from `folder` to `build`; conversion.json last: where it exists, the rest is complete."""
    (build / CONVERSION).unlink(missing_ok=True)
    shutil.rmtree(build / GRAPHS, ignore_errors=True)
    (build / NATIVE).unlink(missing_ok=True)
    for name in (GRAPHS, CALIBRATION, NATIVE, ONNX, MODEL, CONVERSION):
        if (folder / name).exists():  # no NATIVE where the engine cannot hold the network
            os.replace(folder / name, build / name)


def convert_both(folded: FoldedNetwork, features: np.ndarray, chosen: str) -> dict[str, dict]:
    """The results of `make_graph.make` for both graphs, each converted in a process of its own.

    Raises UserError where the gate refuses the chosen one. A refusal of the other one is only recorded.
    """
    made = {}
    network = equalised(folded, FEATURES.dequantize(features))
    for index, graph in workers.run(make_graph.make, [(network, name, features) for name in GRAPH_NAMES]):
        name, refused = GRAPH_NAMES[index], graph.get("refused")
        if refused and name == chosen:
            raise UserError(f"graph {name} must not ship: {refused}")
        made[name] = graph
        row = graph["facts"]
        print(
            f"  {name}: "
            + (
                f"refused: {refused}"
                if refused
                else f"{row['tflite_bytes']} bytes, {fidelity.summary(row)}, ranges {row['ranges']}"
            ),
            flush=True,
        )
    return {name: made[name] for name in GRAPH_NAMES}


def convert_native(folded: FoldedNetwork, tau: float, features: np.ndarray, path: Path) -> dict:
    """Write the native engine's integer network to `path`; returns its facts, or why the engine cannot hold it."""
    try:
        made, facts = native.make(folded, tau, features)
    except UserError as error:
        print(f"  native: refused: {error}", flush=True)
        return {"refused": str(error)}
    network.save(path, made)
    print(f"  native: {fidelity.summary(facts)}, ranges {facts['ranges']}", flush=True)
    return {"file": NATIVE, "sha256": sha256(path), "delay_columns": made.delay, **facts}


def argument_parser(program: str = "python -m convert", text: str = __doc__) -> OptionParser:
    """The parser of the options, for a program with such a docstring."""
    parser = OptionParser(program, text)
    options.add_tau(parser)
    parser.add_argument("--checkpoint", type=Path, help="safetensors of `python -m training` (default: the shipped one)")
    parser.add_argument(
        "--graph", choices=GRAPH_NAMES, default=DEFAULT_GRAPH, help=f"the graph that ships (default {DEFAULT_GRAPH})"
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="calibrate on clips of this copy of Speech Commands, of <label>/*.wav, or of audio.npy and clips.json "
        "(default: on the shipped features)",
    )
    options.add_build(parser)
    return parser


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """The options; `tau` a number, `build` the folder. UserError where one is invalid."""
    args = argument_parser().parse_args(argv)
    args.build, args.tau = options.build_and_tau(args)
    return args


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    tau, build = args.tau, args.build
    path = args.checkpoint or shipped_checkpoint(tau)
    source = checkpoint.load(path)
    if source.tau != tau:
        raise UserError(f"{path}: holds tau {source.tau:g}, not {tau:g}; say TAU={source.tau:g}")
    try:
        folded = fold(source)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    clips = (
        calibration.from_audio(args.data, labels=source.labels, clip_samples=source.clip_samples)
        if args.data
        else calibration.for_checkpoint(path, source.labels, source.clip_samples)
    )
    with locks.writing(build, f"{UNDER_WAY}*", f"{CHOICE}*"):
        bring_up_to_date(build, path, source, folded, clips, args.graph)


def bring_up_to_date(
    build: Path, path: Path, source: Checkpoint, folded: FoldedNetwork, clips: Calibration, chosen: str
) -> None:
    """Convert unless the build folder is up to date, and ship the graph `chosen`.

    path, source, folded: the checkpoint's file, content and network. UserError where the gate refuses the chosen graph.
    """
    tau, pipeline = source.tau, pipeline_id(source.features)
    mark = fingerprint(source.sha256, clips.sha256, clips.source, pipeline)
    facts = already_made(build, mark)
    if facts:
        changed = choose(build, facts, chosen, path)
        print(f"{build / MODEL}: {'graph ' + chosen if changed else 'up to date'}")
        return
    try:
        plausible.check(folded, clips.features)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    print(
        f"converting {path} (tau {tau:g}) to full int8, both graphs and the native engine, "
        f"{len(clips.names)} calibration clips",
        flush=True,
    )
    if clips.passed_over:
        print(clips.passed_over)
    missing = calibration.missing_words(clips, source.labels)
    if missing:
        print(
            f"  no calibration clip says {', '.join(missing)}: ranges are chosen and int8 is judged on other words; "
            "DATA=DIR calibrates on your own"
        )
    with naming(build, build / UNDER_WAY), tempfile.TemporaryDirectory(dir=build, prefix=UNDER_WAY) as temporary:
        folder = Path(temporary)
        with workers.temporary_files_in(folder):
            made = convert_both(folded, clips.features, chosen)
        (folder / GRAPHS).mkdir()
        for name, graph in made.items():
            if "refused" in graph:
                continue
            (folder / GRAPHS / f"{name}.tflite").write_bytes(graph["tflite"])
            (folder / GRAPHS / f"{name}.onnx").write_bytes(graph["onnx"])
        (folder / MODEL).write_bytes(made[chosen]["tflite"])
        (folder / ONNX).write_bytes(made[chosen]["onnx"])
        (folder / CALIBRATION).write_text("\n".join(clips.names) + "\n", "utf-8")
        facts = {
            "tau": tau,
            "labels": list(source.labels),
            "graph": chosen,
            "features": {**dataclasses.asdict(source.features), "id": source.features.id, "pipeline": pipeline},
            "checkpoint": {"path": str(path), "sha256": source.sha256, "training": source.training},
            "parameters": parameters(source),
            "macs": network_macs(folded),
            "macs_counting": counting(source.features),
            "calibration": {
                "source": clips.source,
                "clips": len(clips.names),
                "sha256": clips.sha256,
                "list": CALIBRATION,
                "ranges": made[chosen]["facts"]["ranges"],
            },
            "input": made[chosen]["facts"]["input"],
            "output": made[chosen]["facts"]["output"],
            "graphs": {name: graph["facts"] for name, graph in made.items()},
            "native": convert_native(folded, tau, clips.features, folder / NATIVE),
            "versions": versions(),
            "fingerprint": mark,
        }
        facts["files"] = {
            str(file.relative_to(folder)): sha256(file)
            for file in sorted(folder.rglob("*"))
            if file.is_file() and file.name not in (MODEL, ONNX)
        }
        (folder / CONVERSION).write_text(json.dumps(facts, indent=2) + "\n")
        publish(folder, build)
    print(f"{build / MODEL}: {made[chosen]['facts']['tflite_bytes']} bytes, graph {chosen}")


if __name__ == "__main__":
    sys.exit(main())
