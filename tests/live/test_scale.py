import numpy as np
from convdip.live.scale import scale_to_eeg
from scipy.optimize import minimize_scalar

UNIT = 1e-8  # Brent's method wants numbers near 1


def test_closed_form_is_the_minimum_that_brents_method_finds(toy_head):
    rng = np.random.default_rng(0)
    maps = rng.random((4, 324), np.float32)
    eeg = (rng.standard_normal((4, 31)) * 1e-5).astype(np.float32)
    eeg -= eeg.mean(axis=1, keepdims=True)
    sources, fit = scale_to_eeg(maps.copy(), eeg, toy_head.lead_field)
    for i in range(4):
        projected = toy_head.lead_field.astype(float) @ maps[i]
        found = minimize_scalar(
            lambda s, i=i, p=projected: np.mean((s * UNIT * p - eeg[i]) ** 2) * 1e10,
            method="brent",
            tol=1e-12,
        )
        np.testing.assert_allclose(sources[i], maps[i] * found.x * UNIT * 1e9, rtol=1e-3)
        residual = eeg[i] - toy_head.lead_field @ sources[i] * 1e-9
        np.testing.assert_allclose(fit[i], 1 - residual.var() / eeg[i].var(), atol=1e-4)


def test_true_moments_come_back_from_their_own_map(toy_head):
    truth = np.zeros((2, 324), np.float32)
    truth[0, 10] = 7e-9
    truth[1, [5, 200]] = 3e-9
    eeg = truth @ toy_head.lead_field.T
    sources, fit = scale_to_eeg(truth * 1e7, eeg, toy_head.lead_field)
    np.testing.assert_allclose(sources, truth * 1e9, rtol=1e-4)
    np.testing.assert_allclose(fit, 1.0, atol=1e-5)


def test_opposite_polarity_gives_negative_moments(toy_head):
    maps = np.zeros((1, 324), np.float32)
    maps[0, 10] = 1.0
    eeg = -7e-9 * maps @ toy_head.lead_field.T
    sources, _ = scale_to_eeg(maps, eeg, toy_head.lead_field)
    np.testing.assert_allclose(sources[0, 10], -7.0, rtol=1e-5)


def test_nothing_in_nothing_out(toy_head):
    maps = np.stack([np.zeros(324), np.ones(324)]).astype(np.float32)
    eeg = np.stack([np.ones(31), np.zeros(31)]).astype(np.float32)
    sources, fit = scale_to_eeg(maps, eeg, toy_head.lead_field)
    np.testing.assert_array_equal(sources, 0.0)
    np.testing.assert_array_equal(fit, 0.0)
