"""English words as people say them who learnt English beside another language.

A synthesiser's voices are native speakers; users are often not. Some phonemes of a word are replaced by those that such a
speaker says in their place: the vowels that most languages do not tell apart, th, v and w, a final consonant that loses its
voice, an r of the tongue's tip. A word that is changed in this way is still the word, so `phonemes.changed`, whose words are
others, leaves these replacements out. The names are espeak-ng's mnemonics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.keyword import phonemes

LANGUAGE = "en"
NEAR = {
    "@": ("a", "E", "0", "V"),
    "3": ("@", "E", "a"),
    "3:": ("E", "O:", "3"),
    "a": ("E", "A:", "V"),
    "aa": ("a", "A:"),
    "a#": ("@", "a"),
    "A:": ("a", "0"),
    "A@": ("A:", "a"),
    "0": ("O:", "A:", "oU"),
    "O:": ("0", "oU"),
    "O@": ("O:", "oU"),
    "oU": ("0", "O:"),
    "V": ("a", "A:", "0"),
    "E": ("a", "eI", "I"),
    "eI": ("E",),
    "e@": ("E", "eI"),
    "I": ("i:", "E"),
    "I2": ("i:", "I"),
    "i": ("I", "i:"),
    "i:": ("I",),
    "i@": ("i:", "I"),
    "U": ("u:",),
    "u:": ("U",),
    "U@": ("u:", "O:"),
    "T": ("t", "s", "f"),
    "D": ("d", "z"),
    "v": ("w", "f"),
    "w": ("v",),
    "z": ("s",),
    "Z": ("S", "dZ"),
    "dZ": ("tS", "Z"),
    "tS": ("S",),
    "t#": ("t", "d"),
    "t": ("d",),
    "d": ("t",),
    "b": ("p",),
    "p": ("b",),
    "g": ("k",),
    "k": ("g",),
    "r": ("R2", "l"),
    "h": ("",),
}
"""Mnemonic -> what is said in its place; nothing: it is not said."""
VOWEL, CONSONANT = 0.3, 0.1
"""Probability that a phoneme is replaced."""


def known(language: str) -> bool:
    """Whether NEAR holds for a language, `en` or `en-gb` for example."""
    return language.split("-")[0] == LANGUAGE


def said(parts: Sequence[str], rng: np.random.Generator) -> str:
    """The phonemes of a word with their stress (`phonemes.parts`) as such a speaker says them, for espeak-ng to read."""
    made = []
    for part in parts:
        name = part.strip(phonemes.STRESS)
        near = NEAR.get(name, ())
        if near and rng.random() < (VOWEL if phonemes.is_vowel(name) else CONSONANT):
            part = part.replace(name, str(rng.choice(near)))
        made.append(part)
    return f"[[{''.join(made)}]]"
