"""Any rate to 16 kHz in whole numbers: nothing moves, nothing folds back, and every machine makes the same samples."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common import resampling

ROOT = Path(__file__).parents[2]
RATES = (8000, 11025, 12345, 22050, 44100, 48000)


def tone(frequency: float, rate: int, level: float = 20000, seconds: float = 0.5) -> np.ndarray:
    return np.rint(level * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)).astype(np.int16)


def noise(rate: int) -> np.ndarray:
    return np.random.default_rng(rate).integers(-32768, 32767, rate // 2, np.int16, endpoint=True)


def resampled(samples: np.ndarray, rate: int, cuts=()) -> np.ndarray:
    return np.concatenate(list(resampling.to_16_khz(np.split(samples, cuts), rate)))


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_stays_where_it_is_to_its_last_sample(rate):
    made = resampled(tone(440, rate), rate)
    assert made.dtype == np.int16 and len(made) == -(-(rate // 2) * 16000 // rate)
    inner = slice(resampling.CROSSINGS * 4, -resampling.CROSSINGS * 4)
    assert np.abs(made[inner] - tone(440, 16000)[: len(made)].astype(float)[inner]).max() <= 2


@pytest.mark.parametrize("rate, frequency", [(44100, 8100), (48000, 20000), (22050, 9000), (96000, 8001)])
def test_what_16_khz_cannot_hold_does_not_fold_back(rate, frequency):
    made = resampled(tone(frequency, rate, 32767), rate).astype(float)
    assert np.std(made[500:-500]) < 10 ** (-70 / 20) * 32767 / np.sqrt(2)


def test_no_image_rises_above_the_band_of_a_lower_rate():
    made = resampled(tone(3000, 8000), 8000)[500:-500]
    spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made))))
    assert spectrum[len(spectrum) // 2 :].max() < 10 ** (-70 / 20) * spectrum.max()


def test_sound_at_16_khz_is_left_as_it_is():
    assert np.array_equal(resampled(noise(16000), 16000), noise(16000))


@pytest.mark.parametrize("rate", RATES)
def test_blocks_make_no_difference(rate):
    whole = resampled(noise(rate), rate)
    assert np.array_equal(whole, resampled(noise(rate), rate, [0, 1, 2, 900, 900, 901, 3000]))
    assert len(resampled(noise(rate)[:0], rate)) == 0 and len(resampled(noise(rate)[:1], rate)) == -(-16000 // rate)


@pytest.mark.parametrize("rate", RATES)
def test_every_sample_is_a_sum_of_whole_numbers_that_float64_holds_in_any_order(rate):
    table, samples, width = resampling.filters(rate), noise(rate), resampling.reach(rate)
    whole = table.astype(np.int64)
    assert np.array_equal(table, whole) and np.abs(whole).sum(1).max() * 32768 < 2**53
    padded, expected = np.pad(samples.astype(np.int64), (width - 1, width)), []
    for new in range(-(-len(samples) * 16000 // rate)):
        old, rest = divmod(new * rate, 16000)
        taps = whole[rest * len(whole) // 16000]
        expected.append((int((padded[old : old + 2 * width] * taps).sum()) + resampling.ONE // 2) // resampling.ONE)
    assert np.array_equal(resampled(samples, rate), np.clip(expected, -32768, 32767))
    assert np.max(expected) > 32767, "what is too loud saturates"


def test_other_processors_make_the_same_filters():
    """Stood in for by the math library and NumPy without the instructions of newer ones."""
    command = (
        sys.executable,
        "-c",
        "import hashlib; from common import resampling; "
        "print(hashlib.sha256(resampling.filters(44100).tobytes()).hexdigest())",
    )
    older = {
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-AVX512F",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F",
        "OPENBLAS_CORETYPE": "Nehalem",
    }
    made = [
        subprocess.run(command, cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, check=True).stdout
        for more in ({}, older)
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize("ratio", [0.5, 0.7256, 1.2])
def test_resampling_by_any_ratio_keeps_the_sound_and_changes_its_length(ratio):
    before = np.sin(2 * np.pi * 50 * np.arange(2205) / 22050)  # five whole periods
    after = resampling.by_spectrum(before, ratio)
    assert len(after) == round(2205 * ratio)
    np.testing.assert_allclose(after, np.sin(2 * np.pi * 5 * np.arange(len(after)) / len(after)), atol=2e-3)
