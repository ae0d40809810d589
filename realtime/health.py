"""How the service does: samples in and out, gaps, and the age of what it publishes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 5000
# A jump of the time stamps that no amplifier's jitter explains.
GAP_S = 0.05


class Health:
    """Counts samples and keeps the latest ages.

    Parameters
    ----------
    sfreq_hz : float
        Nominal rate of the input.

    Attributes
    ----------
    n_received, n_published : int
        Samples.
    n_gaps, n_missing : int
        Jumps of the input's time stamps, and how many samples would have fitted in.
    """

    def __init__(self, sfreq_hz: float) -> None:
        self.n_received = 0
        self.n_published = 0
        self.n_gaps = 0
        self.n_missing = 0
        self._sfreq_hz = sfreq_hz
        self._last_stamp: float | None = None
        self._ages_s = np.zeros(WINDOW)
        self._n_ages = 0

    def received(self, timestamps: NDArray[np.float64]) -> None:
        """Count samples that came in."""
        self.n_received += len(timestamps)
        if self._last_stamp is None:
            self._last_stamp = float(timestamps[0]) - 1 / self._sfreq_hz
        steps_s = np.diff(timestamps, prepend=self._last_stamp)
        self._last_stamp = float(timestamps[-1])
        jumps_s = steps_s[steps_s > 1.5 / self._sfreq_hz + GAP_S]
        self.n_gaps += len(jumps_s)
        self.n_missing += int(np.round(jumps_s * self._sfreq_hz - 1).sum())

    def published(self, timestamps: NDArray[np.float64], now_s: float) -> None:
        """Count samples that went out, at an LSL time."""
        self.n_published += len(timestamps)
        places = (self._n_ages + np.arange(len(timestamps))) % WINDOW
        self._ages_s[places] = now_s - timestamps
        self._n_ages += len(timestamps)

    def restarted(self, sfreq_hz: float) -> None:
        """Start over with the time stamps: the input was lost and came back."""
        self._sfreq_hz = sfreq_hz
        self._last_stamp = None

    def age_ms(self, *percentiles: float) -> list[float]:
        """Return percentiles of the latest ages (time stamp → published), in ms."""
        if not self._n_ages:
            return [float("nan")] * len(percentiles)
        ages_ms = self._ages_s[: min(self._n_ages, WINDOW)] * 1e3
        return [float(value) for value in np.percentile(ages_ms, percentiles)]

    def summary(self) -> dict[str, Any]:
        """Return the counts and ages as JSON values."""
        median, p99 = self.age_ms(50, 99) if self._n_ages else (None, None)
        return {
            "received": self.n_received,
            "published": self.n_published,
            "gaps": self.n_gaps,
            "missing": self.n_missing,
            "age_ms_median": median,
            "age_ms_p99": p99,
        }
