"""Measure the cost of every width of the network on every emulated core, and check that it is bit-exact there.

    python -m benchmarks.scaling
    python -m benchmarks.scaling --data ~/speech_commands

Writes build/bench_all.json. A converted width runs its own network (build/tau<T>), any other one random weights,
as its rows say. Sizes do not depend on the weights; instructions do on Cortex-M0 only, by less than 1 %, since it has no
saturating instructions. Exit status: 0 when all is bit-exact and within its limits (limits.py), 1 when not, 2 for bad input.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.cost import (
    bench,
    bench_text,
    default_names,
    detector_on_core,
    emulator,
    engine_on_core,
    frontend_on_core,
    limits,
)
from benchmarks.cost.emulator import CORES
from benchmarks.cost.engine_on_core import Firmware
from common import locks, options
from common.atomic import write_text
from common.build_folder import default_build
from common.description import FEATURES, LABELS, TAUS
from common.errors import OptionParser, one_line_errors
from engine import render as engine_render
from engine.random_network import random_network
from frontend import render

BENCH_ALL = Path("build/bench_all.json")
CONVERTED, RANDOM = "converted", "random"
"""Sources of the weights."""


@contextlib.contextmanager
def firmware(tau: float) -> Iterator[tuple[str, Firmware]]:
    """The source of the weights, `CONVERTED` or `RANDOM`, and the engine of this tau: the build's, where its window and its
    labels are those of all widths, else of random weights.

    Raises UserError where the build has an engine, but not the present one.
    """
    build = default_build(tau)
    with locks.reading(build), default_names.firmware_of(build) as sources:
        found = engine_on_core.find(build, tau, sources)
        if found and found.network.features == FEATURES and found.network.labels == LABELS:
            yield CONVERTED, found
            return
    with tempfile.TemporaryDirectory() as folder:
        made = random_network(tau)
        for name, text in engine_render.sources(made).items():
            write_text(Path(folder) / name, text)
        yield RANDOM, Firmware(made, Path(folder))


def measure(taus: Sequence[float], clip: np.ndarray, audio: np.ndarray) -> dict:
    """Figures of the feature pipeline, of engines of these widths and of the detector behind the first of them, on every
    core; see bench.json for their keys.

    clip: int16 [16000], what instructions are counted over. audio: int16 [n, 16000], what follows in the stream.
    Returns {"frontend": {core: figures}, "detector": {core: figures}, "taus": {"1.5": {"weights", "engine", "boards":
    {core: figures}}}}.
    """
    inputs = bench.engine_inputs(clip, audio)
    widths: dict[str, dict] = {}
    detector: dict[str, dict] = {}
    with ThreadPoolExecutor(2) as pool, tempfile.TemporaryDirectory() as nothing:
        with frontend_on_core.source_folder(Path(nothing)) as folder:
            frontend = dict(zip(CORES, pool.map(lambda core: bench.measure_frontend(core, folder, clip), CORES.values())))
        for tau in taus:
            with firmware(tau) as (weights, made):
                rows = list(pool.map(lambda core: bench.measure_engine(core, made, *inputs), CORES.values()))
                detector = detector or detector_of(made, bench.detector_scores(made, clip, audio))
            for row in rows:
                del row["layers"]
            widths[f"{tau:g}"] = {
                "weights": weights,
                "engine": engine_render.engine_id(made.network),
                "boards": dict(zip(CORES, rows)),
            }
    return {"frontend": frontend, "detector": detector, "taus": widths}


def detector_of(made: Firmware, scores: np.ndarray) -> dict[str, dict]:
    """The detector's figures on every core, freshly rendered; scores: int16 [n, classes] of this engine."""
    with (
        tempfile.TemporaryDirectory() as nothing,
        ThreadPoolExecutor(2) as pool,
        detector_on_core.source_folder(Path(nothing), made.network.labels) as folder,
    ):
        rows = pool.map(lambda core: bench.measure_detector(core, folder, made, scores), CORES.values())
        return dict(zip(CORES, rows))


def versions() -> dict[str, str]:
    """Versions of compiler and emulator. UserError where one is not installed."""
    emulator.plugin()
    return {"compiler": bench.version(emulator.COMPILER), "emulator": bench.version(emulator.EMULATOR)}


def failures(figures: dict) -> list[str]:
    """Why the command fails, a line each: what is not bit-exact or beyond its limit."""
    lines = limits.of_cores(figures["frontend"], None, "features")
    lines += limits.of_cores(figures["detector"], None, "words")
    for tau, width in figures["taus"].items():
        lines += [f"tau {tau}, {line}" for line in limits.of_cores(width["boards"], float(tau), "scores")]
    return lines


def table(figures: dict) -> str:
    """Every width on every core as the terminal shows it."""
    lines = []
    for core in CORES:
        rows = [["tau", "weights", *bench_text.ENGINE.values(), "bit-exact"]]
        for tau, width in figures["taus"].items():
            row = width["boards"][core]
            rows.append(
                [tau, width["weights"], *(f"{row[key]:,}" for key in bench_text.ENGINE), "yes" if row["bit_exact"] else "NO"]
            )
        hop = figures["frontend"][core]["frontend_hop"]
        lines += [f"{core}: feature pipeline {hop:,} instructions a hop", *bench_text.aligned(rows)]
    return "\n".join(
        [
            *lines,
            f"instructions executed (no cycles) over {figures['clip']}: a window of one second, a hop "
            "of 10 ms with its scores; bytes",
        ]
    )


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    parser = OptionParser("python -m benchmarks.scaling", __doc__)
    options.add_data(parser, "folder with Speech Commands or <label>/*.wav", "examples/")
    args = parser.parse_args(argv)
    tools = versions()
    name, clip, origin, audio = bench.choose_audio(args.data)
    figures = {"clip": name, "audio": origin, "pipeline": render.pipeline_id(), **tools, **measure(TAUS, clip, audio)}
    write_text(BENCH_ALL, json.dumps(figures, indent=1) + "\n")
    print(table(figures))
    print(BENCH_ALL)
    reasons = failures(figures)
    for reason in reasons:
        print(f"failed: {reason}", file=sys.stderr)
    return 1 if reasons else 0
