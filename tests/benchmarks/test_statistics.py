"""The statistics of the verification, against independent computations."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.accuracy import statistics
from benchmarks.accuracy.statistics import paired_difference
from common.intervals import Z95


def score_by_likelihood(b: int, c: int, n: int, d: float) -> float:
    """Tango's score statistic at difference d, its nuisance parameter found by a search for the likelihood's top."""

    def likelihood(q: float) -> float:
        terms = ((b, q + d), (c, q), (n - b - c, 1 - 2 * q - d))
        return sum(count * math.log(max(p, 1e-300)) for count, p in terms if count)

    low, high = max(0.0, -d), (1 - d) / 2
    for _ in range(200):
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (left, high) if likelihood(left) < likelihood(right) else (low, right)
    return (b - c - n * d) / math.sqrt(n * (low + high + d * (1 - d)))


@pytest.mark.parametrize("b, c, n", [(1, 7, 21), (3, 2, 40), (12, 0, 500), (30, 19, 4890), (0, 1, 10)])
def test_interval_ends_where_the_score_test_begins_to_reject(b, c, n):
    _, low, high = paired_difference(b, c, n)
    assert score_by_likelihood(b, c, n, low) == pytest.approx(Z95, rel=1e-4)
    assert score_by_likelihood(b, c, n, high) == pytest.approx(-Z95, rel=1e-4)


@pytest.mark.parametrize("n", [1, 10, 4890])
def test_interval_without_discordant_pairs_has_its_closed_form(n):
    end = Z95**2 / (n + Z95**2)
    assert paired_difference(0, 0, n) == pytest.approx((0, -end, end), abs=1e-12)


def test_interval_holds_the_estimate_and_is_never_of_zero_width():
    for n in (1, 2, 7):
        for b in range(n + 1):
            for c in range(n + 1 - b):
                estimate, low, high = paired_difference(b, c, n)
                assert estimate == (b - c) / n
                assert -1 <= low <= estimate <= high <= 1 and low < high


def test_exchanging_the_classifiers_mirrors_the_interval():
    estimate, low, high = paired_difference(9, 4, 100)
    assert paired_difference(4, 9, 100) == pytest.approx((-estimate, -high, -low), abs=1e-12)


def test_more_discordant_pairs_widen_the_interval():
    widths = [high - low for _, low, high in (paired_difference(k, k, 1000) for k in (0, 1, 5, 50))]
    assert widths == sorted(widths) and len(set(widths)) == len(widths)


@pytest.mark.parametrize("b, c, n", [(-1, 0, 10), (6, 5, 10), (0, 0, 0)])
def test_impossible_counts_are_refused(b, c, n):
    with pytest.raises(ValueError):
        paired_difference(b, c, n)


@pytest.mark.parametrize("p_first, p_second", [(0.01, 0.004), (0.05, 0.05), (0.2, 0.1)])
def test_interval_covers_the_truth_in_95_of_100_simulated_samples(p_first, p_second):
    n, draws = 300, 3000
    rng = np.random.default_rng(7)
    counts = rng.multinomial(n, [p_first, p_second, 1 - p_first - p_second], draws)[:, :2]
    intervals = {pair: paired_difference(*pair, n)[1:] for pair in {(int(b), int(c)) for b, c in counts}}
    truth = p_first - p_second
    covered = [intervals[int(b), int(c)][0] <= truth <= intervals[int(b), int(c)][1] for b, c in counts]
    assert 0.93 <= np.mean(covered) <= 0.975


def test_sqnr_is_the_ratio_of_signal_power_to_the_power_of_the_difference():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(50, 12)).astype(np.float32)
    assert statistics.sqnr_db(logits, logits * np.float32(1.1)) == pytest.approx(20, abs=1e-4)
    noise = rng.normal(size=logits.shape)
    expected = 10 * math.log10(sum(float(x) ** 2 for x in logits.flat) / sum(float(x) ** 2 for x in noise.flat))
    assert statistics.sqnr_db(logits, logits + noise) == pytest.approx(expected, rel=1e-9)


def test_sqnr_of_equal_logits_is_none_because_json_has_no_infinity():
    logits = np.ones((3, 2), np.float32)
    assert statistics.compare(logits, logits.copy(), np.zeros(3, int))["sqnr_db"] is None


def test_confusion_matrix_and_recalls_equal_a_count_by_hand():
    target, answers = np.array([0, 0, 0, 1, 1, 3]), np.array([0, 2, 0, 1, 0, 3])
    matrix = statistics.confusion(target, answers, 4)
    expected = [[2, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert matrix.tolist() == expected
    assert statistics.recalls(matrix) == [pytest.approx(2 / 3), 0.5, None, 1.0]


def test_description_of_a_backend_names_the_worst_class_that_has_clips():
    target, answers = np.array([0, 0, 2, 2]), np.array([0, 0, 2, 0])
    found = statistics.describe(np.eye(3)[answers], target, ["a", "b", "c"])
    assert found["top1"] == 0.75 and found["ci95"][0] < 0.75 < found["ci95"][1]
    assert found["recall"] == {"a": 1.0, "b": None, "c": 0.5}
    assert found["worst"] == {"label": "c", "recall": 0.5}


def test_a_loss_against_the_reference_is_a_positive_drop():
    target = np.array([0, 1, 2, 0, 1])
    reference, worse = np.eye(3)[target], np.eye(3)[[0, 1, 2, 1, 2]]
    found = statistics.compare(reference, worse, target)
    assert found["drop_points"] == pytest.approx(40) and found["agreement"] == pytest.approx(0.6)
    assert found["drop_ci95"] == pytest.approx([100 * end for end in paired_difference(2, 0, 5)[1:]])
    assert statistics.compare(worse, reference, target)["drop_points"] == pytest.approx(-40)
