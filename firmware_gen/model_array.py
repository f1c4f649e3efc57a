"""The .tflite file as an aligned C array: model.cc and model.h."""

from __future__ import annotations

from firmware_gen import rendering
from firmware_gen.identity import identity
from firmware_gen.inputs import Inputs


def model_h(inputs: Inputs) -> str:
    """Declares `g_kws_model_data` and `g_kws_model_data_size`, for C99 and C++."""
    return rendering.render("model.h.j2", **identity(inputs))


def model_cc(inputs: Inputs) -> str:
    """Defines them: 16-byte aligned, 12 bytes a line, equal to the .tflite file byte for byte."""
    return rendering.render("model.cc.j2", rows=rendering.byte_rows(inputs.model), **identity(inputs))
