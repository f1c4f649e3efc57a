"""The feature pipeline's C on emulated cores equals the integer model in Python, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from emulated import builds, example_clips, need_emulator, real_clips
from frontend_inputs import recordings

from benchmarks.cost import frontend_on_core
from benchmarks.cost.emulator import CORES, Image
from common.description import windowed
from frontend import golden

BLOCKS = (1, 7, 159, 160, 161, 16000)
BUILDS = builds("-DKWS_FRONTEND_PORTABLE")


@pytest.fixture(scope="module")
def inputs() -> dict[str, np.ndarray]:
    """Name -> clip: the hard ones, the examples, and real ones where there are some."""
    return recordings() | example_clips() | real_clips(12)


@pytest.fixture(scope="module")
def expected(inputs) -> tuple[list[np.ndarray], np.ndarray]:
    """What the model in Python makes of them: as streams and whole."""
    return [golden.stream(clip) for clip in inputs.values()], golden.columns(np.stack(list(inputs.values())))


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    need_emulator()
    with frontend_on_core.source_folder(tmp_path_factory.mktemp("no_firmware")) as folder:
        yield folder


@pytest.fixture(scope="module", params=BUILDS)
def image(request, sources, tmp_path_factory) -> Image:
    core, flags = BUILDS[request.param]
    return frontend_on_core.build(CORES[core], sources, tmp_path_factory.mktemp("image") / "frontend.elf", flags)


def test_every_core_equals_the_integer_model_bit_for_bit(image, inputs, expected):
    blocks = [BLOCKS[index % len(BLOCKS)] for index in range(len(inputs))]
    done = frontend_on_core.features(image, np.stack(list(inputs.values())), blocks)
    different = [
        f"{name} in blocks of {block}"
        for name, block, stream, model in zip(inputs, blocks, done.stream, expected[0])
        if not np.array_equal(stream, model)
    ]
    different += [
        f"{name} whole" for name, whole, model in zip(inputs, done.whole, expected[1]) if not np.array_equal(whole, model)
    ]
    assert not different


def test_a_longer_window_equals_the_integer_model_on_a_core(tmp_path):
    need_emulator()
    features = windowed(20_800)
    clip = np.random.default_rng(0).integers(-9999, 9999, (1, features.clip_samples)).astype(np.int16)
    with frontend_on_core.source_folder(tmp_path / "no_firmware", features) as folder:
        made = frontend_on_core.build(CORES["cortex-m4"], folder, tmp_path / "frontend.elf")
    done = frontend_on_core.features(made, clip, [160])
    assert np.array_equal(done.whole, golden.columns(clip)) and np.array_equal(done.stream[0], golden.stream(clip[0]))
    assert len(done.hops) == features.frames - 2


def test_the_way_a_stream_is_cut_up_changes_nothing(image, inputs):
    clip = inputs["yes.wav"]
    done = frontend_on_core.features(image, np.stack([clip] * len(BLOCKS)), BLOCKS)
    assert all(np.array_equal(stream, golden.stream(clip)) for stream in done.stream)


def test_the_inputs_reach_both_ends_of_the_features(expected):
    assert expected[1].min() == -128 and expected[1].max() > 100
