"""How a word is augmented: trimmed, with an echo, as a recording of another voice."""

from __future__ import annotations

import numpy as np
import pytest

from training.spoken import acoustics


def test_trimming_leaves_what_is_loud():
    np.testing.assert_array_equal(acoustics.trim(np.array([0, 0.001, 0.5, 0, -1, 0.01, 0])), [0.5, 0, -1])


def test_a_recording_made_again_is_of_one_second_and_differs_in_level_pitch_and_place():
    clip = np.zeros(16000, np.int16)
    clip[5000:11000] = 10000 * np.sin(2 * np.pi * 500 / 16000 * np.arange(6000))
    made = [acoustics.recorded_again(clip, 0.5, np.random.default_rng(seed)) for seed in range(30)]
    assert {(again.shape, again.dtype.name) for again in made} == {((16000,), "int16")}
    levels = [np.abs(again.astype(int)).max() for again in made]
    assert min(levels) < 6000 and max(levels) > 20000
    pitch = [np.abs(np.fft.rfft(again)).argmax() for again in made]
    assert 420 < min(pitch) < 460 and 540 < max(pitch) < 600
    assert np.abs(acoustics.recorded_again(np.zeros(16000, np.int16), 1, np.random.default_rng(0))).max() < 2000


def test_an_echo_begins_with_the_sound_itself_and_adds_at_most_half_its_energy():
    impulse = np.zeros(100)
    impulse[0] = 1
    for seed in range(20):
        echo = acoustics.echo(impulse, np.random.default_rng(seed))
        assert echo[0] == pytest.approx(1) and 0.02 <= np.sum(echo[1:] ** 2) <= 0.5 + 1e-9
