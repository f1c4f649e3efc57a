"""Over how many output columns should a stream's scores be averaged? The default is chosen on validation clips only.

    python -m benchmarks.stream_columns --tau 1 --data ~/speech_commands

Prints the top-1 of streams (benchmarks/streaming.py) for each length, its loss against the best one, paired, and the
recall of silence and of unknown words: a short average answers sooner, a long one is steadier. The default is
engine.render.STREAM_COLUMNS. Writes nothing.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks import clips, report_text, statistics, streaming
from convert import result
from engine import golden, network
from engine.binding import Engine
from engine.render import STREAM_COLUMNS
from firmware_gen.inputs import native_file
from training import workers
from training.description import SILENCE, UNKNOWN, parse_tau
from training.errors import UserError, one_line_errors

COLUMNS = (10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 101)
CHUNK = 32


def averaged(logits: np.ndarray, columns: int) -> np.ndarray:
    """Logits of every column int16 [hops, classes] -> scores over so many, [hops - columns + 1, classes], as in C."""
    sums = np.cumsum(np.pad(logits.astype(np.int64), ((1, 0), (0, 0))), 0)
    return golden.average(sums[columns:] - sums[:-columns], columns)


worker_tools: list[tuple[Engine, Sequence[np.ndarray]]] = []
"""In a worker, the engine that averages over one column, and the recordings of noise; in the parent, empty."""


def note_tools(path: Path, noises: Sequence[np.ndarray]) -> None:
    """Load this worker's engine and keep its noise."""
    worker_tools.append((column_engine(path), noises))


def column_engine(path: Path) -> Engine:
    """The engine whose scores are single columns' logits."""
    return Engine(network.load(path), ("-DKWS_STREAM_COLUMNS=1",))


def deciding(audio: np.ndarray, silence: int | None) -> dict[int, np.ndarray]:
    """One task: int16 [clips, 16000] -> for each of `COLUMNS` the deciding scores int16 [clips, classes]."""
    (engine, noises), = worker_tools
    logits = [streaming.hops(engine, clip, noises) for clip in audio]
    return {columns: np.stack([streaming.decide(streaming.due(averaged(rows, columns), columns), silence)
                               for rows in logits]) for columns in COLUMNS}


def table(scores: dict[int, np.ndarray], target: np.ndarray, labels: Sequence[str], delay: int) -> str:
    """What each length gives, and which is the shortest that does not lose significantly against the best.

    scores: for each length, int16 [clips, classes].
    """
    correct = {columns: (values.argmax(1) == target).sum() for columns, values in scores.items()}
    best = max(correct, key=correct.get)
    lines = [f"{'columns':>7}{'lag, ms':>9}{'top-1':>9}  {'95 % interval':<15}{'loss':>6}  {'95 % interval':<15}"
             f"{SILENCE:>10}{UNKNOWN:>10}"]
    shortest = best
    for columns, values in sorted(scores.items(), reverse=True):
        row = statistics.describe(values, target, list(labels))
        lost = statistics.compare(scores[best], values, target)
        if columns < best and lost["drop_ci95"][0] <= 0:
            shortest = columns
        recall = [row["recall"].get(label) for label in (SILENCE, UNKNOWN)]
        lines.insert(1, f"{columns:>7}{streaming.lag_ms(delay, columns):>9}{100 * row['top1']:>8.2f}%  "
                        f"{report_text.span(row['ci95'], 100):<15}{lost['drop_points']:>6.2f}  "
                        f"{report_text.span(lost['drop_ci95']):<15}"
                        + "".join(f"{'' if value is None else f'{100 * value:.1f}%':>10}" for value in recall))
    return "\n".join([*lines, f"best: {best}; the shortest that does not lose significantly against it: {shortest}; "
                              f"the default is {STREAM_COLUMNS}"])


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream_columns", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tau", default="1", help="width of the network (default 1)")
    parser.add_argument("--build", type=Path, help="folder of the build (default build/tau<T>)")
    parser.add_argument("--data", type=Path, default=os.environ.get("GSC_ROOT") or None,
                        help="folder that holds the training archive (default $GSC_ROOT)")
    args = parser.parse_args(argv)
    tau = parse_tau(args.tau)
    if args.data is None:
        raise UserError("no audio named: give --data DIR, or set GSC_ROOT")
    build = args.build or result.default_build(tau)
    conversion = result.load(build)
    labels, path = conversion["labels"], native_file(build, conversion)
    if path is None:
        raise UserError(f"{build}: no native engine for this network ({conversion['native']['refused']})")
    recordings = clips.decode(clips.choose(args.data, "validation", labels), labels)
    background, silence = clips.background(args.data), streaming.silence_index(labels)
    column_engine(path)  # compiled once, and not by every worker at the same time
    parts = {}
    tasks = [(recordings.audio[start:start + CHUNK], silence) for start in range(0, len(recordings.audio), CHUNK)]
    with tqdm(total=len(recordings.audio), desc="streaming", unit="clip", disable=None) as bar:
        for index, scores in workers.run(deciding, tasks, None, note_tools, (path, background.noises)):
            parts[index] = scores
            bar.update(len(tasks[index][0]))
    scores = {columns: np.concatenate([parts[index][columns] for index in range(len(tasks))]) for columns in COLUMNS}
    print(f"{build}: {len(recordings.target)} clips, {' and '.join(recordings.origins)}; noise: {background.origin}\n"
          + table(scores, recordings.target, labels, conversion["native"]["delay_columns"]))


if __name__ == "__main__":
    sys.exit(main())
