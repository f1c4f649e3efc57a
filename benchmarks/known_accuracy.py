"""What is known of a width's accuracy: verified in its build, else recorded with its checkpoint, else nothing."""
from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from benchmarks import forms
from benchmarks.report import ROOT, VERIFY, read_json
from convert.result import NATIVE, default_build
from training.errors import UserError
from training.form import check

PAPER = {1: 96.9, 1.5: 97.6, 2: 97.8, 3: 98.2, 6: 98.6, 8: 98.7}
"""Top-1 of the float networks on all of Speech Commands v0.02, %: Kim et al., Interspeech 2021."""


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """A verification of one width.

    origin: "measured" in the build, or "recorded" with the checkpoint. engine: SHA-256 of the native network that
    `rows` "native" and "native_stream" are of, None where it has none. rows: those of verify.json by backend, "float"
    the trained network on training's features.
    """

    origin: str
    date: str
    clips: int
    engine: str | None
    rows: dict[str, dict]

    def row(self, backend: str) -> dict:
        """Of a backend, of the float network where that one was never verified."""
        return self.rows.get(backend, self.rows["float"])

    def text(self, backend: str) -> str:
        """Top-1 of a backend with its interval, of the float network where that one was never verified."""
        row = self.row(backend)
        low, high = (100 * end for end in row["ci95"])
        line = f"{100 * row['top1']:.2f} % [{low:.2f}, {high:.2f}] ({self.clips:,} clips)"
        return line if backend in self.rows else f"{line} in float, the engine's not verified"

    def brief(self, backend: str) -> str:
        """Top-1 alone."""
        return f"{100 * self.row(backend)['top1']:.2f} %" + " in float" * (backend not in self.rows)


def checkpoint_path(tau: float) -> Path:
    """Where the checkpoint of this width is, or would be, shipped."""
    return ROOT / "checkpoints" / f"tau{tau:g}.safetensors"


def sha256(path: Path) -> str | None:
    """Of a file, None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def trained(tau: float) -> bool:
    """Whether there is a network of this width: a shipped checkpoint, or one that was converted."""
    return checkpoint_path(tau).is_file() or (default_build(tau) / NATIVE).is_file()


def find(tau: float) -> Accuracy | None:
    """The verification of the build's native network, else the recorded one of the shipped checkpoint, else None.

    Where both are of the same network it is the one over more clips: a look at a few hides no record.
    """
    build, shipped = default_build(tau), sha256(checkpoint_path(tau))
    engine = sha256(build / NATIVE)
    places = [("measured", build / VERIFY), *(("recorded", path) for path in
                                              sorted((ROOT / "checkpoints").glob(f"tau{tau:g}-*.verify.json")))]
    known = []
    for origin, path in places:
        remedy = "remove it" if origin == "measured" else "restore it from the repository"
        figures = read_json(path, remedy)
        if figures is None:
            continue
        try:
            of = figures.get("native", {}).get("sha256")
            same = engine and of == engine if origin == "measured" else figures["checkpoint"]["sha256"] == shipped
            if same:
                check(figures, forms.KNOWN_ACCURACY)
                rows = {name: row for name, row in figures["device_backends"].items() if name.startswith("native")}
                known.append(Accuracy(origin, figures["measured"], figures["clips"], of,
                                      rows | {"float": figures["backends"]["pytorch"]}))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(f"{path}: not a verification of this project ({error}); {remedy}") from None
    same_network = [accuracy for accuracy in known if accuracy.engine == known[0].engine]
    return max(same_network, key=lambda accuracy: accuracy.clips, default=None)
