"""Find Speech Commands on disk and choose the clips of each split.

The layout is that of the official archives, unpacked side by side:

    DATA/speech_commands_v0.02/<word>/*.wav, _background_noise_/, {validation,testing}_list.txt
    DATA/speech_commands_test_set_v0.02/<label>/*.wav

Either folder may also be given on its own. In place of them stands any folder of `<label>/*.wav`, or one that holds its
clips in an array (training/data/clip_folder.py).
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.audio import in_the_middle, read_clip, read_wav
from common.description import FEATURES, KEYWORDS, LABELS, SILENCE, UNKNOWN
from common.errors import UserError
from common.labels import is_word, label_named
from common.reading import read_plain, shown
from training.data import clip_folder

NOISE = "_background_noise_"
SPLITS = ("training", "validation", "testing")
EXTRA = {1: (1854, 258, 257), 2: (3077, 371, 408)}
"""Clips of _unknown_ and of _silence_ in training, validation and testing, for each version."""
FULL_V2_KEYWORDS = (25_000, 3_000, 3_300)
"""A split of v0.02 with fewer keyword clips holds v0.01's recordings only (v0.02: 30,769, 3,703, 4,074)."""
SILENCE_SEED = 20180409
"""Seed of the excerpts of background noise that serve as the silence of validation and testing."""


SOUNDS = frozenset(".aac .aif .aiff .au .flac .m4a .mp3 .oga .ogg .opus .wav .wma".split())
"""Suffixes of sound files, of which only .wav is read."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """One labelled second: a wav file, an excerpt of background noise (`silence`), or a row of a folder's array.

    folder: the word's folder, where the file lies in a subfolder of it. said: the word of a row.
    """

    label: str
    path: Path | None = None
    silence: int | None = None  # index of a noise excerpt, which seeds it
    folder: Path | None = None
    row: int | None = None
    said: str = ""

    @property
    def word_folder(self) -> Path:
        """The folder of a wav file's word."""
        assert self.path, "silence has no file"
        return self.folder or self.path.parent

    @property
    def word(self) -> str:
        """The word that is spoken, which is its folder's name unless the clip is a row, or _silence_."""
        return self.said or (self.word_folder.name if self.path else SILENCE)

    @property
    def key(self) -> str:
        """`folder/file.wav` as in an archive's lists of splits, `_silence_/<index>`, or `<word>/<row>`."""
        if self.row is not None:
            return f"{self.word}/{self.row}"
        if not self.path:
            return f"{self.word}/{self.silence}"
        return f"{self.word}/{self.path.relative_to(self.word_folder).as_posix()}"

    @property
    def name(self) -> str:
        """`key` as printable text: bytes that are not UTF-8 become escapes."""
        return shown(self.key)


def archive_names(ver: int) -> tuple[str, str]:
    """Folder names of the training archive and of the test-set archive."""
    return f"speech_commands_v0.0{ver}", f"speech_commands_test_set_v0.0{ver}"


def find_archive(data: Path, ver: int, test_set: bool) -> Path | None:
    """The unpacked training archive, or test-set archive, in `data` or `data` itself; else None."""
    named = data / archive_names(ver)[test_set]
    for folder in (named, data):
        has_lists = (folder / "validation_list.txt").is_file()
        has_labels = all((folder / label).is_dir() for label in LABELS)
        if has_labels if test_set else has_lists:
            return folder
    return None


def training_archive(data: Path, ver: int) -> Path:
    """As `find_archive`, but a missing one raises UserError naming the remedy."""
    folder = find_archive(Path(data), ver, test_set=False)
    if folder is None:
        what = "no Speech Commands here" if Path(data).is_dir() else "no such folder, and so no Speech Commands here"
        raise UserError(
            f"{data}: {what} ({archive_names(ver)[0]}/validation_list.txt is missing); name an existing "
            "copy with DATA=, or fetch it while training with `make train DOWNLOAD=1 DATA=<folder>`"
        )
    return folder


def keywords(labels: Sequence[str]) -> list[str]:
    """The labels except _silence_ and _unknown_."""
    return [label for label in labels if is_word(label)]


def wav_files(folder: Path) -> list[Path]:
    """The wav files of a folder at any depth, with suffix .wav or .WAV, in the order of their paths."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".wav" and not path.is_dir())


def word_clips(folder: Path, label: str) -> list[Clip]:
    """The clips of a word's folder."""
    return [Clip(label, path, folder=None if path.parent == folder else folder) for path in wav_files(folder)]


def word_folders(archive: Path) -> list[Path]:
    """The folders of words, in the order of their names."""
    return sorted(path for path in archive.iterdir() if path.is_dir() and path.name != NOISE)


def passed_over(folder: Path) -> str:
    """A line about the sound files below `folder` that are not read; empty where there are none."""
    others = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SOUNDS and not path.is_dir() and (path.suffix.lower() != ".wav" or path.parent == folder)
    )
    if not others:
        return ""
    files = f"{len(others)} sound files" if len(others) > 1 else "a sound file"
    return f"{shown(folder)}: passed over {files}, no <label>/*.wav: {shown(others[0].relative_to(folder))}" + ", …" * (
        len(others) > 1
    )


def listed(archive: Path, split: str) -> set[str]:
    """The file names in the archive's list of a split. UserError where the list cannot be read."""
    lines = read_plain(archive / f"{split}_list.txt", "unpack the archive again").splitlines()
    return {os.fsdecode(line.strip()) for line in lines}


def first_by_hash(clips: Sequence[Clip], count: int) -> list[Clip]:
    """`count` of the clips, chosen by the hash of their names alone, in the order of their paths."""
    chosen = sorted(clips, key=lambda clip: hashlib.sha1(os.fsencode(clip.key)).digest())[:count]
    return sorted(chosen, key=lambda clip: clip.path or Path())


def extra_clips(spoken: Sequence[Clip], words: Sequence[str], split: str, ver: int) -> int:
    """The number of _unknown_ clips, and of _silence_ clips, beside the `spoken` clips of `words`: that of the benchmark for
    the benchmark's words, else the mean number of clips per word."""
    if {*words} != {*KEYWORDS}:
        return round(len(spoken) / max(1, len(words)))
    index = SPLITS.index(split)
    recordings = 1 if len(spoken) < FULL_V2_KEYWORDS[index] else ver
    return min(EXTRA[recordings][index], len(spoken))  # the latter in a reduced data set


def split_clips(
    archive: Path,
    split: str,
    ver: int,
    without: Sequence[str] = (),
    all_others: bool = False,
    labels: Sequence[str] = LABELS,
    some_words: bool = False,
) -> list[Clip]:
    """The clips of a split of the training archive, in a fixed order.

    Contains all clips of the keywords, the words among `labels`. Where _unknown_ is a label, it gets clips of the other
    words except `without`, a fixed choice by hash of about one class's size (all of them with `all_others`); where _silence_
    is one, it gets as many clips. Raises UserError where a keyword has no clip; with `some_words` only where none has one.
    """
    lists = {name: listed(archive, name) for name in SPLITS[1:]}
    wanted = keywords(labels)
    spoken: list[Clip] = []
    others: list[Clip] = []
    for folder in word_folders(archive):
        if folder.name in without:
            continue
        for clip in word_clips(folder, folder.name if folder.name in wanted else UNKNOWN):
            key = clip.key
            if next((name for name, names in lists.items() if key in names), SPLITS[0]) == split:
                (others if clip.label == UNKNOWN else spoken).append(clip)
    missing = sorted({*wanted} - {clip.label for clip in spoken})
    if missing and (not some_words or not spoken):
        own = any(word not in KEYWORDS for word in missing)
        remedy = "name a folder of recordings, <label>/*.wav" if own else "unpack the archive again or choose another split"
        raise UserError(f"{archive}: the {split} split has no clip of {', '.join(missing)}; {remedy}")
    extra = extra_clips(spoken, wanted, split, ver)
    if UNKNOWN in labels:
        spoken += others if all_others else first_by_hash(others, extra)
    return spoken + [Clip(SILENCE, silence=index) for index in range(extra) if SILENCE in labels]


def folder_clips(folder: Path, labels: Sequence[str] | None = LABELS) -> list[Clip]:
    """The clips of `<label>/*.wav`, at any depth, as the test-set archive has them, or of a folder's array.

    labels: the allowed ones, or None for any. Raises UserError where a folder is no label or there is no clip.
    """
    if clip_folder.is_one(folder):
        return array_clips(folder, labels)
    clips = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir()):
        label = path.name if labels is None else label_named(path.name, labels)
        found = word_clips(path, label or path.name)
        if found and label is None and labels is not None:
            raise UserError(
                f"{path}: '{path.name}' is not a label of the model ({', '.join(labels)}); rename or remove the folder"
            )
        clips += found
    if not clips:
        raise UserError(f"{folder}: no <label>/*.wav here; name a folder that holds Speech Commands")
    return clips


def array_clips(folder: Path, labels: Sequence[str] | None) -> list[Clip]:
    """The clips of a folder's array. A word that is no label is _unknown_; UserError where that is no label either."""
    _, words = clip_folder.load(folder, "clips", f"the command that wrote {shown(folder)}", None)
    meant = {word: word if labels is None else label_named(word, labels) for word in words}
    foreign = [word for word, label in meant.items() if label is None]
    if foreign and labels is not None and UNKNOWN not in labels:
        raise UserError(
            f"{folder}: '{foreign[0]}' is not a label of the model ({', '.join(labels)}), which has no {UNKNOWN}; name a "
            "folder of its words"
        )
    path = folder / clip_folder.ARRAY
    return [Clip(meant[word] or UNKNOWN, path, row=row, said=word) for row, word in enumerate(words)]


def clips_of_test_set(folder: Path, labels: Sequence[str], ver: int) -> list[Clip]:
    """The clips of the test-set archive for a model with these labels, whose words must be among the benchmark's.

    The other words are _unknown_, as many as `extra_clips` says; clips of no label are left out.
    """
    clips, wanted = folder_clips(folder, LABELS), keywords(labels)
    if {*wanted} == {*KEYWORDS}:
        return [clip for clip in clips if clip.label in labels]
    spoken, silence = ([clip for clip in clips if clip.label in which] for which in (wanted, [SILENCE]))
    others = [dataclasses.replace(clip, label=UNKNOWN) for clip in clips if clip.label not in (*wanted, SILENCE)]
    extra = extra_clips(spoken, wanted, "testing", ver)
    return spoken + [
        clip
        for label, some in ((UNKNOWN, others), (SILENCE, silence))
        if label in labels
        for clip in first_by_hash(some, extra)
    ]


def read_noises(archive: Path) -> list[np.ndarray]:
    """The background recordings, each int16 [samples], in the order of their names."""
    paths = wav_files(archive / NOISE)
    if not paths:
        raise UserError(f"{archive / NOISE}: no noise recordings; unpack the archive again")
    noises = [read_wav(path) for path in paths]
    for path, noise in zip(paths, noises):
        if len(noise) <= FEATURES.clip_samples:
            raise UserError(f"{path}: shorter than a second; unpack the archive again")
    return noises


def read_clips(
    clips: Sequence[Clip],
    noises: Sequence[np.ndarray] = (),
    progress=iter,
    clip_samples: int = FEATURES.clip_samples,
) -> np.ndarray:
    """Decode clips: int16 [clips, clip_samples]. noises: the recordings from which clips of silence are cut."""
    audio = np.zeros((len(clips), clip_samples), np.int16)
    arrays: dict[Path, np.ndarray] = {}
    for row, clip in zip(audio, progress(clips)):
        if clip.path and clip.row is not None:
            if clip.path not in arrays:
                arrays[clip.path] = np.load(clip.path, mmap_mode="r")
            found = arrays[clip.path][clip.row]
            if len(found) > clip_samples:
                raise UserError(
                    f"{clip.path}: clips of {len(found)} samples, but the network hears {clip_samples}; name shorter ones"
                )
            row[:] = in_the_middle(found, clip_samples)
        else:
            row[:] = read_clip(clip.path, clip_samples) if clip.path else silence_excerpt(noises, clip.silence, clip_samples)
    return audio


def silence_excerpt(noises: Sequence[np.ndarray], index: int, clip_samples: int = FEATURES.clip_samples) -> np.ndarray:
    """An excerpt of background noise at a level of 0 to 1, int16 [clip_samples]; `index` seeds the choice. UserError where
    no recording of it is that long."""
    rng = np.random.default_rng([SILENCE_SEED, index])
    long = [noise for noise in noises if len(noise) > clip_samples]
    if not long:
        raise UserError(
            f"{NOISE}: no recording is longer than the {clip_samples / FEATURES.sample_rate:g} s of a clip; unpack the "
            "archive again"
        )
    noise = long[rng.integers(len(long))]
    start = rng.integers(len(noise) - clip_samples)
    return np.rint(noise[start : start + clip_samples] * rng.uniform()).astype(np.int16)
