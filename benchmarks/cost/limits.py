"""Limits and goals of the firmware's cost on each core: a figure of bench.json beyond its limit fails the bench."""

from __future__ import annotations

import dataclasses

from common.description import FEATURES, FeatureDescription, windowed

KB = 1024
WINDOW = "network_window"
"""Key of the instructions of a window, whose bounds are those of one second."""
WITHIN_1_LSB, MAX_LSB = 0.999, 2
"""Limits of the difference between the device's features and the quantised float log-mel: fraction of features within 1 LSB,
and largest difference in LSB."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """`limit`: the largest allowed value of the figure `key`; on every core and for every tau unless some are named.
    `goal`: the value that is aimed at."""

    key: str
    limit: int
    goal: int | None = None
    cores: tuple[str, ...] = ()
    tau: float | None = None


BOUNDS = (
    Bound("frontend_state_bytes", 4 * KB),
    Bound("frontend_hop", 400_000, cores=("cortex-m0",)),
    Bound("frontend_hop", 45_000, cores=("cortex-m4",)),
    Bound("frontend_hop", 28_000, cores=("cortex-m55",)),
    Bound("frontend_flash_bytes", 12 * KB, cores=("cortex-m4",)),
    Bound(WINDOW, 7_000_000, 5_000_000, ("cortex-m4", "cortex-m7", "cortex-m33"), 1),
    Bound(WINDOW, 3_000_000, 1_600_000, ("cortex-m55",), 1),
    Bound("network_hop", 80_000, 60_000, ("cortex-m4",), 1),
    Bound("engine_state_bytes", 16_384, 12_288, tau=1),
    Bound("engine_state_bytes", 40_000, 34_000, tau=3),
    Bound("engine_state_bytes", 105_000, 90_000, tau=8),
    Bound("engine_flash_bytes", 40 * KB, 32 * KB, ("cortex-m4",), 1),
    Bound("stream_state_bytes", 5 * KB),
    Bound("detector_hop", 600, cores=("cortex-m4",)),
    Bound("detector_state_bytes", 600),
)


def bounds(core: str, tau: float | None, features: FeatureDescription = FEATURES) -> dict[str, Bound]:
    """The bound of each figure that has one on this core, by its key; without a tau, of those that hold for any. features:
    of the network, whose window may be longer than the second that the bounds are for."""
    found = {bound.key: bound for bound in BOUNDS if (not bound.cores or core in bound.cores) and bound.tau in (None, tau)}
    if window := found.get(WINDOW):
        found[WINDOW] = dataclasses.replace(
            window, **{name: getattr(window, name) * features.frames // FEATURES.frames for name in ("limit", "goal")}
        )
    return found


def of_cores(boards: dict[str, dict], tau: float | None, what: str, features: FeatureDescription = FEATURES) -> list[str]:
    """Figures beyond their limit and cores that are not bit-exact, a line each. what: such as "scores", for the message.
    features: as in `bounds`."""
    lines = []
    for name, row in boards.items():
        lines += [
            f"{name}: {key} is {row[key]:,}, above its limit of {bound.limit:,}"
            for key, bound in bounds(name, tau, features).items()
            if row.get(key, 0) > bound.limit
        ]
        if not row["bit_exact"]:
            lines.append(f"{name}: its {what} are not those of the integer models in Python")
    return lines


def failures(figures: dict) -> list[str]:
    """Why the bench fails, a line each; none where it passes. figures: as in bench.json."""
    what = "features, scores or words" if figures["engine"] else "features"
    lines = of_cores(figures["boards"], figures["tau"], what, windowed(figures["clip_samples"]))
    share, largest = figures["fidelity"]["within_1_lsb"], figures["fidelity"]["max_lsb"]
    if share < WITHIN_1_LSB:
        lines.append(
            f"{100 * share:.3f} % of the features are within 1 LSB of the float log-mel, not {100 * WITHIN_1_LSB:g} %"
        )
    if largest > MAX_LSB:
        lines.append(f"a feature is {largest} LSB from the float log-mel, not at most {MAX_LSB}")
    return lines
