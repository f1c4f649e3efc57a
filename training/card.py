"""What a finished run says of itself: the record in the checkpoint, and the model card beside it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from common.atomic import write_text
from common.checkpoint import Checkpoint, save
from common.description import LABELS
from common.intervals import percent
from common.markdown import cell
from training.data.dataset import Clip, read_clips
from training.features import log_mel
from training.field.augment import PARTS as AUGMENTATION
from training.model import DROPOUT
from training.train import Trainer, kept_epoch


def run_record(trainer: Trainer, archive: Path, ver: int, arguments: Sequence[str]) -> dict:
    """Data, options, device, time and validation accuracy of a finished run.

    archive: the folder of the training clips. arguments: of the command line.
    """
    recipe, clips = trainer.recipe, len(trainer.validation_target)
    best = kept_epoch(recipe, trainer.history)
    row = trainer.history[best - 1]
    outside = {"validation top-1, changed as in the field": percent(row["outside"], clips)} if "outside" in row else {}
    return {
        "network": f"BC-ResNet-{recipe.tau:g}, {sum(p.numel() for p in trainer.model.parameters())} parameters",
        "data": f"Speech Commands v0.0{ver} layout ({archive.name}), {len(trainer.batches.target)} training clips, "
        f"hash {recipe.data}",
        "recipe": recipe_line(trainer),
        "labels": " ".join(recipe.labels),
        "seed": recipe.seed,
        "epochs": f"{recipe.epochs}, the last kept"
        if recipe.last
        else f"{recipe.epochs}, the best by validation kept (epoch {best})",
        "command": shlex.join(["python", "-m", "training", *portable(arguments)]),
        "device": f"{trainer.device.type}, {recipe.precision} activations, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}",
        "time": f"{trainer.seconds / 60:.0f} min",
        "validation top-1": percent(row["correct"], clips),
        **outside,
    }


PART_TEXT = {
    "balance": "classes balanced",
    "synthetic": "synthetic words added",
    "running": "synthetic running speech added",
    "speech": "pieces of recorded speech added, keywords recorded again",
}
"""Parts of a recipe that have no field of their own in it."""

FIELD_TEXT = {
    "rooms": "simulated rooms",
    "music": "synthetic music",
    "babble": "babble",
    "hiss": "hiss",
    "noise": "recorded noises",
    "bands": "bands of microphones and lines",
    "level": "random levels and saturation",
    "microphone": "noise of microphones and mains hum",
}


def recipe_line(trainer: Trainer) -> str:
    """What the run did to the clips and the weights, in a line."""
    recipe = trainer.recipe
    parts = [f"{trainer.batches.drawn} clips an epoch", f"peak rate {recipe.rate:g}"]
    parts += [text for part, text in PART_TEXT.items() if part in recipe.parts]
    if recipe.splices:
        parts.append(f"{recipe.splices} splices of keywords")
    if recipe.abrupt:
        parts.append(f"noise begins or ends in {100 * recipe.abrupt:g} % of the silences")
    if recipe.smoothing:
        parts.append(f"labels smoothed by {recipe.smoothing:g}")
    if recipe.average:
        parts.append(f"weights averaged ({recipe.average:g} a step)")
    if recipe.stream:
        parts.append(f"{100 * recipe.stream:g} % of the batches heard as a stream")
    if recipe.outside:
        parts += [FIELD_TEXT[part] for part in AUGMENTATION if part in recipe.parts]
    if recipe.excerpts:
        parts.append(f"{recipe.excerpts} excerpts of running speech, whose weight rises to {recipe.weight:g}")
        parts += ["those in pauses are silence"] * recipe.pauses
        parts += ["half of them drawn where a keyword was heard"] * ("mining" in recipe.parts)
    if recipe.prior:
        parts.append(
            f"logit of other words lowered by {trainer.history[kept_epoch(recipe, trainer.history) - 1]['prior']:.1f}, "
            "by validation"
        )
    if recipe.dropout != DROPOUT:
        parts.append(f"dropout {recipe.dropout:g}")
    if recipe.teacher:
        parts.append(f"distilled from checkpoint {recipe.teacher}")
    return ", ".join(parts + [f"begins with checkpoint {recipe.start}"] * bool(recipe.start))


def origin(start: Checkpoint) -> str:
    """How the checkpoint that a run begins with came about, and the one before it."""
    record = start.training
    steps = [f"{record['command']} (epochs: {record.get('epochs')})"] if "command" in record else []
    steps += [str(record["from"])] if "from" in record else []
    return f"checkpoint {start.sha256[:16]}: " + ("; before it, ".join(steps) or "of unknown origin")


def accuracy_record(trainer: Trainer, clips: Sequence[Clip]) -> dict[str, str]:
    """Top-1 and the recall of every class over the clips of the test set, by the weights now in the model."""
    target = np.array([LABELS.index(clip.label) for clip in clips])
    answers = trainer.logits(log_mel(read_clips(clips))).argmax(1)
    record = {"test top-1": percent(int((answers == target).sum()), len(clips))}
    for index, label in enumerate(LABELS):
        chosen = target == index
        if chosen.any():
            record[f"test recall {label}"] = percent(int((answers[chosen] == index).sum()), int(chosen.sum()))
    return record


def checkpoint_of(trainer: Trainer, tensors: dict[str, np.ndarray], record: dict[str, str]) -> Checkpoint:
    """The checkpoint of a finished run."""
    recipe = trainer.recipe
    return Checkpoint(recipe.tau, recipe.labels, tensors, record, clip_samples=recipe.clip_samples)


def write(path: Path, trainer: Trainer, tensors: dict[str, np.ndarray], record: dict[str, str]) -> None:
    """Write the checkpoint to `path`, and its card beside it."""
    save(path, checkpoint_of(trainer, tensors, record))
    write_text(path.with_suffix(".md"), card(record))


def card(record: dict[str, str]) -> str:
    """The model card, Markdown, from what the checkpoint records."""
    rows = "\n".join(f"| {cell(name)} | {cell(value)} |" for name, value in record.items())
    return f"# BC-ResNet keyword spotter\n\n| | |\n|---|---|\n{rows}\n"


def portable(arguments: Sequence[str]) -> list[str]:
    """Arguments with the paths of this machine replaced by what they stand for."""
    out = list(arguments)
    for option, stands_for in (
        ("--data", "DATA"),
        ("--out", "OUT"),
        ("--start", "START"),
        ("--teacher", "TEACHER"),
        ("--synthetic", "SYNTHETIC"),
        ("--speech", "SPEECH"),
        ("--recordings", "RECORDINGS"),
        ("--noise", "NOISE"),
        ("--samples", "SAMPLES"),
        ("--negatives", "NEGATIVES"),
        ("--more-negatives", "MORE_NEGATIVES"),
    ):
        for index, argument in enumerate(out):
            if argument.startswith(f"{option}="):
                out[index] = f"{option}={stands_for}"
            elif argument == option:
                out[index + 1] = stands_for
    return out
