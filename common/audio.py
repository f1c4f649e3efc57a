"""Read wav files of 16 kHz mono 16-bit PCM, refusing all others, and write them."""

from __future__ import annotations

import io
import os
import wave
from pathlib import Path

import numpy as np

from common import wav
from common.description import FEATURES, windowed
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


def read_clip(path: str | os.PathLike, clip_samples: int = FEATURES.clip_samples) -> np.ndarray:
    """A clip, int16 [clip_samples], of a recording of at most as many samples.

    One of less than a second is zero-padded at its end, and what is shorter than the clip lies in its middle. Raises
    UserError as `read_wav`, and where the recording is longer.
    """
    samples = read_wav(path)
    if len(samples) > clip_samples:
        window = windowed(clip_samples).window_text
        raise UserError(
            f"{path}: {len(samples)} samples, longer than the {window} ({clip_samples} samples) of a clip; cut it"
        )
    second = np.pad(samples, (0, max(0, FEATURES.clip_samples - len(samples))))
    return in_the_middle(second, clip_samples)


def in_the_middle(clips: np.ndarray, clip_samples: int) -> np.ndarray:
    """Samples [..., n] -> [..., clip_samples], as many zeros before as after them; at most as many samples as these."""
    around = clip_samples - clips.shape[-1]
    return np.pad(clips, [(0, 0)] * (clips.ndim - 1) + [(around // 2, around - around // 2)])
