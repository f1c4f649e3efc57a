"""The sources for TensorFlow Lite for Microcontrollers: op_resolver.h, kws_tflm.h, kws_tflm.cc."""

from __future__ import annotations

from common.errors import UserError
from convert.tflm_ops import ADD_FUNCTIONS, INT8_KERNELS
from engine.tables import exponentials
from firmware_gen import rendering, settings
from firmware_gen.identity import identity
from firmware_gen.inputs import Inputs


def registrations(ops: dict[str, int]) -> list[tuple[str, str, int]]:
    """(op, Add function, uses in the graph) for every op, in the order of `ops`.

    Raises UserError, which names every op that TFLM's resolver has no function for.
    """
    unknown = sorted(set(ops) - set(ADD_FUNCTIONS))
    if unknown:
        raise UserError(f"TFLM has no resolver function for {', '.join(unknown)}; convert to a graph without it")
    return [(op, rendering.identifier(ADD_FUNCTIONS[op]), count) for op, count in ops.items()]


def op_resolver_h(inputs: Inputs) -> str:
    """A resolver with room for exactly the ops of the graph, and the function that registers them."""
    int8_alone = {op: header for op, header in INT8_KERNELS.items() if op in inputs.ops}
    return rendering.render(
        "op_resolver.h.j2", registrations=registrations(inputs.ops), int8_alone=int8_alone, **identity(inputs)
    )


def kws_tflm_h(inputs: Inputs) -> str:
    """The interface, for C and C++: audio, columns, a ring of them or a clip's features in, scores out."""
    return rendering.render("kws_tflm.h.j2", inputs=inputs, **identity(inputs))


def kws_tflm_cc(inputs: Inputs) -> str:
    """Its implementation over TFLM's interpreter, in static storage: no allocation, no global constructor."""
    return rendering.render(
        "kws_tflm.cc.j2",
        inputs=inputs,
        arena_unreported=settings.UNREPORTED,
        exponentials=exponentials(inputs.output.scale),
        **identity(inputs),
    )
