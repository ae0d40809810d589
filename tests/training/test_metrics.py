import numpy as np

from training.metrics import auc, localisation_error_mm


def line(n):
    """Dipoles on a line, one millimetre apart."""
    return np.column_stack([np.arange(n) * 1e-3, np.zeros(n), np.zeros(n)]).astype(np.float32)


def test_localisation_error_is_the_distance_of_the_maximum():
    estimate = np.zeros(100, np.float32)
    estimate[30] = -2.0
    estimate[10] = 1.0
    assert abs(localisation_error_mm(estimate, 25, line(100)) - 5.0) < 1e-3


def test_a_perfect_map_an_empty_one_and_a_wrong_one():
    truth = np.zeros(1000, np.float32)
    truth[500:510] = 1.0
    rng = np.random.default_rng(0)
    assert auc(truth, truth, line(1000), rng) == (1.0, 1.0)
    assert auc(truth, np.zeros(1000, np.float32), line(1000), rng) == (0.5, 0.5)
    assert auc(truth, 1 - truth, line(1000), rng) == (0.0, 0.0)


def test_close_and_far_negatives_come_from_where_they_should():
    """A map too wide by 40 dipoles on each side fails near the truth and is perfect far off."""
    truth = np.zeros(1000, np.float32)
    truth[500:510] = 1.0
    wide = np.zeros(1000, np.float32)
    wide[460:550] = 1.0
    rng = np.random.default_rng(0)
    areas = np.array([auc(truth, wide, line(1000), rng) for _ in range(200)]).mean(axis=0)
    # Of the 198 closest others 80 are as strong as the truth: each ties, which counts half.
    assert abs(areas[0] - (1 - 0.5 * 80 / 198)) < 0.03
    assert areas[1] == 1.0
