import numpy as np
from convdip_training.noise_kinds import noise_kinds


def test_each_kind_is_average_referenced_and_of_unit_level(toy_head, noise):
    pool = np.cov(noise.reshape(-1, 31), rowvar=False)
    rng = np.random.default_rng(0)
    roots = noise_kinds(toy_head.lead_field, toy_head.dipoles_m, pool, 40, rng)
    covariances = roots @ roots
    np.testing.assert_allclose(covariances.sum(axis=2), 0, atol=1e-4)
    np.testing.assert_allclose(np.diagonal(covariances, axis1=1, axis2=2).max(axis=1), 1, rtol=1e-4)


def test_kinds_differ_from_each_other_and_from_the_pool(toy_head, noise):
    pool = np.cov(noise.reshape(-1, 31), rowvar=False)
    rng = np.random.default_rng(1)
    roots = noise_kinds(toy_head.lead_field, toy_head.dipoles_m, pool, 40, rng)
    kinds = np.array([*(roots @ roots), pool]).reshape(41, -1)
    kinds /= np.linalg.norm(kinds, axis=1, keepdims=True)
    likeness = kinds @ kinds.T
    np.fill_diagonal(likeness, 0)
    assert likeness.max() < 0.9999
    assert np.median(likeness) < 0.98
