"""Simulated rooms: impulse responses from a talker to a microphone.

    rooms.draw(20, seed=1)      20 responses of random rooms
    rooms.response(rng, 0.6)    one of an RT60 of 0.6 s

A room is a shoebox whose early reflections are those of its image sources (Allen and Berkley, 1979), by pyroomacoustics;
from MIXING seconds on the response is noise that decays by 60 dB in RT60 seconds (Moorer, 1979): image sources without
scattering decay more slowly than any furnished room does, and their number grows with the cube of time.
"""

from __future__ import annotations

import numpy as np

from common.description import FEATURES
from common.errors import UserError

RATE = FEATURES.sample_rate
SOUND = 343.0  # m/s
SIZES = (2.5, 8.0), (2.5, 6.0), (2.3, 3.5)
"""Smallest and largest length, width and height, m."""
RT60 = 0.2, 1.0
DISTANCE = 0.3, 3.0
"""Smallest and largest reverberation time, s, and distance from mouth to microphone, m."""
WALL = 0.3
"""Least distance of mouth and microphone from a wall, m."""
MIXING = 0.08
FADE = 0.02
"""Seconds after the direct sound at which the noise has taken over, and that the cross-fade before it lasts."""
LONGEST = 1.0
"""Seconds at which a response ends."""
BEFORE = 4
"""Samples before the direct sound's: the interpolation between samples reaches back."""


def early(size: np.ndarray, rt60: float, mouth: np.ndarray, microphone: np.ndarray) -> np.ndarray:
    """The first MIXING seconds of a response, float64, which begins with the direct sound. UserError where pyroomacoustics
    is not installed.

    size, mouth, microphone: [3], m.
    """
    try:
        import pyroomacoustics
    except ImportError:
        raise UserError("pyroomacoustics is not installed; `make train` installs requirements/training.txt") from None
    volume, surface = size.prod(), 2 * (size[0] * size[1] + size[1] * size[2] + size[0] * size[2])
    absorption = 1 - np.exp(-24 * np.log(10) * volume / (SOUND * surface * rt60))  # Eyring, 1930
    order = int(np.ceil(SOUND * MIXING / size.min())) + 1
    room = pyroomacoustics.ShoeBox(size, fs=RATE, materials=pyroomacoustics.Material(float(absorption)), max_order=order)
    room.add_source(mouth)
    room.add_microphone(microphone)
    room.compute_rir()
    delay = pyroomacoustics.constants.get("frac_delay_length") // 2
    direct = round(float(np.linalg.norm(mouth - microphone)) / SOUND * RATE) + delay - BEFORE
    found = np.asarray(room.rir[0][0], np.float64)[direct:]
    return np.resize(np.pad(found, (0, max(0, samples(MIXING) - len(found)))), samples(MIXING))


def samples(seconds: float) -> int:
    return round(seconds * RATE)


def with_tail(first: np.ndarray, rt60: float, rng: np.random.Generator) -> np.ndarray:
    """Early reflections -> the whole response, float64, of the length of RT60, at most LONGEST; its energy is 1."""
    length = max(len(first), samples(min(rt60, LONGEST)))
    time = np.arange(length) / RATE
    tail = rng.normal(size=length) * 10 ** (-3 * time / rt60)
    seam = slice(len(first) - samples(FADE), len(first))
    level = np.sqrt(np.square(first[seam]).mean() / np.square(tail[seam]).mean())
    rise = np.interp(time, [MIXING - FADE, MIXING], [0, 1])
    whole = tail * level * np.sqrt(rise)
    whole[: len(first)] += first * np.sqrt(1 - rise[: len(first)])
    return whole / np.sqrt(np.square(whole).sum())


def response(rng: np.random.Generator, rt60: float | None = None, distance: float | None = None) -> np.ndarray:
    """The response of a random room, float64 [samples], which begins with the direct sound; its energy is 1.

    rt60, distance: s and m; random where None. A distance that the room has no place for becomes the longest that it has.
    """
    size = np.array([rng.uniform(*sides) for sides in SIZES])
    rt60 = float(np.exp(rng.uniform(*np.log(RT60)))) if rt60 is None else rt60
    distance = rng.uniform(*DISTANCE) if distance is None else distance
    microphone = rng.uniform(WALL, size - WALL)
    towards = rng.normal(size=3) * [1, 1, 0.2]  # mouth and microphone are at like heights
    mouth = np.clip(microphone + distance * towards / np.linalg.norm(towards), WALL, size - WALL)
    if np.linalg.norm(mouth - microphone) < DISTANCE[0] / 2:  # the wall was too near: to the other side of the room
        mouth = np.clip(microphone - distance * towards / np.linalg.norm(towards), WALL, size - WALL)
    return with_tail(early(size, rt60, mouth, microphone), rt60, rng)


def draw(count: int, seed: int) -> list[np.ndarray]:
    """Responses of so many random rooms, float64 [samples] each; `seed` decides all of them."""
    rng = np.random.default_rng([seed, count])
    return [response(rng) for _ in range(count)]
