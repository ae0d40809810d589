from __future__ import annotations

import numpy as np
import pytest
from convdip.display.history import LENGTH_S, Ring, SourceHistory


def samples(n: int, sfreq_hz: float = 500.0, start_s: float = 100.0):
    rng = np.random.default_rng(3)
    return (
        rng.standard_normal((n, 7)).astype(np.float32),
        start_s + np.arange(n) / sfreq_hz,
    )


@pytest.mark.parametrize("chunk", [1, 7, 100, 700])
def test_the_ring_keeps_the_latest_rows_whatever_the_chunks(chunk):
    rows, stamps = samples(523)
    ring = Ring(100, 7)
    for start in range(0, 523, chunk):
        ring.append(rows[start : start + chunk], stamps[start : start + chunk])
    assert (ring.rows == rows[-100:]).all()
    assert (ring.stamps == stamps[-100:]).all()
    some, when = ring.between(stamps[450], stamps[460])
    assert (some == rows[451:461]).all()
    assert (when == stamps[451:461]).all()


@pytest.mark.parametrize("chunk", [1, 3, 64, 997])
def test_what_is_shown_does_not_depend_on_the_chunks(chunk):
    rows, stamps = samples(1000)
    history = SourceHistory(7)
    for start in range(0, 1000, chunk):
        history.add(rows[start : start + chunk], stamps[start : start + chunk])
    assert history.n_samples == 1000
    assert history.newest_s == stamps[-1]
    assert (history.at(np.inf).moments_nam == rows[-1]).all()
    # 20 ms are ten samples; the slots' borders are multiples of 20 ms.
    assert (history.at(stamps[509]).moments_nam == rows[509]).all()
    held = history.at(stamps[999], hold_s=0.1).moments_nam
    # Each slot of ten samples by the age of its last one: 80, 60, … 0 of 100 ms.
    faded = rows[-50:] * np.repeat([0.2, 0.4, 0.6, 0.8, 1.0], 10)[:, None]
    assert held == pytest.approx(faded[np.abs(faded).argmax(axis=0), np.arange(7)], rel=1e-4)
    smooth = history.at(stamps[999], smooth_s=0.1).moments_nam
    assert smooth == pytest.approx(rows[-50:].mean(axis=0), abs=1e-6)
    smooth = history.at(stamps[999], smooth_s=0.1, of_magnitudes=True).moments_nam
    assert smooth == pytest.approx(np.abs(rows[-50:]).mean(axis=0), abs=1e-6)


def test_a_peak_between_two_pictures_is_held():
    rows, stamps = samples(500)
    rows[:] = 0
    rows[333, 2] = 9.0
    history = SourceHistory(7)
    history.add(rows, stamps)
    assert history.at(stamps[339], hold_s=1.0).moments_nam[2] == 9.0  # the end of its 20 ms
    assert history.at(stamps[400], hold_s=1.0).moments_nam[2] > 7.5
    assert history.at(stamps[400]).moments_nam[2] == 0.0
    assert history.peaks_nam(10.0).max() == 9.0


def test_a_smoothed_rhythm_does_not_vanish():
    """10 Hz over 100 ms: signed moments average to nothing, magnitudes to 2/π of the amplitude."""
    stamps = 100 + np.arange(500) / 500
    moments = (5 * np.sin(2 * np.pi * 10 * stamps))[:, None].astype(np.float32)
    history = SourceHistory(1)
    history.add(moments, stamps)
    assert abs(history.at(np.inf, 0.1).moments_nam[0]) < 0.01
    assert history.at(np.inf, 0.1, of_magnitudes=True).moments_nam[0] == pytest.approx(
        10 / np.pi, rel=0.02
    )


def test_the_largest_moment_is_looked_for_on_cortex():
    rows, stamps = samples(200)
    rows[:, 3] *= 100
    is_cortex = np.arange(7) != 3
    whole, cortex = SourceHistory(7), SourceHistory(7, is_cortex)
    for history in (whole, cortex):
        history.add(rows, stamps)
    assert whole.peaks_nam(10.0).max() == np.abs(rows).max()
    assert cortex.peaks_nam(10.0).max() == np.abs(rows[:, is_cortex]).max()


def test_half_a_minute_is_kept_and_no_more():
    history = SourceHistory(7)
    for start_s in range(100, 150):
        history.add(*samples(500, start_s=start_s))
    assert history.newest_s - history.oldest_s == pytest.approx(LENGTH_S, abs=0.05)
    oldest = history.at(0.0)
    assert oldest.stamp == history.oldest_s


def test_stamps_that_jump_back_are_another_run():
    history = SourceHistory(7)
    history.add(*samples(500, start_s=5000.0))
    history.add(*samples(500, start_s=100.0))
    assert history.oldest_s < 101
    assert history.at(np.inf).stamp < 102


def test_nothing_is_shown_of_nothing():
    history = SourceHistory(7)
    assert history.at(0.0) is None
    assert not np.isfinite(history.newest_s)
    assert history.peaks_nam(5.0).size == 0


def test_a_stamp_that_is_a_little_early_breaks_no_order():
    ring, history = Ring(100, 7), SourceHistory(7)
    rows, stamps = samples(60)
    stamps[30] -= 0.01
    for part in (slice(0, 30), slice(30, 60)):
        ring.append(rows[part], stamps[part])
        history.add(rows[part], stamps[part])
    assert len(ring.stamps) == 60
    assert (np.diff(ring.stamps) >= 0).all()
    assert history.n_samples == 60
    ring.append(*samples(5, start_s=3.0))
    assert len(ring.stamps) == 5  # another run


@pytest.mark.parametrize(
    ("n", "n_later"), [(0, 40), (500, 0), (500, 700), (20_000, 400), (60, 20_000)]
)
def test_a_history_that_is_extended_is_as_if_never_parted(n, n_later):
    rows, stamps = samples(n + n_later)
    whole, part, later = (SourceHistory(7) for _ in range(3))
    whole.add(rows, stamps)
    part.add(rows[:n], stamps[:n])
    later.add(rows[n:], stamps[n:])
    part.extend(later)
    assert part.n_samples == whole.n_samples
    assert part.newest_s == whole.newest_s
    assert part.oldest_s == pytest.approx(whole.oldest_s, abs=0.021)
    for time_s in np.linspace(part.oldest_s + 0.2, whole.newest_s, 40):
        for smooth_s, hold_s in ((0, 0), (0.1, 0), (0, 0.1)):
            seen, expected = (kept.at(time_s, smooth_s, hold_s) for kept in (part, whole))
            # The map in which they were parted is two of one.
            if np.abs(stamps[max(n - 1, 0)] - expected.stamp) > 0.15:
                assert seen.stamp == expected.stamp
                assert seen.moments_nam == pytest.approx(expected.moments_nam, abs=1e-6)
    part.add(*samples(5, start_s=whole.newest_s + 0.1))
    assert part.newest_s > whole.newest_s


def test_another_run_that_comes_later_replaces_the_one_before():
    before, later = SourceHistory(7), SourceHistory(7)
    before.add(*samples(500, start_s=5000.0))
    later.add(*samples(500, start_s=100.0))
    before.extend(later)
    assert before.oldest_s < 101
    assert before.newest_s < 102
