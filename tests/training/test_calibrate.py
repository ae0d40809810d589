import numpy as np
import pytest
from convdip import Imager, load_bundle
from convdip.errors import ConfigError
from convdip.live.confidence import TERMS, Confidence
from convdip.live.network import Network
from convdip_training.calibrate import fit_logistic, recalibrate
from convdip_training.evaluation import trust
from convdip_training.evaluation.metrics import Scorer
from convdip_training.evaluation.reliability import (
    reliability_table,
    scores,
    spread,
    spread_table,
    wilson,
)
from convdip_training.evaluation.sets import N_TRIALS
from convdip_training.experiment import Experiment


def said_and_right(n=20_000):
    """Return terms, and whether a sample is right, with the probability that they make."""
    rng = np.random.default_rng(0)
    terms = rng.normal([3, -10, 0.5], [1, 4, 0.1], (n, 3))
    odds = -2 + terms @ [1.0, 0.2, 3.0]
    return terms, rng.random(n) < 1 / (1 + np.exp(-odds))


def test_a_logistic_regression_finds_what_made_the_samples():
    terms, right = said_and_right()
    bias, weights = fit_logistic(terms, right)
    assert bias == pytest.approx(-2, abs=0.3)
    np.testing.assert_allclose(weights, [1.0, 0.2, 3.0], atol=0.3)


@pytest.mark.parametrize("is_right", [True, False])
def test_nothing_is_learnt_where_all_is_alike(is_right):
    with pytest.raises(ConfigError, match="expected some of either kind"):
        fit_logistic(np.zeros((5, 2)), np.full(5, is_right))


def test_a_model_of_one_polarity_is_not_calibrated(tmp_path):
    bundle = load_bundle("convdip-paper")
    experiment = Experiment.of_bundle(bundle, tmp_path)
    with pytest.raises(ConfigError, match="one polarity alone"):
        recalibrate(bundle, experiment, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_the_shipped_models_are_calibrated(shipped, any_cap):
    for bundle, without in ((shipped, "peak"), (any_cap, "odds")):
        weights = bundle.card["confidence"]["weights"]
        assert set(weights) == set(TERMS) - {without}
        # The surer the network, and the more like a brain's the EEG, the more often it is right.
        assert weights.get("odds", 0) + weights.get("peak", 0) > 0
        assert weights["strangeness"] < 0


def test_errors_are_those_to_the_nearest_middle(shipped):
    head, scorer = shipped.head, Scorer(shipped.head)
    truth = np.zeros(head.n_dipoles)
    first, second = scorer.cortex[[100, 2500]]
    far_m = np.linalg.norm(head.dipoles_m - head.dipoles_m[first], axis=1)
    truth[scorer.cortex] = np.exp(-np.square(far_m[scorer.cortex] / 0.02))
    truth[truth < 0.1] = 0
    errors = trust.errors_mm(head, scorer, [truth, truth], np.array([first, second]))
    np.testing.assert_allclose(errors, [0, far_m[second] * 1e3], rtol=1e-5)
    alone = np.zeros(head.n_dipoles)
    alone[second] = -1e-9  # too small for a maximum that counts
    np.testing.assert_array_equal(trust.errors_mm(head, scorer, [alone], np.array([second])), [0])


def test_terms_are_those_of_the_live_service(shipped):
    network = Network(shipped.model, shipped.head, "cpu")
    eeg = np.random.default_rng(1).standard_normal((40, 31)) * 1e-5
    looked = trust.Look(shipped, network, shipped.head.channels)(eeg)
    frame = Imager(shipped.head.channels, "volts", model=shipped, network=network)(eeg)
    says = Confidence.of_card(shipped.card)
    assert says is not None
    np.testing.assert_allclose(says(looked.terms), frame.confidence, atol=5e-3)
    np.testing.assert_array_equal(looked.strongest, np.abs(frame.moments_nam).argmax(axis=1))


def test_noise_alone_is_a_mean_of_trials_of_one_session():
    noise = np.repeat(np.arange(3.0), N_TRIALS)[:, None, None] * np.ones((1, 100, 4))
    rng = np.random.default_rng(2)
    found = trust.noise_alone(noise, 50, rng, in_sessions=True)
    assert found.shape == (50, 4)
    assert set(found.ravel()) == {0.0, 1.0, 2.0}
    mixed = trust.noise_alone(noise, 50, rng)
    assert ((mixed > 0.2) & (mixed < 1.8)).all()


def test_shuffled_eeg_has_the_same_values_elsewhere():
    eeg = np.arange(60.0).reshape(2, 30)
    found = trust.shuffled(eeg, np.random.default_rng(3))
    np.testing.assert_array_equal(np.sort(found, axis=1), eeg)
    assert (found[0] != eeg[0]).any()
    assert (found[1] - 30 != found[0]).any()  # each sample in its own way


def test_what_is_said_is_compared_with_what_is_found():
    rng = np.random.default_rng(4)
    confidence = rng.random(20_000)
    errors_mm = np.where(rng.random(20_000) < confidence, 5.0, 60.0)
    honest = scores(confidence, errors_mm, rng)
    assert honest["ece"] < 0.02
    assert honest["auc"] == pytest.approx(5 / 6, abs=0.01)
    assert honest["brier"] == pytest.approx(1 / 6, abs=0.01)
    assert honest["brier_of_base"] == pytest.approx(0.25, abs=0.01)
    for one in honest["bins"]:
        low, high = one["found_ci"]
        assert low <= one["found"] <= high
        assert one["said"] == pytest.approx(one["found"], abs=0.03)
    errors = [one["error_mm"] for one in honest["bins"]]
    assert errors == sorted(errors, reverse=True)

    boasting = scores(confidence**0.25, errors_mm, rng)
    assert boasting["auc"] == honest["auc"]
    assert boasting["ece"] > 0.25
    assert boasting["brier"] > honest["brier"]
    certain = scores(confidence, np.zeros(20_000), rng)
    assert (certain["found"], certain["auc"]) == (1, None)


def test_intervals_of_shares():
    low, high = wilson(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1


def test_tables_hold_what_was_found():
    rng = np.random.default_rng(5)
    entry = {"title": "a set", **scores(np.linspace(0, 1, 50), np.linspace(40, 10, 50), rng)}
    nothing = {"title": "noise", **spread(np.linspace(0, 0.2, 21))}
    assert "| a set | 0.50 | 0.34 | 1.00 |" in reliability_table({"a": entry})
    assert "37 · 31 · 25 · 19 · 13" in reliability_table({"a": entry})
    assert "| noise | 0.10 | 0.10 | 0.01–0.19 |" in spread_table({"noise": nothing})
    assert "| – |" in reliability_table({"a": {**entry, "auc": None}})
