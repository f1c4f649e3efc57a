"""RAM, flash and instructions per second of audio that each width of the network needs."""

from __future__ import annotations

import dataclasses

from benchmarks.cost import baseline
from benchmarks.cost.emulator import CORES
from common.build_folder import BENCH, NATIVE, build_of, default_build
from common.description import FEATURES, TAUS
from common.reading import read_json
from common.schema import fits
from engine import network, render as engine_render
from engine.network import Network
from frontend import render

HOPS = FEATURES.sample_rate // FEATURES.hop
"""Columns of features in a second of audio."""
WINDOW = "window_bytes"
"""Key of the bytes that hold a window, int8 [columns, 40], in the figures of a core; a second of features where there is
none."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """The limits of the chip. ram, flash: bytes. clock: Hz. every: seconds between windows, None for a stream. cpi: cycles
    per instruction; cpi_origin: on what board they were measured, empty where they are assumed. load: the share of the clock
    that may be used, 0 to 1."""

    ram: int
    flash: int
    clock: float
    every: float | None
    cpi: float
    load: float
    cpi_origin: str = ""


@dataclasses.dataclass(frozen=True)
class Need:
    """The needs of one width on one core. ram: bytes by use. flash: bytes of pipeline, engine and detector.
    instructions: per second of audio. window: instructions of a window, 0 in a stream."""

    ram: dict[str, int]
    flash: int
    instructions: float
    window: int

    @property
    def ram_bytes(self) -> int:
        return sum(self.ram.values())

    def load(self, limits: Limits) -> float:
        """The fraction of the clock that is used, above 1 where it is too slow."""
        return self.instructions * limits.cpi / limits.clock

    def reasons(self, limits: Limits) -> list[str]:
        """The limits that it exceeds, such as `RAM 20,500 > 20,480`."""
        load = self.load(limits)
        return [
            text
            for text, beyond in (
                (f"RAM {self.ram_bytes:,} > {limits.ram:,}", self.ram_bytes > limits.ram),
                (f"flash {self.flash:,} > {limits.flash:,}", self.flash > limits.flash),
                (f"load {100 * load:.1f} > {100 * limits.load:g} %", load > limits.load),
            )
            if beyond
        ]


def need(row: dict, every: float | None) -> Need:
    """The needs by the figures of one core, as in bench.json, of all parts together. every: as in `Limits`.

    The detector takes each answer of the network: one a hop in a stream, else one a window.
    """
    window = row.get(WINDOW, FEATURES.frames * FEATURES.mels)
    ram = {
        "engine": row["engine_state_bytes"],
        "stream": row["stream_state_bytes"],
        "features": row["frontend_state_bytes"],
        "detector": row["detector_state_bytes"],
        "stack": max(row["stack_bytes"], row["frontend_stack_bytes"], row["detector_stack_bytes"]),
    }
    flash = row["engine_flash_bytes"] + row["frontend_flash_bytes"] + row["detector_flash_bytes"]
    if every is None:
        return Need(ram, flash, HOPS * (row["frontend_hop"] + row["network_hop"] + row["detector_hop"]), 0)
    return Need(
        ram | {"window": window},
        flash,
        HOPS * row["frontend_hop"] + (row["network_window"] + row["detector_hop"]) / every,
        row["network_window"],
    )


def built(tau: float) -> Network | None:
    """The network that the build of a width holds; None where there is none."""
    path = build_of(tau) / NATIVE
    return network.load(path) if path.is_file() else None


def benched(tau: float, made: Network | None) -> dict | None:
    """Figures by core from the bench of the engine that the build of this width holds; None where there is none. made: what
    `built` gives."""
    figures = read_json(build_of(tau) / BENCH, f"remove it and run `make bench TAU={tau:g}`")
    if figures is None or made is None or figures.get("pipeline") != render.pipeline_id(made.features):
        return None
    boards = figures.get("boards")
    keys = (*baseline.ENGINE, *baseline.FRONTEND, *baseline.DETECTOR)
    whole = fits(boards, dict.fromkeys(CORES, dict.fromkeys(keys, int)))
    if boards is None or not whole or figures.get("engine") != engine_render.engine_id(made):
        return None
    window = made.features.frames * made.features.mels
    return {core: row | {WINDOW: window} for core, row in boards.items()}


def costs() -> dict[float, tuple[str, dict]]:
    """By width: the source of its figures, with a note where the window of the build is no second, as those of the other
    widths are; and the figures by core."""
    agreed, found = baseline.load(), {}
    for tau in TAUS:
        made = built(tau)
        boards, features = benched(tau, made), made.features if made else FEATURES
        longer = features != FEATURES
        if boards:
            found[tau] = f"{default_build(tau) / BENCH}" + f", a window of {features.window_text}" * longer, boards
        elif f"{tau:g}" in agreed["taus"]:
            width = agreed["taus"][f"{tau:g}"]
            note = f", a window of one second (that of {build_of(tau)} is longer: make bench TAU={tau:g})" * longer
            found[tau] = (
                f"{baseline.PATH.name} of {agreed['recorded']}, {width['weights']} weights{note}",
                {core: agreed["frontend"][core] | agreed["detector"][core] | row for core, row in width["boards"].items()},
            )
    return found
