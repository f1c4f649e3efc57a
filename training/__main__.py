"""Train BC-ResNet on Speech Commands.

    python -m training --tau 1 --ver 2 --gpu 0 --download
    python -m training --tau 1 --data ~/speech_commands --epochs 50 --resume
"""
from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from training import checkpoint, dataset, train
from training.atomic import replacing, write_text
from training.description import LABELS, parse_tau
from training.errors import UserError, one_line_errors
from training.features import log_mel
from training.intervals import percent


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tau", default="1", help="width of the network: 1, 1.5, 2, 3, 6 or 8 (default 1)")
    parser.add_argument("--ver", type=int, default=2, choices=(1, 2), help="Speech Commands v0.01 or v0.02")
    parser.add_argument("--gpu", type=int, default=None, metavar="N", help="CUDA device; without it, the CPU")
    parser.add_argument("--download", action="store_true", help="fetch the data set into --data first")
    parser.add_argument("--data", default=os.environ.get("GSC_ROOT") or "data", type=Path,
                        help="folder of the official archives, unpacked (default $GSC_ROOT, else data/)")
    parser.add_argument("--epochs", type=int, default=train.PAPER_EPOCHS,
                        help="the schedule is scaled to them (default 200, the paper's)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="continue the run in --out where it stopped")
    parser.add_argument("--out", type=Path, help="folder of the run (default build/tau<T>/training)")
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: all cores)")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto",
                        help="of the activations in training (default: bfloat16 where it is native)")
    return parser.parse_args(argv)


def choose_device(gpu: int | None) -> torch.device:
    """The CUDA device asked for, or the CPU with one line that says why."""
    if gpu is None:
        return torch.device("cpu")
    if gpu < torch.cuda.device_count():
        return torch.device("cuda", gpu)
    print(f"no CUDA device {gpu} here; training on the CPU")
    return torch.device("cpu")


def decoded(archive: Path, split: str, ver: int, cache: Path) -> tuple[train.Split, np.ndarray]:
    """A split decoded once: later runs map the cached samples. Also the noises, joined.

    In training, silence is all noise that the augmentation adds: its clips hold zeros.
    """
    clips = dataset.split_clips(archive, split, ver)
    noises = dataset.read_noises(archive)
    if split == "training":
        clips = [dataset.Clip(c.label, c.path, c.silence) for c in clips]
    stamp = hashlib.sha256()
    for clip in clips:
        size = f"{clip.path.stat().st_size} {clip.path.stat().st_mtime_ns}" if clip.path else ""
        stamp.update(f"{clip.name} {size}\n".encode())
    path = cache / f"{split}-{stamp.hexdigest()[:16]}.npy"
    if not path.is_file():
        def progress(items):
            return tqdm(items, f"decoding {split}", unit="clip", disable=None)
        spoken = [clip for clip in clips if clip.path or split != "training"]
        audio = dataset.read_clips(spoken, noises, progress)
        audio = np.concatenate([audio, np.zeros((len(clips) - len(spoken), audio.shape[1]), np.int16)])
        with replacing(path) as temporary:
            np.save(temporary, audio)
    target = np.array([LABELS.index(clip.label) for clip in clips])
    return train.Split(np.load(path, mmap_mode="c"), target), noises


def data_hash(splits: list[train.Split], noises: list[np.ndarray]) -> str:
    """First 16 hex digits of the SHA-256 of everything the run learns from."""
    digest = hashlib.sha256()
    for array in [a for s in splits for a in (s.audio, s.target)] + noises:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]


def card(record: dict) -> str:
    """The model card, Markdown, from what the checkpoint records."""
    rows = "\n".join(f"| {name} | {value} |" for name, value in record.items())
    return f"# BC-ResNet keyword spotter\n\n| | |\n|---|---|\n{rows}\n"


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    try:
        tau = parse_tau(args.tau)
    except ValueError as error:
        raise UserError(str(error)) from None
    if args.epochs < 1:
        raise UserError(f"--epochs {args.epochs}: at least 1 is needed")
    out = args.out or Path(f"build/tau{tau:g}/training")
    state = out / "last.pt"
    if state.exists() and not args.resume:
        raise UserError(f"{state}: a run is there already; continue it with --resume (make train … RESUME=1), "
                        "or choose another --out")
    if args.download:
        from training.download import download
        download(args.data, args.ver)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = choose_device(args.gpu)
    precision = train.default_precision(device) if args.precision == "auto" else args.precision
    archive = dataset.training_archive(args.data, args.ver)
    cache = out / "decoded"
    training, noises = decoded(archive, "training", args.ver, cache)
    validation, _ = decoded(archive, "validation", args.ver, cache)
    recipe = train.Recipe(tau, LABELS, args.epochs, args.seed, precision,
                          data_hash([training, validation], noises))
    trainer = train.Trainer(recipe, training, log_mel(validation.audio), validation.target, noises, device, state)
    if state.exists():
        trainer.resume()
        print(f"resuming after epoch {trainer.epoch}")
    clips = len(validation.target)
    print(f"BC-ResNet-{tau:g}: {len(training.target)} training and {clips} validation clips, "
          f"{args.epochs} epochs on {device} ({precision}, {torch.get_num_threads()} threads), seed {args.seed}")
    while trainer.epoch < args.epochs:
        started = time.monotonic()
        number = trainer.epoch + 1
        trainer.train_epoch(lambda batches, steps: tqdm(batches, f"epoch {number}/{args.epochs}", steps,
                                                        unit="batch", leave=False, disable=None))
        row = trainer.history[-1]
        seconds = time.monotonic() - started
        print(f"epoch {number}/{args.epochs}: loss {row['loss']:.4f}, validation "
              f"{100 * row['correct'] / clips:.2f} %, {seconds:.0f} s, "
              f"{seconds * (args.epochs - number) / 60:.0f} min left", flush=True)
    tensors = trainer.load_best()
    correct = [row["correct"] for row in trainer.history]
    record = {
        "network": f"BC-ResNet-{tau:g}, {sum(p.numel() for p in trainer.model.parameters())} parameters",
        "data": f"Speech Commands v0.0{args.ver} layout ({archive.name}), {len(training.target)} training clips, "
                f"hash {recipe.data}",
        "labels": " ".join(LABELS),
        "seed": args.seed,
        "epochs": f"{args.epochs}, the best by validation kept "
                  f"(epoch {len(correct) - correct[::-1].index(max(correct))})",
        "command": shlex.join(["python", "-m", "training", *portable(sys.argv[1:] if argv is None else argv)]),
        "device": f"{device.type}, {precision} activations, {torch.get_num_threads()} threads, torch {torch.__version__}",
        "time": f"{trainer.seconds / 60:.0f} min",
        "validation top-1": percent(max(correct), clips),
    }
    test_set = dataset.find_archive(args.data, args.ver, test_set=True)
    if test_set:
        test = dataset.folder_clips(test_set)
        target = np.array([LABELS.index(clip.label) for clip in test])
        answers = trainer.logits(log_mel(dataset.read_clips(test))).argmax(1)
        record["test top-1"] = percent(int((answers == target).sum()), len(test))
        for index, label in enumerate(LABELS):
            chosen = target == index
            record[f"test recall {label}"] = percent(int((answers[chosen] == index).sum()), int(chosen.sum()))
    path = out / f"tau{tau:g}.safetensors"
    checkpoint.save(path, checkpoint.Checkpoint(tau, LABELS, tensors, record))
    write_text(path.with_suffix(".md"), card(record))
    print(f"{path}\n" + "\n".join(f"  {name}: {value}" for name, value in record.items() if "top-1" in name))


def portable(arguments: list[str]) -> list[str]:
    """Arguments with the paths of this machine replaced by what they stand for."""
    out = list(arguments)
    for option, stands_for in (("--data", "DATA"), ("--out", "OUT")):
        if option in out:
            out[out.index(option) + 1] = stands_for
    return out


if __name__ == "__main__":
    sys.exit(main())
