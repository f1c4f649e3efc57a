"""Speak the example words with espeak-ng and write them as clips: one second, 16 kHz, mono, 16 bits.

    python examples/synthesise.py [OUT]

Needs espeak-ng (apt-get install espeak-ng) and NumPy. Other versions of espeak-ng may sound slightly different.
"""

from __future__ import annotations

import shutil
import sys
import wave
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common.atomic import replacing
from common.description import FEATURES
from common.errors import UserError, one_line_errors
from training.spoken.synthesisers import program

VOICES = {
    "yes": "en-us+f3",
    "no": "en-us+m3",
    "left": "en-gb-scotland+m5",
    "right": "en-us+f5",
    "stop": "en-gb",
    "go": "en-gb-scotland+f3",
}
"""Word -> voice of espeak-ng."""
SPEED = 140  # words a minute
PEAK = 12000  # PCM units
QUIET = 0.02  # of the peak: quieter samples at the start and at the end are cut off
NOISE = 10  # PCM units, standard deviation: no microphone is perfectly silent
TAPS = 32  # on either side, of the resampling filter by which the shipped examples were made


def speak(word: str, voice: str) -> tuple[np.ndarray, int]:
    """The word spoken by espeak-ng: float64 [samples] in +-1, and its rate in Hz."""
    if shutil.which("espeak-ng") is None:
        raise UserError("espeak-ng: not installed; apt-get install espeak-ng")
    return program.run(["espeak-ng", "-v", voice, "-s", str(SPEED), "--stdout", word])


def resample(samples: np.ndarray, rate: int, to: int) -> np.ndarray:
    """From `rate` down to `to` Hz by a Hann-windowed sinc, cut off at 0.45 of the new rate."""
    cutoff = 0.9 * to / rate  # of half the old rate
    centre = np.arange(int(len(samples) * to / rate)) * rate / to
    tap = np.floor(centre)[:, None].astype(int) + np.arange(1 - TAPS, TAPS + 1)
    distance = centre[:, None] - tap
    kernel = cutoff * np.sinc(cutoff * distance) * np.cos(np.pi / 2 * distance / (TAPS + 1)) ** 2
    return (np.pad(samples, TAPS)[tap + TAPS] * kernel).sum(1)


def clip(word: str, voice: str) -> np.ndarray:
    """The word in the middle of one second of faint noise, int16 [16000]."""
    samples, rate = speak(word, voice)
    samples = resample(samples, rate, FEATURES.sample_rate)
    samples *= PEAK / np.abs(samples).max()
    loud = np.flatnonzero(np.abs(samples) > QUIET * PEAK)
    samples = samples[loud[0] : loud[-1] + 1]
    rest = FEATURES.clip_samples - len(samples)
    if rest < 0:
        raise UserError(f"{word}: takes longer than a second; raise SPEED")
    noise = np.random.default_rng(sum(word.encode())).normal(0, NOISE, FEATURES.clip_samples)
    return np.rint(np.pad(samples, (rest // 2, rest - rest // 2)) + noise).astype(np.int16)


@one_line_errors
def main() -> None:
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for word, voice in VOICES.items():
        with replacing(out / f"{word}.wav") as path, wave.open(str(path), "wb") as wav:
            wav.setparams((1, 2, FEATURES.sample_rate, 0, "NONE", ""))
            wav.writeframes(clip(word, voice).astype("<i2").tobytes())
        print(out / f"{word}.wav")


if __name__ == "__main__":
    sys.exit(main())
