"""Which rows of a verification are of a native network and its detector."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.accuracy.backends import IN_NOISE, NATIVES
from benchmarks.listening import streaming
from detector.settings import Settings


def foreign(figures: Mapping, native: str | None, decided: Settings) -> set[str]:
    """The native backends of a verification whose rows are of another network than `native`, the SHA-256 of its file, or, of
    those in noise, of streams with other settings, or another detector, than now."""
    found = figures.get("native", {})
    if native is None or found.get("sha256") != native:
        return set(NATIVES)
    same = all(found["stream"].get(key) == value for key, value in streaming.parameters(decided).items())
    return set() if same else set(IN_NOISE)
