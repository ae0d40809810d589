from dataclasses import replace

import numpy as np
import pytest
from convdip.patches import cortex_only, patch_dictionary
from convdip_training.anatomy.resample import carry_to
from convdip_training.evaluation.ideal_observer import N_MOMENTS, IdealObserver
from convdip_training.evaluation.sets import (
    MULTI,
    MULTI_SIGNED,
    NAM,
    SINGLE,
    SINGLE_SIGNED,
    SampleSet,
)
from convdip_training.whitening import whitening_matrix

ONE, ONE_SIGNED, SEVERAL, SEVERAL_SIGNED = (
    replace(config, orders=(1, 2), moment_nam=(5.0, 10.0))
    for config in (SINGLE, SINGLE_SIGNED, MULTI, MULTI_SIGNED)
)


def drawn(config, toy_head, noise, n):
    """Samples of the toy head itself, and what the observer makes of them."""
    samples = SampleSet(config, 3, toy_head, toy_head, noise)
    observer = IdealObserver(config, toy_head, toy_head, noise, 5)
    pairs = [samples[i] for i in range(n)]
    return pairs, [observer(sample, np.random.default_rng(i)) for i, sample in enumerate(pairs)]


def test_with_hardly_any_noise_one_source_is_known(toy_head, noise):
    config = replace(ONE, snr=(200.0, 200.0))
    for sample, estimate in zip(*drawn(config, toy_head, noise, 10), strict=True):
        np.testing.assert_allclose(estimate, sample.truth / sample.truth.max(), atol=0.05)


def test_with_hardly_any_noise_one_source_of_either_sign_is_known(walled_head, noise):
    config = replace(ONE_SIGNED, snr=(200.0, 200.0))
    for sample, estimate in zip(*drawn(config, walled_head, noise, 10), strict=True):
        largest = np.abs(sample.truth).max()
        np.testing.assert_allclose(estimate, sample.truth / largest, atol=0.05)


def enumerated(config, head, noise, sample):
    """Return the posterior's means of a sample, summed over every pair of patches and moments."""
    cortex, triangles = cortex_only(head)
    patches = patch_dictionary(triangles, head.dipoles_m[cortex], config.orders[0]).toarray()
    low, high = config.moment_nam
    edges = np.linspace(low, high, N_MOMENTS + 1)
    middles = np.unique((edges[1:] + edges[:-1]) / 2)
    each = np.concatenate([moment * patches for moment in (*middles, *-middles)])
    maps = each @ carry_to(head, head, 5)[:, cortex].toarray().T
    level = sample.noise_v / len(sample.erp.trials) ** 0.5
    whitening = whitening_matrix(noise) / level
    seen = whitening @ sample.erp.average[sample.erp.peak]
    expected = each @ head.lead_field[:, cortex].T @ whitening.T * NAM
    if config.n_sources == (1, 1):
        likelihood = -((seen - expected) ** 2).sum(axis=1) / 2
        chosen = np.exp(likelihood - likelihood.max())
        states = maps
    else:
        # −½ |seen − a − b|² for every pair, of which only those that matter have a map.
        own = expected @ seen - (expected**2).sum(axis=1) / 2
        likelihood = own[:, None] + own - expected @ expected.T
        first, second = np.nonzero(likelihood > likelihood.max() - 12)
        chosen = np.exp(likelihood[first, second] - likelihood.max())
        states = maps[first] + maps[second]
    largest = np.abs(states).max(axis=1, keepdims=True)
    states = states / np.where(largest > 0, largest, 1)  # opposite ones at one place leave nothing
    weights = chosen / chosen.sum()
    return weights @ np.abs(states), weights @ states


@pytest.mark.parametrize("snr", [0.7, 3.0])
def test_one_source_of_either_sign_is_the_sum_over_all_there_could_be(walled_head, noise, snr):
    config = replace(ONE_SIGNED, orders=(2, 2), snr=(snr, snr))
    for sample, estimate in zip(*drawn(config, walled_head, noise, 8), strict=True):
        absolute, signed = enumerated(config, walled_head, noise, sample)
        np.testing.assert_allclose(np.abs(estimate), absolute, atol=1e-4)
        clear = np.abs(signed) > 1e-3
        np.testing.assert_array_equal(np.sign(estimate[clear]), np.sign(signed[clear]))


def test_two_sources_of_either_sign_are_drawn_as_often_as_they_are_likely(walled_head, noise):
    """Against the sum over all pairs; a mean of some hundred draws is not exact."""
    config = replace(
        SEVERAL_SIGNED, n_sources=(2, 2), orders=(1, 1), moment_nam=(7.0, 7.0), snr=(2.0, 2.0)
    )
    samples = SampleSet(config, 3, walled_head, walled_head, noise)
    observer = IdealObserver(config, walled_head, walled_head, noise, 5)
    for i in range(3):
        absolute, signed = enumerated(config, walled_head, noise, samples[i])
        rng = np.random.default_rng(i)
        estimates = np.array([observer(samples[i], rng) for _ in range(8)])
        drawn_mean = np.abs(estimates).mean(axis=0)
        assert np.corrcoef(drawn_mean, absolute)[0, 1] > 0.97
        assert drawn_mean.sum() == pytest.approx(absolute.sum(), rel=0.1)
        clear = np.abs(signed) > 0.3
        assert (np.sign(estimates.mean(axis=0))[clear] == np.sign(signed[clear])).all()


def test_in_noise_the_posterior_mean_has_the_least_squared_error(toy_head, noise):
    """Less than the zero map, and less than the same map made sharper or blunter."""
    config = replace(ONE, snr=(2.0, 2.0))
    samples, estimates = drawn(config, toy_head, noise, 200)
    truths = np.array([sample.truth / sample.truth.max() for sample in samples])
    errors = {p: np.mean((np.array(estimates) ** p - truths) ** 2) for p in (0.5, 1.0, 2.0)}
    assert errors[1.0] == min(errors.values())
    assert errors[1.0] < 0.9 * np.mean(truths**2)


def test_several_sources_are_found_one_given_the_others(toy_head, noise):
    config = replace(SEVERAL, n_sources=(2, 2), snr=(100.0, 100.0))
    samples, estimates = drawn(config, toy_head, noise, 6)
    correlations = [
        np.corrcoef(sample.truth, estimate)[0, 1]
        for sample, estimate in zip(samples, estimates, strict=True)
    ]
    assert np.median(correlations) > 0.95


def test_a_seed_gives_a_map_and_another_another(toy_head, noise):
    config = replace(SEVERAL, n_sources=(3, 3))
    sample = SampleSet(config, 3, toy_head, toy_head, noise)[0]
    observer = IdealObserver(config, toy_head, toy_head, noise, 5)
    first, again, other = (observer(sample, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
