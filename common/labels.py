"""Labels that a network may have: distinct, and valid as names of folders, in Markdown and in C strings."""

from __future__ import annotations

import unicodedata
from collections import Counter

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, surrogates, and line and paragraph separators."""


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
    twice = [label for label, count in Counter(found).items() if count > 1]
    if twice:
        raise ValueError(f"its label {twice[0]!a} stands twice")
    return tuple(found)
