"""Train BC-ResNet on Speech Commands.

python -m training --tau 1 --ver 2 --gpu 0 --download
python -m training --tau 1 --data ~/speech_commands --epochs 50 --resume
python -m training --recipe open --start checkpoints/tau1.safetensors --rate 0.05 --epochs 40
python -m training --recipe field --start checkpoints/tau1.safetensors --rate 0.05 --epochs 20 --recordings ~/speech
python -m training --recipe open --without happy,tree --epochs 10 --out build/heldout
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from common import checkpoint, locks, options
from common.description import LABELS, SILENCE, parse_tau
from common.errors import OptionParser, UserError, one_line_errors
from training import card, distill, heldout, openset, train
from training.data import dataset
from training.data.dataset import Clip
from training.data.decoded import data_hash, decoded
from training.data.download import download
from training.features import log_mel
from training.field import recipe as field
from training.field.outside import changed_log_mel
from training.memory import keep_freed_memory
from training.model import DROPOUT
from training.precision import default_precision
from training.spoken import pieces, synthesis

SEEDS = 1 << 32
LOSS_EVERY = 20
"""Batches from one display of the loss to the next: reading it waits for the GPU."""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = OptionParser("python -m training", __doc__)
    options.add_tau(parser)
    parser.add_argument("--gpu", type=int, default=None, metavar="N", help="CUDA device; without it, the CPU")
    parser.add_argument("--download", action="store_true", help="fetch the data set into --data first")
    options.add_archives(parser)
    parser.add_argument(
        "--epochs",
        type=int,
        default=train.PAPER_EPOCHS,
        help="length of the run, to which the schedule is scaled (default 200, the paper's)",
    )
    options.add_seed(parser)
    parser.add_argument(
        "--recipe",
        choices=("paper", "open", "field"),
        default="paper",
        help="the paper's; open: rejects words that are not in the data set: balanced classes, synthetic words and running "
        "speech, splices of keywords, label smoothing, averaged weights; field: the open one, in rooms, with music, babble "
        "and noise, at any level, through any microphone",
    )
    parser.add_argument(
        "--synthetic",
        type=Path,
        default=Path("build/synthetic"),
        help="folder of `python -m training.synthesis`, for --recipe open and field (default build/synthetic)",
    )
    parser.add_argument(
        "--speech",
        type=Path,
        metavar="FOLDER",
        help="folder of `python -m training.speech`: adds pieces of recorded speech as other words, and "
        "keywords augmented like them, for --recipe open and field (default: none)",
    )
    parser.add_argument(
        "--recordings",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="recordings of speech in which no keyword is said, for --recipe field: excerpts as other words, and babble "
        "(more than once: several folders)",
    )
    parser.add_argument(
        "--noise",
        type=Path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="recordings of noises, for --recipe field (more than once: several folders)",
    )
    parser.add_argument(
        "--omit",
        default="",
        metavar="PARTS",
        help=f"parts of --recipe open to leave out, with commas between them: {', '.join(openset.PARTS)}; and of --recipe "
        f"field: {', '.join(field.PARTS)}",
    )
    parser.add_argument(
        "--without",
        default="",
        metavar="WORDS",
        help="other words, with commas between them, to leave out of training and to test with",
    )
    parser.add_argument("--start", type=Path, metavar="FILE", help="checkpoint of the initial weights (default: random)")
    parser.add_argument("--rate", type=float, default=train.PEAK_RATE, help="peak learning rate (default 0.1)")
    parser.add_argument(
        "--stream",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="fraction of the batches that train continuous listening: clips in longer noise, scores "
        "averaged over few columns (default 0)",
    )
    parser.add_argument(
        "--dropout", type=float, default=DROPOUT, help="probability of dropping a channel (default 0.1, the paper's)"
    )
    parser.add_argument(
        "--teacher",
        type=Path,
        metavar="FILE",
        help="checkpoint of a larger network, whose probabilities are learnt beside the labels",
    )
    parser.add_argument("--resume", action="store_true", help="continue the run in --out where it stopped")
    parser.add_argument("--out", type=Path, help="folder of the run (default build/tau<T>/training)")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: all cores)")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="precision of the activations (default: bfloat16 where the hardware has it)",
    )
    return parser.parse_args(arguments)


def check_options(args: argparse.Namespace) -> None:
    """Parse and fill in the options, in place; UserError for a bad one."""
    args.tau = parse_tau(args.tau)
    if args.epochs < 1:
        raise UserError(f"--epochs {args.epochs}: at least 1 is needed")
    if args.threads is not None and args.threads < 1:
        raise UserError(f"--threads {args.threads}: at least 1 is needed")
    if not 0 <= args.seed < SEEDS:
        raise UserError(f"--seed {args.seed}: choose one of 0 to {SEEDS - 1}")
    if not 0 < args.rate <= 1:
        raise UserError(f"--rate {args.rate:g}: choose one above 0 and up to 1")
    args.open = args.recipe in ("open", "field")
    args.parts = (field if args.recipe == "field" else openset).parse_omitted(args.omit)
    if args.omit and not args.open:
        raise UserError("--omit: only the open recipe has parts to leave out; add --recipe open (make: RECIPE=open)")
    if args.speech and not args.open:
        raise UserError("--speech: only the open recipe takes more other words; add --recipe open (make: RECIPE=open)")
    for option, folders in (("--recordings", args.recordings), ("--noise", args.noise)):
        if folders and args.recipe != "field":
            raise UserError(f"{option}: only the field recipe takes recordings; add --recipe field (make: RECIPE=field)")
    args.parts += ("speech",) * bool(args.speech)
    args.without = heldout.parse_words(args.without)
    if not 0 <= args.stream < 1:
        raise UserError(f"--stream {args.stream:g}: choose a share of the batches from 0 to below 1")
    if not 0 <= args.dropout < 1:
        raise UserError(f"--dropout {args.dropout:g}: choose a share of the channels from 0 to below 1")
    args.start = checkpoint.load(args.start) if args.start else None
    args.teacher = checkpoint.load(args.teacher) if args.teacher else None
    if args.start and args.start.tau != args.tau:
        raise UserError(f"--start: a checkpoint of tau {args.start.tau:g}, not {args.tau:g}; name one of that width")
    for option, given in (("--start", args.start), ("--teacher", args.teacher)):
        heldout.check_checkpoint(args.without, option, given)
    if args.open and "running" in args.parts:
        heldout.check_running_speech(args.without)
    args.out = args.out or Path(f"build/tau{args.tau:g}/training")
    check_state(args)


def check_state(args: argparse.Namespace) -> None:
    """UserError where the folder holds a run and --resume is not given."""
    if state_file(args).exists() and not args.resume:
        raise UserError(
            f"{state_file(args)}: a run is there already; continue it with --resume "
            "(make train … RESUME=1), or choose another --out"
        )


def state_file(args: argparse.Namespace) -> Path:
    """The file that the run is saved to after each epoch."""
    return args.out / "last.pt"


def choose_device(gpu: int | None) -> torch.device:
    """The CUDA device of this number; the CPU where none is given, or, with a printed line, where it does not exist."""
    if gpu is None:
        return torch.device("cpu")
    if 0 <= gpu < torch.cuda.device_count():
        return torch.device("cuda", gpu)
    print(f"no CUDA device {gpu} here; training on the CPU")
    return torch.device("cpu")


def open_run(args: argparse.Namespace, archive: Path) -> train.Trainer:
    """The run of these options over the clips of `archive`; continued where it was saved."""
    keep_freed_memory()
    device = choose_device(args.gpu)
    precision = default_precision(device) if args.precision == "auto" else args.precision
    noises = dataset.read_noises(archive)
    clips = dataset.split_clips(archive, "training", args.ver, args.without, all_others=args.open)
    training = decoded(clips, "training", noises, args.out / "decoded")
    validation = decoded(
        dataset.split_clips(archive, "validation", args.ver, args.without), "validation", noises, args.out / "decoded"
    )
    extras = {}
    if args.open:
        training = openset.training_set(training, clips, args.synthetic, args.speech, args.without, args.parts)
        extras = openset.extras(clips, args.parts)
    outside = None
    if args.recipe == "field":
        outside, extras["outside"] = field.material(noises, args.recordings, args.noise, args.parts)
        extras |= field.extras(clips, outside, args.parts)
    recipe = train.Recipe(
        args.tau,
        LABELS,
        args.epochs,
        args.seed,
        precision,
        data_hash([training, validation], noises),
        args.rate,
        start=args.start.sha256[:16] if args.start else "",
        stream=args.stream,
        dropout=args.dropout,
        teacher=args.teacher.sha256[:16] if args.teacher else "",
        **extras,
    )
    teacher = distill.Teacher(args.teacher, LABELS, device) if args.teacher else None
    changed = None
    if outside:
        changed = changed_log_mel(outside.field, validation.audio, validation.target == LABELS.index(SILENCE))
        if teacher:
            assert training.distil is not None
            kept = args.out / "decoded" / f"answers-{recipe.data}-{recipe.teacher}.npy"
            outside.answers = teacher.answers(training.audio, np.flatnonzero(training.distil), device, kept)
    trainer = train.Trainer(
        recipe,
        training,
        log_mel(validation.audio),
        validation.target,
        noises,
        device,
        state_file(args),
        teacher,
        outside,
        changed,
    )
    if state_file(args).exists():
        trainer.resume()
        print(f"resuming after epoch {trainer.epoch}")
    elif args.start:
        trainer.begin_with(args.start.tensors)
    print(
        f"BC-ResNet-{args.tau:g}: {trainer.batches.drawn} training clips an epoch and {len(validation.target)} validation "
        f"clips, {args.epochs} epochs on {device} ({precision}, {torch.get_num_threads()} threads), seed {args.seed}",
        flush=True,
    )
    return trainer


def live(trainer: train.Trainer, batches: Iterator, count: int) -> Iterator:
    """The batches of an epoch, with a progress bar: mean loss so far, time left of the epoch."""
    bar = tqdm(batches, f"epoch {trainer.epoch + 1}/{trainer.recipe.epochs}", count, unit="batch", leave=False, disable=None)
    for index, batch in enumerate(bar):
        if index % LOSS_EVERY == 0 and not bar.disable:
            bar.set_postfix_str(f"loss {trainer.running_loss():.3f}", refresh=False)
        yield batch


def train_epochs(trainer: train.Trainer) -> None:
    """Train the epochs that are left; each shows a progress bar and then prints a line."""
    epochs = trainer.recipe.epochs
    while trainer.epoch < epochs:
        started = time.monotonic()
        number = trainer.epoch + 1
        trainer.train_epoch(functools.partial(live, trainer))
        row = trainer.history[-1]
        seconds = time.monotonic() - started
        clips = len(trainer.validation_target)
        changed = f", changed {100 * row['outside'] / clips:.2f} %" if "outside" in row else ""
        if trainer.negatives:
            changed += f", keywords heard in {100 * trainer.negatives.heard:.1f} % of the speech"
        print(
            f"epoch {number}/{epochs}: loss {row['loss']:.4f}, validation {100 * row['correct'] / clips:.2f} %{changed}, "
            f"{seconds:.0f} s, {seconds * (epochs - number) / 60:.0f} min left",
            flush=True,
        )


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    arguments = sys.argv[1:] if argv is None else argv
    args = parse_arguments(arguments)
    check_options(args)
    if args.download:
        download(args.data, args.ver)
    if args.threads:
        torch.set_num_threads(args.threads)
    archive = dataset.training_archive(args.data, args.ver)
    test_set = dataset.find_archive(args.data, args.ver, test_set=True)
    test_clips = dataset.folder_clips(test_set) if test_set else []
    for note in (dataset.passed_over(folder) for folder in (archive, test_set) if folder):
        if note:
            print(note)
    heldout_clips = heldout.heldout_clips(archive, args.without)
    if args.open:
        openset.synthetic_speech(args.synthetic, args.parts)  # before minutes of decoding
        if not args.resume and {"synthetic", "running"} & {*args.parts}:  # a resumed run compares the hash of its data
            synthesis.check(args.synthetic)
    if args.speech:
        pieces.load(args.speech)
    with locks.writing(args.out, ".last.pt.*", "decoded/.*"):
        locks.try_to_write(args.out)
        check_state(args)  # another command may have saved a run while this one waited
        run(args, arguments, archive, test_clips, heldout_clips)


def run(
    args: argparse.Namespace,
    arguments: Sequence[str],
    archive: Path,
    test_clips: Sequence[Clip],
    heldout_clips: Sequence[Clip],
) -> None:
    """Train in the folder of the run, test, and write the checkpoint with its card and plot."""
    trainer = open_run(args, archive)
    train_epochs(trainer)
    tensors = trainer.load_kept()
    record = card.run_record(trainer, archive, args.ver, arguments)
    if args.start:
        record["from"] = card.origin(args.start)
    if args.teacher:
        record["teacher"] = f"BC-ResNet-{args.teacher.tau:g}, {card.origin(args.teacher)}"
    if heldout_clips:
        record[heldout.UNHEARD] = " ".join(args.without)
        record |= heldout.rejection_record(trainer, heldout_clips)
    if test_clips:
        record |= card.accuracy_record(trainer, test_clips)
    path = args.out / f"tau{args.tau:g}.safetensors"
    card.write(path, trainer, tensors, record)
    from training.plot import write_plot  # matplotlib takes a second to load

    write_plot(
        args.out / "run.png", trainer.history, len(trainer.validation_target), f"BC-ResNet-{args.tau:g}, seed {args.seed}"
    )
    print(
        f"{path}\n"
        + "\n".join(
            f"  {name}: {value}"
            for name, value in record.items()
            if "top-1" in name or "rejected" in name or "recognised" in name
        )
    )


if __name__ == "__main__":
    sys.exit(main())
