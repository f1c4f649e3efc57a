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
from common.description import FEATURES
from common.errors import UserError
from common.labels import is_word
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
FORM = {
    "labels": [str],
    "native": str,
    "chosen": str,
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
}
"""Form of a file: see `common.schema`. native: SHA-256 of the integer network's file. presets: for each word its least
probability, of 255, and its hops."""


class Threshold(NamedTuple):
    """`kws_threshold`: a hop counts from this probability on, in 255ths; so many hops make a word, and 0 is never."""

    probability: int
    hops: int


NEVER = Threshold(255, 0)
UNMEASURED = {LOW: Threshold(242, 30), MEDIUM: Threshold(230, 20), HIGH: Threshold(204, 20)}
"""The same for every word, where nothing was chosen for a network."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of each sensitivity the thresholds of all classes, in their order; on what they were chosen; what was measured."""

    labels: tuple[str, ...]
    presets: Mapping[str, tuple[Threshold, ...]]
    chosen: str = ""
    native: str = ""
    measured: dict | None = None

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
            "presets": presets,
            "measured": self.measured,
        }


def every_word(labels: Sequence[str], threshold: Threshold) -> tuple[Threshold, ...]:
    """One threshold for all words, and none for other classes."""
    return tuple(threshold if is_word(label) else NEVER for label in labels)


def default(labels: Sequence[str]) -> Settings:
    """Thresholds for a network that nothing was chosen for."""
    return Settings(tuple(labels), {name: every_word(labels, UNMEASURED[name]) for name in SENSITIVITIES})


def load(path: Path) -> Settings:
    """A file of settings; UserError where it is missing or damaged."""
    remedy = "make it again with `make tune`"
    try:
        content = json_object(path.read_bytes())
        check(content, FORM)
        labels = tuple(content["labels"])
        presets = {name: thresholds(content["presets"][name], labels) for name in SENSITIVITIES}
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise UserError(f"{path}: no such file; {remedy}") from None
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: damaged ({error}); {remedy}") from None
    return Settings(labels, presets, content["chosen"], content["native"], content["measured"])


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
