"""Measure the cost of feature pipeline and engine on emulated Cortex-M cores, and check that they are bit-exact there.

    python -m benchmarks.bench --tau 1
    python -m benchmarks.bench --tau 1 --data ~/speech_commands --core cortex-m55

Writes bench.json into the build folder. Instructions are counted over a clip of --data or $GSC_ROOT where one is named, else
over one of examples/. They are executed instructions, not cycles; two runs give the same figures. Exit status: 0 when all
is bit-exact and within its limits (limits.py), 1 when not, 2 for bad input.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.accuracy import clips
from benchmarks.cost import (
    bench_text,
    default_names,
    detector_on_core,
    emulator,
    engine_layers,
    engine_on_core,
    frontend_on_core,
    limits,
)
from benchmarks.cost.emulator import CORES, Core
from benchmarks.cost.engine_on_core import Firmware
from common import locks, options
from common.atomic import write_text
from common.audio import read_clip
from common.build_folder import BENCH, CONVERSION
from common.description import FEATURES, STREAM_COLUMNS, FeatureDescription, windowed
from common.errors import OptionParser, UserError, one_line_errors
from common.reading import json_object, shown
from common.shipped import EXAMPLES
from detector.settings import Threshold, preset_of, usual_pause
from engine import golden as engine_golden, render as engine_render
from frontend import binding, golden, render
from training.data import dataset

WORD = "yes"  # the clip that instructions are counted over
FOLLOWING = 3
"""Clips after the first in the stream."""
THRESHOLD = Threshold(64, 4)
"""Of every class, when the detector is measured."""


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m benchmarks.bench", __doc__)
    options.add_tau(parser)
    options.add_build(parser)
    options.add_data(parser, "folder with Speech Commands or <label>/*.wav", "examples/")
    parser.add_argument(
        "--core",
        choices=CORES,
        default="cortex-m4",
        help="the core whose instructions are shown layer by layer (default cortex-m4)",
    )
    return parser.parse_args(argv)


def choose_audio(data: Path | None, clip_samples: int = FEATURES.clip_samples) -> tuple[str, np.ndarray, str, np.ndarray]:
    """The audio to measure on: name and samples int16 [clip_samples] of one clip; name and samples int16 [n, clip_samples]
    of all."""
    if data is None:
        paths = sorted(EXAMPLES.glob("*.wav"))
        if not paths:
            raise UserError(f"{EXAMPLES}: no wav files; run `python examples/synthesise.py`, or name audio with --data")
        audio = np.stack([read_clip(path, clip_samples) for path in paths])
        names = [path.stem for path in paths]
        index = names.index(WORD) if WORD in names else 0
        return f"examples/{paths[index].name}", audio[index], "examples/", audio
    (part,) = clips.choose(data, None, None)
    audio = dataset.read_clips(part.clips, part.noises, clip_samples=clip_samples)
    spoken = [index for index, clip in enumerate(part.clips) if clip.path]
    index = next((index for index in spoken if part.clips[index].label == WORD), spoken[0])
    chosen = part.clips[index]
    return f"{shown(chosen.word_folder.parent.name)}/{chosen.name}", audio[index], part.origin, audio


def measure_frontend(core: Core, folder: Path, clip: np.ndarray) -> dict:
    """The feature pipeline's figures on one core, for the sources in `folder` over one clip int16 [samples of the
    window]."""
    with tempfile.TemporaryDirectory() as work:
        image = frontend_on_core.build(core, folder, Path(work) / "frontend.elf")
        state = emulator.symbols(image.path)["state"].size
        done = frontend_on_core.features(image, clip[None], [FEATURES.hop])
    size = frontend_on_core.footprint(core, folder)
    bit_exact = np.array_equal(done.whole[0], golden.columns(clip[None])[0]) and np.array_equal(
        done.stream[0], golden.stream(clip)
    )
    (call,) = done.run.calls[frontend_on_core.CLIP]
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
        "frontend_tables_bytes": size["constants"],
        "frontend_ram_bytes": size["ram"],
        "bit_exact": bit_exact,
    }


def fidelity(audio: np.ndarray) -> dict:
    """Device features of clips int16 [n, samples] against the float log-mel, quantised the same way."""
    from training.features import log_mel  # PyTorch loads slowly; bad input is refused before

    expected = FEATURES.quantize(log_mel(audio)).astype(np.int16)
    difference = np.abs(binding.columns(audio) - expected)
    return {
        "within_1_lsb": float((difference <= 1).mean()),
        "max_lsb": int(difference.max()),
        "identical": float((difference == 0).mean()),
        "clips": len(audio),
    }


def measure_engine(core: Core, firmware: Firmware, windows: np.ndarray, columns: np.ndarray) -> dict:
    """The native engine's figures on one core, counted over the first of `windows` and the stream.

    windows: int8 [n, 40, columns of the window]. columns: int8 [m, 40], a stream.
    """
    calls = [*map(engine_on_core.window, windows), *engine_on_core.stream(columns)]
    with tempfile.TemporaryDirectory() as work:
        image = engine_on_core.build(core, firmware, Path(work) / "engine.elf")
        done = engine_on_core.run(
            image, calls, (engine_on_core.WINDOW, engine_on_core.HOP, *engine_layers.FUNCTIONS.values())
        )
    size = engine_on_core.footprint(core, firmware)
    made = firmware.network
    streamed = engine_on_core.stream_scores(made, columns, done.stream_columns)
    window = done.run.calls[engine_on_core.WINDOW][0]
    return {
        "network_window": window,
        "network_hop": max(done.run.calls[engine_on_core.HOP]),
        "engine_state_bytes": done.engine_state,
        "stream_state_bytes": done.stream_state,
        "engine_flash_bytes": size["flash"],
        "engine_code_bytes": size["code"],
        "engine_constants_bytes": size["constants"],
        "engine_weights_bytes": size["weights"],
        "engine_tables_bytes": size["constants"] - size["weights"],
        "engine_ram_bytes": size["ram"],
        "stack_bytes": done.stack,
        "bit_exact": (
            np.array_equal(done.scores[: len(windows)], engine_golden.window(made, windows))
            and np.array_equal(done.scores[-len(streamed) :], streamed)
        ),
        "layers": engine_layers.by_layer(made, done.run.calls, window),
    }


def measure_detector(core: Core, folder: Path, firmware: Firmware, scores: np.ndarray) -> dict:
    """The detector's figures on one core, for the sources in `folder`: from scores to an answer, kws_best() included.

    scores: int16 [n, classes], of a stream. The mean is over these, the greatest count over hard ones as well.
    """
    classes = scores.shape[1]
    preset = preset_of([THRESHOLD] * classes, usual_pause(firmware.network.labels), firmware.network.labels)
    given = np.concatenate([scores, detector_on_core.hard_scores(classes)])
    hops = [1] * len(given)
    with tempfile.TemporaryDirectory() as work:
        image = detector_on_core.build(core, folder, firmware, Path(work) / "detector.elf")
        done = detector_on_core.words(image, given, hops, preset)
    size = detector_on_core.footprint(core, folder)
    counts = done.run.calls[detector_on_core.HOP]
    return {
        "detector_hop": max(counts),
        "detector_hop_mean": round(float(np.mean(counts[: len(scores)])), 1),
        "detector_state_bytes": done.state_bytes,
        "detector_stack_bytes": done.stack,
        "detector_flash_bytes": size["flash"],
        "detector_ram_bytes": size["ram"],
        "bit_exact": done.events == detector_on_core.expected(firmware.network, given, hops, preset),
    }


def detector_scores(firmware: Firmware, clip: np.ndarray, audio: np.ndarray) -> np.ndarray:
    """The scores int16 [n, classes] of the stream that the engine is measured over."""
    return engine_on_core.stream_scores(firmware.network, engine_inputs(clip, audio)[1], STREAM_COLUMNS)


def engine_inputs(clip: np.ndarray, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The engine's inputs: windows int8 [3, 40, columns], the clip's first and then both extremes of a feature, and the
    columns int8 [n, 40] of a stream of several seconds that begins with the clip."""
    window = golden.columns(clip[None])[0].T
    windows = np.stack([window, *(np.full_like(window, value) for value in (-128, 127))])
    return windows, golden.stream(np.concatenate([clip, *audio[:FOLLOWING]]))


def measure(
    core: Core, folder: Path, firmware: Firmware | None, detector: Path | None, clip: np.ndarray, audio: np.ndarray
) -> dict:
    """All figures of one core: of the feature pipeline in `folder` and, where there are some, of engine and detector."""
    row = measure_frontend(core, folder, clip)
    if firmware is None or detector is None:
        return row
    engine = measure_engine(core, firmware, *engine_inputs(clip, audio))
    words = measure_detector(core, detector, firmware, detector_scores(firmware, clip, audio))
    every = row | engine | words
    exact = all(part["bit_exact"] for part in (row, engine, words))
    return every | {"bit_exact": exact, "static_ram": static_ram(every)}


def static_ram(row: dict) -> dict[str, int]:
    """Bytes of RAM that an application sets aside, by the variable that it declares; the sources have none of their own
    (`engine_ram_bytes`, `frontend_ram_bytes`, `detector_ram_bytes`)."""
    return {
        "kws_frontend": row["frontend_state_bytes"],
        "kws_engine": row["engine_state_bytes"] + row["stream_state_bytes"],
        "kws_detector": row["detector_state_bytes"],
    }


def version(program: str) -> str:
    return subprocess.run(
        [emulator.need(program), "--version"], capture_output=True, text=True, errors="replace"
    ).stdout.splitlines()[0]


@one_line_errors
def main(argv: list[str] | None = None) -> int:
    args = parse_arguments(argv)
    build, tau = options.build_and_tau(args)
    tools = {"compiler": version(emulator.COMPILER), "emulator": version(emulator.EMULATOR)}
    emulator.plugin()
    with locks.writing(build):
        locks.try_to_write(build)
        reasons = count(build, tau, args, tools)
    for reason in reasons:
        print(f"failed: {reason}", file=sys.stderr)
    return 1 if reasons else 0


def converted_features(build: Path) -> FeatureDescription:
    """The features of a build whose network the native engine cannot hold; those of a second where nothing was converted."""
    try:
        return windowed(json_object((build / CONVERSION).read_bytes())["features"]["clip_samples"])
    except (OSError, ValueError, KeyError, TypeError):
        return FEATURES


def count(build: Path, tau: float, args: argparse.Namespace, tools: dict[str, str]) -> list[str]:
    """Measure a build, print and write its figures; returns a line for each that is not bit-exact or beyond its limit."""
    with contextlib.ExitStack() as stack:
        sources = stack.enter_context(default_names.firmware_of(build))
        firmware = engine_on_core.find(build, tau, sources)
        features = firmware.network.features if firmware else converted_features(build)
        name, clip, origin, audio = choose_audio(args.data, features.clip_samples)
        folder = stack.enter_context(frontend_on_core.source_folder(sources, features))
        pool = stack.enter_context(ThreadPoolExecutor(2))
        detector = None
        if firmware:
            detector = stack.enter_context(detector_on_core.source_folder(sources, firmware.network.labels))
        rows = list(pool.map(lambda core: measure(core, folder, firmware, detector, clip, audio), CORES.values()))
    boards = dict(zip(CORES, rows))
    figures = {
        "tau": tau,
        "clip": name,
        "audio": origin,
        "clip_samples": features.clip_samples,
        "pipeline": render.pipeline_id(features),
        "engine": engine_render.engine_id(firmware.network) if firmware else None,
        **tools,
        "boards": boards,
        "fidelity": fidelity(audio),
    }
    write_text(build / BENCH, json.dumps(figures, indent=1) + "\n")
    print(bench_text.table(figures))
    if firmware:
        print(
            f"instructions of a window on {args.core}\n" + engine_layers.table(firmware.network, boards[args.core]["layers"])
        )
    else:
        print(f"{build}: the native engine is not measured: {engine_on_core.why_none(build, tau)}")
    print(build / BENCH)
    return limits.failures(figures)
