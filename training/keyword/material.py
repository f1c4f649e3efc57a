"""What a run of `make keyword` is trained and tested with, assembled: clips, recordings, rooms, backgrounds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.audio import in_the_middle
from common.description import SILENCE, UNKNOWN
from common.errors import UserError
from training.batches import Split
from training.data import dataset
from training.field import backgrounds, rooms
from training.field.augment import PARTS, Field
from training.field.negatives import Negatives
from training.field.outside import Outside
from training.keyword import phonemes, speech, words as words_of
from training.keyword.negatives import Pieces
from training.keyword.samples import Sample
from training.keyword.speech import Item, Texts
from training.spoken import speakers
from training.spoken.acoustics import CLIP, RATE, placed, recorded
from training.spoken.speakers import Voices

CLIPS = 1000
"""Clips of each word in synthetic voices; the following are multiples of them."""
COUNTS = {
    speech.WORD: 1.0,
    speech.ALIKE: 0.8,
    speech.PART: 0.15,
    speech.REVERSED: 0.1,
    speech.OTHER: 0.6,
    speech.RUNNING: 0.4,
}
"""Clips of each kind; of WORD, ALIKE, PART and REVERSED for each word."""
TEST_SHARE = 0.1
"""Clips of the test, as a multiple of those of training."""
VALIDATION_SILENCES = 0.25
"""Clips of silence that an epoch is chosen by, as a multiple of the others."""
SENTENCES, TEST_SENTENCES = 0.16, 0.08
"""Utterances of running speech."""
SHARES = {
    speech.WORD: 1.0,
    speech.ALIKE: 0.7,
    speech.PART: 0.2,
    speech.REVERSED: 0.1,
    speech.OTHER: 0.35,
    speech.RUNNING: 0.25,
}
"""Clips per epoch, as a multiple of those of the words."""
SILENCES, EXCERPTS, RECORDED_OTHERS = 0.2, 0.5, 0.3
"""Likewise: of silence, of excerpts of running speech, of other words of Speech Commands."""
MOST_EACH = 60
"""Clips of each other word of Speech Commands."""
WORD_CLIPS = 0.8
"""Clips of each word per epoch, as a multiple of those that there are."""
OVER_SPEECH, SNR = 0.5, (2.0, 20.0)
"""Fraction of the synthetic clips that lie over an excerpt of the recordings, and by how many dB above it: otherwise the
sound of a recording, and not the word, tells a person's speech, which is all unknown, from a synthesiser's."""
SAMPLE_SHARE = 0.35
"""Fraction of a word's clips that are recordings of the user's."""
COPIES = 60
"""Augmented copies of each recording, in as many acoustics."""
SAMPLE_ECHOES = 0.4
NO_WORDS, BACKWARDS = 0.6, 0.4
"""Clips of parts of these recordings and of them backwards, as a multiple of theirs, and the fraction that is backwards:
otherwise the sound of the user's microphone, which no other class has, tells the word."""
AGAIN = 20
"""Times that what was falsely accepted counts beside other recordings: a repeated excerpt is drawn that much more often."""
ROOMS, PIECES = 120, 24
"""Impulse responses; pieces of music, of babble, of hiss."""
SEED = 23


class Spoken(NamedTuple):
    """Synthetic speech of training and of test: the items of the clips, the clips int16 [clips, samples], and running
    speech,
    int16 [samples] each."""

    items: list[Item]
    audio: np.ndarray
    sentences: list[np.ndarray]


def spoken(
    words: Sequence[str], language: str, voices: Voices, chosen: Texts, clips: int, folder: Path, seed: int
) -> tuple[Spoken, Spoken]:
    """What synthesisers say, for training and for the test. No voice and no text of running speech is in both.

    clips: of each word. folder: where they are kept.
    """
    made = []
    order = np.random.default_rng([seed, 5]).permutation(len(chosen.words))
    middle = len(order) * 3 // 4
    parts = (
        ("training", voices.training, 1.0, SENTENCES, order[:middle]),
        ("test", voices.test, TEST_SHARE, TEST_SENTENCES, order[middle:]),
    )
    for number, (name, some, share, sentences, rows) in enumerate(parts):
        counts = {kind: math.ceil(multiple * share * clips) for kind, multiple in COUNTS.items()}
        own = chosen._replace(words=[chosen.words[index] for index in sorted(rows)])
        items = speech.plan(words, language, counts, own, seed + number)
        programs = "-".join(sorted({voice.synthesiser for voice in some}))
        audio = speech.kept(folder / "spoken" / f"{name}-{language}-{programs}", items, own, some, seed + number)
        made.append(Spoken(items, audio, speech.running_speech(math.ceil(sentences * clips), own, some, seed + number)))
    return made[0], made[1]


def training_split(
    labels: Sequence[str], made: Spoken, clips: int, samples: Sequence[Sample], others: np.ndarray, seed: int
) -> Split:
    """The clips to train on, and how often each is drawn per epoch.

    clips: of each word. others: other words of Speech Commands, int16 [clips, 16000], which may be none.
    """
    words = labels[2:]
    kinds = np.array([item.kind for item in made.items])
    target = speech.target([item.name for item in made.items], labels)
    each = WORD_CLIPS * clips
    total = each * len(words)
    draws = np.zeros(len(kinds))
    for kind, share in SHARES.items():
        rows = kinds == kind
        draws[rows] = share * total / rows.sum()
    parts = [(made.audio, target, draws)]
    length = made.audio.shape[1]
    rng = np.random.default_rng([seed, 6])
    for word in sorted({sample.word for sample in samples}):
        own = [sample for sample in samples if sample.word == word]
        draws[target == labels.index(word)] *= 1 - SAMPLE_SHARE
        repeated = [sample.said for sample in own for _ in range(COPIES)]
        copies = np.stack([recorded(said, RATE, SAMPLE_ECHOES, rng, length) for said in repeated])
        plain = np.stack([placed(said[:length], 0, rng, length) for said in repeated])
        copied = np.concatenate([copies, plain])
        no_words = np.stack([recorded(no_word(said, rng), RATE, SAMPLE_ECHOES, rng, length) for said in repeated])
        for clips_of, label, share in ((copied, word, 1.0), (no_words, UNKNOWN, NO_WORDS)):
            often = np.full(len(clips_of), share * SAMPLE_SHARE * each / len(clips_of))
            parts.append((clips_of, np.full(len(clips_of), labels.index(label)), often))
    if len(others):
        often = np.full(len(others), RECORDED_OTHERS * total / len(others))
        parts.append((in_the_middle(others, length), np.full(len(others), labels.index(UNKNOWN)), often))
    silence = round(SILENCES * total)
    parts.append((np.zeros((silence, length), np.int16), np.full(silence, labels.index(SILENCE)), np.ones(silence)))
    return Split(*(np.concatenate(arrays) for arrays in zip(*parts)))


def silences(noise: np.ndarray, count: int, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Excerpts of noise int16 [samples], at levels up to its own: int16 [count, samples]."""
    starts = rng.integers(len(noise) - samples, size=count)
    return np.stack([np.rint(noise[start : start + samples] * rng.uniform()).astype(np.int16) for start in starts])


def validation(
    test: Spoken, noises: Sequence[np.ndarray], labels: Sequence[str], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The clips that an epoch is chosen by, int16 [clips, samples], and their classes, int64: those of `test`, and silence,
    to which a network that is chosen by words alone can be deaf."""
    count = math.ceil(VALIDATION_SILENCES * len(test.items))
    silent = silences(np.concatenate(noises), count, test.audio.shape[1], np.random.default_rng([seed, 10]))
    target = speech.target([item.name for item in test.items], labels)
    return np.concatenate([test.audio, silent]), np.append(target, np.full(count, labels.index(SILENCE)))


def no_word(said: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A recording of a word backwards, or its first or last part."""
    if rng.random() < BACKWARDS:
        return said[::-1]
    return speech.part(said, rng)


def over_speech(audio: np.ndarray, sounds: Sequence[np.ndarray], seed: int) -> np.ndarray:
    """Clips int16 [clips, samples], a fraction OVER_SPEECH of which lie over a random excerpt of the recordings `sounds`."""
    samples = audio.shape[1]
    long = [sound for sound in sounds if len(sound) > samples]
    if not long:
        return audio
    rng, made = np.random.default_rng([seed, 9]), np.array(audio)
    for row in np.flatnonzero(rng.random(len(made)) < OVER_SPEECH):
        sound = long[rng.integers(len(long))]
        start = rng.integers(len(sound) - samples)
        behind, clip = sound[start : start + samples].astype(np.float64), made[row].astype(np.float64)
        loud = max(float(np.square(behind).mean()) ** 0.5, 1.0)
        gain = float(np.square(clip).mean()) ** 0.5 / loud * 10 ** (-rng.uniform(*SNR) / 20)
        made[row] = np.clip(np.rint(clip + gain * behind), -32768, 32767)
    return made


def excerpts(words: Sequence[str], clips: int) -> int:
    """Excerpts of running speech per epoch."""
    return round(EXCERPTS * WORD_CLIPS * clips * len(words))


def other_words(data: Path | None, ver: int, words: Sequence[str], language: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """The words of Speech Commands that are none of the user's, training clips int16 [clips, 16000], and its noises; nothing
    where no data are named. UserError where they are not there."""
    if data is None:
        return np.empty((0, CLIP), np.int16), []
    archive = dataset.training_archive(data, ver)
    folders = [path for path in dataset.word_folders(archive) if dataset.wav_files(path)]
    own = phonemes.of(words, language)
    names = [path.name for path in folders]
    listed = {name for split in dataset.SPLITS[1:] for name in dataset.listed(archive, split)}
    clips = [
        clip
        for path, sound in zip(folders, phonemes.of(names, language))
        if not any(phonemes.contains(sound, word) for word in own)
        for clip in dataset.first_by_hash([c for c in dataset.word_clips(path, UNKNOWN) if c.key not in listed], MOST_EACH)
    ]
    return dataset.read_clips(clips), dataset.read_noises(archive)


def noises_and_outside(
    noises: Sequence[np.ndarray], sentences: Sequence[np.ndarray], negatives: Pieces, again: Pieces, seed: int
) -> tuple[list[np.ndarray], Outside, str]:
    """The noises of the augmentation, what the field's sound needs, and a hash of both.

    noises: of Speech Commands, or none. sentences, negatives: running speech, synthetic and recorded. again: what was
    falsely accepted.
    """
    heard = [*negatives.sounds, *sentences, *[sound for sound in again.sounds for _ in range(AGAIN)]]
    pool = backgrounds.pool(SEED + seed, PIECES, PARTS, np.concatenate(heard))
    if noises:
        pool["noise"] = [noise for noise in noises if len(noise) >= 2 * RATE]
    responses = rooms.draw(ROOMS, SEED + seed)
    behind = [*noises, *pool["hiss"], *pool["music"][::2]]
    digest = hashlib.sha256()
    for array in [*responses, *behind, *heard]:
        digest.update(np.ascontiguousarray(array).data)
    return behind, Outside(Field(responses, pool, PARTS), Negatives(heard)), digest.hexdigest()[:16]


def prepare(words: Sequence[str], language: str) -> tuple[Voices, Texts]:
    """The voices and the texts of some words, and how long a clip is. UserError for words that no network could tell apart,
    that are too long, or that no synthesiser speaks."""
    voices = speakers.find(language)
    words_of.check(words, language)
    return voices, speech.texts(words, language, speech.clip_length(words, voices.training))


def enough(negatives: Pieces, folders: Sequence[Path]) -> None:
    """UserError where recordings were named but hold less than a minute."""
    if folders and negatives.hours < 1 / 60:
        raise UserError(f"{folders[0]}: less than a minute of sound to train on; name a folder that holds more")
