"""False accepts an hour: words that a device reports though nobody said them.

    python -m benchmarks.false_accepts ~/radio ~/office --tau 1
    python -m benchmarks.false_accepts ~/radio --list high
    python -m benchmarks.false_accepts ~/radio --save falsely_accepted

Recordings in which no keyword is said go through the generated C, features, native engine and detector, as one stream with
the noise of a quiet room between them (benchmarks/listening/continuous.py). Prints for each sensitivity the number of
reports, their rate an hour of recordings with the exact 95 % interval of a Poisson rate, and the words. --list prints every
report of a sensitivity by file and second: listen to them, some may have been said. How many spoken words each sensitivity
misses: benchmarks.listen_test. --save DIR cuts the seconds around each report of high sensitivity out of the recordings,
for `make keyword MORE_NEGATIVES=DIR`. --record keeps the counts in checkpoints/false_accepts.json, which the documentation
shows; without these two nothing is written.

The same recordings give the same figures on every machine: everything after decoding is integer arithmetic. A file named
after a word of the network is passed over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.listening import continuous, recorded
from benchmarks.listening.continuous import Report
from common import build_folder, locks, options
from common.atomic import write_bytes
from common.audio import wav_bytes
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import poisson
from detector.settings import HIGH, SENSITIVITIES
from firmware_gen import inputs
from training.data import recordings

BEFORE, AFTER = 1.0, 1.0
"""Seconds of a saved excerpt before and after the middle of the reported word."""


def table(found: Mapping[str, Sequence[Report]], hours: float, labels: Sequence[str]) -> str:
    """For each sensitivity the reports, their rate with its interval, and the words, most frequent first."""
    lines = [f"{'sensitivity':>11}{'reports':>10}{'an hour':>10}  {'95 % interval':<16}words"]
    for name, reports in found.items():
        low, high = (bound / hours for bound in poisson(len(reports)))
        words = Counter(labels[report.word] for report in reports)
        frequent = ", ".join(f"{word} {times}" for word, times in words.most_common())
        rate = f"{len(reports) / hours:>10.1f}  {f'[{low:.1f}, {high:.1f}]':<16}"
        lines.append(f"{name:>11}{len(reports):>10}{rate}{frequent}".rstrip())
    return "\n".join(lines)


def heading(build: Path, hours: float, count: int, folders: Sequence[Path]) -> str:
    """The recordings, and the protocol."""
    return f"{build}: {hours:.2f} hours, {count} recordings of {', '.join(map(str, folders))}\n{continuous.PROTOCOL}"


def save(reports: Sequence[Report], labels: Sequence[str], folder: Path) -> None:
    """Write the sound around each report as <number>-<word>-<recording>-<second>.wav, 16 kHz, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, report in enumerate(reports):
        word = labels[report.word].replace(" ", "_")
        name = f"{number}-{word}-{report.path.stem}-{report.second:.1f}.wav"
        sound = continuous.excerpt(report.path, report.second - BEFORE, report.second + AFTER)
        write_bytes(folder / name, wav_bytes(sound))


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.false_accepts", __doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="recordings, at any depth")
    options.add_tau(parser)
    options.add_build(parser)
    parser.add_argument(
        "--list",
        choices=SENSITIVITIES,
        metavar="SENSITIVITY",
        help="name file and second of every report: low, medium, high",
    )
    parser.add_argument("--save", type=Path, metavar="DIR", help="cut what high sensitivity reports out of the recordings")
    parser.add_argument("--record", metavar="NAME", help="keep the counts, of a shipped checkpoint, under that name")
    args = parser.parse_args(argv)
    build, tau = options.build_and_tau(args)
    if args.save:
        locks.check_folder(args.save)
    conversion = build_folder.load(build)
    path, labels = inputs.needed_native_file(build, conversion), conversion["labels"]
    decided = inputs.detector_settings(build, conversion)
    if args.record:
        recorded.check_recordable(tau, conversion, decided)
    found = recordings.find_and_tell(args.folders, labels)
    stream = continuous.listen(path, found.paths)
    if not stream:
        raise UserError(f"{args.folders[0]}: {recordings.nothing_in(found)}")
    hours = continuous.hours(stream)
    delay = conversion["native"]["delay_columns"]
    reports = {name: continuous.reports(stream, decided.preset(name), delay) for name in SENSITIVITIES}
    print(heading(build, hours, len(stream), args.folders))
    print(table(reports, hours, labels))
    if args.record:
        recorded.record(
            tau,
            args.record,
            conversion,
            decided,
            {"hours": hours, "recordings": len(stream), "protocol": continuous.PROTOCOL},
            reports,
        )
        print(recorded.PATH)
    if args.save and not reports[HIGH]:
        print(f"{args.save}: not written, for nothing was falsely accepted at high sensitivity")
    elif args.save:
        save(reports[HIGH], labels, args.save)
        print(f"{args.save}: {len(reports[HIGH])} excerpts, of high sensitivity; listen to them, some may have been said")
    if args.list:
        for report in reports[args.list]:
            print(f"{report.path} at {report.second:.2f} s: {labels[report.word]}")
