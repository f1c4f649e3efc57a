"""The level meter's C on emulated cores equals the NumPy model, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from emulated import need_emulator
from level_inputs import sounds

from benchmarks.cost import level_on_core
from benchmarks.cost.emulator import CORES
from frontend import level_golden
from frontend.level import LEVEL

PUSHES = (1, 7, 160, 4095, 4096, 4097, 64000)
MOST_INSTRUCTIONS = {"cortex-m0": 200, "cortex-m4": 110, "cortex-m55": 110}
"""Of a sample."""
MOST_STACK = 512


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    return {name: sound[:20000] for name, sound in sounds().items()}


@pytest.fixture(scope="module", params=MOST_INSTRUCTIONS)
def core(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def image(core, tmp_path_factory):
    need_emulator()
    with level_on_core.source_folder() as folder:
        return level_on_core.build(CORES[core], folder, tmp_path_factory.mktemp("image") / "level.elf")


def test_every_core_equals_the_model_bit_for_bit(image, inputs):
    pushes = [PUSHES[index % len(PUSHES)] for index in range(len(inputs))]
    done = level_on_core.measure(image, list(inputs.values()), pushes, elapsed_ms=1234)
    different = [
        f"{name} in pushes of {push}"
        for name, push, sound, reading in zip(inputs, pushes, inputs.values(), done.readings)
        if reading != level_golden.measure(sound, 1234)
    ]
    assert not different and done.stack <= MOST_STACK


def test_a_sample_costs_no_more_than_promised(image, core, inputs):
    sound = inputs["noise of 2^12 LSB"][: 3 * LEVEL.block]
    assert level_on_core.instructions_of_a_sample(image, sound) <= MOST_INSTRUCTIONS[core]
