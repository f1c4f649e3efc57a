"""Float log-mel features in PyTorch, as the paper computes them, without torchaudio."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from common.description import FEATURES, check_mels


def hz_to_mel(hz: float | np.ndarray) -> np.ndarray:
    """HTK mel scale (O'Shaughnessy): 2595 log10(1 + f/700)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    return 700.0 * (10.0 ** (np.asarray(mel) / 2595.0) - 1.0)


def mel_filters() -> np.ndarray:
    """Triangular filters on the HTK mel scale, peak 1, float64 [fft/2+1, mels]."""
    f = FEATURES
    bins = np.linspace(0, f.sample_rate / 2, f.fft // 2 + 1)
    edges = mel_to_hz(np.linspace(hz_to_mel(f.fmin), hz_to_mel(f.fmax), f.mels + 2))
    rising = (bins[:, None] - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - bins[:, None]) / np.diff(edges)[1:]
    return np.maximum(0.0, np.minimum(rising, falling))


class LogMel(nn.Module):
    """Samples (N, samples), float in +-1 -> log-mel (N, 1, 40, samples/160 + 1), float32; of a second: 101 columns."""

    window: torch.Tensor
    filters: torch.Tensor

    def __init__(self):
        """Raises UserError where the network cannot take such features."""
        super().__init__()
        check_mels(FEATURES)
        self.register_buffer("window", torch.hann_window(FEATURES.window, periodic=True), persistent=False)
        self.register_buffer("filters", torch.from_numpy(mel_filters().astype(np.float32)), persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        f = FEATURES
        spectrum = torch.stft(
            samples, f.fft, f.hop, f.window, self.window, center=True, pad_mode="reflect", return_complex=True
        )
        squares = torch.view_as_real(spectrum).square_()
        power = squares[..., 0] + squares[..., 1]  # (N, bins, frames)
        mel = torch.matmul(self.filters.T, power)
        return mel.add_(f.floor).log_().unsqueeze(1)


@torch.no_grad()
def log_mel(audio: np.ndarray, batch: int = 100) -> np.ndarray:
    """int16 [clips, samples] -> float32 log-mel [clips, 40, samples/160 + 1]; of a second: 101 columns."""
    extract = LogMel()
    out = np.empty((len(audio), FEATURES.mels, audio.shape[1] // FEATURES.hop + 1), np.float32)
    for start in range(0, len(audio), batch):
        samples = torch.from_numpy(audio[start : start + batch].astype(np.float32) / 32768)
        out[start : start + batch] = extract(samples)[:, 0].numpy()
    return out
