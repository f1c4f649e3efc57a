"""Lossy codecs: recordings of people nearly always went through one, and what a synthesiser says never did.

A network that hears both would otherwise tell a recording by its codec, and not by what is said.
"""

from __future__ import annotations

import io

import numpy as np
import soundfile

from common.description import FEATURES

KINDS = {
    ("OGG", "OPUS"): (0.75, 1.0),  # 75 to 12 kbit/s
    ("OGG", "VORBIS"): (0.2, 1.0),  # 90 to 55
    ("MP3", "MPEG_LAYER_III"): (0.3, 0.95),  # 60 to 25
}
"""Format and subtype, as libsndfile names them, and its range of compression: 0 is the best quality, 1 the least."""
RATE = FEATURES.sample_rate


def coded(clip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A clip, int16 [samples] at 16 kHz, after a random codec of random quality; the same length, at the same place."""
    (form, subtype), compression = list(KINDS.items())[rng.integers(len(KINDS))]
    level = rng.uniform(*compression)
    with io.BytesIO() as file:
        soundfile.write(file, clip, RATE, format=form, subtype=subtype, compression_level=level)
        file.seek(0)
        heard, _ = soundfile.read(file, dtype="int16")
    return np.resize(heard, len(clip)) if len(heard) < len(clip) else heard[: len(clip)]
