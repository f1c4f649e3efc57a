"""The choice of the detector's thresholds: for each word the pair of probability and hops that misses least at a price.

Every word and every pair of the grid has hits, over recordings of keywords, and false accepts an hour, over recordings
without. For a price in misses of one false accept an hour, each word takes the pair whose misses and price are least; the
price is raised until all words together have no more false accepts an hour than is wanted. Words hardly interact, so this
is the best choice on these recordings but for rounding (Lagrange's method).

Of a strict pair, recordings of some hours have few false accepts or none, and the luckiest pair would be chosen. So few are
not believed: their expected number is extrapolated from looser pairs, as an exponential fall along the logit of the
probability, which is what the excess of large values tends to (Pickands, "Statistical inference using extreme order
statistics", 1975).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from common.labels import is_word
from detector.binding import Detector
from detector.settings import NEVER, Threshold, every_word, preset_of

PROBABILITIES = 128, 153, 179, 204, 217, 230, 236, 242, 246, 250, 252, 253, 254
HOPS = 8, 10, 12, 15, 17, 20, 22, 25, 28, 30, 33, 36, 40, 45, 50, 55
GRID = tuple(Threshold(probability, hops) for probability, hops in product(PROBABILITIES, HOPS))
"""The last is the strictest."""
ROWS = {threshold: row for row, threshold in enumerate(GRID)}
POINTS = 40
"""Most points of a curve."""
FEW = 10
"""False accepts below which a count is not believed."""
USUAL_FALL = 1.0
"""Logits over which they fall to 1/e, where there is no false accept to tell it by."""
LOGITS = np.log(np.array(PROBABILITIES) / (255.5 - np.array(PROBABILITIES)))
PRICES = np.geomspace(1e-6, 1e3, 200)
"""Of one false accept an hour, in misses of one word's recordings, as a share of them."""


class Answers(NamedTuple):
    """A sound's best class and its probability in 255ths at every hop, uint8 [hops] each."""

    winner: np.ndarray
    probability: np.ndarray


class Counts(NamedTuple):
    """hits: of each pair of GRID and class, recordings of the word that are reported as it alone, int64 [pairs, classes].
    said: recordings of each word [classes]. reports: false accepts, int64 [pairs, classes]. hours: over which."""

    hits: np.ndarray
    said: np.ndarray
    reports: np.ndarray
    hours: float


def reported(detector: Detector, sound: Answers) -> list[int]:
    """The words that a sound is reported as, from a reset."""
    detector.reset()
    return [event.word for _, event in detector.feed(sound.winner, sound.probability)]


def count(
    spoken: Sequence[Answers],
    target: np.ndarray,
    negatives: Sequence[Answers],
    hours: float,
    labels: Sequence[str],
    pause_ms: int,
) -> Counts:
    """Hits over recordings of keywords of the classes `target` [n], and reports over others, for every pair of GRID.

    pause_ms: see `detector.settings.Settings`.
    """
    classes = len(labels)
    said = np.bincount(target, minlength=classes)
    hits, reports = (np.zeros((len(GRID), classes), np.int64) for _ in range(2))
    for row, threshold in enumerate(GRID):
        detector = Detector(preset_of(every_word(labels, threshold), pause_ms, labels))
        for sound, word in zip(spoken, target.tolist()):
            hits[row, word] += reported(detector, sound) == [word]
        for sound in negatives:
            reports[row] += np.bincount(reported(detector, sound), minlength=classes)
    return Counts(hits, said, reports, hours)


def expected(counts: Counts) -> np.ndarray:
    """False accepts an hour of every pair of GRID and class, float [pairs, classes]: those that were counted, or those that
    looser pairs let expect, where these are more."""
    by_hops = counts.reports.reshape(len(PROBABILITIES), len(HOPS), -1)
    found = np.maximum.accumulate(by_hops[::-1])[::-1].astype(np.float64)  # a refractory time can make the looser have fewer
    many = np.maximum((found >= FEW).sum(0) - 1, 0)  # the strictest probability with a count that is believed
    start = np.take_along_axis(found, many[None], 0)[0]
    above = np.arange(len(PROBABILITIES))[:, None, None] >= many
    # The mean excess is the area under what is left, relative to the start: of all hops of a class together.
    steps = np.diff(LOGITS)[:, None, None]
    area = (steps * (found[:-1] + found[1:]) / 2 * above[:-1]).sum((0, 1))
    total = start.sum(0)
    fall = np.where(total > 0, area / np.maximum(total, 1), USUAL_FALL)
    fall = np.maximum(fall, steps.min())  # 0 where even the strictest pairs have many
    tail = np.maximum(start, 0.5) * np.exp(-np.maximum(LOGITS[:, None, None] - LOGITS[many], 0) / fall)
    return (np.where(above, np.maximum(found, tail), found) / counts.hours).reshape(counts.reports.shape)


def at_price(counts: Counts, rates: np.ndarray, labels: Sequence[str], price: float) -> tuple[Threshold, ...]:
    """Each word's best pair where a false accept an hour costs so much; the strictest of a word without recordings, of which
    any pair would miss none. rates: `expected` of the counts."""
    missed = 1 - counts.hits / np.maximum(counts.said, 1)
    best = (missed + price * rates).argmin(0)
    best[counts.said == 0] = len(GRID) - 1
    return tuple(GRID[best[index]] if is_word(label) else NEVER for index, label in enumerate(labels))


class Totals(NamedTuple):
    """Of all words together: how often they were said, how often reported then, and false accepts."""

    said: int
    hits: int
    reports: int


def cells(thresholds: Sequence[Threshold]) -> list[tuple[int, int]]:
    """Row of GRID and class of each word that these thresholds report."""
    return [(ROWS[threshold], word) for word, threshold in enumerate(thresholds) if threshold.hops]


def totals(counts: Counts, thresholds: Sequence[Threshold]) -> Totals:
    """The counts of the words that these thresholds report, added up."""
    words = cells(thresholds)
    return Totals(
        sum(int(counts.said[word]) for _, word in words),
        sum(int(counts.hits[pair]) for pair in words),
        sum(int(counts.reports[pair]) for pair in words),
    )


def tried(command: str, presets: Mapping[str, Sequence[Threshold]], counts: Mapping[str, Counts]) -> dict:
    """What presets give on recordings that they were not chosen on, as `detector.settings.FORM` keeps it. counts: by what
    was said; the false accepts of all are the same."""
    of_all = {name: {kind: totals(of, preset) for kind, of in counts.items()} for name, preset in presets.items()}
    return {
        "date": datetime.date.today().isoformat(),
        "command": command,
        "hours": next(iter(counts.values())).hours,
        "presets": {
            name: {
                "reports": next(iter(found.values())).reports,
                "keywords": [{"of": kind, "said": row.said, "hit": row.hits} for kind, row in found.items()],
            }
            for name, found in of_all.items()
        },
    }


def rate(counts: Counts, thresholds: Sequence[Threshold]) -> float:
    """False accepts an hour of all words together, by the counts."""
    return float(totals(counts, thresholds).reports / counts.hours)


def choose(counts: Counts, labels: Sequence[str], wanted: float) -> tuple[Threshold, ...]:
    """The thresholds of the lowest price at which at most `wanted` false accepts an hour are expected; those of the highest
    price where even they have more."""
    rates = expected(counts)
    for price in PRICES:
        found = at_price(counts, rates, labels, price)
        if sum(rates[cell] for cell in cells(found)) <= wanted:
            break
    return found


def curve(chosen: Counts, reported_on: Counts, labels: Sequence[str]) -> list[dict]:
    """Misses against false accepts an hour as the price rises: thresholds of one half, figures of the other. A point is
    {"rate": an hour, "missed": share, "words": {word: [an hour, share]}}, JSON-ready; equal neighbours are left out, and so
    many that POINTS remain."""
    points: list[dict] = []
    before, rates = None, expected(chosen)
    for price in PRICES:
        found = at_price(chosen, rates, labels, price)
        if found == before:
            continue
        before = found
        words, hits = {}, 0
        for row, word in cells(found):
            said = int(reported_on.said[word])
            hits += int(reported_on.hits[row, word])
            missed = 1 - int(reported_on.hits[row, word]) / said if said else None
            words[labels[word]] = [int(reported_on.reports[row, word]) / reported_on.hours, missed]
        total = int(reported_on.said[[is_word(label) for label in labels]].sum())
        points.append({"rate": rate(reported_on, found), "missed": 1 - hits / max(1, total), "words": words})
    return [points[index] for index in np.unique(np.linspace(0, len(points) - 1, POINTS).round().astype(int))]
