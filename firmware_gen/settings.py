"""The facts of the model that firmware needs: model_settings.h."""

from __future__ import annotations

from firmware_gen import rendering
from firmware_gen.identity import identity
from firmware_gen.inputs import Inputs

ARENA_ALIGNMENT = 16  # bytes; TFLM aligns the start of the arena to it
UNREPORTED = 4
"""Bytes of an arena that TFLM needs beyond those that it reports as used."""

RECORDED_ARENAS = {("accurate", 1): (108_048, 94_772), ("accurate", 3): (245_088, 231_812), ("small", 1): (81_648, 72_884)}
"""(graph, tau) -> bytes of arena used on (64-bit host with reference kernels, Cortex-M4 and M55 alike with CMSIS-NN)."""
RECORDED = "2026-11-27, TFLM 90b983c2, CMSIS-NN 99f736a6, GCC 12.2.1"


def host_surplus(graph: str) -> int:
    """Bytes by which the arena on a 64-bit host exceeds that on a Cortex-M. Pointers are longer there, and their number
    depends on the graph, not on the width."""
    return min(host - arm for (name, _), (host, arm) in RECORDED_ARENAS.items() if name == graph)


def aligned(size: int) -> int:
    """Bytes, rounded up to the arena's alignment."""
    return -(-size // ARENA_ALIGNMENT) * ARENA_ALIGNMENT


def arena_estimate(graph: str, host_bytes: int) -> int:
    """Bytes of arena that suffice on a Cortex-M, from those measured on a 64-bit host for a graph, `accurate` or `small`."""
    return aligned(host_bytes - host_surplus(graph) + UNREPORTED)


def arena_to_reserve(host_bytes: int) -> int:
    """Bytes that are safe to reserve: the host's figure, rounded up to the arena's alignment."""
    return aligned(host_bytes)


def model_settings_h(inputs: Inputs) -> str:
    """Labels, shapes, scales, zero points, order of the features, arena; for C99 and C++."""
    taus = " and ".join(f"{tau:g}" for graph, tau in RECORDED_ARENAS if graph == inputs.graph)
    return rendering.render(
        "model_settings.h.j2",
        inputs=inputs,
        features=inputs.features,
        arena_estimate=arena_estimate(inputs.graph, inputs.arena_bytes),
        arena_reserved=arena_to_reserve(inputs.arena_bytes),
        arena_alignment=ARENA_ALIGNMENT,
        surplus=host_surplus(inputs.graph),
        surplus_taus=taus,
        unreported=UNREPORTED,
        recorded=RECORDED,
        **identity(inputs),
    )
