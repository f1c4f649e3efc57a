"""Read 16 kHz mono 16-bit PCM wav files, and nothing else."""
from __future__ import annotations

import os
import wave
from pathlib import Path

import numpy as np

from training.description import FEATURES
from training.errors import UserError

FORMAT = "16 kHz mono 16-bit PCM"


def read_wav(path: str | os.PathLike) -> np.ndarray:
    """The samples of a wav file, int16 [samples].

    Raises UserError for anything but 16 kHz mono 16-bit PCM, and for a missing, an empty or a truncated file.
    """
    path = Path(path)
    try:
        with wave.open(str(path), "rb") as wav:
            channels, width, rate, samples = wav.getparams()[:4]
            data = wav.readframes(samples)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; name a {FORMAT} wav file") from None
    except (wave.Error, EOFError) as error:
        reason = str(error) or "ends within its header"
        raise UserError(f"{path}: not a {FORMAT} wav file ({reason}); convert it with "
                        f"`sox IN -r 16000 -c 1 -b 16 -e signed OUT`") from None
    found = f"{rate} Hz, {channels} channel{'s' * (channels != 1)}, {8 * width} bits"
    if (channels, width, rate) != (1, 2, FEATURES.sample_rate):
        raise UserError(f"{path}: {found}, but {FORMAT} is needed; convert it with "
                        f"`sox IN -r 16000 -c 1 -b 16 -e signed OUT`")
    if samples == 0:
        raise UserError(f"{path}: holds no samples; remove it")
    if len(data) != 2 * samples:
        raise UserError(f"{path}: truncated, {len(data) // 2} of {samples} samples are there; fetch it again")
    return np.frombuffer(data, "<i2")


def read_clip(path: str | os.PathLike) -> np.ndarray:
    """A clip of at most one second, zero-padded at its end: int16 [16000].

    Raises UserError as `read_wav`, and where the clip is longer than a second.
    """
    samples = read_wav(path)
    if len(samples) > FEATURES.clip_samples:
        raise UserError(f"{path}: {len(samples)} samples, longer than the one second "
                        f"({FEATURES.clip_samples} samples) of a clip; cut it")
    return np.pad(samples, (0, FEATURES.clip_samples - len(samples)))
