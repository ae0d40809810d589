from itertools import combinations

import numpy as np
import pytest
from convdip_training.evaluation.statistics import bootstrap_intervals, cohens_d, permutation_test


def test_cohens_d_by_hand():
    a, b = np.array([1.0, 2, 3]), np.array([3.0, 5, 7])
    # Variances 1 and 4, pooled 2.5; means 2 and 5.
    assert cohens_d(a, b) == pytest.approx(-3 / 2.5**0.5)
    assert np.isnan(cohens_d(np.ones(3), np.ones(3)))


def test_p_is_that_of_all_splits():
    """With four samples a group there are 70 splits: p is known exactly."""
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((3, 4, 2)) + np.array([0, 0.5, 2.0])[:, None, None]
    p = permutation_test(scores, rng, 200_000)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        for metric in range(2):
            both = np.concatenate([scores[i, :, metric], scores[j, :, metric]])
            differences = []
            for group in combinations(range(8), 4):
                inside = np.isin(np.arange(8), group)
                differences.append(abs(both[inside].mean() - both[~inside].mean()))
            observed = abs(scores[i, :, metric].mean() - scores[j, :, metric].mean())
            exact = np.mean(np.array(differences) >= observed - 1e-12)
            assert p[i, j, metric] == p[j, i, metric]
            assert p[i, j, metric] == pytest.approx(exact, abs=0.005)


def test_ties_of_counts_are_ties():
    """Sums of counts are whole numbers: with the same permutations p is known exactly."""
    rng = np.random.default_rng(0)
    scores = rng.poisson(2, (2, 500, 1)).astype(float)
    far_off = 1e6 + rng.random((1, 500, 1))  # another method's scale must not matter
    p = permutation_test(np.concatenate([scores, far_off]), np.random.default_rng(3), 4000)
    both = scores[:, :, 0].astype(int).ravel()
    halves = np.repeat(np.array([1, 0], np.int8), 500)
    rng = np.random.default_rng(3)
    masks = [rng.permuted(np.tile(halves, (2000, 1)), axis=1).astype(bool) for _ in range(2)]
    sums = np.concatenate([[both[mask].sum() for mask in chunk] for chunk in masks])
    observed = abs(2 * both[:500].sum() - both.sum())
    exact = (np.sum(np.abs(2 * sums - both.sum()) >= observed) + 1) / 4001
    assert p[0, 1, 0] == exact


def test_p_does_not_depend_on_unit_or_offset():
    scores = np.random.default_rng(2).standard_normal((2, 30, 1))
    scores[1] += 0.5
    small = permutation_test(scores * 1e-19 + 1e-18, np.random.default_rng(0), 2000)
    plain = permutation_test(scores, np.random.default_rng(0), 2000)
    np.testing.assert_array_equal(small, plain)


def test_the_same_values_twice_do_not_differ_and_worlds_apart_do():
    values = np.random.default_rng(0).standard_normal((50, 1))
    p = permutation_test(np.array([values, values, values + 100]), np.random.default_rng(0), 5000)
    assert p[0, 1, 0] == 1.0
    assert p[0, 2, 0] == 1 / 5001
    assert np.isnan(p[0, 0, 0])


def test_a_method_without_a_value_is_not_tested():
    scores = np.random.default_rng(0).standard_normal((3, 20, 2))
    scores[1, 3, 0] = np.nan
    p = permutation_test(scores, np.random.default_rng(0), 500)
    assert np.isnan(p[0, 1, 0])
    assert np.isnan(p[2, 1, 0])
    assert np.isfinite(p[0, 1, 1])
    assert np.isfinite(p[0, 2, 0])


def test_intervals_hold_the_true_value_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = []
    for _ in range(300):
        of_mean, of_median = bootstrap_intervals(rng.normal(3.0, 1.0, 60), rng)
        held.append([of_mean[0] <= 3 <= of_mean[1], of_median[0] <= 3 <= of_median[1]])
    assert np.all(np.abs(np.mean(held, axis=0) - 0.95) < 0.05)


def test_the_interval_of_a_single_value_is_that_value():
    for interval in bootstrap_intervals(np.array([7.0]), np.random.default_rng(0)):
        np.testing.assert_array_equal(interval, [7.0, 7.0])
