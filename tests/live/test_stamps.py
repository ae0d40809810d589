"""Time stamps that lie: what is published is finite, in order, and near the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from convdip.live.stamps import AHEAD_S, REPAIRED_S, Stamps
from hypothesis import given
from hypothesis import strategies as st

SFREQ_HZ = 100.0
NOW_S = 5e4


def repaired(sent, sizes=(1,), came_s=None):
    """Send samples in chunks, by default in time; return what becomes of their stamps."""
    stamps, out, first, n = Stamps(SFREQ_HZ), [], 0, 0
    came_s = true_stamps(len(sent)) + 0.002 if came_s is None else came_s
    while first < len(sent):
        chunk = np.asarray(sent[first : first + sizes[n % len(sizes)]], float)
        first, n = first + len(chunk), n + 1
        out.append(stamps(chunk, came_s[first - 1]))
    return np.concatenate(out), stamps


def true_stamps(n):
    return NOW_S + (1 + np.arange(n)) / SFREQ_HZ


liars = st.sampled_from(
    [math.nan, math.inf, -math.inf, 0.0, -1.0, 1e6, -1e6, 3600.0, -3600.0, 1e300, 2.0, -2.0]
)
chunk_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=5)


@given(
    st.lists(st.tuples(liars, st.booleans(), st.integers(1, 250)), max_size=8),
    st.integers(1, 200),
    chunk_sizes,
)
def test_whatever_a_sender_stamps_is_published_finite_and_in_order(lies, between, sizes):
    sent = true_stamps(1500)
    place = between
    for lie, is_offset, length in lies:
        part = slice(place, place + length)
        sent[part] = sent[part] + lie if is_offset else lie
        place += length + between
    out, _ = repaired(sent, sizes)
    assert np.isfinite(out).all()
    assert (np.diff(out) >= 0).all()
    away_s = out - true_stamps(1500)
    if math.isfinite(sent[0]) and abs(sent[0] - NOW_S) < 1:  # else of another clock throughout
        assert np.abs(away_s).max() <= AHEAD_S + 2 * REPAIRED_S + 0.5


@given(st.lists(st.floats(0, 0.5), min_size=20, max_size=20), chunk_sizes)
def test_honest_stamps_pass_as_they_are(late, sizes):
    """Late, uneven, in blocks, with pauses: as long as they are in order."""
    came_s = np.delete(true_stamps(1000), slice(500, 700))
    sent = np.sort(came_s - np.resize(late, 800))
    out, stamps = repaired(sent, sizes, came_s)
    np.testing.assert_array_equal(out, sent)
    assert (stamps.n_repaired, stamps.reason, stamps.has_age) == (0, "", True)


@given(liars, st.booleans(), st.integers(1, 60), chunk_sizes)
def test_a_glitch_is_mended_to_the_sample_and_over_with_it(lie, is_offset, length, sizes):
    sent = true_stamps(1000)
    sent[500 : 500 + length] = sent[500 : 500 + length] + lie if is_offset else lie
    out, stamps = repaired(sent, sizes)
    # Set back by a second they are out of order, and the clock stands still meanwhile.
    apart_s = length / SFREQ_HZ if is_offset and lie == -1 else 1e-6
    np.testing.assert_allclose(out, true_stamps(1000), rtol=0, atol=apart_s)
    assert stamps.n_repaired == (0 if is_offset and lie == 0 else length)
    np.testing.assert_array_equal(out[:500], sent[:500])
    np.testing.assert_array_equal(out[600:], sent[600:])
    assert stamps.has_age


@pytest.mark.parametrize("by_s", [1e6, -1e4, 60.0, -30.0])
def test_a_clock_that_is_set_goes_on_from_where_it_was_and_has_no_age(by_s):
    sent = true_stamps(3000)
    sent[1000:] += by_s
    out, stamps = repaired(sent, (7,))
    np.testing.assert_allclose(out, true_stamps(3000), rtol=0, atol=0.02)
    assert stamps.shift_s == pytest.approx(-by_s, abs=0.02)
    assert not stamps.has_age
    assert stamps.n_repaired == pytest.approx(REPAIRED_S * SFREQ_HZ, abs=2)


@pytest.mark.parametrize("start_s", [1.7e9, 0.0, -50.0])
def test_a_senders_own_clock_is_left_to_it(start_s):
    sent = start_s + true_stamps(2000) - NOW_S
    out, stamps = repaired(sent, (3, 1))
    np.testing.assert_array_equal(out, sent)
    assert not stamps.has_age
    assert stamps.n_repaired == 0


@pytest.mark.parametrize("still", [math.nan, NOW_S + 5])
def test_stamps_that_are_none_follow_the_arrival(still):
    sent = np.append(true_stamps(500), np.full(2000, still))
    out, stamps = repaired(sent, (20,))
    late_s = true_stamps(2500)[800:] - out[800:]
    assert np.abs(late_s).max() < REPAIRED_S + 0.3
    assert not stamps.has_age
    out, stamps = repaired(np.full(500, math.nan), (20,))
    np.testing.assert_allclose(out, true_stamps(500), atol=0.2)
    assert not stamps.has_age


def test_lateness_is_counted_from_what_is_usual():
    _, stamps = repaired(true_stamps(500), came_s=true_stamps(500) + 0.2)
    now_s = NOW_S + 5.2
    assert stamps.late_s(NOW_S + 5.0, now_s) == pytest.approx(0.0, abs=0.011)
    assert stamps.late_s(NOW_S + 3.0, now_s) == pytest.approx(2.0, abs=0.011)


def test_a_clock_that_is_set_right_again_has_ages_again():
    sent = true_stamps(3000)
    sent[1000:2000] += 3600
    out, stamps = repaired(sent, (7,))
    np.testing.assert_allclose(out, true_stamps(3000), rtol=0, atol=0.02)
    np.testing.assert_array_equal(out[2200:], sent[2200:])
    assert stamps.has_age


def test_a_stream_that_catches_up_has_ages_from_then_on():
    sent = true_stamps(2000)
    came_s = np.maximum(sent, NOW_S + 15)
    out, stamps = repaired(sent, came_s=came_s)
    np.testing.assert_array_equal(out, sent)
    assert stamps.has_age


def test_a_first_stamp_of_nothing_does_not_count():
    sent = true_stamps(500)
    sent[0] = 0
    out, stamps = repaired(sent)
    np.testing.assert_array_equal(out, sent)
    assert stamps.has_age
