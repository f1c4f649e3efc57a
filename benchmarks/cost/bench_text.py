"""The figures of the bench as the terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.cost.limits import KB, bounds
from common.description import FeatureDescription, windowed

FRONTEND = {
    "board": "board",
    "frontend_hop": "hop, max",
    "frontend_hop_mean": "mean",
    "frontend_clip": "clip",
    "frontend_state_bytes": "state",
    "frontend_stack_bytes": "stack",
    "frontend_flash_bytes": "flash",
    "frontend_code_bytes": "code",
    "bit_exact": "bit-exact",
}
ENGINE = {
    "network_window": "window",
    "network_hop": "hop, max",
    "engine_state_bytes": "state",
    "stream_state_bytes": "stream",
    "stack_bytes": "stack",
    "engine_flash_bytes": "flash",
    "engine_code_bytes": "code",
}
DETECTOR = {
    "detector_hop": "hop, max",
    "detector_hop_mean": "mean",
    "detector_state_bytes": "state",
    "detector_stack_bytes": "stack",
    "detector_flash_bytes": "flash",
}
"""Key of bench.json -> title of its column."""


def amount(key: str, value: int) -> str:
    """A round figure with its unit: "5.0 M" or "60 k" instructions, "12 KB" or "34,000" bytes."""
    if key.endswith("_bytes"):
        return f"{value // KB} KB" if value % KB == 0 else f"{value:,}"
    return f"{value / 1e6:.1f} M" if value >= 1_000_000 else f"{value // 1000} k"


def cell(core: str, tau: float, features: FeatureDescription, key: str, value: object) -> str:
    """A figure, with its goal where it has one. features: of the network."""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if not isinstance(value, (int, float)):
        return str(value)
    bound = bounds(core, tau, features).get(key)
    goal = f" (goal {amount(key, bound.goal)})" if bound and bound.goal else ""
    return (f"{value:,.1f}" if isinstance(value, float) else f"{value:,}") + goal


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell, the first aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return [
        f"{row[0]:<{widths[0]}}" + "".join(f"  {text:>{width}}" for text, width in zip(row[1:], widths[1:])) for row in rows
    ]


def cores(figures: dict, columns: dict[str, str]) -> list[str]:
    """A line for each core with the figures of `columns`."""
    tau, features = figures["tau"], windowed(figures["clip_samples"])
    return aligned(
        [["core", *columns.values()]]
        + [[name, *(cell(name, tau, features, key, row[key]) for key in columns)] for name, row in figures["boards"].items()]
    )


def table(figures: dict) -> str:
    """Feature pipeline, native engine where there is one, and how the features compare with training's."""
    close, window = figures["fidelity"], windowed(figures["clip_samples"]).window_text
    notes = [f"{name}: {row['note']}" for name, row in figures["boards"].items() if "note" in row]
    engine = (
        [
            f"native engine, tau {figures['tau']:g}: a window of {window}, a hop of 10 ms with its scores",
            *cores(figures, ENGINE),
            "detector: from the scores of a hop to a word or none",
            *cores(figures, DETECTOR),
        ]
        if figures["engine"]
        else []
    )
    return "\n".join(
        [
            f"feature pipeline: a hop of 10 ms, a clip of {window}",
            *cores(figures, FRONTEND),
            *engine,
            *notes,
            f"instructions executed (no cycles) over {figures['clip']}; bytes",
            f"against float log-mel: {100 * close['within_1_lsb']:.4f} % within 1 LSB, at most {close['max_lsb']}, "
            f"{100 * close['identical']:.2f} % identical; {close['clips']:,} clips of {figures['audio']}",
        ]
    )
