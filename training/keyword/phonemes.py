"""Phonemes of words, by espeak-ng, and the words that sound alike.

`of` gives espeak-ng's mnemonics, which it also reads: `[[kOmpj'u:t@]]` is said as it is written. So beside words of a list
that are near by phoneme edit distance, words that nobody has listed can be spoken: the word with some phonemes replaced.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.errors import UserError
from training.spoken.synthesisers import espeak

Phonemes = tuple[str, ...]
STRESS = "',|%"
"""Marks before a phoneme in espeak-ng's mnemonics, and separators of syllables."""
FOREIGN = "("
"""Around the name of another language, in the mnemonics of what it reads in that."""
VOWELS = frozenset("aeiouAEIOU@03V")
"""First characters of the mnemonics of vowels."""
SAME_KIND = 0.5
"""Distance of two vowels, or of two consonants; 1 is that of a vowel and a consonant, and of a phoneme left out."""
AT_ONCE = 500
"""Texts of one call of espeak-ng."""
NEAREST = 40
"""Words of a list that are taken as the nearest of a word."""
LEAST_CHANGED, MOST_CHANGED = 0.3, 0.6
"""Fraction of the phonemes of a word that a changed one differs in; with fewer it may be the word in another accent."""


def of(texts: Sequence[str], language: str) -> list[Phonemes]:
    """The phonemes of each text, mnemonics without stress. UserError where one has none in that language."""
    found = []
    for text, line in zip(texts, lines(texts, language)):
        spoken = tuple(part.strip(STRESS) for part in split(line))
        if not spoken:
            raise UserError(f"'{text}' has no sound in language {language}; write it as it is said there")
        found.append(spoken)
    return found


def lines(texts: Sequence[str], language: str) -> list[str]:
    """espeak-ng's mnemonics of each text; AT_ONCE texts are asked together where it answers them line by line."""
    options, found = ["-q", "-x", "--sep=_", "-v", language], []
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        answers = espeak.ask(options, "".join(f"{text}\n" for text in some)).splitlines()
        if len(answers) != len(some):
            answers = [" ".join(espeak.ask([*options, text]).split()) for text in some]
        found += answers
    return [line.strip() for line in found]


def split(line: str) -> list[str]:
    """The mnemonics of a line with their stress."""
    return [part for part in line.replace(" ", "_").split("_") if part.strip(STRESS)]


def native(texts: Sequence[str], language: str) -> list[str]:
    """Those of the texts that have a sound, and that espeak-ng does not read in another language."""
    return [text for text, line in zip(texts, lines(texts, language)) if split(line) and FOREIGN not in line]


def contains(long: Phonemes, short: Phonemes) -> bool:
    """Whether `short` stands in `long`, in a row."""
    return any(long[start : start + len(short)] == short for start in range(len(long) - len(short) + 1))


def is_vowel(phoneme: str) -> bool:
    return phoneme[0] in VOWELS


def distance(a: Phonemes, b: Phonemes) -> float:
    """Edit distance: 1 for a phoneme that is left out or added, SAME_KIND to 1 for one that is replaced."""
    row = np.arange(len(b) + 1.0)
    for count, first in enumerate(a, 1):
        above, row = row, np.empty(len(b) + 1)
        row[0] = count
        for index, second in enumerate(b):
            change = 0 if first == second else SAME_KIND if is_vowel(first) == is_vowel(second) else 1
            row[index + 1] = min(above[index] + change, above[index + 1] + 1, row[index] + 1)
    return float(row[-1])


def nearest(word: str, others: Sequence[str], language: str, count: int = NEAREST) -> list[str]:
    """The `count` of the other words that are nearest to a word, relative to the longer of the two; the nearest first. Left
    out: what contains it, or sounds the same."""
    spoken, *sounds = of([word, *others], language)
    rows = [
        (distance(spoken, sound) / max(len(spoken), len(sound)), other)
        for other, sound in zip(others, sounds)
        if not contains(sound, spoken)
    ]
    return [other for _, other in sorted(rows)[:count]]


def parts(word: str, language: str) -> list[str]:
    """The phonemes of a word with their stress: what `changed` takes."""
    (line,) = lines([word], language)
    return split(line)


def changed(parts: Sequence[str], inventory: Sequence[str], rng: np.random.Generator) -> str:
    """A word with LEAST_CHANGED to MOST_CHANGED of its phonemes replaced by others of their kind, as espeak-ng reads it."""
    made = list(parts)
    count = max(1, round(len(made) * rng.uniform(LEAST_CHANGED, MOST_CHANGED)))
    for index in rng.permutation(len(made))[:count]:
        name = made[index].strip(STRESS)
        kind = [other for other in inventory if other != name and is_vowel(other) == is_vowel(name)]
        if kind:
            made[index] = made[index].replace(name, str(rng.choice(kind)))
    return f"[[{''.join(made)}]]"


def inventory(texts: Sequence[str], language: str) -> list[str]:
    """All phonemes of some texts, sorted."""
    return sorted({phoneme for spoken in of(texts, language) for phoneme in spoken})


def phrases(word: str, others: Sequence[str], language: str, each: int = 12) -> list[str]:
    """What sounds like a phrase of several words: each of its words alone, all but one, the phrase with one replaced by a
    word that sounds alike, and in the reverse order. None for a single word."""
    parts = word.split()
    if len(parts) < 2:
        return []
    found = [*parts, " ".join(reversed(parts))]
    for index, part in enumerate(parts):
        rest = [*parts[:index], *parts[index + 1 :]]
        found.append(" ".join(rest))
        for other in nearest(part, others, language, each):
            found.append(" ".join([*parts[:index], other, *parts[index + 1 :]]))
    return sorted({text for text in found if text != word})
