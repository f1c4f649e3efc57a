"""The calibration clips, which activation ranges are chosen on: 128 training clips of Speech Commands.

The repository holds their int8 features (not their audio) as the device's pipeline computes them, so that the conversion
needs no download and gives the same bytes everywhere. When that pipeline changes, they must be regenerated:

    python -m convert.calibration --data DATA
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import atomic, options
from common.checkpoint import CALIBRATION
from common.description import FEATURES, LABELS
from common.errors import OptionParser, UserError, one_line_errors
from common.labels import composed, label_named
from common.reading import shown
from frontend import binding
from frontend.render import pipeline_id
from training.data import clip_folder, dataset

CLIPS = 128
SEED = 0
SHIPPED = Path(__file__).with_name("calibration_features.npz")


@dataclasses.dataclass(frozen=True)
class Calibration:
    """int8 features [clips, 40, columns of the window] of the device's pipeline, the clips' names, and where they come from.

    passed_over: a line about sound files there that are not clips; empty where there are none.
    """

    features: np.ndarray
    names: tuple[str, ...]
    source: str
    passed_over: str = ""

    @property
    def sha256(self) -> str:
        """SHA-256 of names and features, in hex."""
        return hashlib.sha256("\n".join(self.names).encode() + self.features.tobytes()).hexdigest()


def from_audio(
    data: Path, ver: int = 2, labels: Sequence[str] = LABELS, clip_samples: int = FEATURES.clip_samples
) -> Calibration:
    """Features of 128 clips under `data`, chosen at random from a fixed seed; of so many samples, which are the window's.

    They are training clips of Speech Commands, whose words among `labels` are keywords, or, where `data` is no archive,
    any of `<label>/*.wav` or of the folder's array. Raises UserError where there are fewer.
    """
    archives = [dataset.find_archive(Path(data), ver, test_set) for test_set in (False, True)]
    if archives == [None, None] and (clip_folder.is_one(Path(data)) or holds_any(Path(data), dataset.keywords(labels))):
        folder, noises, origin = Path(data), [], shown(Path(data).resolve().name)
        clips = dataset.folder_clips(folder, labels)
    else:
        folder = dataset.training_archive(data, ver)
        noises, origin = dataset.read_noises(folder), f"{shown(folder.name)}, training split"
        clips = dataset.split_clips(folder, "training", ver, labels=labels, some_words=True)
    if len(clips) < CLIPS:
        raise UserError(f"{folder}: {len(clips)} training clips, but calibration needs {CLIPS}; name a folder of more")
    chosen = sorted(np.random.default_rng(SEED).choice(len(clips), CLIPS, replace=False))
    chosen = [clips[index] for index in chosen]
    return Calibration(
        binding.columns(dataset.read_clips(chosen, noises, clip_samples=clip_samples)),
        tuple(clip.name for clip in chosen),
        origin,
        dataset.passed_over(folder),
    )


def holds_any(folder: Path, words: Sequence[str]) -> bool:
    """Whether there is a folder of any of these words."""
    return folder.is_dir() and any(label_named(path.name, words) for path in folder.iterdir() if path.is_dir())


def missing_words(clips: Calibration, labels: Sequence[str]) -> list[str]:
    """The words among a network's labels that none of the clips says."""
    names = [composed(name) for name in clips.names]
    return [word for word in dataset.keywords(labels) if not any(name.startswith(f"{composed(word)}/") for name in names)]


def shipped() -> Calibration:
    """The features in the repository. UserError where they are damaged, or of another pipeline."""
    try:
        with np.load(SHIPPED) as file:
            made = {name: file[name] for name in ("features", "names", "pipeline_id", "source")}
    except (OSError, EOFError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise UserError(f"{SHIPPED}: damaged ({type(error).__name__}); restore it from the repository") from None
    if str(made["pipeline_id"]) != pipeline_id():
        raise UserError(
            f"{SHIPPED.name}: made by another feature pipeline ({made['pipeline_id']}, not "
            f"{pipeline_id()}); regenerate it with `make calibration DATA=<Speech Commands>`"
        )
    return Calibration(made["features"], tuple(str(name) for name in made["names"]), f"shipped features ({made['source']})")


def beside(checkpoint: Path) -> Path:
    """The folder of clips that `make keyword` writes beside a checkpoint: keyword.calibration/ of keyword.safetensors."""
    return checkpoint.with_suffix(CALIBRATION)


def for_checkpoint(checkpoint: Path, labels: Sequence[str], clip_samples: int = FEATURES.clip_samples) -> Calibration:
    """The clips beside a checkpoint whose labels are not those of Speech Commands, where there are any; else the shipped
    features. UserError where either is damaged, or of another window than the checkpoint's."""
    folder = beside(checkpoint)
    if tuple(labels) == LABELS or not folder.is_dir():
        if clip_samples != FEATURES.clip_samples:
            raise UserError(
                f"{checkpoint}: its window is {clip_samples / FEATURES.sample_rate:g} s, but the shipped features are of "
                f"clips of a second; train it again with `make keyword`, which leaves {folder.name} beside it, or name "
                "clips with DATA=<folder of <label>/*.wav>"
            )
        return shipped()
    audio, words = clip_folder.load(folder, "calibration clips", "`make keyword`", clip_samples)
    if len(words) < CLIPS:
        raise UserError(f"{folder}: {len(words)} clips, but calibration needs {CLIPS}; make them again with `make keyword`")
    names = tuple(f"{word}/{number}" for number, word in enumerate(words[:CLIPS]))
    return Calibration(binding.columns(np.array(audio[:CLIPS])), names, f"clips beside {shown(checkpoint.name)}")


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m convert.calibration", __doc__)
    options.add_archives(parser)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="file to write (default: the shipped one)")
    args = parser.parse_args(argv)
    made = from_audio(args.data, args.ver)
    if made.passed_over:
        print(made.passed_over)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, features=made.features, names=np.array(made.names), pipeline_id=pipeline_id(), source=made.source
    )
    atomic.write_bytes(args.out, buffer.getvalue())
    print(f"{args.out}: int8 features of {len(made.names)} clips, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    sys.exit(main())
