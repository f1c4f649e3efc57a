"""Judge the network that `python -m training.keyword` made, and choose its detector's thresholds.

    python -m benchmarks.keyword --words "hey computer"
    python -m benchmarks.keyword --words computer --false-accepts 1

The words in voices that were held out, recordings of yours that were held back, and recordings without words that were held
back go through the generated C. Thresholds are chosen on one half of them; what is printed is of the other half. Writes into
build/keywords/<words>/: keyword.detector.json, for `make quantize CHECKPOINT=… DETECTOR=…`; keyword.html, with the curve of
misses against false accepts and the worst sounds of either kind to listen to; and the figures into the card, keyword.md.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.keyword.measure import Measured, measure
from benchmarks.keyword.page import page
from benchmarks.listening import thresholds, tune
from benchmarks.listening.thresholds import Counts
from common import checkpoint, locks
from common.atomic import write_text
from common.errors import OptionParser, UserError, one_line_errors
from common.intervals import missed, per_hour
from detector import settings
from detector.settings import SENSITIVITIES, Threshold
from training import card
from training.keyword import held_out, words as words_of
from training.keyword.__main__ import NAME, ROOT

HALF_MISSED = 0.5
"""Fraction of the words that are missed at medium sensitivity, and of the user's held-back recordings at high, from which a
line says what may be done."""


def figures(measured: Measured) -> dict[str, str]:
    """What was measured, by name, for the card."""
    found = {}
    for name in SENSITIVITIES:
        preset = measured.settings.presets[name]
        said, hit, reports = thresholds.totals(measured.voices, preset)
        parts = [f"{missed(said, hit)} % of {said} words in held-out voices missed"]
        if measured.recordings:
            said, hit, _ = thresholds.totals(measured.recordings, preset)
            parts.append(f"{missed(said, hit)} % of {said} held-back recordings missed")
        rate = per_hour(reports, measured.voices.hours)
        found[f"{name} sensitivity"] = f"{rate} false accepts an hour, {', '.join(parts)}"
    hours, own = measured.voices.hours, measured.recorded_hours
    of = f"{own:.2f} of recordings of yours and {max(0, hours - own):.2f} of synthetic speech"
    found["negatives"] = f"{hours:.2f} hours to report on, {of}; {measured.settings.chosen} to choose on"
    return found


def mostly_missed(counts: Counts, preset: Sequence[Threshold]) -> str:
    """How many words a preset misses, such as `6 of 8`; empty where it is fewer than HALF_MISSED."""
    said, hit, _ = thresholds.totals(counts, preset)
    return f"{said - hit} of {said}" if hit <= (1 - HALF_MISSED) * said else ""


def doubts(measured: Measured) -> list[str]:
    """A line for each sensitivity whose false accepts were extrapolated, one where the same recordings without words were
    chosen on and are reported on, one where most words are missed at medium sensitivity, and one where most of the user's
    recordings are missed whatever the threshold."""
    presets = measured.settings.presets
    lines = tune.extrapolated(presets, measured.chosen_on)
    if measured.shared:
        lines.append(
            f"fewer than {tune.LEAST} recordings of NEGATIVES are held back, or one is too long beside the others: minutes "
            "of the same are chosen and reported on, and other speakers or rooms may give more false accepts; name more"
        )
    if missed_words := mostly_missed(measured.voices, presets[settings.MEDIUM]):
        lines.append(
            f"medium sensitivity misses {missed_words} words: more CLIPS, EPOCHS, VOICES or NEGATIVES train the "
            "network better, and a higher FALSE_ACCEPTS lets it report more"
        )
    if measured.recordings and (own := mostly_missed(measured.recordings, presets[settings.HIGH])):
        lines.append(f"{own} held-back recordings are missed: listen whether all in SAMPLES are of the word")
    return lines


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m benchmarks.keyword", __doc__)
    parser.add_argument("--words", default="", help="as they were given to `python -m training.keyword`")
    parser.add_argument("--out", type=Path, help="folder of the run (default build/keywords/<words>)")
    parser.add_argument(
        "--false-accepts", type=float, default=0.5, metavar="N", help="wanted at medium sensitivity, an hour (default 0.5)"
    )
    args = parser.parse_args(argv)
    if not args.false_accepts > 0:
        raise UserError(f"--false-accepts {args.false_accepts:g}: a number above 0 is wanted")
    folder = args.out or ROOT / words_of.folder_name(words_of.parse(args.words))
    path = folder / NAME
    if not path.is_file():
        raise UserError(f'{path}: no network here; run `make keyword WORDS="{args.words}"`')
    with locks.writing(folder):
        source = checkpoint.load(path)
        held_out.check(folder, path, source.sha256)
        measured = measure(folder, source, path, args.false_accepts)
        settings.save(path.with_suffix(".detector.json"), measured.settings)
        found = figures(measured)
        lines = [f"{name}: {text}" for name, text in found.items()] + doubts(measured)
        write_text(path.with_suffix(".md"), card.card(source.training | found))
        write_text(path.with_suffix(".html"), page(", ".join(source.labels[2:]), lines, measured))
    print("\n".join(lines))
    print(f"{path.with_suffix('.html')}: the curve, and the worst sounds to listen to")
    print(f"next: make quantize TAU={source.tau:g} CHECKPOINT={path} DETECTOR={path.with_suffix('.detector.json')}")


if __name__ == "__main__":
    sys.exit(main())
