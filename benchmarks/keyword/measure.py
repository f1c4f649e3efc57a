"""Judge a network of `make keyword` on what it was not trained with, and choose its detector's thresholds.

The network is quantised for the native engine exactly as the conversion quantises it, and the generated C hears everything:
words in held-out voices, the user's held-back recordings, and negatives that were held back. Thresholds are chosen on one
half of each, as `make tune` does; figures are of the other half, which helped to choose nothing: the epoch, too, was chosen
by the first half of the words (`training.keyword.held_out.to_choose_on`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.listening import continuous, listen_test, thresholds, tune
from benchmarks.listening.continuous import Scored
from benchmarks.listening.thresholds import Answers, Counts
from common.checkpoint import Checkpoint
from common.errors import UserError
from common.halves import judging_halves
from common.labels import silence_index
from common.reading import sha256
from convert import calibration, native
from convert.fold import fold
from detector.binding import Detector
from detector.settings import HIGH, HOP_MS, Preset, Settings, usual_pause
from engine import network
from training.data import recordings
from training.keyword.held_out import NEGATIVES, RECORDINGS, TEST, is_synthetic, recording_of

ENGINE = "keyword.native.npz"
"""The integer network, which the conversion makes again with the same bytes."""
SMOOTHED = 20
"""Hops of the mean probability by which sounds are ranked."""
AROUND = 1.0
"""Seconds before and after the middle of a false accept that can be listened to."""
APART = 150
"""Least hops between two of the worst false accepts."""
TOO_MANY = 0.5
"""Fraction of the recordings without words in which a word is heard, from which they probably contain it."""


class Said(NamedTuple):
    """Words in sounds int16 [samples]: their classes, names, and whether they are recordings of the user's, bool."""

    sounds: list[np.ndarray]
    target: np.ndarray
    names: list[str]
    recorded: np.ndarray


class Found(NamedTuple):
    """A place in a sound: what it is called, how sure the network was of a word there (0 to 255), and the sound around it,
    int16 [samples]."""

    name: str
    probability: float
    sound: np.ndarray


class Measured(NamedTuple):
    """The thresholds; the counts that are reported, of synthetic voices and of recordings; the curve's points; the worst
    sounds; hours of the user's negatives that are reported on, and whether the same recordings were chosen on; the counts
    that the thresholds were chosen on."""

    settings: Settings
    voices: Counts
    recordings: Counts | None
    points: list[dict]
    false_accepts: list[Found]
    misses: list[Found]
    recorded_hours: float
    shared: bool
    chosen_on: Counts


def quantise(source: Checkpoint, path: Path, out: Path) -> dict:
    """Make the integer network of a checkpoint, whose file is `path`, as the conversion does; `delay_columns` and `sha256`
    of conversion.json."""
    clips = calibration.for_checkpoint(path, source.labels, source.clip_samples)
    made, _ = native.make(fold(source), source.tau, clips.features)
    network.save(out, made)
    return {"sha256": sha256(out), "delay_columns": made.delay}


def words_said(folder: Path, labels: Sequence[str]) -> Said:
    """The words of the test: in held-out voices, and the user's held-back recordings."""
    parts = [tune.own_keywords(folder / TEST, labels)[:3]]
    if (folder / RECORDINGS).is_dir():
        parts.append(tune.own_keywords(folder / RECORDINGS, labels)[:3])
    recorded = np.repeat([False, True][: len(parts)], [len(part[0]) for part in parts])
    return Said(
        [sound for part in parts for sound in part[0]],
        np.concatenate([part[1] for part in parts]),
        [name for part in parts for name in part[2]],
        recorded,
    )


def smoothed(answers: Answers, word: int) -> np.ndarray:
    """The mean probability of a word over SMOOTHED hops, float [hops]."""
    sure = np.where(answers.winner == word, answers.probability, 0).astype(np.float64)
    return np.convolve(sure, np.full(SMOOTHED, 1 / SMOOTHED), "same") if len(sure) else sure


def amid(winner: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Which hops lie further behind the last one of silence, or the beginning, than the usual pause: bool [hops]."""
    hops, pause = np.arange(len(winner)), usual_pause(labels) // HOP_MS
    silent = np.maximum.accumulate(np.where(winner == silence_index(labels), hops, -1))
    return (hops - silent > pause) & (pause > 0)


def worst_false_accepts(stream: Sequence[Scored], words: Sequence[int], labels: Sequence[str], delay: int, most: int = 10):
    """The places of recordings without words where a word could be reported and the network was surest of one, the surest
    first."""
    found = []
    for recording in stream:
        unheard = amid(recording.winner, labels)
        for word in words:
            mean = smoothed(Answers(recording.winner, recording.probability), word)
            mean[unheard] = 0
            while len(mean) and mean.max() > 0:
                hop = int(mean.argmax())
                found.append((float(mean[hop]), recording.path, word, hop))
                mean[max(0, hop - APART) : hop + APART] = 0
    found = sorted(found, key=lambda row: -row[0])[:most]
    return [
        Found(
            f"{path.name} at {second:.1f} s: {labels[word]}",
            probability,
            continuous.excerpt(path, second - AROUND, second + AROUND),
        )
        for probability, path, word, hop in found
        for second in [max(0, continuous.FIRST_MS + 10 * (hop - delay)) / 1000]
    ]


def worst_misses(said: Said, heard: Sequence[Answers], most: int = 10) -> list[Found]:
    """The words of which the network was least sure, recordings of the user's first."""
    rows = [
        (not recorded, float(smoothed(answers, word).max(initial=0)), name, sound)
        for answers, word, name, sound, recorded in zip(heard, said.target.tolist(), said.names, said.sounds, said.recorded)
    ]
    rows = sorted(rows, key=lambda row: row[:3])[:most]
    return [Found(name, probability, sound) for _, probability, name, sound in rows]


def counted(said: Said, heard: Sequence[Answers], which: np.ndarray, without: Sequence, hours: float, labels) -> Counts:
    """`thresholds.count` over the words that `which` flags and over recordings without."""
    rows = np.flatnonzero(which)
    negatives = [tune.joined(without)] if without else []
    return thresholds.count([heard[row] for row in rows], said.target[rows], negatives, hours, labels, usual_pause(labels))


def halves(said: Said) -> np.ndarray:
    """Which half each sound is in, int [sounds]: 0 to choose on, thresholds here and the epoch in training, 1 to report on.
    Voices and the user's recordings are shared out apart."""
    return judging_halves(said.names, said.target, said.recorded)


def halved(stream: Sequence[Scored]) -> tuple[tune.Halves, tune.Halves]:
    """The halves of the user's recordings without words, no recording of which is in both if there are enough, and those of
    the synthetic ones."""
    kinds = [[row for row in stream if is_synthetic(row.path) == synthetic] for synthetic in (False, True)]
    return tune.negatives(kinds[0], recording_of), tune.negatives(kinds[1])


def check_negatives(stream: Sequence[Scored], preset: Preset) -> None:
    """UserError where a word is reported in most recordings of the user's without words: it is probably said in them."""
    own = [recording for recording in stream if not is_synthetic(recording.path)]
    detector = Detector(preset)
    hits = sum(bool(thresholds.reported(detector, Answers(row.winner, row.probability))) for row in own)
    if len(own) >= tune.LEAST and hits > TOO_MANY * len(own):
        raise UserError(
            f"NEGATIVES: a word is heard in {hits} of {len(own)} held-back recordings, so it is probably said in them; name "
            "recordings in which it is not"
        )


def measure(folder: Path, source: Checkpoint, path: Path, wanted: float) -> Measured:
    """All of it, for the run in `folder`. wanted: false accepts an hour at medium sensitivity."""
    labels = source.labels
    words = list(range(2, len(labels)))
    made = quantise(source, path, folder / ENGINE)
    engine = folder / ENGINE
    said = words_said(folder, labels)
    heard = [Answers(row.winner, row.probability) for row in listen_test.hear_all(engine, said.sounds)]
    stream = continuous.listen(engine, recordings.find([folder / NEGATIVES]).paths)
    own, synthetic = halved(stream)
    parts = [[*some, *others] for some, others in zip(own.parts, synthetic.parts)]
    hours = [sum(both) for both in zip(own.hours, synthetic.hours)]
    side = halves(said)
    chosen_on = counted(said, heard, side == 0, parts[0], hours[0], labels)
    voices = counted(said, heard, (side == 1) & ~said.recorded, parts[1], hours[1], labels)
    reported = (side == 1) & said.recorded
    recorded = counted(said, heard, reported, parts[1], hours[1], labels) if reported.any() else None
    presets = {name: thresholds.choose(chosen_on, labels, factor * wanted) for name, factor in tune.FACTORS.items()}
    text = f"{hours[0]:.2f} hours of held-back negatives and {int((side == 0).sum())} held-out words"
    what = f"{text}, for {wanted:g} false accepts an hour"
    reported_on = {"held-out voices": voices} | ({"held-back recordings": recorded} if recorded else {})
    tried = thresholds.tried("make keyword", presets, reported_on)
    settings = Settings(tuple(labels), presets, what, made["sha256"], pause_ms=usual_pause(labels), tried=tried)
    check_negatives(stream, settings.preset(HIGH))
    return Measured(
        settings,
        voices,
        recorded,
        thresholds.curve(chosen_on, voices, labels),
        worst_false_accepts(stream, words, labels, made["delay_columns"]),
        worst_misses(said, heard),
        own.hours[1],
        own.shared,
        chosen_on,
    )
