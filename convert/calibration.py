"""The clips that activation ranges are chosen on: 128 of Speech Commands' training clips.

The repository carries their int8 features (not their audio) as the device's pipeline computes them,
so that the conversion needs no download and gives the same bytes everywhere. They are bound to that
pipeline: when it changes, this regenerates them:

    python -m convert.calibration --data DATA
"""
from __future__ import annotations

import dataclasses
import hashlib
import io
import sys
from pathlib import Path

import numpy as np

from frontend import binding
from frontend.render import pipeline_id
from common import options
from common import atomic
from training.data import dataset
from common.errors import OptionParser, UserError, one_line_errors

CLIPS = 128
SEED = 0
SHIPPED = Path(__file__).with_name("calibration_features.npz")


@dataclasses.dataclass(frozen=True)
class Calibration:
    """int8 features [clips, 40, 101] of the device's pipeline, the clips' names, and where they come from."""

    features: np.ndarray
    names: tuple[str, ...]
    source: str

    @property
    def sha256(self) -> str:
        """Of names and features, in hex."""
        return hashlib.sha256("\n".join(self.names).encode() + self.features.tobytes()).hexdigest()


def from_audio(data: Path, ver: int = 2) -> Calibration:
    """Features of 128 training clips under `data`, chosen by a fixed seed; all classes as they occur."""
    archive = dataset.training_archive(data, ver)
    clips = dataset.split_clips(archive, "training", ver)
    if len(clips) < CLIPS:
        raise UserError(f"{archive}: {len(clips)} training clips, but calibration needs {CLIPS}; unpack it again")
    chosen = sorted(np.random.default_rng(SEED).choice(len(clips), CLIPS, replace=False))
    chosen = [clips[index] for index in chosen]
    audio = dataset.read_clips(chosen, dataset.read_noises(archive))
    return Calibration(binding.columns(audio), tuple(clip.name for clip in chosen),
                       f"{archive.name}, training split")


def shipped() -> Calibration:
    """The features that the repository carries."""
    with np.load(SHIPPED) as file:
        if str(file["pipeline_id"]) != pipeline_id():
            raise UserError(f"{SHIPPED.name}: made by another feature pipeline ({file['pipeline_id']}, not "
                            f"{pipeline_id()}); regenerate it with `make calibration DATA=<Speech Commands>`")
        return Calibration(file["features"], tuple(str(name) for name in file["names"]),
                           f"shipped features ({file['source']})")


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m convert.calibration", __doc__)
    options.add_archives(parser)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="file to write (default: the shipped one)")
    args = parser.parse_args(argv)
    made = from_audio(args.data, args.ver)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, features=made.features, names=np.array(made.names), pipeline_id=pipeline_id(),
                        source=made.source)
    atomic.write_bytes(args.out, buffer.getvalue())
    print(f"{args.out}: int8 features of {len(made.names)} clips, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
