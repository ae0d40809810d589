"""Samples missing in a stream, found by its time stamps."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Missing samples are looked for over stretches of this length, or of 32 samples.
STRETCH_S = 1.0
LEAST_STRETCH = 32


class GapDetector:
    """Counts the samples that should have come and did not.

    Stamps run behind or ahead of the count of samples, since amplifiers stamp unevenly; but a
    lost sample puts them ahead for good. So the least advance in each stretch is compared with
    the one before: jitter leaves it where it is, loss raises it by whole samples.

    Parameters
    ----------
    sfreq_hz : float
        Nominal rate of the stream.

    Attributes
    ----------
    n_gaps, n_missing : int
        Stretches in which samples are missing, and how many are.
    n_unstamped : int
        Samples whose time stamp is not a number.
    """

    def __init__(self, sfreq_hz: float) -> None:
        self.n_gaps = 0
        self.n_missing = 0
        self.n_unstamped = 0
        self._sfreq_hz = sfreq_hz
        self.restart()

    def restart(self) -> None:
        """Forget the stamps so far: the stream is another, or came back."""
        self._last_stamp: float | None = None
        # In samples: how far the stamps are ahead of the count.
        self._advance = 0.0
        self._least = self._least_before = math.inf
        self._n_stretch = 0

    def __call__(self, timestamps: NDArray[np.float64], n_dropped: int = 0) -> int:
        """Take in samples and return how many are newly found missing.

        Parameters
        ----------
        timestamps : ndarray, shape (n_times,)
        n_dropped : int
            Samples that came before these and were dropped: not missing.
        """
        # Plain floats: for a chunk of one or a few, NumPy's calls would cost ten times as much.
        stamps: list[float] = timestamps.tolist()
        if self._last_stamp is None:
            first = next(filter(math.isfinite, stamps), None)
            if first is None:
                self.n_unstamped += len(stamps)
                return 0
            self._last_stamp = first - stamps.index(first) / self._sfreq_hz - 1 / self._sfreq_hz
        last, advance, least = self._last_stamp, self._advance - n_dropped, self._least
        for stamp in stamps:
            if not math.isfinite(stamp):
                self.n_unstamped += 1
                advance -= 1  # its interval is in the next one's
                continue
            advance += (stamp - last) * self._sfreq_hz - 1
            last = stamp
            if advance < least:
                least = advance
        self._last_stamp, self._advance, self._least = last, advance, least
        self._n_stretch += len(stamps)
        if self._n_stretch >= max(LEAST_STRETCH, STRETCH_S * self._sfreq_hz):
            return self.close_stretch()
        return 0

    def close_stretch(self) -> int:
        """Compare the stretch so far with the one before, and begin another."""
        missing = 0
        if self._n_stretch >= LEAST_STRETCH and math.isfinite(self._least):
            if self._least_before < math.inf:
                missing = max(0, round(self._least - self._least_before))
            self._least_before = self._least
        if missing:
            self.n_gaps += 1
            self.n_missing += missing
        self._least, self._n_stretch = math.inf, 0
        return missing
