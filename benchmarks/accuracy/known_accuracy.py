"""The accuracy of a width: as verified in its build, else as recorded with its checkpoint, else unknown."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping

from benchmarks import schemas
from benchmarks.accuracy import backends, own_rows
from common.build_folder import CONVERSION, NATIVE, VERIFY, build_of, remedy
from common.errors import UserError
from common.reading import read_json, sha256
from common.schema import check
from common.shipped import checkpoint_path, recorded_paths
from firmware_gen.inputs import detector_settings

PAPER = {1: 96.9, 1.5: 97.6, 2: 97.8, 3: 98.2, 6: 98.6, 8: 98.7}
"""Top-1 of the float networks on all of Speech Commands v0.02, %: Kim et al., Interspeech 2021."""
UNVERIFIED = {
    backends.NATIVE: "the engine's not verified",
    backends.NATIVE_STREAM: "not verified in a stream with these thresholds",
}
"""Said of a float network's accuracy that stands for a backend's."""


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """A verification of one width.

    origin: "measured" in the build, or "recorded" with the checkpoint. data: SHA-256 of the clips. engine: SHA-256 of the
    native network, None where there is none. rows: those of verify.json by backend; "float" is PyTorch on training's
    features, the native ones are of `engine`, and in a stream of the detector that decides for it now.
    """

    origin: str
    date: str
    clips: int
    data: str
    engine: str | None
    rows: dict[str, dict]

    def row(self, backend: str) -> dict:
        """Figures of a backend, those of the float network where the backend was not verified."""
        return self.rows.get(backend, self.rows["float"])

    def text(self, backend: str) -> str:
        """Top-1 with its interval and the number of clips, of the row that `row` gives."""
        row = self.row(backend)
        low, high = (100 * end for end in row["ci95"])
        line = f"{100 * row['top1']:.2f} % [{low:.2f}, {high:.2f}] ({self.clips:,} clips)"
        return line if backend in self.rows else f"{line} in float, {UNVERIFIED[backend]}"

    def brief(self, backend: str) -> str:
        """Top-1 alone."""
        return f"{100 * self.row(backend)['top1']:.2f} %" + " in float" * (backend not in self.rows)


def trained(tau: float) -> bool:
    """Whether there is a network of this width: a shipped checkpoint, or one that was converted."""
    return checkpoint_path(tau).is_file() or (build_of(tau) / NATIVE).is_file()


def find(tau: float) -> Accuracy | None:
    """The verification of the build's native network, else the recorded one of the shipped checkpoint, else None.

    Where both are of the same network, the one with a stream's row, then the one over more clips: a run over few clips does
    not replace the record. Rows of another detector than decides for the network now are left out: that of the build,
    else the shipped one. Where the build's network knows other words, the shipped one's record says nothing of it.
    """
    build, shipped = build_of(tau), sha256(checkpoint_path(tau))
    engine = sha256(build / NATIVE)
    words = (read_json(build / CONVERSION, remedy(build)) or {}).get("labels") if engine else None
    places = [("measured", build / VERIFY), *(("recorded", path) for path in recorded_paths(tau))]
    known = []
    for origin, path in places:
        mend = "remove it" if origin == "measured" else "restore it from the repository"
        figures = read_json(path, mend)
        if figures is None:
            continue
        try:
            verified = figures.get("native", {}).get("sha256")
            if origin == "measured":
                same = engine and verified == engine
            else:
                same = figures["checkpoint"]["sha256"] == shipped and words in (None, figures["labels"])
            if same:
                check(figures, schemas.KNOWN_ACCURACY)
                decided = detector_settings(build, {"tau": tau} | {key: figures[key] for key in ("labels", "native")})
                own = set(backends.NATIVES) - own_rows.foreign(figures, verified, decided)
                rows = {name: row for name, row in figures["device_backends"].items() if name in own}
                known.append(
                    Accuracy(
                        origin,
                        figures["measured"],
                        figures["clips"],
                        figures["data"]["sha256"],
                        verified,
                        rows | {"float": figures["backends"]["pytorch"]},
                    )
                )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(f"{path}: not a verification of this project ({error}); {mend}") from None
    same_network = [accuracy for accuracy in known if accuracy.engine == known[0].engine]
    return max(same_network, key=lambda accuracy: (backends.NATIVE_STREAM in accuracy.rows, accuracy.clips), default=None)


def over_the_same_clips(found: Mapping[float, Accuracy]) -> dict[float, Accuracy]:
    """The comparable ones of verifications by width: those over the clips that most widths were verified on, or over the
    larger of two equally frequent sets."""
    if not found:
        return {}
    widths = Counter(accuracy.data for accuracy in found.values())
    chosen = max(found.values(), key=lambda accuracy: (widths[accuracy.data], accuracy.clips))
    return {tau: accuracy for tau, accuracy in found.items() if accuracy.data == chosen.data}
