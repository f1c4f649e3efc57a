"""Count what the firmware's parts cost on emulated Cortex-M cores, and check that they compute the same everywhere.

    python -m benchmarks.bench --tau 1
    python -m benchmarks.bench --tau 1 --data ~/speech_commands

Writes bench.json into the build folder. The clip that is counted over is a real one where --data or
$GSC_ROOT names some, else one of examples/. Instructions are executed ones, never cycles; two runs
give the same figures. Exit status: 0 when all is bit-exact and within its limits, 1 when not, 2 for
bad input.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import clips, emulator, frontend_on_core
from benchmarks.emulator import CORES, Core
from convert.result import default_build
from frontend import binding, golden, render
from training import dataset
from training.atomic import write_text
from training.audio import read_clip
from training.description import FEATURES, LABELS, parse_tau
from training.errors import UserError, one_line_errors

BENCH = "bench.json"
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
WORD = "yes"  # the clip that instructions are counted over
EVERYWHERE = {"frontend_state_bytes": 4096}
LIMITS = {"cortex-m0": {"frontend_hop": 400_000}, "cortex-m55": {"frontend_hop": 28_000},
          "cortex-m4": {"frontend_hop": 45_000, "frontend_flash_bytes": 12 * 1024}}
"""What the pipeline may cost: `EVERYWHERE`, and on some cores besides."""
WITHIN_1_LSB, MAX_LSB = 0.999, 2
"""How close the device's features must come to the float log-mel quantised the same way."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tau", default="1", help="width of the network (default 1)")
    parser.add_argument("--build", type=Path, help="folder of the build (default build/tau<T>)")
    parser.add_argument("--data", type=Path, default=os.environ.get("GSC_ROOT") or None,
                        help="folder with Speech Commands or <label>/*.wav (default $GSC_ROOT, else examples/)")
    return parser.parse_args(argv)


def choose_audio(data: Path | None) -> tuple[str, np.ndarray, str, np.ndarray]:
    """What to measure on: name and samples int16 [16000] of one clip; name and samples int16 [n, 16000] of all."""
    if data is None:
        paths = sorted(EXAMPLES.glob("*.wav"))
        if not paths:
            raise UserError(f"{EXAMPLES}: no wav files; run `python examples/synthesise.py`, or name audio with --data")
        audio = np.stack([read_clip(path) for path in paths])
        names = [path.stem for path in paths]
        index = names.index(WORD) if WORD in names else 0
        return f"examples/{paths[index].name}", audio[index], "examples/", audio
    part, = clips.choose(data, None, LABELS)
    audio = dataset.read_clips(part.clips, part.noises)
    spoken = [index for index, clip in enumerate(part.clips) if clip.path]
    index = next((index for index in spoken if part.clips[index].label == WORD), spoken[0])
    chosen = part.clips[index]
    return f"{chosen.path.parent.parent.name}/{chosen.name}", audio[index], part.origin, audio


def measure(core: Core, folder: Path, clip: np.ndarray) -> dict:
    """All figures of one core, for the sources in `folder` over one clip int16 [16000]."""
    with tempfile.TemporaryDirectory() as work:
        image = frontend_on_core.build(core, folder, Path(work) / "frontend.elf")
        state = emulator.symbols(image.path)["state"].size
        done = frontend_on_core.features(image, clip[None], [FEATURES.hop])
    size = frontend_on_core.footprint(core, folder)
    bit_exact = (np.array_equal(done.whole[0], golden.columns(clip[None])[0])
                 and np.array_equal(done.stream[0], golden.stream(clip)))
    call, = done.run.calls[frontend_on_core.CLIP]
    return {
        "board": core.board,
        **({"note": core.note} if core.note else {}),
        "frontend_hop": max(done.hops),
        "frontend_hop_mean": round(float(np.mean(done.hops)), 1),
        "frontend_clip": call,
        "frontend_state_bytes": state,
        "frontend_stack_bytes": done.stack,
        "frontend_flash_bytes": size["flash"],
        "frontend_code_bytes": size["code"],
        "bit_exact": bit_exact,
    }


def fidelity(audio: np.ndarray) -> dict:
    """Device features of clips int16 [n, 16000] against the float log-mel, quantised the same way."""
    from training.features import log_mel  # PyTorch is slow to load, and bad input should be told at once

    expected = FEATURES.quantize(log_mel(audio)).astype(np.int16)
    difference = np.abs(binding.columns(audio) - expected)
    return {
        "within_1_lsb": float((difference <= 1).mean()),
        "max_lsb": int(difference.max()),
        "identical": float((difference == 0).mean()),
        "clips": len(audio),
    }


def failures(figures: dict) -> list[str]:
    """Why the bench fails, a line each; none where it passes."""
    lines = []
    for name, row in figures["boards"].items():
        limits = EVERYWHERE | LIMITS.get(name, {})
        lines += [f"{name}: {key} is {row[key]:,}, above its limit of {limit:,}" for key, limit in limits.items()
                  if row[key] > limit]
        if not row["bit_exact"]:
            lines.append(f"{name}: its features are not those of the integer model in Python")
    share, largest = figures["fidelity"]["within_1_lsb"], figures["fidelity"]["max_lsb"]
    if share < WITHIN_1_LSB:
        lines.append(f"{100 * share:.3f} % of the features are within 1 LSB of the float log-mel, not "
                     f"{100 * WITHIN_1_LSB:g} %")
    if largest > MAX_LSB:
        lines.append(f"a feature is {largest} LSB from the float log-mel, not at most {MAX_LSB}")
    return lines


def table(figures: dict) -> str:
    """The figures as the terminal shows them."""
    lines = [f"{'core':<12}{'board':<13}{'hop, max':>10}{'mean':>11}{'clip':>13}{'state':>7}{'stack':>7}{'flash':>7}"
             f"{'code':>7}  bit-exact"]
    for name, row in figures["boards"].items():
        lines.append(f"{name:<12}{row['board']:<13}{row['frontend_hop']:>10,}{row['frontend_hop_mean']:>11,.1f}"
                     f"{row['frontend_clip']:>13,}{row['frontend_state_bytes']:>7,}{row['frontend_stack_bytes']:>7,}"
                     f"{row['frontend_flash_bytes']:>7,}{row['frontend_code_bytes']:>7,}  "
                     f"{'yes' if row['bit_exact'] else 'NO'}")
    close = figures["fidelity"]
    notes = [f"{name}: {row['note']}" for name, row in figures["boards"].items() if "note" in row]
    return "\n".join([
        *lines, *notes, "instructions executed (no cycles) over " + figures["clip"] + "; bytes",
        f"against float log-mel: {100 * close['within_1_lsb']:.4f} % within 1 LSB, at most {close['max_lsb']}, "
        f"{100 * close['identical']:.2f} % identical; {close['clips']:,} clips of {figures['audio']}"])


def version(program: str) -> str:
    return subprocess.run([emulator.need(program), "--version"], capture_output=True, text=True).stdout.splitlines()[0]


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    tau = parse_tau(args.tau)
    build = args.build or default_build(tau)
    tools = {"compiler": version(emulator.COMPILER), "emulator": version(emulator.EMULATOR)}
    emulator.plugin()
    name, clip, origin, audio = choose_audio(args.data)
    with frontend_on_core.source_folder(build / "firmware") as folder, ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda core: measure(core, folder, clip), CORES.values()))
    figures = {"tau": tau, "clip": name, "audio": origin, "pipeline": render.PIPELINE_ID, **tools,
               "boards": dict(zip(CORES, rows)), "fidelity": fidelity(audio)}
    write_text(build / BENCH, json.dumps(figures, indent=1) + "\n")
    print(f"{table(figures)}\n{build / BENCH}")
    reasons = failures(figures)
    for reason in reasons:
        print(f"failed: {reason}", file=sys.stderr)
    return 1 if reasons else 0


if __name__ == "__main__":
    sys.exit(main())
