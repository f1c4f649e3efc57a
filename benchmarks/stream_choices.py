"""How a stream is heard: over how many output columns its scores are averaged, and how sure of a word one must be.

    python -m benchmarks.stream_choices --tau 1 --data ~/speech_commands

Both are chosen on validation clips only. Prints the top-1 of streams (benchmarks/streaming.py) for each length, its loss
against the best one, paired, and the recall of silence and of unknown words: a short average answers sooner, a long
one is steadier. Then the same for each least probability. The defaults are engine.render.STREAM_COLUMNS and
training.description.SURE.

Then what rules like that of examples/baremetal report: of clips of keywords, how many are heard as that word alone, as
another or several, or not at all; of silence and unknown words, how many are taken for one. The example's own is
stricter than SURE, since a device that listens all day must not hear what was not said: how often it does
in an hour, benchmarks.false_accepts tells. Writes nothing.
"""
from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import clips, report_text, statistics, streaming
from benchmarks.decisions import EXAMPLE, RULES, Rule, reported, word_classes
from convert import result
from engine import golden, network
from engine.binding import Engine
from engine.render import STREAM_COLUMNS
from firmware_gen.inputs import needed_native_file
from training import workers
from training.description import SILENCE, SURE, UNKNOWN, parse_tau
from training.errors import OptionParser, UserError, one_line_errors

SURES = (0, 96, 112, 128, 140, 153, 166, 179, 192, 204, 217, 230, 242)
COLUMNS = (10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 101)
NOTHING, SEVERAL = -1, -2
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


class Answers(NamedTuple):
    """What is made of some clips' streams.

    of_length, of_sure: for each of COLUMNS and of SURES, the deciding scores, int32 [clips, classes].
    words: for each of RULES, what is reported of each clip: a class, or NOTHING or SEVERAL, int64 [clips].
    """

    of_length: dict[int, np.ndarray]
    of_sure: dict[int, np.ndarray]
    words: dict[Rule, np.ndarray]

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Those of all parts' clips, in their order."""
        return cls(*({key: np.concatenate([part[field][key] for part in parts]) for key in parts[0][field]}
                     for field in range(3)))


def answers(audio: np.ndarray, silence: int | None) -> Answers:
    """One task: int16 [clips, 16000]."""
    (engine, noises), = worker_tools
    made = engine.network
    logits = [streaming.hops(engine, clip, noises) for clip in audio]
    scores = {columns: [averaged(rows, columns) for rows in logits] for columns in COLUMNS}
    words = word_classes(made.labels)
    of_length = {columns: [] for columns in COLUMNS}
    of_sure = {sure: [] for sure in SURES}
    heard = {rule: [] for rule in RULES}
    for columns, clips_hops in scores.items():
        for hops in clips_hops:
            winner, certain = hops.argmax(1), streaming.certainty(made, hops)
            due = [streaming.due(values, columns) for values in (hops, certain)]
            of_length[columns].append(streaming.decide(*due, silence))
            if columns != STREAM_COLUMNS:
                continue
            for sure in SURES:
                of_sure[sure].append(streaming.decide(*due, silence, sure))
            for rule in RULES:
                said = [word for _, word in reported(winner, certain, words, rule)]
                heard[rule].append(said[0] if len(said) == 1 else SEVERAL if said else NOTHING)
    found = (of_length, of_sure, heard)
    return Answers(*({choice: np.array(rows) for choice, rows in field.items()} for field in found))


def rows(scores: dict[int, np.ndarray], target: np.ndarray, labels: Sequence[str]) -> tuple[dict[int, str], int, int]:
    """Of each choice, top-1, its loss against the best and two recalls, as text; the best, and the least that does not
    lose significantly against it.

    scores: for each choice, [clips, classes].
    """
    correct = {choice: (values.argmax(1) == target).sum() for choice, values in scores.items()}
    best = max(correct, key=correct.get)
    found, least = {}, best
    for choice, values in sorted(scores.items(), reverse=True):
        row = statistics.describe(values, target, list(labels))
        lost = statistics.compare(scores[best], values, target)
        if choice < best and lost["drop_ci95"][0] <= 0:
            least = choice
        recall = [row["recall"].get(label) for label in (SILENCE, UNKNOWN)]
        found[choice] = (f"{100 * row['top1']:>8.2f}%  {report_text.span(row['ci95'], 100):<15}"
                         f"{lost['drop_points']:>6.2f}  {report_text.span(lost['drop_ci95']):<15}"
                         + "".join(percentage(value) for value in recall))
    return dict(sorted(found.items())), best, least


def percentage(value: float | None) -> str:
    """A share as a cell of ten characters; empty for None."""
    return f"{'' if value is None else f'{100 * value:.1f}%':>10}"


def share(values: np.ndarray) -> float | None:
    """Of truths [n]; None where there are none."""
    return values.mean() if len(values) else None


HEADING = f"{'top-1':>9}  {'95 % interval':<15}{'loss':>6}  {'95 % interval':<15}{SILENCE:>10}{UNKNOWN:>10}"


def lengths_table(scores: dict[int, np.ndarray], target: np.ndarray, labels: Sequence[str], delay: int) -> str:
    """What each length gives, and which is the shortest that does not lose significantly against the best."""
    found, best, shortest = rows(scores, target, labels)
    lines = [f"{columns:>7}{streaming.lag_ms(delay, columns):>9}{row}" for columns, row in found.items()]
    return "\n".join([f"{'columns':>7}{'lag, ms':>9}{HEADING}", *lines,
                      f"best: {best}; the shortest that does not lose significantly against it: {shortest}; "
                      f"the default is {STREAM_COLUMNS}"])


def sures_table(scores: dict[int, np.ndarray], target: np.ndarray, labels: Sequence[str]) -> str:
    """What each least probability gives."""
    found, best, _ = rows(scores, target, labels)
    return "\n".join([f"{'sure':>11}{HEADING}", *(f"{sure:>4} of 255{row}" for sure, row in found.items()),
                      f"best: {best}; the default is {SURE}"])


def rules_table(words: dict[Rule, np.ndarray], target: np.ndarray, labels: Sequence[str]) -> str:
    """What each rule reports of keywords, and how often it takes the others for one."""
    others = {label: target == labels.index(label) for label in (SILENCE, UNKNOWN) if label in labels}
    spoken = ~np.isin(target, [labels.index(label) for label in others])
    lines = [f"{'sure':>11}{'hops':>6}{'heard':>10}{'wrong':>10}{'missed':>10}{SILENCE:>10}{UNKNOWN:>10}"]
    for rule, found in words.items():
        hit, missed = found == target, found == NOTHING
        cells = [share(hit[spoken]), share(~(hit | missed)[spoken]), share(missed[spoken])]
        cells += [share(~missed[others[label]]) if label in others else None for label in (SILENCE, UNKNOWN)]
        lines.append(f"{rule.sure:>4} of 255{rule.hops:>6}" + "".join(percentage(cell) for cell in cells))
    return "\n".join([*lines, f"the rule of examples/baremetal: {EXAMPLE}"])


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.stream_choices", __doc__)
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
    labels, path = conversion["labels"], needed_native_file(build, conversion)
    part, = clips.choose(args.data, "validation", labels)
    if part.passed_over:
        print(part.passed_over)
    recordings = clips.decode([part], labels)
    background, silence = clips.background(args.data), streaming.silence_index(labels)
    column_engine(path)  # compiled once, and not by every worker at the same time
    tasks = [(recordings.audio[start:start + CHUNK], silence) for start in range(0, len(recordings.audio), CHUNK)]
    parts = workers.in_order(answers, tasks, "streaming", "clip", None, note_tools, (path, background.noises))
    found, target = Answers.joined(parts), recordings.target
    print(f"{build}: {len(target)} clips, {' and '.join(recordings.origins)}; noise: {background.origin}")
    print(lengths_table(found.of_length, target, labels, conversion["native"]["delay_columns"]))
    print("\n" + sures_table(found.of_sure, target, labels))
    print("\n" + rules_table(found.words, target, labels))


if __name__ == "__main__":
    sys.exit(main())
