"""Convert a checkpoint to a full-int8 TFLite model and to the native engine's integer network.

    python -m convert --tau 1
    python -m convert --tau 1 --checkpoint mine.safetensors --graph small --data ~/speech_commands

Both graphs and the native engine's integer network are made and measured on the calibration clips; --graph says which
graph ships. Writes build/tau<T>/model_int8.tflite, model.onnx, graphs/, native.npz, calibration.txt and
conversion.json.
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np

from convert import calibration, fidelity, make_graph, native, plausible, result
from convert.equalise import equalised
from convert.fold import FoldedNetwork, fold, parameters
from convert.macs import COUNTING, network_macs
from convert.result import CALIBRATION, CONVERSION, GRAPHS, MODEL, NATIVE, ONNX
from engine import network
from frontend.render import PIPELINE_ID
from training import checkpoint, workers
from training.atomic import naming
from training.description import FEATURES, parse_tau
from training.errors import OptionParser, UserError, one_line_errors
from training.form import check
from training.reading import json_object

GRAPH_NAMES = ("small", "accurate")
DEFAULT_GRAPH = "accurate"
PACKAGES = ("numpy", "onnx", "onnx2tf", "tensorflow", "tflite-runtime", "tflite-micro")
CHECKPOINTS = Path(__file__).parent.parent / "checkpoints"


def shipped_checkpoint(tau: float) -> Path:
    """The shipped checkpoint of a tau; UserError with the command that trains one where there is none."""
    path = CHECKPOINTS / f"tau{tau:g}.safetensors"
    if not path.is_file():
        trained = f"build/tau{tau:g}/training/tau{tau:g}.safetensors"
        raise UserError(f"no checkpoint for tau {tau:g} is shipped yet: train one with `make train TAU={tau:g} "
                        f"DATA=<Speech Commands>` (or DOWNLOAD=1), then "
                        f"`make quantize TAU={tau:g} CHECKPOINT={trained}`")
    return Path(os.path.relpath(path))


def fingerprint(*inputs: str) -> str:
    """Hash of everything that determines the conversion: inputs, this package's sources, versions."""
    digest = hashlib.sha256("\n".join(inputs).encode())
    here = Path(__file__).parent
    sources = [*sorted(here.glob("*.py")), here.parent / "training" / "description.py",
               *(here.parent / "engine" / f"{name}.py" for name in ("golden", "network", "tables"))]
    for source in sources:
        digest.update(source.read_bytes())
    digest.update(json.dumps(versions()).encode())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Versions of the packages that shape the bytes."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # tflite-runtime has a successor on later Pythons
    return found


def already_made(build: Path, mark: str) -> dict | None:
    """The facts of `build` where it holds both graphs of the same inputs, whole; else None."""
    try:
        facts = json_object((build / CONVERSION).read_bytes())
        check(facts, result.FORM)
        whole = facts["fingerprint"] == mark and all(
            "refused" in row or digest(build / row["tflite"]) == row["sha256"] for row in facts["graphs"].values())
        row = facts["native"]
        whole = whole and ("refused" in row or digest(build / NATIVE) == row["sha256"])
        return facts if whole else None
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex; of nothing where it is missing."""
    return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()


def choose(build: Path, facts: dict, graph: str) -> bool:
    """Let `graph`, which is made already, be the one that ships; False where it does so already.

    Raises UserError where the gate refused it.
    """
    row = facts["graphs"][graph]
    if "refused" in row:
        raise UserError(f"graph {graph} must not ship: {row['refused']}")
    if facts["graph"] == graph and digest(build / MODEL) == row["sha256"] and (build / ONNX).is_file():
        return False
    with tempfile.TemporaryDirectory(dir=build, prefix=".choice-") as temporary, naming(build):
        folder = Path(temporary)
        shutil.copy(build / row["tflite"], folder / MODEL)
        shutil.copy(build / row["onnx"], folder / ONNX)
        chosen = {**facts, "graph": graph, "input": row["input"], "output": row["output"],
                  "calibration": {**facts["calibration"], "ranges": row["ranges"]}}
        (folder / CONVERSION).write_text(json.dumps(chosen, indent=2) + "\n")
        for name in (ONNX, MODEL, CONVERSION):
            os.replace(folder / name, build / name)
    return True


def publish(folder: Path, build: Path) -> None:
    """Move a whole new result from `folder` to `build`; conversion.json, which vouches for the rest, last."""
    (build / CONVERSION).unlink(missing_ok=True)
    shutil.rmtree(build / GRAPHS, ignore_errors=True)
    (build / NATIVE).unlink(missing_ok=True)
    for name in (GRAPHS, CALIBRATION, NATIVE, ONNX, MODEL, CONVERSION):
        if (folder / name).exists():  # a network that the engine cannot hold leaves no NATIVE
            os.replace(folder / name, build / name)


def convert_both(folded: FoldedNetwork, features: np.ndarray, chosen: str) -> dict[str, dict]:
    """Convert both graphs, a process each; the result of `make_graph.make` for each.

    Raises UserError where the gate refuses the chosen one. The other one's refusal is only noted.
    """
    made = {}
    network = equalised(folded, FEATURES.dequantize(features))
    for index, graph in workers.run(make_graph.make, [(network, name, features) for name in GRAPH_NAMES]):
        name, refused = GRAPH_NAMES[index], graph.get("refused")
        if refused and name == chosen:
            raise UserError(f"graph {name} must not ship: {refused}")
        made[name] = graph
        row = graph["facts"]
        print(f"  {name}: " + (f"refused: {refused}" if refused else
                               f"{row['tflite_bytes']} bytes, {fidelity.summary(row)}, ranges {row['ranges']}"), flush=True)
    return {name: made[name] for name in GRAPH_NAMES}


def convert_native(folded: FoldedNetwork, tau: float, features: np.ndarray, path: Path) -> dict:
    """Make the native engine's integer network and write it to `path`; its facts, or why the engine cannot hold it."""
    try:
        made, facts = native.make(folded, tau, features)
    except UserError as error:
        print(f"  native: refused: {error}", flush=True)
        return {"refused": str(error)}
    network.save(path, made)
    print(f"  native: {fidelity.summary(facts)}, ranges {facts['ranges']}", flush=True)
    return {"file": NATIVE, "sha256": digest(path), "delay_columns": made.delay, **facts}


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m convert", __doc__)
    parser.add_argument("--tau", default="1", help="width of the network: 1, 1.5, 2, 3, 6 or 8 (default 1)")
    parser.add_argument("--checkpoint", type=Path, help="safetensors of `python -m training` (default: the shipped one)")
    parser.add_argument("--graph", choices=GRAPH_NAMES, default=DEFAULT_GRAPH,
                        help=f"the graph that ships (default {DEFAULT_GRAPH})")
    parser.add_argument("--data", type=Path, help="calibrate on clips of this copy of Speech Commands "
                                                  "(default: on the shipped features)")
    parser.add_argument("--build", type=Path, help="folder to write to (default build/tau<T>)")
    args = parser.parse_args(argv)
    tau = parse_tau(args.tau)
    build = args.build or result.default_build(tau)
    path = args.checkpoint or shipped_checkpoint(tau)
    source = checkpoint.load(path)
    if source.tau != tau:
        raise UserError(f"{path}: holds tau {source.tau:g}, not {tau:g}; say TAU={source.tau:g}")
    try:
        folded = fold(source)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    clips = calibration.from_audio(args.data, labels=source.labels) if args.data else calibration.shipped()
    mark = fingerprint(source.sha256, clips.sha256, clips.source, PIPELINE_ID)
    facts = already_made(build, mark)
    if facts:
        changed = choose(build, facts, args.graph)
        print(f"{build / MODEL}: {'graph ' + args.graph if changed else 'up to date'}")
        return
    try:
        plausible.check(folded, clips.features)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    print(f"converting {path} (tau {tau:g}) to full int8, both graphs and the native engine, "
          f"{len(clips.names)} calibration clips", flush=True)
    if clips.passed_over:
        print(clips.passed_over)
    unheard = calibration.unheard(clips, source.labels)
    if unheard:
        print(f"  none of them says {', '.join(unheard)}: ranges are chosen, and int8 is judged, by what the network makes "
              "of other words; DATA=DIR calibrates on your own")
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix=".conversion-") as temporary, naming(build):
        folder = Path(temporary)
        with workers.temporary_files_in(folder):
            made = convert_both(folded, clips.features, args.graph)
        (folder / GRAPHS).mkdir()
        for name, graph in made.items():
            if "refused" in graph:
                continue
            (folder / GRAPHS / f"{name}.tflite").write_bytes(graph["tflite"])
            (folder / GRAPHS / f"{name}.onnx").write_bytes(graph["onnx"])
        (folder / MODEL).write_bytes(made[args.graph]["tflite"])
        (folder / ONNX).write_bytes(made[args.graph]["onnx"])
        (folder / CALIBRATION).write_text("\n".join(clips.names) + "\n", "utf-8")
        facts = {
            "tau": tau,
            "labels": list(source.labels),
            "graph": args.graph,
            "features": {**dataclasses.asdict(FEATURES), "id": FEATURES.id, "pipeline": PIPELINE_ID},
            "checkpoint": {"path": str(path), "sha256": source.sha256, "training": source.training},
            "parameters": parameters(source),
            "macs": network_macs(folded),
            "macs_counting": COUNTING,
            "calibration": {"source": clips.source, "clips": len(clips.names), "sha256": clips.sha256,
                            "list": CALIBRATION, "ranges": made[args.graph]["facts"]["ranges"]},
            "input": made[args.graph]["facts"]["input"],
            "output": made[args.graph]["facts"]["output"],
            "graphs": {name: graph["facts"] for name, graph in made.items()},
            "native": convert_native(folded, tau, clips.features, folder / NATIVE),
            "versions": versions(),
            "fingerprint": mark,
        }
        (folder / CONVERSION).write_text(json.dumps(facts, indent=2) + "\n")
        publish(folder, build)
    print(f"{build / MODEL}: {made[args.graph]['facts']['tflite_bytes']} bytes, graph {args.graph}")


if __name__ == "__main__":
    sys.exit(main())
