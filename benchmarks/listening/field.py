"""The field test: the same clips quiet, saturated, in rooms, behind music and noise, through poor microphones.

    python -m benchmarks.field_test --tau 1 --data ~/speech_commands
    python -m benchmarks.field_test --tau 1 --data ~/speech_commands --split testing --noise ~/noises

Each row of the table is a condition (benchmarks/listening/conditions.py). Window: top-1 of clips as windows. Reported:
the share of keyword clips that the detector reports at medium sensitivity, and nothing else beside them, each in a
stream of background noise (benchmarks/listening/streaming.py) that goes through the condition as a whole. Features and
network are the generated C. Everything random is seeded by condition and clip: rooms are simulated, music is synthetic,
babble is made of the clips of other words. Choose on validation clips, which are the default; `--split testing` gives the
figures. Writes field.json into the build folder, which the report shows.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.accuracy import clips
from benchmarks.listening import conditions, streaming
from benchmarks.listening.conditions import CONDITIONS, Condition, Material, Word
from benchmarks.listening.decided import made_by
from benchmarks.report import text as report_text
from common import build_folder, locks, options, worker_tools, workers
from common.atomic import write_text
from common.description import SILENCE, UNKNOWN
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import wilson
from detector.binding import Detector
from detector.settings import MEDIUM, Preset
from engine import network
from engine.binding import Engine
from firmware_gen.inputs import detector_settings, needed_native_file
from frontend import binding
from training.data import dataset
from training.field import backgrounds, music, sound

EACH = 42
"""Clips of each class."""
CHUNK = 32
"""Clips of one task."""


class Tools(NamedTuple):
    """What a worker needs. noises: around the clips of streams."""

    engine: Engine
    detector: Detector
    material: Material
    noises: Sequence[np.ndarray]


class Task(NamedTuple):
    """Some clips, int16 [clips, 16000], in one condition; `words` of each. stream: as streams, else as windows."""

    audio: np.ndarray
    words: Sequence[Word]
    condition: int
    stream: bool


def make_tools(path: Path, preset: Preset, material: Material, noises: Sequence[np.ndarray]) -> Tools:
    """Those of a worker. path: of the integer network. preset: the detector's."""
    torch.set_num_threads(1)
    return Tools(Engine(network.load(path)), Detector(preset), material, noises)


def answers(audio: np.ndarray, words: Sequence[Word], condition: int, stream: bool) -> np.ndarray:
    """A task: the class of each clip, int64 [clips]; of streams the word that was reported alone, else -1."""
    tools = worker_tools.get()
    which = CONDITIONS[condition]
    if not stream:
        changed = [conditions.applied(which, clip, word, tools.material) for clip, word in zip(audio, words)]
        return tools.engine.windows(binding.columns(np.stack(changed))).argmax(1)
    return np.array([reported(tools, which, clip, word) for clip, word in zip(audio, words)])


def reported(tools: Tools, condition: Condition, clip: np.ndarray, word: Word) -> int:
    """The class of the word that is reported alone in a clip's stream, else -1."""
    heard = conditions.applied(condition, streaming.embed(clip, tools.noises), word, tools.material)
    scores = tools.engine.stream(binding.Stream().feed(heard))
    tools.detector.reset()
    events = tools.detector.feed(*tools.engine.best(scores))
    return events[0][1].word if len(events) == 1 else -1


def some_of_each(found: Sequence[dataset.Clip], each: int) -> list[dataset.Clip]:
    """At most `each` clips of every label, chosen by the hash of their names; all where `each` is 0."""
    if not each:
        return list(found)
    labels = dict.fromkeys(clip.label for clip in found)
    return [
        clip for label in labels for clip in dataset.first_by_hash([clip for clip in found if clip.label == label], each)
    ]


def levels(audio: np.ndarray, spoken: np.ndarray) -> list[Word]:
    """The level of each clip int16 [clips, 16000]; of those that are not `spoken`, bool [clips], the words' median."""
    level = sound.level(torch.from_numpy(audio.astype(np.float64) / sound.FULL_SCALE)).numpy()
    typical = float(np.median(level[spoken] if spoken.any() else level))
    return [Word(float(own) if is_word else typical) for own, is_word in zip(level, spoken)]


def make_material(others: np.ndarray, noise: Sequence[Path]) -> Material:
    """Rooms, music, babble of the clips `others`, int16 [clips, 16000], and the noises of folders."""
    rng = np.random.default_rng(conditions.SEED)
    made = {"music": music.pieces(conditions.PIECES, backgrounds.SECONDS, conditions.SEED)}
    speech = others.reshape(-1)
    if len(speech) > 2 * backgrounds.SECONDS * backgrounds.RATE:
        made["babble"] = [backgrounds.babble(speech, rng) for _ in range(conditions.PIECES)]
    if noise:
        made["noise"] = backgrounds.noises(noise)
    return Material(conditions.make_rooms(), made)


def share(right: np.ndarray) -> dict:
    """A share of flags bool [n] with its interval, JSON-ready."""
    return {
        "right": int(right.sum()),
        "clips": len(right),
        "share": float(right.mean()),
        "ci95": list(wilson(int(right.sum()), len(right))),
    }


def measure(
    path: Path,
    preset: Preset,
    audio: np.ndarray,
    target: np.ndarray,
    labels: Sequence[str],
    material: Material,
    noises: Sequence[np.ndarray],
    processes: int | None = None,
) -> list[dict]:
    """The rows of the table, JSON-ready: `group`, `title`, `window`, and `reported` where streams were measured.

    path: of the integer network. preset: the detector's. audio: int16 [clips, 16000]. target: class indices [clips].
    """
    spoken = np.array([labels[index] != SILENCE for index in target])
    keywords = np.array([labels[index] not in (SILENCE, UNKNOWN) for index in target])
    words = levels(audio, spoken)
    rows = [index for index, condition in enumerate(CONDITIONS) if conditions.measured(condition, material)]
    tasks, owners = [], []
    for index in rows:
        for stream in (False, True)[: 1 + CONDITIONS[index].stream]:
            chosen = np.flatnonzero(keywords) if stream else np.arange(len(audio))
            for start in range(0, len(chosen), CHUNK):
                some = chosen[start : start + CHUNK]
                tasks.append(Task(audio[some], [words[clip] for clip in some], index, stream))
                owners.append((index, stream, some))
    Engine(network.load(path))  # compiled once, and not by every worker at the same time
    found = workers.in_order(
        answers,
        tasks,
        "listening",
        "clip",
        processes,
        worker_tools.prepare,
        (make_tools, path, preset, material, noises),
    )
    right: dict[tuple[int, bool], list[np.ndarray]] = {}
    for (index, stream, some), classes in zip(owners, found):
        right.setdefault((index, stream), []).append(classes == target[some])
    return [
        {
            "group": CONDITIONS[index].group,
            "title": CONDITIONS[index].title,
            "window": share(np.concatenate(right[index, False])),
            "reported": share(np.concatenate(right[index, True])) if (index, True) in right else None,
        }
        for index in rows
    ]


def table(rows: Sequence[dict]) -> str:
    """The rows as text."""
    lines = [f"{'':<42}{'window':>8}  {'95 % interval':<15}{'reported':>10}  95 % interval"]
    for row in rows:
        cells = [
            f"{100 * found['share']:.1f}" + f"  {report_text.span(found['ci95'], 100):<15}" if found else ""
            for found in (row["window"], row["reported"])
        ]
        lines.append(f"{report_text.condition(row):<44}{cells[0]}{cells[1]:>27}".rstrip())
    return "\n".join(lines)


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m benchmarks.field_test", __doc__)
    options.add_tau(parser)
    options.add_build(parser)
    options.add_data(parser, "folder that holds both official archives, or one of them, or <label>/*.wav")
    parser.add_argument("--split", choices=("validation", "testing"), help="default validation, where there is that split")
    parser.add_argument(
        "--each", type=int, default=EACH, metavar="CLIPS", help=f"clips of each class (default {EACH}; 0: all)"
    )
    parser.add_argument(
        "--noise",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="recordings of noises that no network learnt from (more than once: several folders)",
    )
    options.add_processes(parser)
    args = parser.parse_args(argv)
    if args.each < 0 or args.processes < 1:
        raise UserError("--each must be at least 0, --processes at least 1")
    if args.data is None:
        raise UserError("no audio named: give --data DIR, or set GSC_ROOT")
    return args


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    build, tau = options.build_and_tau(args)
    conversion = build_folder.load(build)
    labels, path = conversion["labels"], needed_native_file(build, conversion)
    decided = detector_settings(build, conversion)
    split = args.split or ("validation" if clips.archives(args.data)[0] else None)
    parts = clips.choose(args.data, split, labels)
    for part in parts:
        if part.passed_over:
            print(part.passed_over)
    samples = conversion["features"]["clip_samples"]
    unknown = [dataclasses.replace(part, clips=[clip for clip in part.clips if clip.label == UNKNOWN]) for part in parts]
    others = clips.decode(unknown, labels, samples)
    some = [dataclasses.replace(part, clips=some_of_each(part.clips, args.each)) for part in parts]
    recordings = clips.decode(some, labels, samples)
    background = clips.background(args.data)
    print(f"{build}: {len(recordings.target)} clips, {' and '.join(recordings.origins)}", flush=True)
    rows = measure(
        path,
        decided.preset(MEDIUM),
        recordings.audio,
        recordings.target,
        labels,
        make_material(others.audio, args.noise),
        background.noises,
        args.processes,
    )
    command = ["python", "-m", "benchmarks.field_test", "--tau", f"{tau:g}", "--data", "DATA"]
    command += ["--split", split] if split else []
    command += ["--each", str(args.each)] * (args.each != EACH) + ["--noise", "NOISE"] * bool(args.noise)
    figures = {
        "measured": datetime.date.today().isoformat(),
        "command": shlex.join(command),
        "clips": len(recordings.target),
        "data": {"origin": " and ".join(recordings.origins), "sha256": recordings.sha256},
        "background": background.origin,
        "sensitivity": MEDIUM,
        **made_by(conversion["native"]["sha256"], decided),
        "rows": rows,
    }
    with locks.rewriting(build):
        write_text(build / build_folder.FIELD, json.dumps(figures, indent=1) + "\n")
    print(f"{table(rows)}\n{build / build_folder.FIELD}")
