"""The words of `make keyword`: parsed, and refused where no network could tell them apart."""

from __future__ import annotations

from collections.abc import Sequence

from common.description import SILENCE, UNKNOWN
from common.errors import UserError
from training.keyword import phonemes

MARKS = "'’-. "
"""Characters of a word that are no letters."""


def parse(text: str) -> tuple[str, ...]:
    """`"Hey  Computer, lights out"` -> ("hey computer", "lights out"). UserError where there is none, one is empty or given
    twice, or holds a character that nobody says."""
    if not text.strip():
        raise UserError('WORDS: no word is given; say for example make keyword WORDS="hey computer, lights out"')
    words = [" ".join(word.lower().split()) for word in text.split(",")]
    for index, word in enumerate(words):
        if not word:
            raise UserError(f"WORDS={text}: an empty word; write words with one comma between two of them")
        foreign = [mark for mark in word if not mark.isalpha() and mark not in MARKS]
        if foreign or not any(mark.isalpha() for mark in word):
            raise UserError(f"WORDS: '{word}' holds {(foreign or [word])[0]!r}; write it in letters, as it is said")
        if word in words[:index]:
            raise UserError(f"WORDS: '{word}' stands twice; remove one")
    return tuple(words)


def check(words: Sequence[str], language: str) -> None:
    """UserError where a word sounds like a part of another, or like all of it: a device could not tell which was said."""
    spoken = phonemes.of(words, language)
    for first, short in enumerate(spoken):
        for second, long in enumerate(spoken):
            if first != second and phonemes.contains(long, short):
                raise UserError(
                    f"WORDS: '{words[first]}' sounds like a part of '{words[second]}', so the longer one would be "
                    "reported as both; leave one out"
                )


def labels(words: Sequence[str]) -> tuple[str, ...]:
    """The classes of a network for these words."""
    return (SILENCE, UNKNOWN, *words)


def folder_name(words: Sequence[str]) -> str:
    """("hey computer", "lights out") -> "hey_computer-lights_out"."""
    return "-".join(word.replace(" ", "_") for word in words)
