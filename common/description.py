"""Parameters of the features, the labels and the network, read by every stage.

Needs NumPy alone, so that the converter, the code generator and the benchmarks can read it without PyTorch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math

import numpy as np

from common.errors import UserError

TAUS = (1, 1.5, 2, 3, 6, 8)

SILENCE, UNKNOWN = "_silence_", "_unknown_"
KEYWORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
LABELS = (SILENCE, UNKNOWN) + KEYWORDS
"""The twelve classes of the Speech Commands benchmark, in the order of the logits."""


@dataclasses.dataclass(frozen=True)
class FeatureDescription:
    """Log-mel features of a clip, which is as long as the network's window, and their int8 representation.

    The float features are those of BC-ResNet (Kim et al., Interspeech 2021): periodic Hann
    window of `window` samples centred in `fft`, centred reflect padding, power spectrum,
    HTK mel filters without normalisation, natural logarithm of (mel + floor); samples in +-1.

    The int8 feature is `round(logmel / int8_scale) + int8_zero_point`, clipped to [-128, 127].
    Scale and zero point belong to the features, not to a model: ln(floor) = -13.8 maps to
    -128 and the loudest clips of Speech Commands stay below 127.
    """

    sample_rate: int = 16000  # Hz
    clip_samples: int = 16000
    window: int = 480  # samples: 30 ms
    fft: int = 512
    hop: int = 160  # samples: 10 ms
    mels: int = 40
    fmin: float = 0.0  # Hz
    fmax: float = 8000.0  # Hz
    floor: float = 1e-6
    int8_scale: float = 0.09375  # natural-log units per LSB
    int8_zero_point: int = 19

    @property
    def frames(self) -> int:
        """Columns of a clip: 101 of a second."""
        return 1 + self.clip_samples // self.hop

    @property
    def seconds(self) -> float:
        """Of a clip."""
        return self.clip_samples / self.sample_rate

    @property
    def window_text(self) -> str:
        """Its length as a text has it: `one second`, `1.3 s`."""
        return "one second" if self.seconds == 1 else f"{self.seconds:g} s"

    @property
    def id(self) -> str:
        """First 16 hex digits of the SHA-256 of all fields: changes when any of them does."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def quantize(self, logmel: np.ndarray) -> np.ndarray:
        """Float log-mel of any shape -> int8 of the same shape (round half to even)."""
        q = np.rint(np.asarray(logmel, np.float32) / np.float32(self.int8_scale)) + self.int8_zero_point
        return np.clip(q, -128, 127).astype(np.int8)

    def dequantize(self, features: np.ndarray) -> np.ndarray:
        """int8 features of any shape -> float32 log-mel of the same shape."""
        return (features.astype(np.float32) - self.int8_zero_point) * np.float32(self.int8_scale)


FEATURES = FeatureDescription()
"""Those of Speech Commands' networks, whose window is a second."""

SHORTEST_WINDOW, LONGEST_WINDOW = 1.0, 1.6
"""Seconds that a network may hear as a whole; a second where a checkpoint does not say otherwise."""


def windowed(clip_samples: int) -> FeatureDescription:
    """The features of a network whose window holds so many samples. ValueError unless these are whole hops of a window
    between the shortest and the longest."""
    if not isinstance(clip_samples, int):
        raise ValueError(f"a window of {clip_samples!r} samples, which is no number of them")
    seconds = clip_samples / FEATURES.sample_rate
    if clip_samples % FEATURES.hop or not SHORTEST_WINDOW <= seconds <= LONGEST_WINDOW:
        raise ValueError(
            f"a window of {clip_samples} samples ({seconds:g} s); {SHORTEST_WINDOW:g} to {LONGEST_WINDOW:g} s in steps of "
            f"{FEATURES.hop} samples are possible, such as {FEATURES.clip_samples}"
        )
    return dataclasses.replace(FEATURES, clip_samples=clip_samples)


BANDS = 5
"""Frequency bands of SubSpectralNorm."""
STAGES = ((2, 1, 1), (2, 2, 2), (4, 2, 4), (4, 1, 8))
"""For each stage of BC-ResNet: blocks, frequency stride of the first block, temporal dilation."""


MELS = 2 * math.prod(stride for _, stride, _ in STAGES) * BANDS
"""Mel bands that the network takes, 40: its head and two stages halve them, and the classifier's convolution covers the
remaining rows, one per band of SubSpectralNorm."""


def check_mels(features: FeatureDescription) -> None:
    """UserError where the features have another number of mel bands than the network takes."""
    if features.mels != MELS:
        raise UserError(f"BC-ResNet takes {MELS} mels, not {features.mels}; change common/description.py")


REACH = 2 + sum(blocks * dilation for blocks, _, dilation in STAGES) + 2
"""Columns before and after one that its logits depend on: 58, half of the receptive field and the lag of a stream."""
STREAM_COLUMNS = 30
"""Columns of logits, 10 ms each, that the scores of a stream are averaged over."""
DETECTION_THRESHOLD = 153
"""Probability, of 255, from which an answer counts as sure: where conversion and held-out words are judged."""


def channels(tau: float) -> tuple[int, ...]:
    """Channels of head, four stages and classifier: (2, 1, 1.5, 2, 2.5, 4) x 8 tau, rounded down."""
    return tuple(int(8 * tau * width) for width in (2, 1, 1.5, 2, 2.5, 4))


def parse_tau(text: str) -> float:
    """`"1"` -> 1, `"1.5"` -> 1.5; UserError, with the supported values, for any other number or text."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value not in TAUS:
        raise UserError(f"tau {text or repr(text)} does not exist; choose one of {', '.join(f'{t:g}' for t in TAUS)}")
    return int(value) if value == int(value) else value
