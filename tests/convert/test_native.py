"""The native engine's quantiser: how near it stays to the float network, and what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from test_fold import random_network

from common.description import FEATURES
from common.errors import UserError
from convert import calibration, fidelity, fit, fold, native, rounding
from engine import golden, network
from engine.network import Dense
from engine.random_network import random_network as random_integers


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """int8 [64, 40, 101]: half of the shipped calibration clips."""
    return calibration.shipped().features[::2]


@pytest.fixture(scope="module")
def few(features) -> np.ndarray:
    """int8 [16, 40, 101]: for what does not depend on how many there are."""
    return features[::4]


@pytest.fixture(scope="module")
def folded(shipped_tau1) -> fold.FoldedNetwork:
    return fold.fold(shipped_tau1)


@pytest.fixture(scope="module")
def quantised(folded, features) -> network.Network:
    return native.quantise(folded, 1, features, "mse")


def sqnr(folded, made, features) -> float:
    return fidelity.sqnr_db(
        fold.forward(folded, FEATURES.dequantize(features)), golden.window(made, features) * made.score_scale
    )


def test_shipped_network_keeps_39_db_on_clips_that_it_was_not_fitted_to(folded, quantised):
    others = calibration.shipped().features[1::2]
    assert sqnr(folded, quantised, others) > 39.4


def test_frequency_branch_leaves_no_error_in_the_mean(folded, features, monkeypatch):
    """Of each (channel, band), over the clips that it is fitted to: at most half a step of its sum."""
    fit_taps, calls = native.fit_taps, []

    def spy(block, x, scale_in, scale, target):
        calls.append((fit_taps(block, x, scale_in, scale, target), golden.neighbours(x, block.stride), target))
        return calls[-1][0]

    monkeypatch.setattr(native, "fit_taps", spy)
    native.quantise(folded, 1, features[:16], "mse")
    for (taps, bias, multiplier), parts, target in calls:
        repeat = target.shape[2] // taps.shape[1]
        sums = sum(np.repeat(taps[:, :, k], repeat, 1)[:, :, None] * part.astype(np.int64) for k, part in enumerate(parts))
        bands = (*taps.shape[:2], -1)
        mean = [np.moveaxis(values, 0, 2).reshape(bands).mean(2) for values in (sums, target.astype(np.float64))]
        step = multiplier / fit.ONE / fit.Q
        error = (mean[0] + bias) * step - mean[1]
        assert (np.abs(error) <= step / 2 + 1e-6).all()
    assert len(calls) == len(folded.blocks)


def test_quantising_gives_the_same_network_every_time(folded, few):
    first, second = (network.to_arrays(native.quantise(folded, 1, few, "mse")) for _ in range(2))
    assert first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("tau", (1, 1.5, 3))
def test_untrained_networks_are_held_too(tau, features):
    folded = fold.fold(random_network(tau)[1])
    assert sqnr(folded, native.quantise(folded, tau, features[:4], "minmax"), features[:4]) > 30


def test_a_network_with_dead_channels_is_held(folded, few):
    """A head channel that never fires, and a block's channel without scale and shift."""
    weight, bias = (part.copy() for part in folded.head)
    weight[3], bias[3] = 0, -1
    block = folded.blocks[2]
    scale, shift = block.scale.copy(), block.shift.copy()
    scale[5], shift[5] = 0, 0
    blocks = (*folded.blocks[:2], dataclasses.replace(block, scale=scale, shift=shift), *folded.blocks[3:])
    dead = dataclasses.replace(folded, head=(weight, bias), blocks=blocks)
    assert sqnr(dead, native.quantise(dead, 1, few, "mse"), few) > 25


def test_make_takes_the_method_with_the_best_scores(folded, few):
    made, facts = native.make(folded, 1, few)
    assert facts["sqnr_db"] == max(facts["ranges_sqnr_db"].values()) == facts["ranges_sqnr_db"][facts["ranges"]]
    assert facts["sqnr_db"] == pytest.approx(sqnr(folded, made, few)) and facts["agreement"] > 0.95


def test_make_refuses_a_network_that_does_not_agree_with_float(folded, quantised, few, monkeypatch):
    candidate = quantised, golden.window(quantised, few) * quantised.score_scale
    monkeypatch.setattr(native.workers, "run", lambda _, tasks: [(index, candidate) for index in range(len(tasks))])
    monkeypatch.setattr(native.fidelity, "agreement", lambda *_: 0.5)
    with pytest.raises(
        UserError, match=r"agree on 50.0 % of the \d+ calibration clips that float classifies with 60 % or more"
    ):
        native.make(folded, 1, few)


def test_network_comes_back_from_its_file(quantised, tmp_path):
    network.save(tmp_path / "native.npz", quantised)
    loaded = network.load(tmp_path / "native.npz")
    first, second = network.to_arrays(quantised), network.to_arrays(loaded)
    assert first.keys() == second.keys() and all(np.array_equal(first[name], second[name]) for name in first)
    assert (loaded.tau, loaded.labels, loaded.score_scale) == (1, quantised.labels, quantised.score_scale)
    network.save(tmp_path / "again.npz", loaded)
    assert (tmp_path / "native.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


def test_a_longer_window_comes_back_from_the_file_and_a_second_is_not_in_it(quantised, tmp_path):
    path = tmp_path / "native.npz"
    for samples in (16_000, 20_800):
        network.save(path, dataclasses.replace(quantised, clip_samples=samples))
        assert network.load(path).clip_samples == samples
        assert ("clip_samples" in np.load(path).files) == (samples != 16_000)


@pytest.mark.parametrize("spoil", (lambda data: b"", lambda data: data[:5000], lambda data: b"PK" + data[4:]))
def test_damaged_file_is_told_in_a_line(quantised, tmp_path, spoil):
    path = tmp_path / "native.npz"
    network.save(path, quantised)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match="native.npz: damaged .*run `make quantize`"):
        network.load(path)
    with pytest.raises(UserError, match="missing; run `make quantize`"):
        network.load(tmp_path / "no.npz")


def changed(made: network.Network, index: int, **fields) -> network.Network:
    """The network with fields of one block replaced."""
    blocks = list(made.blocks)
    blocks[index] = dataclasses.replace(blocks[index], **fields)
    return dataclasses.replace(made, blocks=tuple(blocks))


def huge(layer: Dense, sums: float) -> Dense:
    """The layer with a bias of that size."""
    return dataclasses.replace(layer, bias=np.full_like(layer.bias, sums))


def test_a_sum_that_could_overflow_is_refused_before_any_code_is_made():
    made = random_integers(1)
    network.check(made)
    block = made.blocks[4]
    top = np.iinfo(np.int32).max
    cases = {
        "a sum of the head": dataclasses.replace(made, head=huge(made.head, top)),
        "a sum of block 4's transition": changed(made, 4, transition=huge(block.transition, -top)),
        "a sum of block 4's frequency convolution": changed(made, 4, taps=np.full_like(block.taps, 127)),
        "a sum of block 4's mean": changed(made, 4, mean_bias=np.full_like(block.mean_bias, top)),
        "block 4's mean": changed(made, 4, mean_bias=np.full_like(block.mean_bias, 1 << 21)),
        "a sum of block 4's temporal convolution": changed(made, 4, temporal=np.full_like(block.temporal, 32767)),
        "a sum of block 4's pointwise convolution": changed(made, 4, pointwise=huge(block.pointwise, top)),
        "a sum of the classifier": dataclasses.replace(made, classifier=huge(made.classifier, top)),
        "a sum of the output": dataclasses.replace(made, output=huge(made.output, top)),
    }
    for what, wrong in cases.items():
        with pytest.raises(UserError, match=f"cannot hold this network: {what} could reach .* bits hold"):
            network.check(wrong)


def test_a_network_of_another_form_is_refused():
    made = random_integers(1)
    block = made.blocks[1]
    zero = np.zeros_like(made.head.multiplier)
    cases = {
        "it has 11 blocks, not 12": dataclasses.replace(made, blocks=made.blocks[1:]),
        "block 0 has another shape": dataclasses.replace(made, blocks=(block, *made.blocks[1:])),
        "block 1 has another shape": changed(made, 1, dilation=2),
        "blocks.1.taps is int16, not int8": changed(made, 1, taps=block.taps.astype(np.int16)),
        "block 1's temporal has another shape": changed(made, 1, temporal=block.temporal[:, :2]),
        "a multiplier of the head is not positive": dataclasses.replace(
            made, head=dataclasses.replace(made.head, multiplier=zero)
        ),
        "its table of SiLU has another size": dataclasses.replace(made, silu=made.silu[:-1]),
        "its head has another shape": dataclasses.replace(made, tau=2),
    }
    for what, wrong in cases.items():
        with pytest.raises(UserError, match=f"cannot hold this network: {what}"):
            network.check(wrong)


def test_the_bound_of_a_sum_is_reached():
    """check() refuses no more than it must: some input takes the sum to its bound."""
    weight = np.array([[3, -2, 0, 127], [-1, -1, -1, -1]], np.int8)
    bias = np.array([5, -7])
    low, high = network._sum_bounds(weight, bias, 0, 255)
    corners = np.array(np.meshgrid(*[[0, 255]] * 4)).reshape(4, -1)
    sums = weight.astype(int) @ corners + bias[:, None]
    assert np.array_equal(sums.min(1), low) and np.array_equal(sums.max(1), high)


def test_rounding_by_error_beats_rounding_to_nearest():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(24, 24)) / 3 + np.eye(24)
    covariance = mixing @ mixing.T
    weight = rng.normal(0, 5, (40, 24))
    nearest, chosen = np.rint(weight), rounding.round_rows(weight, covariance)

    def error(rounded: np.ndarray) -> float:
        return float(np.einsum("ri,ij,rj->", rounded - weight, covariance, rounded - weight))

    assert np.array_equal(chosen, np.rint(chosen)) and error(chosen) < 0.7 * error(nearest)


def test_rows_come_with_integer_multipliers_that_reproduce_them():
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 0.02, (30, 16)) * rng.uniform(0.1, 10, (30, 1))
    integers, multipliers = rounding.quantise_rows(weight, np.eye(16), 1 << 16)
    assert integers.dtype == np.int8 and np.abs(integers.astype(int)).max() <= 127
    error = np.abs(integers * multipliers[:, None] / (1 << 16) - weight)
    clipped = 0.35 * np.abs(weight).max(1, keepdims=True)  # the smallest range that is tried is 0.7 of the largest
    assert (error <= clipped).all() and np.sqrt(np.square(error).mean()) < 0.01 * weight.std()


@pytest.mark.parametrize("offset", (0.0, 40.0, -300.0))
def test_best_taps_fit_16_bits_and_come_near(offset):
    rng = np.random.default_rng(2)
    for _ in range(50):
        real = rng.normal(0, 3, 3) * 65536
        mu = rng.uniform(0, 200, 3)
        taps, bias, k = fit.best_taps(real, offset * 65536, mu, np.diag(rng.uniform(10, 900, 3)))
        sums = np.array(np.meshgrid(*[[0, 255]] * 3)).reshape(3, -1).T @ taps + bias
        assert np.abs(sums).max() < 1 << 15 and 0 < k < 1 << 15
        assert np.abs(taps * k - real).max() <= k  # the nearest integer below or above
        assert abs((taps @ mu + bias) * k - (real @ mu + offset * 65536)) <= k / 2 + 1e-6
