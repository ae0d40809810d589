from dataclasses import replace

import numpy as np
from convdip_training.evaluation.ideal_observer import IdealObserver
from convdip_training.evaluation.sets import MULTI, SINGLE, SampleSet

ONE, SEVERAL = (
    replace(config, orders=(1, 2), moment_nam=(5.0, 10.0)) for config in (SINGLE, MULTI)
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
