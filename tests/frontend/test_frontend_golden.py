"""The integer feature pipeline in NumPy: its tables, its bounds, and how near it comes to the float features."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from frontend_inputs import recordings

from common.description import FEATURES
from common.errors import UserError
from frontend import golden
from frontend.tables import POWER_BITS, WINDOW, fixed, tables
from training.data import dataset
from training.features import log_mel, mel_filters

WITHIN_1_LSB, MAX_LSB = 0.999, 2
"""What the pipeline promises for real clips, against float log-mel quantised the same way."""


@pytest.fixture(scope="module")
def sounds() -> dict[str, np.ndarray]:
    return recordings()


# ---- tables ----


def test_the_window_is_that_of_training():
    hann = torch.hann_window(FEATURES.window, periodic=True, dtype=torch.float64).numpy()
    np.testing.assert_allclose(tables().window, -hann * 2**23, rtol=0, atol=0.5 + 1e-6)


def test_rising_weights_and_their_complements_are_the_mel_filters_of_training():
    t, filters = tables(), mel_filters()
    segment = np.repeat(np.arange(len(t.segment_bins)), t.segment_bins)
    ours = np.zeros((len(filters) - 2, FEATURES.mels + 2))  # a filter too many at both ends
    bins = np.arange(len(segment))
    ours[bins, segment + 1] = t.rising / 2**15
    ours[bins, segment] = 1 - t.rising / 2**15
    np.testing.assert_allclose(ours[:, 1:-1], filters[1:-1], rtol=0, atol=2**-15)
    assert np.abs(filters[[0, -1]]).max() < 1e-12  # bins 0 and 256, which the pipeline leaves out


def test_constants_fit_their_c_types():
    t = tables()
    for values, bits in (
        (t.window, 32),
        (t.twiddles, 16),
        (t.split, 32),
        (t.rising, 16),
        (t.log_mantissa, 32),
        (np.array([t.floor, t.log_octave, t.log_offset]), 32),
    ):
        assert golden.fits(values, bits) is values
    assert t.digit_reversed.min() >= 0 and t.digit_reversed.max() < 256 and t.segment_bins.max() < 256
    assert sorted(t.digit_reversed) == list(range(len(t.digit_reversed)))
    assert t.segment_bins.sum() == len(t.rising)


def test_fixed_point_rounds_and_keeps_minus_one_exact():
    values = np.array([-1, 0, 0.49 / 2**15, 0.51 / 2**15, 1])
    np.testing.assert_array_equal(fixed(values, 15), [-(2**15), 0, 0, 1, 2**15 - 1])


@pytest.mark.parametrize(
    "change",
    [
        {"fft": 1024},
        {"window": 400},
        {"hop": 500},
        {"clip_samples": 16001},
        {"fmin": 20.0},
        {"floor": 1e-12},
        {"floor": 1.0},
        {"int8_scale": 0.001},
    ],
)
def test_features_that_the_pipeline_cannot_compute_are_refused_in_one_line(change):
    with pytest.raises(UserError, match="common/description.py") as error:
        tables(dataclasses.replace(FEATURES, **change))
    assert "\n" not in str(error.value)


# ---- arithmetic ----


def test_no_intermediate_leaves_its_width_even_for_the_loudest_of_inputs(sounds):
    assert golden.columns(np.array(list(sounds.values()))).shape == (len(sounds), FEATURES.frames, FEATURES.mels)


def test_an_intermediate_that_leaves_its_width_is_noticed():
    with pytest.raises(ArithmeticError, match="32 bits"):
        golden.spectrum(np.full((1, 512), 2**24))
    with pytest.raises(ArithmeticError, match="16 bits"):
        golden.mul16(np.array([1]), np.array([2**15]))
    with pytest.raises(ArithmeticError, match="63 bits"):
        golden.mel_energies(*np.full((2, 1, 255), 2**30))


def test_the_fft_is_a_discrete_fourier_transform():
    rng = np.random.default_rng(0)
    re, im = rng.integers(-(2**21), 2**21, (2, 3, 256))
    theirs = np.fft.fft(re + 1j * im)
    ours_re, ours_im = golden.fft(re, im)
    error = ours_re + 1j * ours_im - theirs
    assert np.sqrt(np.mean(np.abs(error) ** 2) / np.mean(np.abs(theirs) ** 2)) < 2**-15


def test_the_spectrum_is_twice_that_of_the_samples():
    samples = np.random.default_rng(1).integers(-(2**22), 2**22, (3, 512))
    theirs = 2 * np.fft.rfft(samples)[:, 1:256]
    re, im = golden.spectrum(samples)
    im[:, 127:] *= -1  # of bins 128 and above
    error = re + 1j * im - theirs
    assert np.sqrt(np.mean(np.abs(error) ** 2) / np.mean(np.abs(theirs) ** 2)) < 2**-15


def test_the_logarithm_errs_by_a_hundredth_of_an_lsb_besides_the_rounding():
    energies = np.unique(np.geomspace(1, 2.0**62, 50_001).astype(np.int64)) - 1
    floored = energies.astype(np.float64) + tables().floor
    exact = (np.log(floored) - POWER_BITS * np.log(2)) / FEATURES.int8_scale + FEATURES.int8_zero_point
    ours = golden.feature(energies)
    unsaturated = (exact > -127.5) & (exact < 126.5)
    assert unsaturated.mean() > 0.5
    assert np.abs(ours - exact)[unsaturated].max() < 0.51
    assert (np.diff(ours.astype(int)) >= 0).all()


def test_silence_is_the_feature_of_the_floor(sounds):
    assert (golden.columns(sounds["silence"][None]) == FEATURES.quantize(np.log(FEATURES.floor))).all()


# ---- columns ----


def test_a_column_comes_with_sample_160_n_plus_240():
    samples = np.random.default_rng(2).integers(-1000, 1000, 1000).astype(np.int16)
    whole = golden.stream(samples)
    for count in (0, 1, 239, 240, 399, 400, 559, 560, 1000):
        expected = 0 if count < 240 else (count - 240) // 160 + 1
        np.testing.assert_array_equal(golden.stream(samples[:count]), whole[:expected])
        assert len(golden.stream(samples[:count])) == expected


def test_columns_2_to_98_of_a_clip_are_those_of_a_stream(sounds):
    for name, samples in sounds.items():
        clip, stream = golden.columns(samples[None])[0], golden.stream(samples)
        np.testing.assert_array_equal(clip[2:99], stream[2:99], err_msg=name)


def test_columns_at_the_ends_of_a_clip_are_those_of_its_reflection():
    samples = np.random.default_rng(3).integers(-20000, 20000, FEATURES.clip_samples).astype(np.int16)
    reflected = np.concatenate([samples[WINDOW:0:-1], samples, samples[-2 : -WINDOW - 2 : -1]])
    clip, stream = golden.columns(samples[None])[0], golden.stream(reflected)
    np.testing.assert_array_equal(clip, stream[3 : 3 + FEATURES.frames])


# ---- fidelity ----


def difference(audio: np.ndarray) -> np.ndarray:
    """|device feature - float feature| in LSB, [clips, 40, 101]."""
    ours = golden.columns(audio).transpose(0, 2, 1)
    return np.abs(ours.astype(int) - FEATURES.quantize(log_mel(audio)))


def test_noise_of_any_level_has_the_float_features_within_an_lsb(sounds):
    audio = np.array([samples for name, samples in sounds.items() if name.startswith("noise")])
    assert difference(audio).max() <= 1


def test_real_clips_have_the_float_features_within_an_lsb(gsc_root):
    clips = dataset.folder_clips(gsc_root / "speech_commands_test_set_v0.02")[::20]
    apart = difference(dataset.read_clips(clips))
    assert np.mean(apart <= 1) >= WITHIN_1_LSB
    assert apart.max() <= MAX_LSB


@pytest.mark.slow
def test_every_clip_of_validation_and_test_has_the_float_features(gsc_root):
    archive = dataset.training_archive(gsc_root, 2)
    noises = dataset.read_noises(archive)
    clips = dataset.split_clips(archive, "validation", 2)
    clips += dataset.folder_clips(gsc_root / "speech_commands_test_set_v0.02")
    apart = difference(dataset.read_clips(clips, noises))
    assert np.mean(apart <= 1) >= WITHIN_1_LSB
    assert apart.max() <= MAX_LSB
