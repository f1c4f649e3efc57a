"""Train a network that listens for words of your own, from typed words alone or with recordings of them.

    python -m training.keyword --words "hey computer, lights out"
    python -m training.keyword --words computer --samples my_recordings --negatives radio --data ~/speech_commands
    python -m training.keyword --words computer --voices ~/piper
    python -m training.keyword --words computer --negatives radio --more-negatives falsely_accepted

Every installed synthesiser says the words, words that sound like them, others and running speech, in many voices; the
acoustic augmentation and the field's follow (training/spoken, training/field). SAMPLES/<word>/* are recordings of yours, any
that soundfile reads, or a .zip of them: each is cut to the word; NEGATIVES are recordings in which no word is said. A part
of the voices, of the texts and of the recordings is held back for `python -m benchmarks.keyword`, which `make keyword` runs
next.

It begins with the shipped checkpoint of its width, the field's where there is one, but for its last layer. Writes into
build/keywords/<words>/: keyword.safetensors and its card; keyword.calibration/, clips that the conversion chooses ranges on;
test/<label>/*.wav, recordings/<word>/*.wav and negatives/*.flac, none of which it was trained on. --more-negatives continues
with the network that is there, and with what it falsely accepted (`python -m benchmarks.false_accepts --save DIR`).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from common import checkpoint, locks, options
from common.checkpoint import Checkpoint
from common.description import FEATURES, SILENCE, parse_tau
from common.errors import OptionParser, UserError, one_line_errors
from common.shipped import field_checkpoint_path
from training import __main__ as trainings, card, train
from training.batches import Split
from training.data.decoded import data_hash
from training.features import log_mel
from training.field.augment import PARTS
from training.field.outside import changed_log_mel
from training.keyword import held_out, material, negatives, recorded, samples, words as words_of
from training.keyword.negatives import Pieces
from training.keyword.samples import Samples
from training.memory import keep_freed_memory
from training.precision import default_precision
from training.spoken.synthesisers import models

ROOT = Path("build/keywords")
NAME = "keyword.safetensors"
EPOCHS, EPOCHS_AGAIN = 40, 12
RATE, RATE_AGAIN = 0.05, 0.02
"""Peak learning rate, of a first run and of one that continues."""
LEAST_CLIPS = 50
SMOOTHING, AVERAGE, ABRUPT, STREAM, DROPOUT = 0.05, 0.995, 0.5, 0.6, 0.0
WEIGHT = 1.5
"""Weight of an excerpt of running speech in the last epoch; 1 in the first."""


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = OptionParser("python -m training.keyword", __doc__)
    parser.add_argument("--words", default="", help='the words, with commas between them: "hey computer, lights out"')
    parser.add_argument("--samples", type=Path, metavar="DIR", help="recordings of them, <word>/*; or a .zip of that")
    parser.add_argument(
        "--negatives",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="recordings in which none is said (more than once: several folders)",
    )
    parser.add_argument(
        "--more-negatives",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="continue the run that is there with what it falsely accepted",
    )
    parser.add_argument("--language", default="en", help="as `espeak-ng --voices` names it (default en)")
    parser.add_argument(
        "--voices", type=Path, metavar="DIR", help="published voices of Piper or Kokoro, .onnx files, which speak as well"
    )
    options.add_tau(parser)
    parser.add_argument("--data", type=Path, help="Speech Commands: its other words and its noises (default: none)")
    options.add_ver(parser)
    parser.add_argument("--epochs", type=int, help=f"default {EPOCHS}, or {EPOCHS_AGAIN} more with --more-negatives")
    parser.add_argument(
        "--clips",
        type=int,
        default=material.CLIPS,
        help=f"of each word in synthetic voices, to which all other counts are in proportion (default {material.CLIPS})",
    )
    options.add_seed(parser)
    parser.add_argument("--gpu", type=int, metavar="N", help="CUDA device; without it, the CPU")
    parser.add_argument("--out", type=Path, help="folder of the run (default build/keywords/<words>)")
    args = parser.parse_args(arguments)
    models.use(args.voices)
    args.tau, args.words = parse_tau(args.tau), words_of.parse(args.words)
    if args.epochs is None:
        args.epochs = EPOCHS_AGAIN if args.more_negatives else EPOCHS
    if args.epochs < 1 or args.clips < LEAST_CLIPS or args.seed < 0:
        raise UserError(f"--epochs must be at least 1, --clips at least {LEAST_CLIPS}, --seed at least 0")
    args.out = args.out or ROOT / words_of.folder_name(args.words)
    return args


def beginning(args: argparse.Namespace) -> Checkpoint:
    """The checkpoint to begin with: that of the run which is continued, else the shipped one. UserError where there is none
    for these words and this width."""
    path = args.out / NAME if args.more_negatives else field_checkpoint_path(args.tau)
    if not path.exists():
        raise UserError(
            f"{path}: no network to continue; run `make keyword` without MORE_NEGATIVES= first"
            if args.more_negatives
            else f"{path}: no trained network of tau {args.tau:g} to begin with; choose another TAU"
        )
    found = checkpoint.load(path)
    if args.more_negatives and (found.labels, found.tau) != (words_of.labels(args.words), args.tau):
        raise UserError(
            f"{path}: a network for {', '.join(found.labels[2:])} of tau {found.tau:g}; name these to continue it"
        )
    return found


def begin(trainer: train.Trainer, start: Checkpoint) -> None:
    """Give the network the weights of a checkpoint; its last layer stays as it is where the labels are others."""
    fresh = {name: value.cpu().numpy() for name, value in trainer.weights().items() if not name.endswith("batches_tracked")}
    same = start.labels == trainer.recipe.labels
    taken = {name: value for name, value in start.tensors.items() if same or not name.startswith("output.")}
    trainer.begin_with(fresh | taken)


def make_trainer(
    args: argparse.Namespace, start: Checkpoint, heard: Samples, kept: Pieces, again: Pieces, out: Path
) -> tuple[train.Trainer, material.Spoken]:
    """The run, ready to train, and the synthetic speech of the test."""
    keep_freed_memory()
    labels = words_of.labels(args.words)
    voices, chosen = material.prepare(args.words, args.language)
    if args.more_negatives and start.features != FEATURES:
        chosen = chosen._replace(samples=start.clip_samples)
    made, test = material.spoken(args.words, args.language, voices, chosen, args.clips, out, args.seed)
    others, recorded_noises = material.other_words(args.data, args.ver, args.words, args.language)
    noises, outside, digest = material.noises_and_outside(recorded_noises, made.sentences, kept, again, args.seed)
    made = made._replace(audio=material.over_speech(made.audio, kept.sounds, args.seed))
    training = material.training_split(labels, made, args.clips, heard.training, others, args.seed)
    judged, validation = material.validation(held_out.to_choose_on(test, labels), noises, labels, args.seed)
    device = trainings.choose_device(args.gpu)
    recipe = train.Recipe(
        args.tau,
        labels,
        args.epochs,
        args.seed,
        default_precision(device),
        data_hash([training, Split(judged, validation)], noises),
        RATE_AGAIN if args.more_negatives else RATE,
        SMOOTHING,
        AVERAGE,
        PARTS,
        start=start.sha256[:16],
        stream=STREAM,
        dropout=DROPOUT,
        abrupt=ABRUPT,
        outside=digest,
        excerpts=material.excerpts(args.words, args.clips),
        pauses=True,
        weight=WEIGHT,
        clip_samples=chosen.samples,
    )
    changed = changed_log_mel(outside.field, judged, validation == labels.index(SILENCE))
    trainer = train.Trainer(
        recipe, training, log_mel(judged), validation, noises, device, out / "last.pt", None, outside, changed
    )
    begin(trainer, start)
    return trainer, test


def go_on(trainer: train.Trainer) -> None:
    """Continue a run of the same recipe that was stopped, with a line; one of another recipe is left behind, with a line.
    UserError where the state file is damaged."""
    if not trainer.state.exists():
        return
    _, recipe = trainer.saved()
    if trainer.differs(recipe):
        print(f"{trainer.state}: of a stopped run with other options, recordings or voices; this one begins anew")
        return
    trainer.resume()
    print(f"{trainer.state}: going on after epoch {trainer.epoch}, where a run with these options was stopped")


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    started, spent = time.monotonic(), time.process_time()
    start = beginning(args)
    good, bad, kept, back = recorded.read(args.samples, args.words, args.negatives, args.seed)
    print("".join(f"{line}\n" for line in [*bad, *negatives.shared(kept, back)]), end="")
    heard = samples.split(good)
    material.enough(kept, args.negatives)
    again = negatives.all_of(args.more_negatives) if args.more_negatives else Pieces([], [])
    with locks.writing(args.out, ".last.pt.*", held_out.WORK):
        locks.try_to_write(args.out)
        trainer, test = make_trainer(args, start, heard, kept, again, args.out)
        print(
            f"{', '.join(args.words)}: {trainer.batches.drawn} clips an epoch, {len(heard.training)} recordings of yours, "
            f"{kept.hours:.1f} hours of negatives, a window of {trainer.recipe.features.window_text}; {args.epochs} epochs "
            f"on {trainer.device} ({trainer.recipe.precision}, {torch.get_num_threads()} threads)",
            flush=True,
        )
        go_on(trainer)
        trainings.train_epochs(trainer)
        if trainer.negatives:
            print("".join(f"{line}\n" for line in negatives.doubtful(trainer.negatives, kept)), end="")
        tensors = trainer.load_kept()
        record = held_out.record(trainer, args, sys.argv[1:] if argv is None else argv, start, heard, kept, again)
        held_out.write(args.out, trainer, test, heard.test, back, card.checkpoint_of(trainer, tensors, record))
        card.write(args.out / NAME, trainer, tensors, record)
        trainer.state.unlink()  # of a run that is through: the next one begins anew
    print(
        f"{args.out / NAME}: trained in {(time.monotonic() - started) / 60:.0f} min "
        f"({(time.process_time() - spent) / 60:.0f} min of this process's CPU)"
    )


if __name__ == "__main__":
    sys.exit(main())
