"""Read wav files of 16 kHz mono 16-bit PCM, refusing all others, and write them."""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path

import numpy as np

from common import wav
from common.description import FEATURES
from common.errors import UserError
from common.reading import read_plain

FORMAT = "16 kHz mono 16-bit PCM"
REMEDY = "convert it with `sox IN -r 16000 -c 1 -b 16 -e signed OUT`"


def read_wav(path: str | os.PathLike) -> np.ndarray:
    """The samples of a wav file, int16 [samples].

    Raises UserError for anything but 16 kHz mono 16-bit PCM, and for a missing, an empty or a truncated file.
    """
    path = Path(path)
    try:
        sound = wav.parse(read_plain(path, f"name a {FORMAT} wav file"))
    except ValueError as error:
        raise UserError(f"{path}: not a {FORMAT} wav file ({error}); {REMEDY}") from None
    if (sound.encoding, sound.rate, sound.channels, sound.bits) != (wav.ENCODINGS[wav.PCM], FEATURES.sample_rate, 1, 16):
        channels = f"{sound.channels} channel{'s' * (sound.channels != 1)}"
        raise UserError(
            f"{path}: {sound.rate} Hz, {channels}, {sound.bits} bits, {sound.encoding}, but {FORMAT} is needed; {REMEDY}"
        )
    samples = len(sound.data) // 2
    if sound.missing:
        raise UserError(
            f"{path}: truncated, {samples} of {(len(sound.data) + sound.missing) // 2} samples are there; fetch it again"
        )
    if samples == 0:
        raise UserError(f"{path}: holds no samples; remove it")
    return np.frombuffer(sound.data, "<i2", samples)


def wav_bytes(samples: np.ndarray) -> bytes:
    """Samples int16 [samples] -> the content of such a file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, FEATURES.sample_rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return out.getvalue()


def read_clip(path: str | os.PathLike) -> np.ndarray:
    """A clip of at most one second, zero-padded at its end: int16 [16000].

    Raises UserError as `read_wav`, and where the clip is longer than a second.
    """
    samples = read_wav(path)
    if len(samples) > FEATURES.clip_samples:
        raise UserError(
            f"{path}: {len(samples)} samples, longer than the one second ({FEATURES.clip_samples} samples) of a clip; cut it"
        )
    return np.pad(samples, (0, FEATURES.clip_samples - len(samples)))
