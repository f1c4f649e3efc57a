"""The words of a language that may be spoken as other words: the most frequent ones, by wordfreq (Speer, 2022).

English ones are those of the open recipe: short lists of things, actions and numbers that sound like no keyword. They also
stand in where wordfreq does not know a language, or espeak-ng reads most of its words as another language's (of a script of
syllables, for example).
"""

from __future__ import annotations

import unicodedata

import wordfreq

from training.keyword import phonemes
from training.spoken import synthesis

ENGLISH = "en"
COMMON = 2000
"""Words that are taken, at most."""
LEAST = 500
"""Words of a language below which the English ones stand in."""
LETTERS = "L", "M"
"""Categories of Unicode, letters and their marks."""
SHORTEST = 3
"""Letters of a word."""


def of(language: str) -> list[str]:
    """The words, sorted; none is said as in another language. language: as espeak-ng names it."""
    found = phonemes.native(listed(language), language)
    return sorted(found) if len(found) >= LEAST else synthesis.other_words()


def listed(language: str) -> list[str]:
    """The words of a list; none where there is no list, or it is not to be used."""
    root = language.split("-")[0]
    if root == ENGLISH or root not in wordfreq.available_languages():  # which would take a related language
        return []
    found = wordfreq.top_n_list(root, COMMON)
    return [word for word in found if len(word) >= SHORTEST and all(is_letter(character) for character in word)]


def is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in LETTERS
