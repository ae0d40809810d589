"""How the service does: samples in and out, gaps, and the age of what it publishes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 5000
# Missing samples are looked for over stretches of this length, or of 32 samples.
STRETCH_S = 1.0
# No sample for so long, or for 20 samples, is silence.
SILENCE_S = 1.0


class Health:
    """Counts samples and keeps the latest ages.

    Parameters
    ----------
    sfreq_hz : float
        Nominal rate of the input.
    since_s : float
        LSL time from which ages count: what piled up while the service started is no measure
        of it.

    Attributes
    ----------
    n_received, n_published : int
        Samples.
    n_gaps, n_missing : int
        Stretches of the input in which samples are missing, and how many are.
    n_losses : int
        How often the whole stream was lost.
    outage_s : float
        For how long, in all.
    """

    def __init__(self, sfreq_hz: float, since_s: float = -np.inf) -> None:
        self.n_received = 0
        self.n_published = 0
        self.n_gaps = 0
        self.n_missing = 0
        self.n_losses = 0
        self.outage_s = 0.0
        self._lost_at_s = 0.0
        self._sfreq_hz = sfreq_hz
        self._since_s = since_s
        self._last_stamp: float | None = None
        self._last_published_s: float | None = None
        # In samples: how far the stamps are ahead of the count.
        self._advance = 0.0
        self._least = np.inf
        self._least_before = np.inf
        self._n_stretch = 0
        self._ages_s = np.zeros(WINDOW)
        self._n_ages = 0

    def received(self, timestamps: NDArray[np.float64]) -> None:
        """Count samples that came in, and those that should have come between them.

        Stamps run behind or ahead of the count of samples, since amplifiers stamp unevenly;
        but a lost sample puts them ahead for good. So the least advance in each stretch is
        compared with the one before: jitter leaves it where it is, loss raises it by whole
        samples.
        """
        self.n_received += len(timestamps)
        if self._last_stamp is None:
            self._last_stamp = float(timestamps[0]) - 1 / self._sfreq_hz
        steps_s = np.diff(timestamps, prepend=self._last_stamp)
        self._last_stamp = float(timestamps[-1])
        advance = self._advance + np.cumsum(steps_s * self._sfreq_hz - 1)
        self._advance = float(advance[-1])
        self._least = min(self._least, float(advance.min()))
        self._n_stretch += len(timestamps)
        if self._n_stretch >= max(32, STRETCH_S * self._sfreq_hz):
            first = self._least_before == np.inf
            missing = 0 if first else round(self._least - self._least_before)
            if missing > 0:
                self.n_gaps += 1
                self.n_missing += missing
            self._least_before, self._least, self._n_stretch = self._least, np.inf, 0

    def published(self, timestamps: NDArray[np.float64], now_s: float) -> None:
        """Count samples that went out, at an LSL time."""
        self.n_published += len(timestamps)
        self._last_published_s = now_s
        counted = timestamps[timestamps >= self._since_s]
        places = (self._n_ages + np.arange(len(counted))) % WINDOW
        self._ages_s[places] = now_s - counted
        self._n_ages += len(counted)

    def lost(self, now_s: float) -> None:
        """Count a loss of the whole stream, at an LSL time."""
        self.n_losses += 1
        self._lost_at_s = now_s

    def restarted(self, now_s: float) -> None:
        """Start over with the time stamps: the input is back, at an LSL time."""
        self.outage_s += now_s - self._lost_at_s
        self._since_s = now_s
        self._last_stamp = None
        self._advance = 0.0
        self._least = self._least_before = np.inf
        self._n_stretch = 0

    def silence_s(self, now_s: float) -> float:
        """Return for how long nothing has come, 0 where that is no longer than usual."""
        if self._last_published_s is None:
            return 0.0
        quiet_s = now_s - self._last_published_s
        return quiet_s if quiet_s > max(SILENCE_S, 20 / self._sfreq_hz) else 0.0

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
            "stream_losses": self.n_losses,
            "outage_s": round(self.outage_s, 3),
            "age_ms_median": median,
            "age_ms_p99": p99,
        }
