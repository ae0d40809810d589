"""The ring buffer of the display: any chunks give the last rows, in order of time."""

from __future__ import annotations

import numpy as np
import pytest
from convdip.display.history import BACK_S, Ring, SourceHistory
from hypothesis import given, settings
from hypothesis import strategies as st

n_rows = st.integers(1, 40)
chunk_sizes = st.lists(st.integers(0, 100), min_size=1, max_size=30)


def numbered(n: int) -> np.ndarray:
    """Return rows of two columns that tell which they are."""
    return np.arange(2 * n, dtype=np.float32).reshape(n, 2)


@given(n_rows, chunk_sizes)
def test_any_chunks_give_the_last_rows(n, sizes):
    ring, rows = Ring(n, 2), numbered(sum(sizes))
    stamps = 100 + np.arange(len(rows)) / 250
    end = 0
    for size in sizes:
        ring.append(rows[end : end + size], stamps[end : end + size])
        end += size
        np.testing.assert_array_equal(ring.rows, rows[max(0, end - n) : end])
        np.testing.assert_array_equal(ring.stamps, stamps[max(0, end - n) : end])


@given(n_rows, chunk_sizes, st.floats(99, 115), st.floats(99, 115))
def test_a_stretch_of_time_is_what_a_search_by_hand_finds(n, sizes, first_s, last_s):
    ring, rows = Ring(n, 2), numbered(sum(sizes))
    stamps = 100 + np.arange(len(rows)) / 250
    for part in np.split(np.arange(len(rows)), np.cumsum(sizes)[:-1]):
        ring.append(rows[part], stamps[part])
    some, when = ring.between(first_s, last_s)
    is_inside = (ring.stamps > first_s) & (ring.stamps <= last_s)
    np.testing.assert_array_equal(some, ring.rows[is_inside])
    np.testing.assert_array_equal(when, ring.stamps[is_inside])


@given(n_rows, st.lists(st.floats(-0.4, 3.0), min_size=1, max_size=60), chunk_sizes)
def test_stamps_that_jitter_never_break_the_order_and_lose_no_row(n, steps, sizes):
    """Steps back of less than half a second are jitter."""
    ring = Ring(n, 2)
    stamps = np.maximum.accumulate(np.cumsum(steps)) - np.abs(np.sin(np.arange(len(steps)))) * 0.4
    rows, first = numbered(len(stamps)), 0
    while first < len(stamps):
        size = max(1, sizes[first % len(sizes)])
        ring.append(rows[first : first + size], stamps[first : first + size])
        first += size
    np.testing.assert_array_equal(ring.rows, rows[-n:])
    assert (np.diff(ring.stamps) >= 0).all()
    np.testing.assert_array_equal(ring.stamps, np.maximum.accumulate(stamps)[-n:])


@given(n_rows, chunk_sizes, chunk_sizes, st.floats(BACK_S + 0.01, 1e6))
def test_a_run_that_starts_over_forgets_the_one_before(n, before, after, back_s):
    ring = Ring(n, 2)
    for sizes, start_s in ((before, 1e6), (after, 1e6 - back_s)):
        rows, end = numbered(sum(sizes)), 0
        for size in sizes:
            stamps = start_s + np.arange(end, end + size) / 1e6
            ring.append(rows[end : end + size], stamps)
            end += size
    if sum(before) and not sum(after):
        rows = numbered(sum(before))
    np.testing.assert_array_equal(ring.rows, rows[-n:] if len(rows) else rows)


@settings(max_examples=25)
@given(
    st.integers(0, 1_500),
    st.sampled_from([0.1, 0.25, 1.0, 3.0]),
    st.floats(0.1, 100) | st.floats(-100, -0.1),
    st.integers(1, 97),
)
def test_a_held_peak_fades_to_nothing_over_the_interval(at, hold_s, peak_nam, chunk):
    """Wherever the ring wraps around, whatever its sign, and it never grows meanwhile."""
    sfreq_hz, end_s = 100.0, 31.0 + at / 100 + 1.2 * hold_s + 1
    stamps = 100 + np.arange(round(end_s * sfreq_hz)) / sfreq_hz
    rows = np.zeros((len(stamps), 2), np.float32)
    first = 3_100 + at  # after the ring has gone round once, and anywhere in it
    rows[first, 1] = peak_nam
    history, held, seen_s = SourceHistory(2), [], []
    for start in range(0, len(stamps), chunk):
        part = slice(start, start + chunk)
        history.add(rows[part], stamps[part])
        if start + chunk > first:
            shown = history.at(np.inf, hold_s=hold_s)
            held.append(float(shown.moments_nam[1]))
            seen_s.append(shown.stamp - stamps[first])
            assert shown.moments_nam[0] == 0
    strength, ages_s = np.array(held) / np.float32(peak_nam), np.array(seen_s)
    assert (np.diff(strength) <= 1e-6).all()
    # What is kept stands for 20 ms.
    assert strength == pytest.approx((1 - ages_s / hold_s).clip(0), abs=0.02 / hold_s + 1e-3)
    assert strength[-1] == 0
