"""Thresholds of the detector: three sensitivities, each with a threshold for every word, and what was measured with them.

A file of them, `detector.json`, belongs to one network. `python -m benchmarks.tune` writes it into the build folder; those
of the shipped networks are in checkpoints/. Where there is none, `DEFAULT` serves, which nobody measured.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from common.atomic import write_text
from common.description import FEATURES, SILENCE
from common.errors import UserError
from common.labels import is_word, silence_index
from common.reading import json_object
from common.schema import Each, Either, check

FILE = "detector.json"
"""Its name in a build folder."""
LOW, MEDIUM, HIGH = SENSITIVITIES = ("low", "medium", "high")
"""In the order of `kws_sensitivity`."""
HOP_MS = 1000 * FEATURES.hop // FEATURES.sample_rate
REPEAT_MS, REFRACTORY_MS = 500, 300
"""Least time between the beginnings of two reported runs of the same word, and of two words."""
RISE_MS = 250
"""From the beginning of a run to the word's middle: the median over the validation clips of tau 1, whose words were
located by their energy; half of them lie within 50 ms of it, nine in ten within 180 ms."""
PAUSE_MS = 1300
"""Within which silence must have been the best class before a word's run begins, unless something else was chosen; what it
costs and saves: docs/listening.md."""
LONGEST_PAUSE_MS = 255 * HOP_MS
FORM = {
    "labels": [str],
    "native": str,
    "chosen": str,
    "pause_ms?": int,
    "presets": {name: Each([int]) for name in SENSITIVITIES},
    "measured": Either(
        None,
        {
            "date": str,
            "protocol": str,
            "presets": {
                name: {
                    "keywords": [
                        {
                            "background": str,
                            "snr_db": Either(None, float),
                            "said": int,
                            "hit": int,
                            "wrong": int,
                            "repeats": int,
                            "elsewhere": int,
                        }
                    ],
                    "twice": {"gap_ms": int, "pairs": int, "both": int, "repeats": int},
                    "false_accepts": [{"kind": str, "hours": float, "reports": int}],
                }
                for name in SENSITIVITIES
            },
        },
    ),
    "tried?": Either(
        None,
        {
            "date": str,
            "command": str,
            "hours": float,
            "presets": {
                name: {"reports": int, "keywords": [{"of": str, "said": int, "hit": int}]} for name in SENSITIVITIES
            },
        },
    ),
}
"""Form of a file: see `common.schema`. native: SHA-256 of the integer network's file. pause_ms: as in `Settings`, 0 where it
is missing. presets: for each word its least probability, of 255, and its hops. measured: by `make listen-test`. tried: by
the command that chose, on the half of its recordings that it did not choose on."""


class Threshold(NamedTuple):
    """`kws_threshold`: a hop counts from this probability on, in 255ths; so many hops make a word, and 0 is never."""

    probability: int
    hops: int


NEVER = Threshold(255, 0)


class Preset(NamedTuple):
    """What a detector decides by. thresholds: of each class. pause: hops after the last one of silence, or after a report,
    within which a word's run must begin; 0: it may begin amid speech. silence: that class; None
    where the network has none."""

    thresholds: tuple[Threshold, ...]
    pause: int = 0
    silence: int | None = None


UNMEASURED = {LOW: Threshold(242, 30), MEDIUM: Threshold(230, 20), HIGH: Threshold(204, 20)}
"""The same for every word, where nothing was chosen for a network."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of each sensitivity the thresholds of all classes, in their order; on what they were chosen; what was measured
    and tried, as in FORM.
    pause_ms: a word's run must begin within so long after silence was the best class, or after a report; 0: anywhere."""

    labels: tuple[str, ...]
    presets: Mapping[str, tuple[Threshold, ...]]
    chosen: str = ""
    native: str = ""
    measured: dict | None = None
    pause_ms: int = 0
    tried: dict | None = None

    def preset(self, sensitivity: str) -> Preset:
        """What a detector of this sensitivity decides by."""
        return preset_of(self.presets[sensitivity], self.pause_ms, self.labels)

    def belong_to(self, conversion: dict) -> bool:
        """Whether they are of the network that conversion.json, `conversion`, describes."""
        return self.native == (conversion["native"] or {}).get("sha256") and list(self.labels) == conversion["labels"]

    def to_json(self) -> dict:
        """The content of a file."""
        presets = {
            name: {label: list(row) for label, row in zip(self.labels, rows) if row.hops}
            for name, rows in self.presets.items()
        }
        return {
            "labels": list(self.labels),
            "native": self.native,
            "chosen": self.chosen,
            "pause_ms": self.pause_ms,
            "presets": presets,
            "measured": self.measured,
            "tried": self.tried,
        }


def preset_of(thresholds: Sequence[Threshold], pause_ms: int, labels: Sequence[str]) -> Preset:
    """A preset of thresholds of all classes and a pause."""
    return Preset(tuple(thresholds), pause_ms // HOP_MS, silence_index(labels))


def every_word(labels: Sequence[str], threshold: Threshold) -> tuple[Threshold, ...]:
    """One threshold for all words, and none for other classes."""
    return tuple(threshold if is_word(label) else NEVER for label in labels)


def default(labels: Sequence[str]) -> Settings:
    """Thresholds for a network that nothing was chosen for."""
    presets = {name: every_word(labels, UNMEASURED[name]) for name in SENSITIVITIES}
    return Settings(tuple(labels), presets, pause_ms=usual_pause(labels))


def usual_pause(labels: Sequence[str]) -> int:
    """PAUSE_MS; 0 for a network that does not know silence."""
    return PAUSE_MS if SILENCE in labels else 0


def check_pause(pause_ms: int, labels: Sequence[str]) -> int:
    """The same pause; ValueError for one that no detector of these labels can keep."""
    if pause_ms % HOP_MS or not 0 <= pause_ms <= LONGEST_PAUSE_MS:
        raise ValueError(f"a pause of 0 to {LONGEST_PAUSE_MS} ms in steps of {HOP_MS} is wanted, not {pause_ms}")
    if pause_ms and SILENCE not in labels:
        raise ValueError(f"a pause is wanted of a network that has no class {SILENCE}")
    return pause_ms


def load(path: Path) -> Settings:
    """A file of settings; UserError where it is missing or damaged."""
    remedy = "make it again with `make tune`"
    try:
        content = json_object(path.read_bytes())
        check(content, FORM)
        labels = tuple(content["labels"])
        presets = {name: thresholds(content["presets"][name], labels) for name in SENSITIVITIES}
        pause_ms = check_pause(content.get("pause_ms", 0), labels)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise UserError(f"{path}: no such file; {remedy}") from None
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: damaged ({error}); {remedy}") from None
    found = content["measured"], pause_ms, content.get("tried")
    return Settings(labels, presets, content["chosen"], content["native"], *found)


def thresholds(rows: Mapping[str, Sequence[int]], labels: Sequence[str]) -> tuple[Threshold, ...]:
    """A preset of a file, by class; ValueError for a word that is none, or numbers that are no bytes."""
    for label, row in rows.items():
        if label not in labels or not is_word(label):
            raise ValueError(f"{label} is no word of this network")
        if len(row) != 2 or not all(0 <= value <= 255 for value in row):
            raise ValueError(f"{label}: a probability and a number of hops from 0 to 255 are wanted")
    return tuple(Threshold(*rows[label]) if label in rows else NEVER for label in labels)


def save(path: Path, settings: Settings) -> None:
    """Write a file, whole or not at all."""
    write_text(path, json.dumps(settings.to_json(), indent=1, ensure_ascii=False) + "\n")
