"""What firmware must know of the model: model_settings.h."""
from __future__ import annotations

import math
from fractions import Fraction

from firmware_gen import ctext
from firmware_gen.identity import identity
from firmware_gen.inputs import Inputs

ARENA_ALIGNMENT = 16  # bytes; TFLM aligns the start of the arena to it
RECORDED_ARENAS = ((93_648, 81_044), (81_184, 72_532), (116_416, 101_348))
"""(64-bit host with reference kernels, Cortex-M with CMSIS-NN), bytes: three BC-ResNet-1 graphs, recorded 2026-11.
The host's is greater because its pointers are."""


def arena_estimate(host_bytes: int) -> tuple[int, int]:
    """Least and greatest arena to expect on a Cortex-M, bytes, from the one measured on a 64-bit host."""
    ratios = [Fraction(arm, host) for host, arm in RECORDED_ARENAS]
    return math.floor(host_bytes * min(ratios)), math.ceil(host_bytes * max(ratios))


def arena_to_reserve(host_bytes: int) -> int:
    """Bytes that are safe to reserve: the host's figure, rounded up to the arena's alignment."""
    return -(-host_bytes // ARENA_ALIGNMENT) * ARENA_ALIGNMENT


def model_settings_h(inputs: Inputs) -> str:
    """Labels, shapes, scales, zero points, order of the features, arena; for C99 and C++."""
    least, greatest = arena_estimate(inputs.arena_bytes)
    excess = sorted(100 * (host / arm - 1) for host, arm in RECORDED_ARENAS)
    return ctext.render("model_settings.h.j2", inputs=inputs, features=inputs.features, arena_least=least,
                        arena_greatest=greatest, arena_reserved=arena_to_reserve(inputs.arena_bytes),
                        arena_alignment=ARENA_ALIGNMENT, host_excess=f"{excess[0]:.0f}-{excess[-1]:.0f}",
                        recorded=len(excess), **identity(inputs))
