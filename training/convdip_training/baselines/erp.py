"""What an inverse method is given: the trials of one event-related potential."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Erp:
    """Trials of one event-related potential.

    A published average alone is one trial.

    Attributes
    ----------
    trials : ndarray, shape (n_trials, n_times, n_electrodes)
        Volts, average-referenced.
    sfreq_hz : float
    n_baseline : int
        Number of samples at the start that hold only noise.
    peak : int
        The sample to be imaged.
    half_width : int
        The same sources are active for this many samples before and after the peak.
    """

    trials: Float
    sfreq_hz: float
    n_baseline: int
    peak: int
    half_width: int

    @cached_property
    def average(self) -> Float:
        """The mean of the trials, shape (n_times, n_electrodes)."""
        return np.asarray(self.trials.mean(axis=0))

    @property
    def noise_covariance(self) -> Float:
        """Empirical covariance of single trials before the signal, in V²."""
        return covariance(self.trials[:, : self.n_baseline])

    @property
    def data_covariance(self) -> Float:
        """Empirical covariance of whole single trials, in V²."""
        return covariance(self.trials)


def covariance(trials: Float) -> Float:
    """Return the empirical covariance of trials, shape (n_trials, n_times, n_electrodes)."""
    samples = trials.reshape(-1, trials.shape[-1])
    return np.asarray(np.cov(samples, rowvar=False))
