"""Rate and losses by the time stamps alone."""

import numpy as np
import pytest
from convdip.check.accuracy import BEST_MM, CHANCE_MM, expected_error_mm
from convdip.check.stamps import read_timing

NOMINAL_HZ = 256.0


def stamped(rate_hz, how, seconds=10):
    """Return stamps as senders give them, beginning at a late hour of the clock."""
    rng, n = np.random.default_rng(1), round(seconds * rate_hz)
    even = 8e4 + np.arange(n) / rate_hz
    return {
        "even": even,
        "late": even + rng.exponential(0.004, n),
        # All samples of a block are stamped when the last of them was there.
        "in blocks": even[np.minimum(np.arange(n) // 25 * 25 + 24, n - 1)],
    }[how]


@pytest.mark.parametrize("how", ["even", "late", "in blocks"])
@pytest.mark.parametrize("true_hz", [256.0, 250.0, 200.0, 500.0, 256.5])
def test_the_true_rate_is_measured_and_nothing_called_missing(true_hz, how):
    timing = read_timing(stamped(true_hz, how), NOMINAL_HZ, 0.002)
    assert timing.rate_hz == pytest.approx(true_hz, rel=0.01)
    assert timing.is_as_stated == (abs(true_hz / NOMINAL_HZ - 1) < 0.01)
    assert timing.n_missing == 0
    assert timing.age_ms == 2


@pytest.mark.parametrize("how", ["even", "late"])
@pytest.mark.parametrize("true_hz", [256.0, 250.0])
def test_gaps_are_counted_at_the_true_rate(true_hz, how):
    stamps = stamped(true_hz, how)
    lost = np.r_[500:540, 1500:1600]
    timing = read_timing(np.delete(stamps, lost), NOMINAL_HZ, 0.0)
    assert timing.rate_hz == pytest.approx(true_hz, rel=0.01)
    assert timing.n_gaps == 2
    assert timing.n_missing == pytest.approx(lost.size, abs=2)


def test_stamps_that_are_no_numbers_do_not_count():
    stamps = stamped(NOMINAL_HZ, "even")
    stamps[100:103] = np.nan
    assert read_timing(stamps, NOMINAL_HZ, 0.0).rate_hz == NOMINAL_HZ
    assert read_timing(np.full(2560, np.nan), NOMINAL_HZ, 0.0).n_missing == 0


def test_the_expected_error_falls_with_the_coverage_from_chance():
    coverages = np.linspace(0, 1, 101)
    errors_mm = [expected_error_mm(coverage) for coverage in coverages]
    assert (np.diff(errors_mm) <= 0).all()
    assert (errors_mm[0], errors_mm[-1]) == (CHANCE_MM, BEST_MM)
    assert 45 < expected_error_mm(0.73) < 63
