"""The words of a language that are none of the user's: the most frequent ones, by wordfreq (Speer, 2022).

Where it does not know the language, or espeak-ng reads most of its words as another language's (of a script of syllables,
for example), the English words of the open recipe stand in.
"""

from __future__ import annotations

import functools
import unicodedata
import zlib

import wordfreq

from training.keyword import phonemes
from training.keyword.phonemes import Phonemes
from training.spoken import synthesis

COMMON = 20000
"""Words that are taken, at most."""
LEAST = 1000
"""Words of a language below which the English ones stand in."""
LETTERS = "L", "M"
"""Categories of Unicode, letters and their marks."""
SHORTEST = 2


def listed(language: str) -> list[str]:
    """The words of a list, the most frequent first; none where there is no list. language: as espeak-ng names it."""
    root = language.split("-")[0]
    if root not in wordfreq.available_languages():  # which would take a related one
        return []
    found = wordfreq.top_n_list(root, COMMON)
    return [word for word in found if len(word) >= SHORTEST and all(is_letter(character) for character in word)]


def is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in LETTERS


@functools.cache
def of(language: str) -> dict[str, Phonemes]:
    """Each word with its phonemes, the most frequent first; a word that is said as in another language is left out."""
    words = listed(language)
    found = phonemes.native(words, language) if words else {}
    if len(found) >= LEAST:
        return found
    words = sorted(synthesis.other_words(), key=lambda word: zlib.crc32(word.encode()))
    return dict(zip(words, phonemes.of(words, language)))
