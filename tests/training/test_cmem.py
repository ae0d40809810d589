"""cMEM against what is known of it: closed forms, gradients, a patch that it must find."""

import numpy as np
import pytest
from convdip.patches import mesh_adjacency, neighbourhoods, patch_dictionary
from convdip_training.baselines.cmem import (
    Cmem,
    Parcels,
    diffusion,
    dual,
    expected_moments,
    grow_parcels,
    maximise_entropy,
    prelocalise,
)
from convdip_training.baselines.erp import Erp
from scipy.optimize import approx_fprime


def law(gain, members, active, rng):
    """A reference law with a random covariance in each parcel."""
    spread, covariance = [], []
    for parcel in members:
        root = rng.standard_normal((parcel.size, parcel.size))
        sigma = root @ root.T / parcel.size
        spread.append(sigma @ gain[:, parcel].T)
        covariance.append(gain[:, parcel] @ spread[-1])
    return Parcels(members, np.array(active, float), spread, np.array(covariance))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_the_gradient_is_that_of_finite_differences(rng):
    gain = rng.standard_normal((6, 40))
    parcels = law(gain, np.split(np.arange(40), 4), [0.1, 0.5, 0.9, 1.0], rng)
    data, noise = rng.standard_normal(6), rng.uniform(0.5, 1, 6)
    for scale in (0.01, 0.3, 1.0):
        at = rng.standard_normal(6) * scale
        _, gradient = dual(at, data, noise, parcels)
        numeric = approx_fprime(at, lambda x: dual(x, data, noise, parcels)[0], 1e-7)
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-4)


def test_a_large_energy_does_not_overflow(rng):
    gain = rng.standard_normal((6, 40)) * 100
    parcels = law(gain, np.split(np.arange(40), 4), [0.0, 1e-9, 0.5, 1.0], rng)
    value, gradient = dual(np.ones(6) * 10, np.ones(6), np.ones(6), parcels)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))


def test_one_parcel_that_is_surely_active_is_the_minimum_norm_solution(rng):
    """α = 1 leaves a Gaussian prior: Σ Gᵀ (G Σ Gᵀ + Σ_d)⁻¹ m in closed form."""
    gain = rng.standard_normal((8, 30))
    parcels = law(gain, [np.arange(30)], [1.0], rng)
    data, noise = rng.standard_normal(8), rng.uniform(0.1, 1, 8)
    found = expected_moments(maximise_entropy(data, noise, parcels), parcels, 30)
    closed = parcels.spread[0] @ np.linalg.solve(parcels.covariance[0] + np.diag(noise), data)
    np.testing.assert_allclose(found, closed, rtol=1e-4, atol=1e-5)


def test_parcels_share_out_the_cortex(shipped, rng):
    head = shipped.head
    adjacency = mesh_adjacency(head.triangles, head.n_dipoles).astype(float)
    (near,) = neighbourhoods(adjacency, [4])
    scores = rng.random(head.n_dipoles)
    parcels = grow_parcels(scores, near, adjacency)
    np.testing.assert_array_equal(np.sort(np.concatenate(parcels)), np.arange(head.n_dipoles))
    assert 80 < len(parcels) < 300
    best = int(scores.argmax())
    [first] = [parcel for parcel in parcels if best in parcel]
    around = near.indices[near.indptr[best] : near.indptr[best + 1]]
    assert set(around) <= set(first)
    left = [np.unique(parcel < head.n_left).size for parcel in parcels]
    assert max(left) == 1  # no parcel crosses to the other hemisphere


def test_smoothing_spreads_and_keeps_the_sum(shipped):
    head = shipped.head
    adjacency = mesh_adjacency(head.triangles, head.n_dipoles).astype(float)
    smoother = diffusion(adjacency)
    np.testing.assert_allclose(smoother.sum(axis=1), 1.0, atol=1e-2)
    assert smoother.min() >= -1e-12
    assert smoother.nnz > adjacency.nnz


def test_a_dipole_that_explains_the_data_scores_high(shipped):
    gain = shipped.head.lead_field.astype(float)
    for dipole in (300, 2000, 4000):
        data = gain[:, [dipole]] * np.sin(np.linspace(0.1, 3, 10))
        scores = prelocalise(data, gain)
        assert scores.shape == (5124, 10)
        assert scores.min() >= 0
        assert scores[:, 5].max() == 1
        assert scores[dipole, 5] > 0.8
        assert np.median(scores[:, 5]) < 0.3


def test_scores_follow_the_component_that_is_strong_at_that_time(shipped):
    gain = shipped.head.lead_field.astype(float)
    first, second = gain[:, [300]], gain[:, [4000]]
    times = np.arange(40)
    courses = np.exp(-(((times - 10) / 4) ** 2)), np.exp(-(((times - 30) / 4) ** 2))
    scores = prelocalise(first * courses[0] + second * courses[1], gain)
    assert scores[300, 10] > scores[300, 30]
    assert scores[4000, 30] > scores[4000, 10]


def test_a_patch_without_noise_is_found_and_its_eeg_reproduced(shipped, rng):
    head = shipped.head
    solve = Cmem(head)
    patches = patch_dictionary(head.triangles, head.dipoles_m, 4)
    depth_m = np.linalg.norm(head.dipoles_m - head.dipoles_m.mean(axis=0), axis=1)
    errors_mm = []
    for seed in rng.choice(np.flatnonzero(depth_m > 0.06), 10, replace=False):
        truth = patches[[seed]].toarray()[0] * 1e-8
        signal = head.lead_field @ truth
        noise = rng.standard_normal((20, 100, 31)) * np.abs(signal).max() * 1e-3
        noise -= noise.mean(axis=2, keepdims=True)
        course = np.where(np.abs(np.arange(100) - 50) < 5, 1.0, 0.0)
        estimate = solve(Erp(noise + course[:, None] * signal, 100.0, 40, 50, 3))
        reproduced = head.lead_field @ estimate
        assert np.sum((reproduced - signal) ** 2) < 0.05 * np.sum(signal**2)
        offset_m = head.dipoles_m[np.abs(estimate).argmax()] - head.dipoles_m[seed]
        errors_mm.append(np.linalg.norm(offset_m) * 1e3)
    assert np.median(errors_mm) < 15
    assert np.mean(np.array(errors_mm) < 30) >= 0.8
