"""Simulated rooms: reverberation time, direct sound, seeds."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from common.errors import UserError
from training.field import rooms


def decay(response: np.ndarray) -> float:
    """RT60 in seconds by backward integration, from -5 to -25 dB (ISO 3382)."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    return 3 * float(np.argmax(level < -25) - np.argmax(level < -5)) / rooms.RATE


@pytest.mark.parametrize("rt60", [0.3, 0.6, 1.0])
def test_sound_decays_by_60_db_in_the_reverberation_time(rt60):
    found = [decay(rooms.response(np.random.default_rng(seed), rt60)) for seed in range(6)]
    assert np.mean(found) == pytest.approx(rt60, rel=0.1)
    assert found == pytest.approx([rt60] * 6, rel=0.25)


def test_a_response_begins_with_the_direct_sound_and_has_energy_1():
    for seed in range(6):
        response = rooms.response(np.random.default_rng(seed), 0.4, distance=0.5)
        assert np.abs(response[: 2 * rooms.BEFORE + 1]).max() == np.abs(response).max()
        assert np.square(response).sum() == pytest.approx(1)


def test_reverberation_outweighs_the_direct_sound_from_afar():
    def direct(distance: float) -> float:
        found = [rooms.response(np.random.default_rng(seed), 0.6, distance) for seed in range(8)]
        return float(np.mean([np.square(response[:40]).sum() for response in found]))

    assert direct(0.3) > 2 * direct(2.5)


def test_the_seed_decides_all_rooms():
    one, same, other = (rooms.draw(3, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(*pair) for pair in zip(one, same))
    assert not any(np.array_equal(*pair) for pair in zip(one, other))
    assert len({len(response) for response in one}) == 3


def test_without_the_library_there_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(UserError, match="pyroomacoustics is not installed"):
        rooms.draw(1, 0)
