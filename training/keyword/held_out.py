"""What a run of `make keyword` leaves behind: clips for the conversion and for the test, and the checkpoint's record."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from common import checkpoint
from common.atomic import write_text
from common.checkpoint import Checkpoint
from common.description import FEATURES, SILENCE, UNKNOWN
from common.errors import UserError
from common.halves import judging_halves
from common.reading import sha256_of
from training import card
from training.data import clip_folder
from training.keyword import material, speech
from training.keyword.material import Spoken
from training.keyword.negatives import Pieces
from training.keyword.samples import Sample, Samples
from training.train import Trainer, kept_epoch

CALIBRATION = f"keyword{checkpoint.CALIBRATION}"
"""Folder of the clips on which the conversion of keyword.safetensors chooses ranges."""
CLIPS = 128
WORD_SHARE = 0.4
"""Fraction of them in which a word is said; a tenth is silence."""
SILENCE_SHARE = 0.1
TEST, RECORDINGS, NEGATIVES = "test", "recordings", "negatives"
"""Folders of the test: <label>/*.wav of a window, in held-out voices; <word>/*.wav, recordings of the user's; recordings
without words."""
SYNTHETIC = "synthetic"
"""How the names of negatives begin that a synthesiser says, before their number; those of a recording's pieces have their
second before it, too."""
MARK = "test.sha256"
"""File with the SHA-256 of the checkpoint that the folders of the test are of; older runs have none."""
WORK = ".held_out.*"
"""What a killed run leaves of them in its folder."""
RATE = FEATURES.sample_rate


def write(
    out: Path, trainer: Trainer, test: Spoken, recordings: Sequence[Sample], back: Pieces, network: Checkpoint
) -> None:
    """Write all of it into the folder of the run, in place of what an earlier run left there, before the network itself is
    written. Until then MARK says that the folders are of another one than that which lies there."""
    with tempfile.TemporaryDirectory(dir=out, prefix=WORK[:-1]) as work:
        new, old = Path(work) / "new", Path(work) / "old"
        old.mkdir()
        fill(new, trainer, test, recordings, back)
        write_text(out / MARK, sha256_of(checkpoint.content(network)) + "\n")
        for name in (CALIBRATION, TEST, RECORDINGS, NEGATIVES):
            if (out / name).exists():
                os.rename(out / name, old / name)
            if (new / name).exists():
                os.rename(new / name, out / name)


def check(folder: Path, network: Path, sha256: str) -> None:
    """UserError where what a run left in its folder is of another network than that with this SHA-256."""
    mark = folder / MARK
    if mark.is_file() and mark.read_text(errors="replace").strip() != sha256:
        raise UserError(
            f"{folder / TEST}: what is held back there is of another network than {network.name}, since a run was stopped "
            "as it wrote them, or one was replaced; run `make keyword` again"
        )


def fill(out: Path, trainer: Trainer, test: Spoken, recordings: Sequence[Sample], back: Pieces) -> None:
    """Write all of it into a folder that has none of it."""
    labels = trainer.recipe.labels
    calibration(out / CALIBRATION, trainer)
    save_test(out / TEST, test, labels)
    for number, clip in enumerate(silences(trainer, len(test.items) // len(labels))):
        save(out / TEST / SILENCE / f"silence-{number}.wav", clip)
    for number, sample in enumerate(recordings):
        save(out / RECORDINGS / sample.word / f"{number}-{sample.path.stem}.wav", as_int16(sample.whole))
    sounds = [*zip(back.names, back.sounds), *((SYNTHETIC, sound) for sound in joined(test.sentences))]
    for number, (name, sound) in enumerate(sounds):
        save(out / NEGATIVES / f"{name}-{number}.flac", sound)


def clip_names(test: Spoken, labels: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The file of each clip of the test, `<label>/<kind>-<number>.wav`, and its class, int64 [clips]."""
    target = speech.target([item.name for item in test.items], labels)
    return [f"{labels[label]}/{item.kind}-{n}.wav" for n, (item, label) in enumerate(zip(test.items, target))], target


def to_choose_on(test: Spoken, labels: Sequence[str]) -> Spoken:
    """The half of the test's clips that an epoch may be chosen by: of the words, that which `benchmarks.keyword` chooses
    thresholds on and reports nothing of; of the rest, half as well."""
    names, target = clip_names(test, labels)
    rows = np.flatnonzero(judging_halves(names, target, target == labels.index(UNKNOWN)) == 0)
    return test._replace(items=[test.items[row] for row in rows], audio=test.audio[rows])


def save_test(folder: Path, test: Spoken, labels: Sequence[str]) -> None:
    """Write the test's clips, each under its name."""
    for name, clip in zip(clip_names(test, labels)[0], test.audio):
        save(folder / name, clip)


def is_synthetic(path: Path) -> bool:
    """Whether a file of NEGATIVES is what a synthesiser says."""
    return re.fullmatch(rf"{SYNTHETIC}-\d+", path.stem) is not None


def recording_of(path: Path) -> str:
    """The name of the recording of which a file of NEGATIVES is a piece."""
    return path.stem.rsplit("-", 2)[0]


def joined(sentences: Sequence[np.ndarray], each: int = 10) -> list[np.ndarray]:
    """Utterances in a row, so many in each recording."""
    return [np.concatenate(sentences[start : start + each]) for start in range(0, len(sentences), each)]


def save(path: Path, samples: np.ndarray) -> None:
    """Write samples int16 [samples] at 16 kHz as the format of the path's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="PCM_16")


def as_int16(samples: np.ndarray) -> np.ndarray:
    return np.rint(32767 * samples.clip(-1, 1)).astype(np.int16)


def silences(trainer: Trainer, count: int) -> np.ndarray:
    """Excerpts of the noises of the run, at levels up to their own, int16 [count, samples of a clip]."""
    noise, samples = trainer.batches.augment.noise.cpu().numpy(), trainer.batches.audio.shape[1]
    return material.silences(noise, count, samples, np.random.default_rng([trainer.recipe.seed, 7]))


def calibration(folder: Path, trainer: Trainer) -> None:
    """CLIPS clips that the network was trained on, with their labels."""
    labels, batches = trainer.recipe.labels, trainer.batches
    rng = np.random.default_rng([trainer.recipe.seed, 8])
    words = range(2, len(labels))
    silent = round(SILENCE_SHARE * CLIPS)
    spoken = round(WORD_SHARE * CLIPS)
    target = batches.target.numpy()
    rows = [words[index % len(words)] for index in range(spoken)] + [1] * (CLIPS - spoken - silent)
    chosen = [int(rng.choice(np.flatnonzero(target == label))) for label in rows]
    audio = np.concatenate([batches.audio[chosen].cpu().numpy(), silences(trainer, silent)])
    names = [labels[label] for label in rows] + [SILENCE] * silent
    with clip_folder.making(folder):
        clip_folder.write(folder, names, trainer.recipe.seed, [(0, audio)], audio.shape[1])


def record(
    trainer: Trainer,
    args: argparse.Namespace,
    arguments: Sequence[str],
    start: Checkpoint,
    heard: Samples,
    kept: Pieces,
    again: Pieces,
) -> dict:
    """The record of the checkpoint."""
    best = kept_epoch(trainer.recipe, trainer.history)
    row = trainer.history[best - 1]
    clips = len(trainer.validation_target)
    return {
        "network": f"BC-ResNet-{trainer.recipe.tau:g}, {sum(p.numel() for p in trainer.model.parameters())} parameters",
        "data": f"{', '.join(args.words)} in synthetic voices ({args.language}), {len(heard.training)} recordings of the "
        f"user's, {kept.hours:.1f} hours of the user's negatives, {again.hours * 60:.1f} min of false accepts, hash "
        f"{trainer.recipe.data}",
        "recipe": card.recipe_line(trainer),
        "labels": " ".join(trainer.recipe.labels),
        "window": trainer.recipe.features.window_text,
        "seed": trainer.recipe.seed,
        "epochs": f"{args.epochs}, the best by validation kept (epoch {best})",
        "command": shlex.join(["python", "-m", "training.keyword", *card.portable(arguments)]),
        "time": f"{trainer.seconds / 60:.0f} min",
        "synthetic voices held out and silence, top-1": f"{100 * row['correct'] / clips:.2f} % ({clips} clips, which chose "
        "the epoch)",
        "from": card.origin(start),
    }
