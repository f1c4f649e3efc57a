"""Choose the detector's thresholds on your own recordings.

    python -m benchmarks.tune ~/office --tau 1 --data ~/speech_commands --false-accepts 0.5
    python -m benchmarks.tune ~/office --tau 1 --keywords ~/my_words

FOLDER: recordings in which no keyword is said, as long as can be had: of an hour, half is chosen on and half reported on,
so half a false accept per hour cannot be told from none. Keywords: KEYWORDS/<word>/* (any rate and length), or else
the validation clips of the data, each in a stream with noise (benchmarks/listening/streaming.py).

For each word the least probability and the number of hops are chosen so that all words together give at most the wanted
false accepts an hour: these are the thresholds of medium sensitivity; low is for a fifth, high for five times as many.
--pause: a word counts only where its run begins within so many milliseconds after the network last heard silence, or a word;
in the middle of speech it does not. 0: anywhere.
Chosen on half of the recordings, reported on the other half, which shares no recording and, where file names tell, no
speaker of the keywords. Fewer than four recordings without keywords, or one that is much longer than all others together,
are cut into pieces of five minutes, of which both halves have some; a line says so.

Writes detector.json into the build folder, generates the firmware anew with these thresholds and the prefix that it has, and
writes the curve of misses against false accepts for the report. --out FILE writes the thresholds there instead, no curve,
and leaves the build alone; give them to it or to another one with DETECTOR=FILE.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.accuracy import clips
from benchmarks.listening import continuous, listen_test, streaming, thresholds
from benchmarks.listening.continuous import Scored
from benchmarks.listening.decided import made_by
from benchmarks.listening.thresholds import Answers, Counts
from common import build_folder, locks, options
from common.atomic import write_text
from common.description import FEATURES
from common.errors import OptionParser, UserError, one_line_errors
from common.halves import even_halves, half
from common.intervals import missed, per_hour
from common.labels import is_word
from common.resampling import to_16_khz
from detector import settings
from detector.settings import HIGH, LOW, MEDIUM, Settings, Threshold
from firmware_gen import __main__ as generator, inputs
from training.data import recordings

FACTORS = {LOW: 0.2, MEDIUM: 1.0, HIGH: 5.0}
"""False accepts an hour of each sensitivity, as a multiple of the wanted ones."""
PIECE = 300
"""Seconds of the pieces into which recordings are cut where they cannot be halved as a whole."""
LEAST = 4
"""Recordings, of a kind, without which halves say nothing."""
SMALLEST = 0.25
"""Fraction of the hours that the shorter half has at least, where recordings stay whole."""


class Halves(NamedTuple):
    """The answers over the two halves of recordings without words, the hours of each, and whether both hold pieces of the
    same recordings."""

    parts: list[list[Answers]]
    hours: list[float]
    shared: bool


def negatives(stream: Sequence[Scored], name: Callable[[Path], str] = str) -> Halves:
    """Halve recordings: every other one is in the second half where none is longer than PIECE seconds; else each goes as a
    whole to the shorter half, the longest first. Where there are fewer than LEAST, or the shorter half would have less than
    SMALLEST of the hours, every other piece of PIECE seconds is in the second half.

    name: of the recording that a path is, or is a piece of.
    """
    pieces = [(name(recording.path), *piece) for recording in stream for piece in cut(recording)]
    numbers = {own: number for number, own in enumerate(dict.fromkeys(own for own, _, _ in pieces))}
    owner = np.array([numbers[own] for own, _, _ in pieces], int)
    samples = np.array([length for _, _, length in pieces], np.int64)
    side = np.arange(len(pieces)) % 2
    if LEAST <= len(numbers) < len(pieces):
        whole = longest_first(np.bincount(owner, samples))[owner]
        if np.bincount(whole, samples, 2).min() >= SMALLEST * samples.sum():
            side = whole
    parts = [[answers for (_, answers, _), own in zip(pieces, side) if own == which] for which in range(2)]
    hours = np.bincount(side, samples, 2) / FEATURES.sample_rate / 3600
    shared = {*owner[side == 0].tolist()} & {*owner[side == 1].tolist()}
    return Halves(parts, hours.tolist(), bool(shared))


def cut(recording: Scored) -> list[tuple[Answers, int]]:
    """A recording in pieces of PIECE seconds, the last of which may be shorter and has the pause: answers, and samples."""
    starts = range(0, max(1, recording.samples), PIECE * FEATURES.sample_rate)
    hops = [start // FEATURES.hop for start in starts] + [len(recording.winner)]
    return [
        (
            Answers(recording.winner[first:last], recording.probability[first:last]),
            min(recording.samples - start, PIECE * FEATURES.sample_rate),
        )
        for start, first, last in zip(starts, hops, hops[1:])
    ]


def longest_first(lengths: np.ndarray) -> np.ndarray:
    """Which half each recording goes to, int [n], so that both are about as long: the longest first, to the shorter half."""
    side, total = np.zeros(len(lengths), int), [0.0, 0.0]
    for row in np.argsort(-lengths, kind="stable"):
        side[row] = int(total[1] < total[0])
        total[side[row]] += float(lengths[row])
    return side


def joined(parts: Sequence[Answers]) -> Answers:
    """Recordings one after the other, as a device hears them."""
    return Answers(*(np.concatenate(values) for values in zip(*parts)))


def data_keywords(
    data: Path, labels: Sequence[str], clip_samples: int
) -> tuple[list[np.ndarray], np.ndarray, list[str], str]:
    """The validation clips of keywords, of so many samples, in streams with noise, int16 [samples] each; their classes;
    names; origin."""
    (part,) = clips.choose(data, "validation" if clips.archives(data)[0] else None, labels)
    made = clips.decode([part], labels, clip_samples)
    noises = clips.background(data).noises
    rows = [index for index, label in enumerate(made.target) if is_word(labels[label])]
    names = [part.clips[index].name for index in rows]
    return [streaming.embed(made.audio[index], noises) for index in rows], made.target[rows], names, part.origin


def own_keywords(folder: Path, labels: Sequence[str]) -> tuple[list[np.ndarray], np.ndarray, list[str], str]:
    """The recordings KEYWORDS/<word>/*, each with a quiet room's noise around it, longer than the pause that the detector
    asks for, so that it is the network which hears silence, not the reset; as `data_keywords`. UserError where no folder is
    named like a word of the network, or one has no recordings."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name one with recordings of the words, <word>/*.wav")
    sounds, target, names = [], [], []
    for word, where in recordings.word_folders(folder, [label for label in labels if is_word(label)]):
        for path in recordings.find_and_tell([where], ()).paths:
            _, rate = recordings.header(path)
            blocks = list(to_16_khz(recordings.blocks(path, continuous.BLOCK), rate))
            if not blocks:
                raise UserError(f"{path}: holds no samples; remove it")
            sounds.append(np.concatenate([continuous.pause(0), continuous.pause(0), *blocks]))
            target.append(labels.index(word))
            names.append(f"{where.name}/{path.name}")
    return sounds, np.array(target), names, f"recordings in {folder.name}"


def extrapolated(presets: Mapping[str, Sequence[Threshold]], counts: Counts) -> list[str]:
    """A line for each sensitivity that was chosen by more false accepts than were counted, as those of some word were too
    few to be believed: how many words, and what was expected and counted of all. counts: those that were chosen on."""
    used, lines = thresholds.expected(counts) * counts.hours, []
    for name, chosen in presets.items():
        words = thresholds.cells(chosen)
        few = sum(counts.reports[cell] < min(thresholds.FEW, used[cell]) for cell in words)
        if few:
            lines.append(
                f"{name}: extrapolated for {few} of {len(words)} words, with fewer than {thresholds.FEW} false accepts: "
                f"{sum(used[cell] for cell in words):.2f} are expected of all words in {counts.hours:.2f} hours, "
                f"{thresholds.totals(counts, chosen).reports} were counted; longer recordings tell more"
            )
    return lines


def without_recordings(labels: Sequence[str], target: np.ndarray) -> list[str]:
    """A line that names the words of which there is none to choose on. target: the words that there are [n]."""
    missing = [label for index, label in enumerate(labels) if is_word(label) and index not in target]
    if not missing:
        return []
    return [f"no recordings to choose on, so thresholds that hardly let it be heard: {', '.join(missing)}"]


def describe(name: str, chosen: Sequence[Threshold], counts: Counts, labels: Sequence[str]) -> list[str]:
    """Lines on a sensitivity: its figures on the other half, and each word's thresholds."""
    words = [(index, threshold) for index, threshold in enumerate(chosen) if threshold.hops]
    said, hits, reports = thresholds.totals(counts, chosen)
    lines = [
        f"{name}: {per_hour(reports, counts.hours)} false accepts an hour, missed {missed(said, hits)} % of {said:,}",
        f"  {'word':<14}{'probability':>12}{'hops':>6}  {'missed, %':<22}false accepts an hour",
    ]
    for index, threshold in words:
        row, total = thresholds.ROWS[threshold], int(counts.said[index])
        share = missed(total, int(counts.hits[row, index])) if total else "no recordings"
        lines.append(
            f"  {labels[index]:<14}{threshold.probability:>5} of 255{threshold.hops:>6}  {share:<22}"
            f"{per_hour(int(counts.reports[row, index]), counts.hours)}"
        )
    return lines


def pause_ms(wanted: int | None, labels: Sequence[str]) -> int:
    """The pause of --pause, or the usual one; UserError for one that these labels cannot have."""
    try:
        return settings.usual_pause(labels) if wanted is None else settings.check_pause(wanted, labels)
    except ValueError as error:
        raise UserError(f"--pause {wanted}: {error} (make: PAUSE=)") from None


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m benchmarks.tune", __doc__)
    parser.add_argument("folders", type=Path, nargs="*", metavar="FOLDER", help="recordings without keywords, at any depth")
    options.add_tau(parser)
    options.add_build(parser)
    options.add_data(parser, "Speech Commands, whose validation clips are the keywords where --keywords is not given")
    parser.add_argument("--keywords", type=Path, metavar="DIR", help="recordings of the keywords, <word>/*")
    parser.add_argument(
        "--false-accepts", type=float, default=0.5, metavar="N", help="wanted at medium sensitivity, an hour (default 0.5)"
    )
    parser.add_argument(
        "--pause",
        type=int,
        metavar="MS",
        help=f"after silence within which a word must begin (default {settings.PAUSE_MS}; 0: in the middle of speech, too)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write the settings (default: into the build)")
    return parser.parse_args(argv)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    build, _ = options.build_and_tau(args)
    if not 0 < args.false_accepts < math.inf:
        raise UserError(f"--false-accepts {args.false_accepts:g}: a number above 0 is wanted, an hour (0.5)")
    if args.keywords is None and args.data is None:
        raise UserError(
            "no keywords: name recordings of them with --keywords DIR, <word>/* (make: KEYWORDS=DIR), or Speech Commands "
            "with --data DIR (make: DATA=DIR)"
        )
    if args.out:
        locks.check_file(args.out)
    with locks.rewriting(build):
        tune(build, args)


def tune(build: Path, args: argparse.Namespace) -> None:
    """Choose, show and write."""
    conversion = build_folder.load(build)
    path, labels = inputs.needed_native_file(build, conversion), conversion["labels"]
    pause = pause_ms(args.pause, labels)
    found = recordings.find_and_tell(args.folders, labels)
    samples = conversion["features"]["clip_samples"]
    keywords = own_keywords(args.keywords, labels) if args.keywords else data_keywords(args.data, labels, samples)
    sounds, target, names, origin = keywords
    parts, hours, shared = negatives(continuous.listen(path, found.paths))
    where = ", ".join(map(str, args.folders))
    if (count := sum(map(len, parts))) < LEAST:
        raise UserError(
            f"{where}: {count} recordings of at most five minutes with sound, but at least {LEAST} are needed, half to "
            "choose on and half to report on; name a folder with more"
        )
    which = even_halves(names, target) if args.keywords else np.array([half(name) for name in names])
    if (count := min(int((which == side).sum()) for side in range(2))) < LEAST // 2:
        raise UserError(
            f"{args.keywords or args.data}: {len(sounds)} recordings of keywords, {count} of them in one half, but at least "
            f"{LEAST // 2} are needed in each, and no speaker is in both; record more"
        )
    heard = listen_test.hear_all(path, sounds)
    counts = [
        thresholds.count(
            [Answers(heard[i].winner, heard[i].probability) for i in np.flatnonzero(which == side)],
            target[which == side],
            [joined(parts[side])],
            hours[side],
            labels,
            pause,
        )
        for side in range(2)
    ]
    presets = {name: thresholds.choose(counts[0], labels, factor * args.false_accepts) for name, factor in FACTORS.items()}
    of = ", ".join(folder.resolve().name for folder in args.folders)
    what = f"{hours[0]:.2f} hours of {of} and {int((which == 0).sum()):,} keywords of {origin}"
    print(f"{build}: chosen on {what};")
    print(f"reported on the other half: {hours[1]:.2f} hours, {int((which == 1).sum()):,} keywords")
    if shared:
        print(
            f"{where}: too few recordings, or one too long beside the others, for whole ones in each half; they are cut, "
            "and both halves hold pieces of the same: another room, or speaker, may be falsely accepted more often"
        )
    for line in [*without_recordings(labels, target[which == 0]), *extrapolated(presets, counts[0])]:
        print(line)
    print(f"pause: a word begins at most {pause} ms after one" if pause else "pause: none, words may be said amid speech")
    for name in (LOW, MEDIUM, HIGH):
        print("\n".join(describe(name, presets[name], counts[1], labels)))
    made = Settings(
        tuple(labels),
        presets,
        f"{what}, for {args.false_accepts:g} false accepts an hour",
        conversion["native"]["sha256"],
        pause_ms=pause,
        tried=thresholds.tried("make tune", presets, {"recordings of keywords": counts[1]}),
    )
    settings.save(args.out or build / settings.FILE, made)
    print(args.out or build / settings.FILE)
    if args.out is None:
        points = thresholds.curve(counts[0], counts[1], labels)
        curve = {"hours": hours[1], "keywords": int((which == 1).sum()), "points": points}
        write_text(build / build_folder.CURVE, json.dumps(made_by(made.native, made) | curve) + "\n")
        generator.bring_up_to_date(build)
