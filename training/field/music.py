"""Synthetic music: seeded pieces of chords, a bass, a melody and drums, in several timbres.

No two pieces share tempo, key, instruments or rhythm. Made here because recordings of music are seldom free.
"""

from __future__ import annotations

import numpy as np
import torch

from common.description import FEATURES
from training.field import sound

RATE = FEATURES.sample_rate
SCALES = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 3, 5, 7, 10, 12, 15)
"""Semitones of major, minor, Dorian and a pentatonic scale (two octaves of it)."""
TEMPO = 65, 170  # beats a minute
PARTIALS = 16
COMPRESSED = 1.5
"""RMS of a mix, as a multiple, at which compression bends it."""
LOUDSPEAKER = 100.0, 250.0
"""Hz below which a loudspeaker gives little."""
FORMANTS = (730, 1090), (270, 2290), (530, 1840), (570, 840), (300, 870)
"""First two formants of five vowels, Hz (Peterson and Barney, 1952): a lead that sounds like a voice."""


def hertz(note: float) -> float:
    """MIDI note number -> frequency."""
    return 440.0 * 2 ** ((note - 69) / 12)


def envelope(count: int, attack: float, decay: float, release: float = 0.03) -> np.ndarray:
    """Amplitude of a note of `count` samples: a linear rise of `attack` s, an exponential decay with a time constant of
    `decay` s, and a linear end."""
    time = np.arange(count) / RATE
    return np.minimum(1, time / attack) * np.exp(-time / decay) * np.minimum(1, (count / RATE - time) / release)


class Timbre:
    """An instrument: strengths of its partials, their stretch, its envelope, vibrato and formants, all random.

    voice: whether a vowel's formants shape the partials.
    """

    def __init__(self, rng: np.random.Generator, voice: bool = False):
        number = np.arange(1, PARTIALS + 1)
        self.strength = number ** -rng.uniform(0.3, 1.5) * rng.uniform(0.2, 1, PARTIALS)
        if rng.random() < 0.3:
            self.strength[1::2] *= 0.1  # hollow, as a clarinet
        self.stretch = rng.choice([0, 0, 0.002, 0.01])
        self.attack = np.exp(rng.uniform(np.log(0.003), np.log(0.15)))
        self.decay = np.exp(rng.uniform(np.log(0.15), np.log(3)))
        self.vibrato = rng.uniform(0, 0.008) * (rng.random() < 0.5 or voice)
        self.rate = rng.uniform(4, 7)
        self.formants = FORMANTS[rng.integers(len(FORMANTS))] if voice else None

    def note(self, note: float, count: int) -> np.ndarray:
        """A note of `count` samples, float64, about 1 in amplitude."""
        number = np.arange(1, PARTIALS + 1)
        frequency = hertz(note) * number * np.sqrt(1 + self.stretch * number**2)
        strength = np.where(frequency < RATE / 2 - 200, self.strength, 0)
        if self.formants:
            distance = np.abs(frequency[:, None] - np.array(self.formants)) / 120
            strength = strength * (0.05 + (1 / (1 + distance**2)).sum(1))
        time = np.arange(count) / RATE
        phase = time + self.vibrato / (2 * np.pi * self.rate) * np.sin(2 * np.pi * self.rate * time)
        heard = np.flatnonzero(strength)
        sound = strength[heard] @ np.sin(2 * np.pi * frequency[heard, None] * phase)
        return sound / max(1e-9, np.sqrt(np.square(strength).sum())) * envelope(count, self.attack, self.decay)


def drum(kind: str, rng: np.random.Generator) -> np.ndarray:
    """One stroke of a kick, snare or hat, float64."""
    count = {"kick": 3200, "snare": 2400, "hat": 800}[kind]
    time = np.arange(count) / RATE
    if kind == "kick":
        return np.sin(2 * np.pi * (50 * time + 4 * (1 - np.exp(-30 * time)))) * np.exp(-time * rng.uniform(12, 25))
    noise = np.diff(rng.normal(size=count + 1))  # brighter than white
    if kind == "hat":
        return noise * np.exp(-time * rng.uniform(60, 150))
    return (noise + np.sin(2 * np.pi * rng.uniform(160, 240) * time)) * np.exp(-time * rng.uniform(15, 40))


def add(whole: np.ndarray, sound: np.ndarray, start: int, gain: float) -> None:
    """Add a sound from sample `start` on, cut at the end, in place."""
    stop = min(len(whole), start + len(sound))
    if stop > start:
        whole[start:stop] += gain * sound[: stop - start]


def piece(seconds: float, seed: tuple[int, ...]) -> np.ndarray:
    """A piece of music, int16 [seconds 16000], half of full scale at its loudest."""
    rng = np.random.default_rng(seed)
    whole = np.zeros(round(seconds * RATE))
    beat = round(60 / rng.uniform(*TEMPO) * RATE)
    scale, key = SCALES[rng.integers(len(SCALES))], rng.integers(40, 52)
    chords, bass, lead = Timbre(rng), Timbre(rng), Timbre(rng, voice=rng.random() < 0.5)
    drums = {kind: rng.random(8) < share for kind, share in (("kick", 0.35), ("snare", 0.25), ("hat", 0.6))}
    has_drums, has_lead, arpeggio = rng.random() < 0.7, rng.random() < 0.8, rng.random() < 0.4
    strokes = {kind: drum(kind, rng) for kind in drums}
    gains = np.exp(rng.uniform(-1, 0.5, 4))

    def pitch(degree: int) -> int:
        return int(key + scale[degree % 7] + 12 * (degree // 7))

    degree, melody, roots = 0, 7, rng.integers(0, 7, 4)
    for number in range(-(-len(whole) // beat)):
        start, root = number * beat, int(roots[number // 4 % 4])
        if number % 4 == 0 or arpeggio:
            degrees = [root + step for step in (0, 2, 4)]
            for which in degrees if not arpeggio else [degrees[number % 3]]:
                add(whole, chords.note(pitch(which) + 12, beat * (1 if arpeggio else 4)), start, gains[0])
            add(whole, bass.note(pitch(root) - 12, beat * (1 if arpeggio else 2)), start, gains[1])
        if has_lead and rng.random() < 0.8:
            parts = int(rng.choice([1, 1, 2, 4]))
            for part in range(parts):
                degree = int(rng.integers(-2, 3))
                melody = int(np.clip(melody + degree, 4, 16))
                add(whole, lead.note(pitch(melody) + 12, beat // parts), start + part * beat // parts, gains[2])
        if has_drums:
            for half in (0, 1):
                for kind, pattern in drums.items():
                    if pattern[(2 * number + half) % 8]:
                        add(whole, strokes[kind], start + half * beat // 2, gains[3])
    return mastered(whole, rng.uniform(*LOUDSPEAKER))


def mastered(mix: np.ndarray, lowest: float) -> np.ndarray:
    """A mix, float64 [samples] -> as a small loudspeaker plays it: compressed, and with a high pass at `lowest` Hz; int16,
    half of full scale at its loudest."""
    dense = np.tanh(mix / max(COMPRESSED * np.sqrt(np.square(mix).mean()), 1e-9))
    heard = sound.filtered(torch.from_numpy(dense)[None], sound.band(sound.frequencies(len(mix)), lowest, order=2))[
        0
    ].numpy()
    return np.rint(16384 * heard / max(np.abs(heard).max(), 1e-9)).astype(np.int16)


def pieces(count: int, seconds: float, seed: int) -> list[np.ndarray]:
    """So many pieces; `seed` decides all of them."""
    return [piece(seconds, (seed, number)) for number in range(count)]
