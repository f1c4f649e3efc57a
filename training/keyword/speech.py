"""The clips of `make keyword` that synthesisers speak: the words, what sounds like them, other words, running speech.

A plan says for every clip what is spoken; its voice, speed, pitch and acoustics come from a seed of its own, so that the
same plan gives the same clips whatever the number of processes. Voices of training and of test are disjoint
(`speakers.find`), and so are the texts of running speech.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common import progress, workers
from common.description import FEATURES, LONGEST_WINDOW, UNKNOWN
from common.errors import UserError
from training.data import clip_folder
from training.keyword import phonemes, vocabulary
from training.spoken import speakers
from training.spoken.acoustics import CLIP, RATE, placed, recorded, trim, voiced
from training.spoken.codecs import coded
from training.spoken.speakers import Voice
from training.spoken.synthesisers import espeak

WORD, ALIKE, OTHER, RUNNING, PART, REVERSED = KINDS = ("word", "alike", "other", "running", "part", "reversed")
"""What a clip holds: a word of the user's; what sounds like one; another word; a second of running speech; the first or last
part of a word; a word backwards."""
ECHOES, CODED = 0.6, 0.7  # fraction of the clips with an echo; after a codec
TRIES = 6
"""Times that a word is spoken anew, faster or slower, until it fits into a clip."""
PART_OF = 0.3, 0.6
"""Fraction of a word that a part of it holds."""
LONGEST_WORD, LONGEST_PHRASE = 0.95, 1.5
"""Seconds: a word whose median is longer has a window of more than a second; of a phrase whose median is longer a score of a
stream would depend on too little."""
FITTING, STEP = 0.9, 0.1
"""Such a window holds that fraction of the utterances, in steps of so many seconds."""
MEASURED = 25
"""Utterances by which a word's length is judged."""
WORDS_AT_ONCE = 6, 14
CHUNK = 100  # clips per task of a process
FORMAT = 1
"""Raised where the same plan, voices and seed give other clips, so that kept ones are spoken anew."""
LEAST = 0.01
"""Fraction of full scale below which a synthesiser said nothing."""


class Item(NamedTuple):
    """What a clip holds: one of KINDS, and the text; of RUNNING none."""

    kind: str
    text: str

    @property
    def name(self) -> str:
        """In the list of a folder of clips: the word alone where it is one of the user's."""
        return self.text if self.kind == WORD else f"({self.kind}) {self.text}".strip()


class Texts(NamedTuple):
    """What may be spoken as other words. words: a list in which none is, or contains, one of the user's. mnemonics: all
    phonemes of it. samples: of a clip."""

    words: list[str]
    mnemonics: list[str]
    samples: int = CLIP


def texts(words: Sequence[str], language: str, samples: int = CLIP) -> Texts:
    """The other words of a language without those that hold one of the user's words, by their sound; for clips of so many
    samples."""
    others = vocabulary.of(language)
    own = phonemes.of(words, language)
    sounds = phonemes.of(others, language)
    left = [text for text, sound in zip(others, sounds) if not any(phonemes.contains(sound, word) for word in own)]
    return Texts(left, phonemes.inventory(left, language), samples)


def clip_length(words: Sequence[str], voices: Sequence[Voice]) -> int:
    """Samples of the clips into which all words fit, as quick synthesisers say them, and so of the network's window;
    UserError for a phrase that is too long."""
    quick, seconds = speakers.quick(voices), FEATURES.seconds
    for word in words:
        rng = np.random.default_rng(0)
        said = np.array([len(utterance(word, quick, rng)) for _ in range(MEASURED)]) / RATE
        median = float(np.median(said))
        if median > LONGEST_PHRASE:
            raise UserError(
                f"WORDS: '{word}' takes {median:.2f} s, more than the {LONGEST_PHRASE:g} s that a network hears at once; "
                "choose a shorter one"
            )
        if median > LONGEST_WORD:
            seconds = max(seconds, STEP * math.ceil(float(np.quantile(said, FITTING)) / STEP))
    return round(min(seconds, LONGEST_WINDOW) * RATE)


def utterance(text: str, voices: Sequence[Voice], rng: np.random.Generator) -> np.ndarray:
    """A text in a random voice with a random vocal tract, float64 at 16 kHz, without silence around it."""
    return voiced(*speakers.say(text, speakers.draw(voices, text, rng), rng), rng)


def fitting(word: str, voices: Sequence[Voice], samples: int, rng: np.random.Generator) -> np.ndarray:
    """A word that fits into a clip of so many samples; of the shortest of some tries a random part, where none does."""
    shortest = np.zeros(0)
    for _ in range(TRIES):
        said = utterance(word, voices, rng)
        if np.abs(said).max() < LEAST:
            continue
        if not len(shortest) or len(said) < len(shortest):
            shortest = said
        if len(shortest) <= samples:
            break
    start = rng.integers(max(1, len(shortest) - samples + 1))
    return shortest[start : start + samples]


def clip(item: Item, chosen: Texts, voices: Sequence[Voice], seed: Sequence[int]) -> np.ndarray:
    """A clip of an item, int16 [samples], most often after a codec."""
    rng = np.random.default_rng(seed)
    made = spoken_clip(item, chosen, voices, rng)
    return coded(made, rng) if rng.random() < CODED else made


def spoken_clip(item: Item, chosen: Texts, voices: Sequence[Voice], rng: np.random.Generator) -> np.ndarray:
    """The same before the codec."""
    if item.kind == RUNNING:
        said = running(chosen, voices, rng)
        start = rng.integers(max(1, len(said) - chosen.samples + 1))
        return placed(said[start : start + chosen.samples], ECHOES, rng, chosen.samples)
    if item.kind in (ALIKE, OTHER):
        spoken = speakers.say(item.text, speakers.draw(voices, item.text, rng), rng)
        return recorded(*spoken, ECHOES, rng, chosen.samples)
    said = fitting(item.text, voices, chosen.samples, rng)
    if item.kind == REVERSED:
        said = said[::-1]
    if item.kind == PART:
        said = part(said, rng)
    return placed(said, ECHOES, rng, chosen.samples)


def part(said: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The first or the last part of a word."""
    length = round(len(said) * rng.uniform(*PART_OF))
    return said[:length] if rng.random() < 0.5 else said[len(said) - length :]


def running(chosen: Texts, voices: Sequence[Voice], rng: np.random.Generator) -> np.ndarray:
    """Several other words in a row by a quick synthesiser, float64 at 16 kHz; half of them as one of many languages says
    them."""
    text = " ".join(rng.choice(chosen.words, rng.integers(*WORDS_AT_ONCE)))
    voice = speakers.draw(speakers.quick(voices), text, rng)
    if rng.random() < 0.5 and voice.synthesiser == espeak.PROGRAM:
        voice = voice._replace(name=f"{rng.choice(espeak.LANGUAGES)}+{voice.throats[0]}")
    return trim(voiced(*speakers.say(text, voice, rng), rng))


def plan(words: Sequence[str], language: str, counts: dict[str, int], chosen: Texts, seed: int) -> list[Item]:
    """The items of a set of clips. counts: of each of KINDS, for each word where the kind is about words."""
    rng = np.random.default_rng([seed, 1])
    items = []
    for word in words:
        parts = phonemes.parts(word, language)
        alike = phonemes.nearest(word, chosen.words, language) + phonemes.phrases(word, chosen.words, language)
        items += [Item(kind, word) for kind in (WORD, PART, REVERSED) for _ in range(counts[kind])]
        for index in range(counts[ALIKE]):
            text = phonemes.changed(parts, chosen.mnemonics, rng) if index % 2 else str(rng.choice(alike))
            items.append(Item(ALIKE, text))
    items += [Item(OTHER, str(rng.choice(chosen.words))) for _ in range(counts[OTHER])]
    return items + [Item(RUNNING, "")] * counts[RUNNING]


def chunk(items: Sequence[Item], chosen: Texts, voices: Sequence[Voice], seed: int, first: int) -> np.ndarray:
    """Clips of `items`, int16 [items, samples], the first of which is number `first` of all."""
    return np.stack([clip(item, chosen, voices, (seed, first + index)) for index, item in enumerate(items)])


def digest(items: Sequence[Item], chosen: Texts, voices: Sequence[Voice], seed: int) -> str:
    """A hash of all that the clips of a plan are made of."""
    parts = [FORMAT, list(items), list(chosen), speakers.digest(voices), seed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def kept(folder: Path, items: Sequence[Item], chosen: Texts, voices: Sequence[Voice], seed: int) -> np.ndarray:
    """The clips of a plan from a folder that holds them already, else spoken into it, with a line where it holds others:
    int16 [items, samples] (mapped)."""
    wanted = digest(items, chosen, voices, seed)
    try:
        audio, _ = clip_folder.load(folder, "spoken clips", "`make keyword`", chosen.samples)
        if clip_folder.digest_of(folder) == wanted:
            return audio
    except UserError:
        pass
    if clip_folder.is_one(folder):
        print(f"{folder}: clips of other voices, texts or another seed; they are spoken anew")
    names = [item.name for item in items]
    with clip_folder.making(folder):
        clip_folder.write(folder, names, seed, spoken_parts(items, chosen, voices, seed), chosen.samples, digest=wanted)
    return clip_folder.load(folder, "spoken clips", "`make keyword`", chosen.samples)[0]


def spoken_parts(
    items: Sequence[Item], chosen: Texts, voices: Sequence[Voice], seed: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The clips as they are made: (number of the first, int16 [n, samples])."""
    parts = [(list(items[start : start + CHUNK]), chosen, voices, seed, start) for start in range(0, len(items), CHUNK)]
    with progress.counting(len(items), "speaking", "clip") as update:
        for index, clips in workers.run(chunk, parts):
            yield index * CHUNK, clips
            update(len(clips))


def target(names: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """The class of each clip by its name in the list, int64 [clips]."""
    return np.array([labels.index(name) if name in labels else labels.index(UNKNOWN) for name in names])


def speech_chunk(numbers: Sequence[int], chosen: Texts, voices: Sequence[Voice], seed: int) -> list[np.ndarray]:
    """Utterances of running speech, int16 [samples] each, at different levels."""
    made = []
    for number in numbers:
        rng = np.random.default_rng([seed, 2, number])
        said = running(chosen, voices, rng)
        level = np.exp(rng.uniform(np.log(0.1), 0)) / max(np.abs(said).max(), 1e-6)
        pause = np.zeros(rng.integers(RATE // 10, RATE // 2))
        made.append(np.rint(32767 * np.concatenate([said * level, pause])).astype(np.int16))
    return made


def running_speech(count: int, chosen: Texts, voices: Sequence[Voice], seed: int) -> list[np.ndarray]:
    """So many utterances of several words each, int16 [samples] each, at 16 kHz."""
    numbers = list(range(count))
    parts = [(numbers[start : start + CHUNK], chosen, voices, seed) for start in range(0, count, CHUNK)]
    return [row for part in workers.in_order(speech_chunk, parts, "speaking", "sentence") for row in part]
