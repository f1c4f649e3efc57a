"""Labels that a network may have: distinct, on one line, without blanks around them; of any script and with any marks."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from common.description import SILENCE, UNKNOWN

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, surrogates, and line and paragraph separators."""


def is_word(label: str) -> bool:
    """Neither silence nor the unknown."""
    return label not in (SILENCE, UNKNOWN)


def title(label: str) -> str:
    """A label as readers know it: `silence` and `unknown` without the marks around them."""
    return label if is_word(label) else label.strip("_")


def silence_index(labels: Sequence[str]) -> int | None:
    """The index of silence among a network's labels; None where it is not among them."""
    return list(labels).index(SILENCE) if SILENCE in labels else None


def composed(text: str) -> str:
    """The one form of a text of which file systems and archives write some letters in either of two."""
    return unicodedata.normalize("NFC", text)


def label_named(name: str, labels: Iterable[str]) -> str | None:
    """The label that a folder, or a list of words, means by a name: the label itself, or with `_` for each blank, as folders
    are often called; None where it is none of them."""
    wanted, found = composed(name), list(labels)
    for spelled in (composed, lambda label: composed(label).replace(" ", "_")):
        for label in found:
            if spelled(label) == wanted:
                return label
    return None


def labels_of(found: object) -> tuple[str, ...]:
    """The labels that a JSON list holds. ValueError, with the reason, where it cannot be a network's."""
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise ValueError("its labels are no list of texts")
    if len(found) < 2:
        raise ValueError("it has fewer than two labels")
    for label in found:
        if label != label.strip() or not label:
            raise ValueError(f"its label {label!a} is empty, or begins or ends with a blank")
        if any(unicodedata.category(character) in UNPRINTABLE for character in label):
            raise ValueError(f"its label {label!a} holds a character that cannot be printed")
    twice = [label for label, count in Counter(map(composed, found)).items() if count > 1]
    if twice:
        raise ValueError(f"its label {twice[0]!a} stands twice")
    return tuple(found)
