"""Remove everything in build/ except trained networks.

    python -m training.clean
    python -m training.clean build

Of every training run the checkpoint, its card, its plot and the state file stay, as they took hours, and what it is
converted with: the clips of its calibration and the detector's settings; everything else can be made again. Needs the
standard library alone. Prints the folders that are not empty.
"""

from __future__ import annotations

import sys
from pathlib import Path

from common import locks
from common.errors import OptionParser, one_line_errors

STATE, WEIGHTS, PLOT = "last.pt", ".safetensors", "run.png"
BESIDE = ".md", ".calibration", ".detector.json"
"""What stays beside a checkpoint: its card, a folder of clips, the settings of its detector."""


def kept(folder: Path) -> set[str]:
    """The names in a folder that belong to a trained network."""
    names = {path.name for path in folder.iterdir() if path.name == STATE or path.suffix == WEIGHTS}
    if names:
        names |= {PLOT} | {Path(name).stem + ending for name in names for ending in BESIDE}
    return names


def clear(folder: Path) -> list[Path]:
    """Remove the content of a folder, and the folder where it is then empty; return the folders that are not.

    Links are removed, never their targets. Waits for commands that work in any of the folders.
    """
    left = []
    with locks.rewriting(folder):
        stay = kept(folder)
        for path in sorted(folder.iterdir()):
            if path.name in stay:
                continue
            if path.is_dir() and not path.is_symlink():
                left += clear(path)
            else:
                path.unlink()
        if not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
    return [folder] * bool(stay) + left


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    parser = OptionParser("python -m training.clean", __doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build"), help="default build")
    folder = parser.parse_args(argv).folder
    if not folder.is_dir():
        folder.unlink(missing_ok=True)
        return
    for path in clear(folder):
        print(f"{path}: kept, for what was trained there")


if __name__ == "__main__":
    sys.exit(main())
