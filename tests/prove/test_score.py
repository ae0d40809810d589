"""What a proof counts, on outcomes that are known."""

import numpy as np
import pytest
from convdip.prove.score import (
    Middle,
    Quartiles,
    Share,
    confusion,
    crossing,
    ranks,
    share_of,
)
from hypothesis import given
from hypothesis import strategies as st

SFREQ_HZ = 250.0


@given(hits=st.integers(0, 300), misses=st.integers(0, 300), chance=st.floats(0.001, 0.5))
def test_an_interval_holds_its_share_and_narrows_with_more_trials(hits, misses, chance):
    is_hit = np.repeat([True, False], [hits, misses])
    share = Share.of(is_hit, chance)
    assert (share.hits, share.n) == (hits, hits + misses)
    assert 0 <= share.low < share.high <= 1
    if not share.n:
        assert np.isnan(share.share)
        assert not share.is_better_than_chance
        return
    assert share.low - 1e-12 < share.share < share.high + 1e-12
    more = Share.of(np.tile(is_hit, 4), chance)
    assert more.high - more.low < share.high - share.low


def test_the_interval_is_wilsons():
    """81 of 263: 25.5 to 36.6 % (Newcombe 1998, table I, method 3)."""
    share = Share.of(np.arange(263) < 81, 0.1)
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)
    assert str(share) == "31 % (26–37)"


@given(n=st.integers(5, 80), seed=st.integers(0, 2**31))
def test_a_perfect_result_is_all_hits_and_a_wrong_one_is_none(n, seed):
    rng = np.random.default_rng(seed)
    true = rng.integers(n, size=40)
    powers = rng.random((40, n))
    powers[np.arange(40), true] = 2.0
    assert (ranks(powers, true) == 0).all()
    assert Share.of(ranks(powers, true) < 1, 1 / n).is_better_than_chance
    powers[np.arange(40), true] = -1.0
    assert (ranks(powers, true) == n - 1).all()


@given(seed=st.integers(0, 2**31))
def test_a_random_result_is_found_as_often_as_chance_has_it(seed):
    rng = np.random.default_rng(seed)
    true, powers = rng.integers(68, size=20_000), rng.random((20_000, 68))
    assert np.mean(ranks(powers, true) < 1) == pytest.approx(1 / 68, abs=0.005)
    assert np.mean(ranks(powers, true) < 3) == pytest.approx(3 / 68, abs=0.008)


def test_a_tie_is_no_hit_and_nothing_there_is_the_last():
    assert ranks(np.array([[1.0, 1.0, 0.5]]), np.array([0])).tolist() == [1]
    assert ranks(np.array([[1.0, np.nan, 0.5]]), np.array([1])).tolist() == [2]


@given(planted=st.floats(0, 1), seed=st.integers(0, 2**31))
def test_planted_leakage_is_measured(planted, seed):
    """Regions of different sizes hold a share of the power that is known."""
    rng = np.random.default_rng(seed)
    n_dipoles = rng.integers(1, 200, 12).astype(float)
    near, far = rng.uniform(0.1, 1, 7), rng.uniform(0.1, 1, 5)
    total = np.append((1 - planted) * near / near.sum(), planted * far / far.sum())
    is_far = np.arange(12) >= 7
    found = share_of((total / n_dipoles)[None], n_dipoles, is_far[None])
    assert found == pytest.approx(planted, abs=1e-9)


def test_confusions_are_counted_once_each():
    true, found = np.array([0, 0, 2, 1, 0]), np.array([0, 1, 2, 1, 1])
    assert confusion(true, found, 3).tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 1]]


@given(
    rise_s=st.floats(0.02, 0.4),
    late_s=st.floats(0, 0.2),
    level=st.floats(1e-3, 1e3),
    share=st.sampled_from([0.5, 0.9]),
)
def test_the_delay_of_a_known_course_is_found(rise_s, late_s, level, share):
    """A ramp from a level of its own, whatever that is."""
    times_s = np.arange(200) / SFREQ_HZ
    course = level * (1 + 3 * np.clip((times_s - late_s) / rise_s, 0, 1))
    found_s = crossing(course, share, 38) / SFREQ_HZ
    assert found_s == pytest.approx(late_s + share * rise_s, abs=1.01 / SFREQ_HZ)


@pytest.mark.parametrize("course", [np.ones(200), np.linspace(1, 0, 200), np.full(200, np.nan)])
def test_what_does_not_rise_has_no_delay(course):
    assert np.isnan(crossing(course, 0.5, 38))


def test_a_median_has_its_interval_and_its_chance():
    errors_mm = np.random.default_rng(1).normal(10, 2, 200)
    middle = Middle.of(errors_mm, lambda rng: rng.normal(80, 2, 200))
    assert middle.low < middle.median < middle.high
    assert middle.high - middle.low < 2
    assert middle.chance == pytest.approx(80, abs=0.5)
    assert str(Middle.of(np.empty(0), lambda rng: np.empty(0))) == "none"
    assert Quartiles.of(np.array([1.0, 2, 3, 4, 5])) == Quartiles(3.0, 2.0, 4.0)
