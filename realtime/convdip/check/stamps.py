"""What a stream's time stamps show: its rate, and samples that are missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.check.report import Timing
from convdip.live.gaps import LEAST_STRETCH, RATE_TOLERANCE, STRETCH_S, GapDetector

# The nearer the rate, the less it matters where in a stretch the least advance lies.
N_ROUNDS = 4


def read_timing(stamps: NDArray[np.float64], nominal_hz: float, age_s: float) -> Timing:
    """Measure the rate by the stamps, and count what is missing at that rate.

    A wrong rate moves stamps away from the count of samples in every stretch, a gap in one: the
    median stretch tells the rate. As in `GapDetector`, the least advance of each is looked at,
    which jitter and sending in blocks leave where it is.

    Parameters
    ----------
    stamps : ndarray, shape (n_times,)
        Two seconds or more.
    nominal_hz : float
    age_s : float
        Of samples by their stamps when they come.
    """
    rate_hz = nominal_hz
    for _ in range(N_ROUNDS):
        rate_hz *= _true_over(rate_hz, stamps)
    is_as_stated = abs(rate_hz / nominal_hz - 1) <= RATE_TOLERANCE
    gaps = GapDetector(nominal_hz if is_as_stated else rate_hz)
    for first in range(0, len(stamps), LEAST_STRETCH):  # stretches end with a chunk
        gaps(stamps[first : first + LEAST_STRETCH])
    gaps.close()
    return Timing(
        round(rate_hz, 2), is_as_stated, gaps.n_gaps, gaps.n_missing, round(age_s * 1e3, 1)
    )


def _true_over(rate_hz: float, stamps: NDArray[np.float64]) -> float:
    """Return what a rate is to be multiplied by, as the median stretch says; 1 if none does."""
    advance = stamps * rate_hz - np.arange(len(stamps))
    advance = np.where(np.isfinite(advance), advance, np.inf)
    n_stretch = min(max(LEAST_STRETCH, round(STRETCH_S * rate_hz)), len(stamps) // 2)
    least = advance[: len(stamps) // n_stretch * n_stretch].reshape(-1, n_stretch).min(axis=1)
    moved = np.diff(least[np.isfinite(least)])
    return n_stretch / max(n_stretch + float(np.median(moved)), 1.0) if moved.size else 1.0
