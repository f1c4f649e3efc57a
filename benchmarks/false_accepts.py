"""How often a device that listens all day hears a word that nobody said.

    python -m benchmarks.false_accepts ~/radio ~/office --tau 1
    python -m benchmarks.false_accepts ~/radio --list

Hours of any recordings in which the keywords are not said go through the generated C, features and native engine, as
a stream, and rules like that of examples/baremetal decide. Prints for each how many words are reported, how many that
is in an hour, with the exact 95 % interval of a Poisson rate, and which words. With --list every report of the
example's own rule, by file and second: listen to them, for some may have been said. How much of what is said each
rule hears, benchmarks.stream_choices tells. Writes nothing.

A recording is heard at its own level, from a reset, in excerpts of two minutes. One whose file is named after a keyword
is passed over.
"""
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import streaming
from benchmarks.decisions import EXAMPLE, RULES, Rule, reported, word_classes
from convert import result
from engine import network
from engine.binding import Engine
from engine.render import STREAM_COLUMNS
from firmware_gen.inputs import needed_native_file
from frontend import binding
from training import workers
from training.description import parse_tau
from training.errors import OptionParser, UserError, one_line_errors
from training.intervals import poisson
from training.recordings import Excerpt, excerpts, read

EXCERPT = 120  # seconds
CHUNK = 20  # excerpts a process hears at a time


class Report(NamedTuple):
    """A word that was heard: its class, and the second of its middle in the recording."""

    word: int
    second: float


Heard = dict[Rule, list[Report]]
"""What an excerpt gave, for each of RULES."""

worker_engine: list[Engine] = []
"""In a worker, its engine; in the parent, empty."""


def note_engine(path: Path) -> None:
    """Load this worker's engine."""
    worker_engine.append(Engine(network.load(path)))


def pcm(samples: np.ndarray) -> np.ndarray:
    """Float64 [samples] in +-1 -> int16, saturated."""
    return np.clip(np.rint(32768 * samples), -32768, 32767).astype(np.int16)


def heard(engine: Engine, excerpt: Excerpt) -> Heard:
    """What each of RULES reports of an excerpt."""
    scores = engine.stream(binding.Stream().feed(pcm(read(excerpt))))
    winner, probability = scores.argmax(1), streaming.certainty(engine.network, scores)
    words = word_classes(engine.network.labels)
    middles = streaming.middles_ms(len(scores), STREAM_COLUMNS)

    def report(row: int, word: int) -> Report:
        return Report(word, excerpt.start / excerpt.rate + middles[row] / 1000)

    return {rule: [report(*found) for found in reported(winner, probability, words, rule)] for rule in RULES}


def chunk(part: Sequence[Excerpt]) -> list[Heard]:
    """What each of some excerpts gave, in a worker."""
    (engine,) = worker_engine
    return [heard(engine, excerpt) for excerpt in part]


def listen(path: Path, found: Sequence[Excerpt]) -> list[Heard]:
    """What each excerpt gives with the engine of a build's network file, in all cores."""
    Engine(network.load(path))  # compiled once, and not by every worker at the same time
    parts = [(found[start:start + CHUNK],) for start in range(0, len(found), CHUNK)]
    made = workers.in_order(chunk, parts, "listening", "excerpt", None, note_engine, (path,))
    return [each for part in made for each in part]


def table(made: Sequence[Heard], hours: float, labels: Sequence[str]) -> str:
    """For each rule the reports, their rate with its interval, and the words, most frequent first."""
    lines = [f"{'sure':>11}{'hops':>6}{'reports':>10}{'an hour':>10}  {'95 % interval':<16}words"]
    for rule in RULES:
        words = Counter(labels[report.word] for each in made for report in each[rule])
        count = sum(words.values())
        low, high = (bound / hours for bound in poisson(count))
        said = ", ".join(f"{word} {times}" for word, times in words.most_common())
        rate = f"{count / hours:>10.1f}  {f'[{low:.1f}, {high:.1f}]':<16}"
        lines.append(f"{rule.sure:>4} of 255{rule.hops:>6}{count:>10}{rate}{said}".rstrip())
    return "\n".join([*lines, f"the rule of examples/baremetal: {EXAMPLE}"])


def listing(found: Sequence[Excerpt], made: Sequence[Heard], labels: Sequence[str]) -> str:
    """Every report of the example, by file and second."""
    return "\n".join(f"{excerpt.path} at {report.second:.2f} s: {labels[report.word]}"
                     for excerpt, each in zip(found, made) for report in each[EXAMPLE])


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.false_accepts", __doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="recordings, at any depth")
    parser.add_argument("--tau", default="1", help="width of the network (default 1)")
    parser.add_argument("--build", type=Path, help="folder of the build (default build/tau<T>)")
    parser.add_argument("--list", action="store_true", help="name file and second of every report")
    args = parser.parse_args(argv)
    tau = parse_tau(args.tau)
    build = args.build or result.default_build(tau)
    conversion = result.load(build)
    path = needed_native_file(build, conversion)
    found = excerpts(args.folders, EXCERPT)
    hours = sum(excerpt.seconds for excerpt in found) / 3600
    if not hours:
        raise UserError(f"{args.folders[0]}: no sound in these recordings; name a folder of recordings")
    made = listen(path, found)
    recordings = len({excerpt.path for excerpt in found})
    print(f"{build}: {hours:.2f} hours, {recordings} recordings of {', '.join(map(str, args.folders))}")
    print(table(made, hours, conversion["labels"]))
    if args.list:
        print(listing(found, made, conversion["labels"]))


if __name__ == "__main__":
    sys.exit(main())
