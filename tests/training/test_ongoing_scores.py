"""Methods on ongoing EEG, their scores and their report."""

import numpy as np
import pytest
from convdip_training.baselines.gamma_map import GammaMap
from convdip_training.evaluation.ongoing import ALPHA, BETA, simulate_ongoing
from convdip_training.evaluation.ongoing_methods import OngoingMethods, filtered
from convdip_training.evaluation.ongoing_metrics import (
    COLUMNS,
    WINDOWS_S,
    OngoingScorer,
    OngoingTruth,
    Regions,
    correlations,
    envelopes,
    leakage,
    power,
    windows,
)
from convdip_training.evaluation.ongoing_report import ongoing_sections
from convdip_training.evaluation.ongoing_scores import truth_of

SFREQ_HZ = 250.0


@pytest.fixture(scope="module")
def scorer(shipped):
    return OngoingScorer(shipped.head)


@pytest.fixture(scope="module")
def methods(shipped):
    return OngoingMethods(shipped)


@pytest.fixture(scope="module")
def one(shipped):
    """A strong source on the model's own head."""
    return simulate_ongoing(shipped.head, BETA, 1, 5.0, np.random.default_rng(1), quiet_s=5)


@pytest.fixture(scope="module")
def truth(one, shipped):
    return truth_of(one, shipped.head, shipped.head)


def scores_of(scorer, truth, estimate):
    return dict(zip(COLUMNS, scorer(truth, estimate, SFREQ_HZ), strict=True))


def test_windows_have_their_length_and_lie_in_the_recording():
    for window_s, n in ((0.25, 62), (1.0, 250), (4.0, 1000)):
        cut = windows(window_s, SFREQ_HZ)
        assert [np.arange(2500)[window].size for window in cut] == [n, n]
        assert [window.start for window in cut] == [250, 1375]
        assert cut[0].stop <= cut[1].start


def test_each_window_is_scored_by_its_own_samples(scorer, truth):
    asked = []

    def estimate(window):
        asked.append(window)
        return truth.moments(window)

    scorer(truth, estimate, SFREQ_HZ)
    expected = [window for window_s in WINDOWS_S for window in windows(window_s, SFREQ_HZ)]
    assert asked == [*expected, slice(None)]


@pytest.mark.parametrize("sign", [1, -1])
def test_the_truth_itself_has_perfect_scores(scorer, truth, sign):
    scores = scores_of(scorer, truth, lambda window: sign * truth.moments(window))
    for window in ("0.25s", "1s", "4s"):
        assert scores[f"auc_{window}"] == 1
        assert scores[f"average_precision_{window}"] == pytest.approx(1)
        assert scores[f"emd_{window}"] == pytest.approx(0, abs=1e-6)
        assert scores[f"peak_error_{window}"] == 0
        assert scores[f"region_{window}"] == scores[f"region_of_three_{window}"] == 100
    assert scores["envelope"] == pytest.approx(1)
    assert scores["leakage"] == 0


def test_random_moments_are_at_chance_and_zeros_say_nothing(scorer, shipped, one, methods):
    recording = filtered(one)
    aucs, found = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        ongoing = simulate_ongoing(shipped.head, ALPHA, 2, 1.0, rng, quiet_s=1)
        truth = truth_of(ongoing, shipped.head, shipped.head)
        random = scores_of(scorer, truth, methods.estimate("random map", recording, rng))
        aucs += [random[f"auc_{window_s:g}s"] for window_s in WINDOWS_S]
        found.append(random["envelope"])
        assert random["leakage"] > 0.2
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.04)
    assert np.mean(found) == pytest.approx(0, abs=0.15)

    zero = scores_of(scorer, truth, methods.estimate("zero map", recording, rng))
    assert zero["auc_1s"] == 0.5
    assert zero["region_of_three_1s"] == zero["envelope"] == 0
    assert np.isnan([zero["emd_1s"], zero["peak_error_1s"], zero["leakage"]]).all()


@pytest.mark.parametrize("name", ["eLORETA", "sLORETA", "LCMV", "γ-MAP"])
def test_rivals_find_a_strong_source_whatever_its_polarity(scorer, truth, one, methods, name):
    turned = type(one)(**(vars(one) | {"eeg": -one.eeg}))
    rng = np.random.default_rng(0)
    scores, opposite = (
        scorer(truth, methods.estimate(name, filtered(each), rng), SFREQ_HZ)
        for each in (one, turned)
    )
    np.testing.assert_allclose(scores, opposite, rtol=1e-3, atol=1e-3)
    found = dict(zip(COLUMNS, scores, strict=True))
    assert found["auc_4s"] > 0.75
    assert found["peak_error_4s"] < 12
    assert found["envelope"] > 0.9
    assert found["leakage"] < 0.1


def test_the_model_is_imaged_as_live(shipped, one, methods):
    eeg = filtered(one).active
    window = windows(1.0, SFREQ_HZ)[0]
    estimate = methods.estimate(shipped.name, filtered(one), np.random.default_rng(0))
    from convdip import Imager

    live = Imager(shipped.head.channels, "microvolts", model=shipped, provider="cpu")
    expected = live(eeg[window] * 1e6).moments_nam
    np.testing.assert_allclose(estimate(window), expected, atol=1e-3 * np.abs(expected).max())


def test_covariances_are_those_of_the_stretches_without_and_with_sources(one):
    recording = filtered(one)
    assert recording.n_baseline == 4 * 250
    assert recording.active.shape == (2500, 31)
    quiet, whole = (np.trace(c) for c in (recording.noise_covariance, recording.data_covariance))
    assert whole / quiet == pytest.approx(6, rel=0.5)


def test_gamma_map_of_a_covariance_is_that_of_its_samples(shipped, one):
    recording = filtered(one)
    solve = GammaMap(shipped.head)
    window = slice(500, 601)
    peak = recording.n_baseline + 550
    erp = type(recording)(recording.trials, SFREQ_HZ, recording.n_baseline, peak, 50)
    samples = recording.active[window]
    expected = solve(erp)
    found = solve.kernel(recording, samples) @ samples[50]
    assert expected.any()
    # Not to the last digit: MNE starts from variances of 1, whatever the number of samples.
    assert np.corrcoef(found, expected)[0, 1] > 0.999
    assert np.abs(found).max() == pytest.approx(np.abs(expected).max(), rel=0.02)


def test_a_resting_source_is_none():
    maps = np.diag([1.0, 2.0, 1.0])
    courses = np.ones((20, 3))
    courses[:10, 2] = 0.1
    truth = OngoingTruth(maps, courses)
    assert truth.active(slice(0, 10)).tolist() == [0, 1]
    assert truth.active(slice(10, 20)).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(power(truth.moments(slice(0, 10))), [1, 4, 0])
    np.testing.assert_allclose(truth.power(slice(0, 10)), [1, 4, 0])


def test_noise_has_its_strongest_region_among_small_ones_no_more_than_by_chance(shipped):
    regions = Regions(shipped.head)
    assert len(regions.names) == 68
    assert not any(name.startswith("unknown") for name in regions.names)
    n_cortex = int(shipped.head.is_cortex.sum())
    rng = np.random.default_rng(0)
    sizes = np.array([np.sum(shipped.head.atlas == shipped.head.atlas_names.index(name))
                      for name in regions.names])  # fmt: skip
    strongest = regions.power(rng.chisquare(1, (300, n_cortex))).argmax(axis=1)
    assert np.mean(sizes[strongest] < np.median(sizes)) <= 0.5
    level = regions.power(np.ones(n_cortex))
    np.testing.assert_allclose(level, np.minimum(1, sizes / np.median(sizes)))


def test_a_source_that_fills_a_small_region_makes_it_the_strongest(shipped):
    head = shipped.head
    regions = Regions(head)
    inside = head.atlas[head.is_cortex] == head.atlas_names.index("transversetemporal-lh")
    strongest = regions.power(inside.astype(float)).argmax()
    assert regions.names[strongest] == "transversetemporal-lh"


def test_an_envelope_does_not_depend_on_rectification():
    times_s = np.arange(2500) / SFREQ_HZ
    true = 1 + 0.5 * np.sin(2 * np.pi * 0.3 * times_s)
    course = true * np.sin(2 * np.pi * 10 * times_s)
    whole, half = envelopes(np.stack([course, np.maximum(course, 0)], axis=1) ** 2, SFREQ_HZ).T
    assert np.corrcoef(whole, true)[0, 1] > 0.98
    assert np.corrcoef(half, true)[0, 1] > 0.95


def test_correlations_are_pearsons_and_zero_with_a_constant():
    rng = np.random.default_rng(0)
    one, other = rng.random((50, 2)), rng.random((50, 3))
    other[:, 2] = 7.0
    found = correlations(one, other)
    np.testing.assert_allclose(found[:, :2], np.corrcoef(one.T, other[:, :2].T)[:2, 2:])
    np.testing.assert_array_equal(found[:, 2], 0)


def test_leakage_is_the_share_of_what_follows_the_source_far_away():
    far = np.array([1, 2])
    everywhere = np.ones(3)
    assert leakage(np.array([1.0, 0, 0]), everywhere, 0, far) == 0
    assert leakage(np.array([1.0, 1, 1]), everywhere, 0, far) == 0.5
    assert leakage(np.array([1.0, -1, -1]), everywhere, 0, far) == 0
    assert leakage(np.array([0.0, 1, 0]), everywhere, 0, far) == 1
    assert leakage(np.array([1.0, 0.5, 0.5]), np.array([1.0, 2, 2]), 0, far) == pytest.approx(1 / 3)
    assert np.isnan(leakage(np.ones(3), np.zeros(3), 0, far))
    assert np.isnan(leakage(np.ones(3), everywhere, 0, far[:0]))


def row(value):
    return {name: {"n": 5, "mean": value, "mean_ci": [value, value]} for name in COLUMNS}


def test_the_report_says_first_where_a_rival_is_ahead():
    methods = {"mine": row(0.7), "eLORETA": row(0.8), "random map": row(0.9)}
    found = {"n": 5, "seconds": 10.0, "quiet_s": 20.0, "sfreq_hz": 250.0, "snr": [0.5, 5.0],
             "methods": methods, "groups": {}}  # fmt: skip
    _, said, *_ = ongoing_sections({"model": {"name": "mine"}, "ongoing": found})
    n_high = sum(metric.best == "high" for metric in COLUMNS.values())
    assert said.startswith(f"**A rival is ahead of mine in {n_high} of {len(COLUMNS)} columns**")
    assert "- AUC, 0.25 s: eLORETA 0.800, mine 0.700" in said
    assert "leakage" not in said  # less is better, and mine has less
    assert "random" not in said
    methods["mine"] = row(0.8)
    _, said, *_ = ongoing_sections({"model": {"name": "mine"}, "ongoing": found})
    assert said == f"No rival's mean is better than mine's in any of {len(COLUMNS)} columns."
