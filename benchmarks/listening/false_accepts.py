"""False accepts an hour: words that a stream reports though nobody said them.

    python -m benchmarks.false_accepts ~/radio ~/office --tau 1
    python -m benchmarks.false_accepts ~/radio --list

Recordings in which no keyword is said go through the generated C, features and native engine, as one stream with the
noise of a quiet room between them (benchmarks/listening/continuous.py), and rules like that of examples/baremetal decide.
Prints for each rule the number of reports, their rate an hour of recordings with the exact 95 % interval of a Poisson
rate, and the words. --list prints every report of the example's own rule by file and second: listen to them, some may have
been said. The share of spoken words that each rule reports: benchmarks.stream_choices. --record keeps the counts in
checkpoints/false_accepts.json, which the documentation shows; without it nothing is written.

The same recordings give the same figures on every machine: everything after decoding is integer arithmetic. A file named
after a keyword is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.listening import continuous, recorded
from benchmarks.listening.continuous import Report
from benchmarks.listening.decisions import EXAMPLE, RULES, Rule, word_classes
from common import build_folder, options
from common.description import FEATURES
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import poisson
from firmware_gen.inputs import needed_native_file
from training.data import recordings


def table(found: Mapping[Rule, Sequence[Report]], hours: float, labels: Sequence[str]) -> str:
    """For each rule the reports, their rate with its interval, and the words, most frequent first."""
    lines = [f"{'probability':>11}{'hops':>6}{'reports':>10}{'an hour':>10}  {'95 % interval':<16}words"]
    for rule, reports in found.items():
        low, high = (bound / hours for bound in poisson(len(reports)))
        words = Counter(labels[report.word] for report in reports)
        frequent = ", ".join(f"{word} {times}" for word, times in words.most_common())
        rate = f"{len(reports) / hours:>10.1f}  {f'[{low:.1f}, {high:.1f}]':<16}"
        lines.append(f"{rule.probability:>4} of 255{rule.hops:>6}{len(reports):>10}{rate}{frequent}".rstrip())
    return "\n".join([*lines, f"the rule of examples/baremetal: {EXAMPLE}"])


def heading(build: Path, hours: float, count: int, found: recordings.Found, folders: Sequence[Path]) -> str:
    """The recordings, and the protocol."""
    passed = f"; passed over for the names of keywords: {len(found.passed_over)}" if found.passed_over else ""
    return f"{build}: {hours:.2f} hours, {count} recordings of {', '.join(map(str, folders))}{passed}\n{continuous.PROTOCOL}"


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.false_accepts", __doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="recordings, at any depth")
    options.add_tau(parser)
    options.add_build(parser)
    parser.add_argument("--list", action="store_true", help="name file and second of every report")
    parser.add_argument("--record", metavar="NAME", help="keep the counts, of a shipped checkpoint, under that name")
    args = parser.parse_args(argv)
    build, tau = options.build_and_tau(args)
    conversion = build_folder.load(build)
    path, labels = needed_native_file(build, conversion), conversion["labels"]
    found = recordings.find(args.folders)
    stream = continuous.listen(path, found.paths)
    if not stream:
        raise UserError(f"{args.folders[0]}: no sound in these recordings; name a folder of recordings")
    hours = sum(recording.samples for recording in stream) / FEATURES.sample_rate / 3600
    words, delay = word_classes(labels), conversion["native"]["delay_columns"]
    reports = {rule: continuous.reports(stream, words, rule, delay) for rule in RULES}
    print(heading(build, hours, len(stream), found, args.folders))
    print(table(reports, hours, labels))
    if args.record:
        recorded.record(
            tau,
            args.record,
            conversion,
            {"hours": hours, "recordings": len(stream), "protocol": continuous.PROTOCOL},
            reports,
        )
        print(recorded.PATH)
    if args.list:
        for report in reports[EXAMPLE]:
            print(f"{report.path} at {report.second:.2f} s: {labels[report.word]}")
