import numpy as np
import pytest
from convdip_training.evaluation.aggregate import best_powers, members, won_by_nothing
from convdip_training.evaluation.metrics import METRICS
from convdip_training.evaluation.rounding import rounded
from convdip_training.evaluation.scores import POWERS, Scores
from convdip_training.evaluation.sets import MULTI, ROBUST, SINGLE, SINGLE_SIGNED, VALIDATION


def row(**values):
    """Statistics of one method: mean and median alike, None for all that is not given."""
    statistics = dict.fromkeys((*METRICS, "calibrated_nmse"))
    return statistics | {name: {"mean": v, "median": v} for name, v in values.items()}


def test_a_metric_in_which_no_method_beats_a_map_that_knows_nothing_is_marked():
    methods = {
        "model": row(auc=0.9, ghosts=0.5, found=60.0, nmse=0.004, n_maxima=3.0),
        "eLORETA": row(auc=0.8, ghosts=0.0, found=70.0, nmse=0.05, n_maxima=4.0),
        "random map": row(auc=0.5, ghosts=16.0, found=75.0, nmse=0.3, n_maxima=19.0),
        "zero map": row(auc=0.5, ghosts=0.0, found=0.0, nmse=0.0036, n_maxima=0.0),
    }
    assert won_by_nothing(methods, "mean") == ["found", "ghosts", "nmse"]


def test_the_power_of_a_map_is_that_of_least_error_on_the_validation_set():
    powers = np.ones((2, 5, len(POWERS)))
    powers[0, :, POWERS.index(3.0)] = 0.4
    powers[1, :, POWERS.index(1.0)] = 0.9
    scores = Scores(VALIDATION, ["a", "b"], np.zeros((2, 5, len(METRICS))), powers, {})
    assert best_powers(scores) == [3.0, 1.0]


def scores_of(config, **facts):
    facts = {name: np.array(values, float) for name, values in facts.items()}
    empty = np.zeros((1, len(next(iter(facts.values()))), len(METRICS)))
    return Scores(config, ["a"], empty, empty, facts)


def test_samples_are_grouped_as_in_the_papers_figures():
    single = members(scores_of(SINGLE, order=[2, 7, 4], eccentricity=[22, 74, 76], snr=[4, 4, 4]))
    assert single["extent"]["s2"].tolist() == [True, False, False]
    assert single["eccentricity"]["20 mm"].tolist() == [True, False, False]
    assert single["eccentricity"]["70 mm"].tolist() == [False, True, False]
    assert single["eccentricity"]["80 mm"].tolist() == [False, False, True]
    signed = members(
        scores_of(SINGLE_SIGNED, order=[2, 7, 4], eccentricity=[22, 74, 76], snr=[4, 4, 4])
    )
    assert {kind: list(groups) for kind, groups in signed.items()} == {
        kind: list(groups) for kind, groups in single.items()
    }
    multi = members(scores_of(MULTI, n_sources=[1, 5, 10], snr=[4, 4, 4]))
    assert multi["sources"]["1"].tolist() == [True, False, False]
    assert multi["sources"]["≥ 5"].tolist() == [False, True, True]


def test_the_robust_set_is_grouped_by_what_went_wrong():
    groups = members(
        scores_of(
            ROBUST,
            n_sources=[1, 2, 5],
            snr=[1, 4, 19],
            skull_s_m=[0.0041, 0.0113, 0.0199],
            n_repaired=[0, 3, 1],
        )
    )
    assert groups["snr"]["10–20"].tolist() == [False, False, True]
    assert groups["skull"]["0.007–0.012"].tolist() == [False, True, False]
    assert groups["repaired"]["3"].tolist() == [False, True, False]
    for kind in ("skull", "repaired"):
        assert np.sum(list(groups[kind].values())) == 3


def test_numbers_are_rounded_and_what_is_none_says_so():
    plain = rounded({"a": np.float64(0.123456789), "b": [np.nan, np.int64(3)], "c": "d", "e": True})
    assert plain == {"a": pytest.approx(0.12346, abs=1e-12), "b": [None, 3], "c": "d", "e": True}
