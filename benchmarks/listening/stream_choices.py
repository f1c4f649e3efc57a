"""Parameters of a stream, compared: columns that its scores are averaged over, least probability, decision rule.

    python -m benchmarks.stream_choices --tau 1 --data ~/speech_commands

All are chosen on validation clips only. Prints the top-1 of streams (benchmarks/listening/streaming.py) for each length of
the average, its paired loss against the best length, and the recall of silence and of unknown words: a short average
answers sooner, a long one has less noise. Then the same for each least probability. The defaults are
engine.render.STREAM_COLUMNS and common.description.DETECTION_THRESHOLD.

Then the reports of rules like that of examples/baremetal: the share of keyword clips reported as that keyword alone, as
another or as several, and not at all; and the share of silence and unknown words reported as a keyword. The example's own
rule is stricter than DETECTION_THRESHOLD, to keep false accepts low: benchmarks.false_accepts counts them. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from benchmarks.accuracy import clips, statistics
from benchmarks.listening import streaming
from benchmarks.listening.decisions import EXAMPLE, RULES, Rule, reported, word_classes
from benchmarks.report import text as report_text
from common import build_folder, options, worker_tools, workers
from common.description import DETECTION_THRESHOLD, SILENCE, UNKNOWN
from common.errors import OptionParser, UserError, one_line_errors
from engine import golden, network
from engine.binding import Engine
from engine.render import STREAM_COLUMNS
from firmware_gen.inputs import needed_native_file

PROBABILITIES = (0, 96, 112, 128, 140, 153, 166, 179, 192, 204, 217, 230, 242)
COLUMNS = (10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 90, 101)
NOTHING, SEVERAL = -1, -2
CHUNK = 32
"""Clips of one task."""
Key = TypeVar("Key")


def make_tools(path: Path, noises: Sequence[np.ndarray]) -> tuple[Engine, Sequence[np.ndarray]]:
    """A worker's engine, which averages over one column, and its recordings of noise."""
    return column_engine(path), noises


def column_engine(path: Path) -> Engine:
    """The engine whose scores are single columns' logits."""
    return Engine(network.load(path), ("-DKWS_STREAM_COLUMNS=1",))


class Answers(NamedTuple):
    """The answers to some clips' streams.

    by_length, by_probability: for each of COLUMNS and of PROBABILITIES, the deciding scores, int32 [clips, classes].
    words: for each of RULES, the report of each clip: a class, or NOTHING or SEVERAL, int64 [clips].
    """

    by_length: dict[int, np.ndarray]
    by_probability: dict[int, np.ndarray]
    words: dict[Rule, np.ndarray]

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Those of all parts' clips, in their order."""
        return cls(
            joined([part.by_length for part in parts]),
            joined([part.by_probability for part in parts]),
            joined([part.words for part in parts]),
        )


def joined(parts: Sequence[dict[Key, np.ndarray]]) -> dict[Key, np.ndarray]:
    """Arrays of several parts, one after the other, by their key."""
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def answers(audio: np.ndarray, silence: int | None) -> Answers:
    """One task: int16 [clips, 16000]."""
    engine, noises = worker_tools.get()
    made = engine.network
    logits = [streaming.hops(engine, clip, noises) for clip in audio]
    scores = {columns: [golden.moving_average(rows, columns) for rows in logits] for columns in COLUMNS}
    words = word_classes(made.labels)
    by_length: dict[int, list[np.ndarray]] = {columns: [] for columns in COLUMNS}
    by_probability: dict[int, list[np.ndarray]] = {least: [] for least in PROBABILITIES}
    reports: dict[Rule, list[int]] = {rule: [] for rule in RULES}
    for columns, clips_hops in scores.items():
        for hops in clips_hops:
            winner, probability = hops.argmax(1), streaming.winner_probability(made, hops)
            due, due_probability = (streaming.due(values, columns) for values in (hops, probability))
            by_length[columns].append(streaming.decide(due, due_probability, silence))
            if columns != STREAM_COLUMNS:
                continue
            for least in PROBABILITIES:
                by_probability[least].append(streaming.decide(due, due_probability, silence, least))
            for rule in RULES:
                said = [word for _, word in reported(winner, probability, words, rule)]
                reports[rule].append(said[0] if len(said) == 1 else SEVERAL if said else NOTHING)
    return Answers(
        {columns: np.array(rows) for columns, rows in by_length.items()},
        {least: np.array(rows) for least, rows in by_probability.items()},
        {rule: np.array(rows) for rule, rows in reports.items()},
    )


def rows(scores: dict[int, np.ndarray], target: np.ndarray, labels: Sequence[str]) -> tuple[dict[int, str], int, int]:
    """The row of each choice (top-1, its loss against the best choice, two recalls); the best choice; and the least one that
    does not lose significantly against it.

    scores: for each choice, [clips, classes].
    """
    correct = {choice: (values.argmax(1) == target).sum() for choice, values in scores.items()}
    best = max(correct, key=lambda choice: correct[choice])
    found, least = {}, best
    for choice, values in sorted(scores.items(), reverse=True):
        row = statistics.describe(values, target, list(labels))
        lost = statistics.compare(scores[best], values, target)
        if choice < best and lost["drop_ci95"][0] <= 0:
            least = choice
        recall = [row["recall"].get(label) for label in (SILENCE, UNKNOWN)]
        found[choice] = (
            f"{100 * row['top1']:>8.2f}%  {report_text.span(row['ci95'], 100):<15}"
            f"{lost['drop_points']:>6.2f}  {report_text.span(lost['drop_ci95']):<15}"
            + "".join(percentage(value) for value in recall)
        )
    return dict(sorted(found.items())), best, least


def percentage(value: float | None) -> str:
    """A share as a cell of ten characters; empty for None."""
    return f"{'' if value is None else f'{100 * value:.1f}%':>10}"


def share(values: np.ndarray) -> float | None:
    """The share of True in bool [n]; None where n is 0."""
    return values.mean() if len(values) else None


HEADING = f"{'top-1':>9}  {'95 % interval':<15}{'loss':>6}  {'95 % interval':<15}{SILENCE:>10}{UNKNOWN:>10}"


def lengths_table(scores: dict[int, np.ndarray], target: np.ndarray, labels: Sequence[str], delay: int) -> str:
    """A row for each length of the average; the best, and the shortest that does not lose significantly against it."""
    found, best, shortest = rows(scores, target, labels)
    lines = [f"{columns:>7}{streaming.lag_ms(delay, columns):>9}{row}" for columns, row in found.items()]
    return "\n".join(
        [
            f"{'columns':>7}{'lag, ms':>9}{HEADING}",
            *lines,
            f"best: {best}; the shortest that does not lose significantly against it: {shortest}; "
            f"the default is {STREAM_COLUMNS}",
        ]
    )


def probabilities_table(scores: dict[int, np.ndarray], target: np.ndarray, labels: Sequence[str]) -> str:
    """A row for each least probability."""
    found, best, _ = rows(scores, target, labels)
    return "\n".join(
        [
            f"{'probability':>11}{HEADING}",
            *(f"{least:>4} of 255{row}" for least, row in found.items()),
            f"best: {best}; the default is {DETECTION_THRESHOLD}",
        ]
    )


def rules_table(words: dict[Rule, np.ndarray], target: np.ndarray, labels: Sequence[str]) -> str:
    """For each rule the shares of keyword clips reported right, wrong and not at all, and of other clips reported as a
    keyword."""
    others = {label: target == labels.index(label) for label in (SILENCE, UNKNOWN) if label in labels}
    spoken = ~np.isin(target, [labels.index(label) for label in others])
    lines = [f"{'probability':>11}{'hops':>6}{'right':>10}{'wrong':>10}{'missed':>10}{SILENCE:>10}{UNKNOWN:>10}"]
    for rule, found in words.items():
        hit, missed = found == target, found == NOTHING
        cells = [share(hit[spoken]), share(~(hit | missed)[spoken]), share(missed[spoken])]
        cells += [share(~missed[others[label]]) if label in others else None for label in (SILENCE, UNKNOWN)]
        lines.append(f"{rule.probability:>4} of 255{rule.hops:>6}" + "".join(percentage(cell) for cell in cells))
    return "\n".join([*lines, f"the rule of examples/baremetal: {EXAMPLE}"])


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.stream_choices", __doc__)
    options.add_tau(parser)
    options.add_build(parser)
    options.add_data(parser, "folder that holds the training archive")
    args = parser.parse_args(argv)
    build, _ = options.build_and_tau(args)
    if args.data is None:
        raise UserError("no audio named: give --data DIR, or set GSC_ROOT")
    conversion = build_folder.load(build)
    labels, path = conversion["labels"], needed_native_file(build, conversion)
    (part,) = clips.choose(args.data, "validation", labels)
    if part.passed_over:
        print(part.passed_over)
    recordings = clips.decode([part], labels)
    background, silence = clips.background(args.data), streaming.silence_index(labels)
    column_engine(path)  # compiled once, and not by every worker at the same time
    tasks = [(recordings.audio[start : start + CHUNK], silence) for start in range(0, len(recordings.audio), CHUNK)]
    parts = workers.in_order(
        answers, tasks, "streaming", "clip", None, worker_tools.prepare, (make_tools, path, background.noises)
    )
    found, target = Answers.joined(parts), recordings.target
    print(f"{build}: {len(target)} clips, {' and '.join(recordings.origins)}; noise: {background.origin}")
    print(lengths_table(found.by_length, target, labels, conversion["native"]["delay_columns"]))
    print("\n" + probabilities_table(found.by_probability, target, labels))
    print("\n" + rules_table(found.words, target, labels))
