"""The paper's augmentation of a whole batch, on the device that trains.

Random numbers are drawn on the host with NumPy, so that they do not depend on the device.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from common.description import FEATURES

PROBABILITY = 0.8
SHIFT = FEATURES.sample_rate // 10  # +-100 ms
NOISE_LEVEL, SILENCE_NOISE_LEVEL = 0.1, 1.0
FREQUENCY_MASK = {1: 0, 1.5: 1, 2: 3, 3: 5, 6: 7, 8: 7}
"""Largest width of a SpecAugment frequency mask for each tau; 0 means no SpecAugment."""
TIME_MASK = 20
MASKS = 2
ABRUPT_LEVEL = 0.1
"""Largest gain of a noise before it starts or after it stops."""


class NoiseAugment:
    """Shift and add background noise: int16 clips -> float samples in +-1.

    samples: length of the result; where it exceeds a clip's, noise fills what lies before and after the clip.
    shift: largest shift of a clip, in samples. A noise that is shorter than the result is not used.
    abrupt: fraction of silence clips whose noise starts or stops mid-clip.
    """

    def __init__(
        self,
        noises: Sequence[np.ndarray],
        device: torch.device,
        samples: int = FEATURES.clip_samples,
        shift: int = SHIFT,
        abrupt: float = 0.0,
    ):
        noises = [noise for noise in noises if len(noise) > samples]
        self.samples, self.shift, self.abrupt = samples, shift, abrupt
        self.noise = torch.from_numpy(np.concatenate(noises)).to(device)
        starts = np.cumsum([0] + [len(noise) for noise in noises])[:-1]
        self.ranges = [(start, start + len(noise) - samples) for start, noise in zip(starts, noises)]

    def __call__(self, clips: torch.Tensor, silence: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        """int16 (N, samples of a clip) and silence flags [N] -> float32 (N, samples), clamped to +-1."""
        count = len(clips)
        chosen = silence | (rng.random(count) < PROBABILITY)
        shift = np.where(chosen, rng.integers(-self.shift, self.shift + 1, count), 0)
        level = np.where(silence, SILENCE_NOISE_LEVEL, NOISE_LEVEL) * rng.random(count) * chosen
        low, high = np.array([self.ranges[i] for i in rng.integers(len(self.ranges), size=count)]).T
        offset = rng.integers(low, high)

        def put(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(clips.device)

        # All windows are views of one array; only the chosen ones are copied.
        around = self.shift + (self.samples - clips.shape[1]) // 2
        views = torch.nn.functional.pad(clips, (around, around)).unfold(1, self.samples, 1)
        shifted = views[torch.arange(count, device=clips.device), put(self.shift - shift)]
        noise = self.noise.unfold(0, self.samples, 1)[put(offset)].float()
        if self.abrupt:
            rows, gains = abrupt_gains(silence, self.abrupt, self.samples, rng)
            noise[put(rows)] *= put(gains)
        samples = torch.addcmul(shifted.float(), noise, put(level.astype(np.float32))[:, None])
        return samples.div_(32768).clamp_(-1, 1)


def abrupt_gains(silence: np.ndarray, share: float, samples: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Choose about a fraction `share` of the silence clips (flags [N]): their rows, int64 [rows], and the gains of their
    noise over time, float32 [rows, samples]: 1 on one side of a random instant, at most ABRUPT_LEVEL on the other.
    """
    rows = np.flatnonzero(silence & (rng.random(len(silence)) < share))
    instant, level = rng.integers(0, samples, (len(rows), 1)), rng.uniform(0, ABRUPT_LEVEL, (len(rows), 1))
    begins = rng.random((len(rows), 1)) < 0.5
    quiet = (np.arange(samples) < instant) == begins
    return rows, np.where(quiet, level, 1).astype(np.float32)


def spec_augment(logmel: torch.Tensor, tau: float, rng: np.random.Generator) -> torch.Tensor:
    """SpecAugment (Park et al., 2019) with the paper's widths: set two frequency bands and two spans of time of each clip,
    (N,1,40,columns), to 0; in place. Nothing is masked at tau = 1.
    """
    if not FREQUENCY_MASK[tau]:
        return logmel
    for axis, widest in ((2, FREQUENCY_MASK[tau]), (3, TIME_MASK)):
        size = logmel.shape[axis]
        position = np.arange(size)
        for _ in range(MASKS):
            width = rng.integers(0, widest + 1, len(logmel))
            start = rng.integers(0, size - width + 1)
            mask = (position >= start[:, None]) & (position < (start + width)[:, None])
            shape = [len(logmel), 1, 1, 1]
            shape[axis] = size
            logmel.masked_fill_(torch.from_numpy(mask).to(logmel.device).reshape(shape), 0.0)
    return logmel
