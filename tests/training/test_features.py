"""The log-mel features against librosa's filters and a direct DFT, and their int8 form."""

from __future__ import annotations

import dataclasses

import librosa
import numpy as np
import pytest
import torch

from common.description import FEATURES
from common.errors import UserError
from training import features
from training.data.dataset import folder_clips, read_clips
from training.features import LogMel, hz_to_mel, log_mel, mel_filters, mel_to_hz

F = FEATURES
LSB = F.int8_scale
LOG_MEL_TOLERANCE = LSB / 300
"""float32 rounds the quiet bins of a frame by its loud ones; elsewhere the difference is below 3e-6."""


def direct_log_mel(samples: np.ndarray) -> np.ndarray:
    """float64 [40, 101] of int16 [16000], frame by frame, by the definition of the DFT."""
    padded = np.pad(samples / 32768, F.fft // 2, mode="reflect")
    n = np.arange(F.fft)
    window = np.zeros(F.fft)
    first = (F.fft - F.window) // 2
    window[first : first + F.window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(F.window) / F.window)
    dft = np.exp(-2j * np.pi * np.outer(np.arange(F.fft // 2 + 1), n) / F.fft)
    frames = np.array([padded[start : start + F.fft] * window for start in range(0, len(samples) + 1, F.hop)])
    power = np.abs(frames @ dft.T) ** 2
    filters = librosa.filters.mel(
        sr=F.sample_rate, n_fft=F.fft, n_mels=F.mels, fmin=F.fmin, fmax=F.fmax, htk=True, norm=None, dtype=np.float64
    )
    return np.log(filters @ power.T + F.floor)


@pytest.fixture(scope="module")
def clips() -> dict[str, np.ndarray]:
    """int16 [16000] each: what speech is made of, and the extremes."""
    rng = np.random.default_rng(1)
    t = np.arange(F.clip_samples) / F.sample_rate
    speech = np.sin(2 * np.pi * (200 + 1500 * t) * t) * np.exp(-(((t - 0.5) / 0.15) ** 2))
    square = np.where(np.sin(2 * np.pi * 440 * t) > 0, 32767, -32768)
    return {
        name: np.asarray(samples).astype(np.int16)
        for name, samples in {
            "a chirp over hiss": 12000 * speech + rng.normal(0, 30, len(t)),
            "white noise": rng.normal(0, 3000, len(t)),
            "hiss of one LSB": rng.integers(-1, 2, len(t)),
            "a full-scale square wave": square,
            "silence": np.zeros(len(t)),
        }.items()
    }


def test_the_mel_filters_are_those_of_librosa():
    theirs = librosa.filters.mel(
        sr=F.sample_rate, n_fft=F.fft, n_mels=F.mels, fmin=F.fmin, fmax=F.fmax, htk=True, norm=None, dtype=np.float64
    )
    assert mel_filters().shape == (F.fft // 2 + 1, F.mels)
    np.testing.assert_allclose(mel_filters().T, theirs, rtol=0, atol=1e-15)


def test_every_mel_filter_hears_something():
    assert (mel_filters().max(0) > 0.1).all()


def test_mel_to_hz_inverts_hz_to_mel():
    hz = np.linspace(0, F.fmax, 1000)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz)), hz, rtol=1e-12, atol=1e-9)


def test_log_mel_equals_a_direct_dft_in_float64(clips):
    ours = log_mel(np.array(list(clips.values())))
    for row, (name, samples) in zip(ours, clips.items()):
        np.testing.assert_allclose(row, direct_log_mel(samples), rtol=0, atol=LOG_MEL_TOLERANCE, err_msg=name)


def test_a_clip_has_forty_mels_and_a_frame_every_hop_both_ends_included(clips):
    samples = torch.zeros(2, F.clip_samples)
    assert LogMel()(samples).shape == (2, 1, F.mels, F.frames)
    assert F.frames == len(range(0, F.clip_samples + 1, F.hop))


def test_silence_is_the_logarithm_of_the_floor(clips):
    np.testing.assert_array_equal(log_mel(clips["silence"][None]), np.float32(np.log(F.floor)))


def test_features_do_not_depend_on_the_batch(clips):
    audio = np.array(list(clips.values()))
    np.testing.assert_array_equal(log_mel(audio, batch=2), log_mel(audio, batch=100))


def test_every_int8_value_survives_the_way_to_float_and_back():
    every = np.arange(-128, 128).astype(np.int8)
    np.testing.assert_array_equal(F.quantize(F.dequantize(every)), every)


def test_quantising_errs_by_half_an_lsb_at_most_between_the_floor_and_the_largest_value():
    logmel = np.linspace(np.log(F.floor) + LSB / 2, F.dequantize(np.int8(127)), 10_001, dtype=np.float32)
    assert np.abs(F.dequantize(F.quantize(logmel)) - logmel).max() <= LSB / 2 * (1 + 1e-5)


def test_quantising_is_monotone_and_saturates():
    logmel = np.linspace(-100, 100, 10_001)
    q = F.quantize(logmel).astype(int)
    assert (np.diff(q) >= 0).all() and q[0] == -128 and q[-1] == 127


def test_the_floor_is_the_smallest_int8_value_and_zero_the_zero_point():
    assert F.quantize(np.log(F.floor)) == -128
    assert F.quantize(0.0) == F.int8_zero_point
    assert F.dequantize(np.int8(F.int8_zero_point)) == 0


def test_the_scale_is_a_multiple_of_a_power_of_two_so_that_it_is_exact_in_float32():
    assert np.float32(LSB) == LSB and (LSB * 32).is_integer()


def test_the_id_changes_with_every_field():
    ids = {F.id}
    for field in dataclasses.fields(F):
        ids.add(dataclasses.replace(F, **{field.name: getattr(F, field.name) + 1}).id)
    assert len(ids) == 1 + len(dataclasses.fields(F))


def test_real_clips_stay_within_int8(gsc_root):
    clips = folder_clips(gsc_root / "speech_commands_test_set_v0.02")[::10]
    q = F.quantize(log_mel(read_clips(clips)))
    assert q.max() < 127
    assert (q == -128).mean() < 0.05


def test_real_clips_have_the_features_of_a_direct_dft(gsc_root):
    clips = read_clips(folder_clips(gsc_root / "speech_commands_test_set_v0.02")[::200])
    for ours, samples in zip(log_mel(clips), clips):
        np.testing.assert_allclose(ours, direct_log_mel(samples), rtol=0, atol=LSB / 100)


@pytest.mark.parametrize("mels", [20, 80])
def test_features_that_the_network_cannot_take_are_refused_in_training(monkeypatch, mels):
    monkeypatch.setattr(features, "FEATURES", dataclasses.replace(FEATURES, mels=mels))
    with pytest.raises(UserError, match=f"BC-ResNet takes 40 mels, not {mels}; change common/description.py"):
        LogMel()
