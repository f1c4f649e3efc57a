"""Make a checkpoint of this project from one of the official BC-ResNet code, of a Lightning module around it, or its own.

    python -m training.import_checkpoint --checkpoint bcresnet.pt \\
        --labels _silence_,_unknown_,down,go,left,no,off,on,right,stop,up,yes
    python -m training.import_checkpoint --checkpoint mine.safetensors --labels _silence_,_unknown_,lamp

Takes what `torch.save` wrote (a state_dict, or a dictionary with one in it) or safetensors, in the official names or in
those of this project. No code in it is run. Names are mapped, shapes checked and the width found; whatever does not fit is
refused. Writes the checkpoint and its card.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from common import checkpoint
from common.atomic import write_text
from common.checkpoint import CALIBRATION, Checkpoint
from common.description import FEATURES, LABELS, parse_tau
from common.errors import OptionParser, UserError, one_line_errors
from common.labels import labels_of
from common.reading import read_plain, sha256_of, shown
from training import card, foreign

REMEDY = "name what torch.save(model.state_dict(), …) wrote"
FOLDER = Path("build/imported")
OFFICIAL = ",".join(LABELS)
NAMES = {"official": "the official code", "own": "this project"}


def parse_arguments(argv: list[str] | None) -> argparse.Namespace:
    """The options; UserError where one is missing or invalid."""
    parser = OptionParser("python -m training.import_checkpoint", __doc__)
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help=".pt, .pth, .ckpt or .safetensors")
    parser.add_argument(
        "--labels",
        metavar="WORDS",
        help="its labels with commas between them, in the order of its outputs; _silence_ and _unknown_ are named so "
        f"(those of the official code: {OFFICIAL})",
    )
    parser.add_argument("--tau", help="the width that it must have (default: whatever it has)")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help=f"the checkpoint to write (default {FOLDER}/<name>.safetensors)"
    )
    args = parser.parse_args(argv)
    if args.checkpoint is None:
        raise UserError("no checkpoint named: give --checkpoint FILE (make import CHECKPOINT=FILE)")
    args.tau = parse_tau(args.tau) if args.tau is not None else None
    args.out = args.out or FOLDER / f"{args.checkpoint.stem}.safetensors"
    if args.out.suffix != ".safetensors":
        raise UserError(f"{args.out}: a checkpoint's name ends in .safetensors; name another with --out (make: OUT=)")
    if args.out.exists() and args.checkpoint.exists() and args.out.samefile(args.checkpoint):
        raise UserError(
            f"{args.out}: would take the place of what it is made from; name another file with --out (make: OUT=)"
        )
    return args


def labels_for(given: str | None, own: tuple[str, ...], classes: int) -> tuple[str, ...]:
    """The labels that were given, else those of the file. ValueError where there are none, too few or too many."""
    if given is None and not own:
        raise ValueError(
            f"its {classes} labels are not in it; name them in the order of its outputs with LABELS=a,b,… "
            f"(those of the official code: LABELS={OFFICIAL})"
        )
    labels = own if given is None else labels_of([label.strip() for label in given.split(",")])
    if len(labels) != classes:
        raise ValueError(f"it tells {classes} classes apart, but {len(labels)} labels are given; name as many with LABELS=")
    return labels


def imported(path: Path, given: str | None) -> Checkpoint:
    """The checkpoint of a foreign file, with a record of where it came from. UserError where it is none that fits."""
    content = read_plain(path, REMEDY, "checkpoint")
    own: tuple[str, ...] = ()
    before: dict = {}
    clip_samples = FEATURES.clip_samples
    if foreign.is_safetensors(content) and b'"bcresnet"' in content[: 8 + int.from_bytes(content[:8], "little")]:
        saved = checkpoint.load(path)
        own, before, clip_samples = saved.labels, saved.training, saved.clip_samples
    try:
        found = foreign.read(content)
        labels = labels_for(given, own, found.classes)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    parameters = sum(array.size for name, array in found.tensors.items() if "running_" not in name)
    record = {
        "network": f"BC-ResNet-{found.tau:g}, {parameters} parameters",
        "imported": f"from {shown(path.name)}, SHA-256 {sha256_of(content)}",
        "names": f"those of {NAMES[found.names]}" + f", below {found.prefix[:-1]}" * bool(found.prefix),
        "features": f"not in the file, taken to be this project's: {features()}",
        "labels": " ".join(labels),
    }
    record |= {f"before: {name}": value for name, value in before.items()}
    return Checkpoint(found.tau, labels, found.tensors, record, clip_samples=clip_samples)


def features() -> str:
    """This project's features in a line."""
    rate, window, hop = FEATURES.sample_rate, FEATURES.window, FEATURES.hop
    return (
        f"{rate / 1000:g} kHz, window {1000 * window // rate} ms, hop {1000 * hop // rate} ms, FFT {FEATURES.fft}, "
        f"{FEATURES.mels} HTK mels from {FEATURES.fmin:g} to {FEATURES.fmax:g} Hz, ln(power + {FEATURES.floor:g})"
    )


def take_calibration(source: Path, out: Path) -> None:
    """Put the calibration clips that `make keyword` left beside a checkpoint beside the imported one, where there are any;
    none stay of another one that was imported before."""
    clips = out.with_suffix(CALIBRATION)
    shutil.rmtree(clips, ignore_errors=True)
    if source.with_suffix(CALIBRATION).is_dir():
        shutil.copytree(source.with_suffix(CALIBRATION), clips)


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    args = parse_arguments(argv)
    made = imported(args.checkpoint, args.labels)
    if args.tau is not None and made.tau != args.tau:
        raise UserError(f"{args.checkpoint}: holds tau {made.tau:g}, not {args.tau:g}; say TAU={made.tau:g}")
    checkpoint.save(args.out, made)
    take_calibration(args.checkpoint, args.out)
    write_text(args.out.with_suffix(".md"), card.card(made.training))
    print(f"{args.out}: {made.training['network']}, {len(made.labels)} labels: {', '.join(made.labels)}")
    print(f"names of {args.checkpoint.name}: {made.training['names']}")
    print(f"features: {made.training['features']}")
    print(f"window: {made.features.window_text}")
    print(f"next: make quantize TAU={made.tau:g} CHECKPOINT={args.out}")


if __name__ == "__main__":
    sys.exit(main())
