"""The noise of the person under the cap: the covariance of EEG at rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.feedback.rest import n_rest

Matrix = NDArray[np.float64]

# An electrode is known if it was good for so much of the time; others are filled from the model.
MOSTLY = 0.9
# Share of the model's own noise in the estimate: what is quiet by chance is not taken for silent.
MODEL_SHARE = 0.1


class Baseline:
    """Gathers the covariance of conditioned EEG over a time.

    Parameters
    ----------
    n_electrodes : int
        Of the montage.
    sfreq_hz : float
    seconds : float

    Raises
    ------
    ConfigError
        If it is too short to say anything.
    """

    def __init__(self, n_electrodes: int, sfreq_hz: float, seconds: float) -> None:
        self.seconds = seconds
        self._n_wanted = n_rest(seconds, sfreq_hz)
        self._sums = np.zeros((n_electrodes, n_electrodes))
        self._counts = np.zeros((n_electrodes, n_electrodes))
        self._n_seen = 0.0
        self._n_new = 0

    @property
    def is_complete(self) -> bool:
        """Whether there is as much EEG as there should be, since the beginning or `fade`."""
        return self._n_new >= self._n_wanted

    def fade(self, share: float) -> None:
        """Let what was seen so far count only for a share of what it did, and gather again."""
        self._sums *= share
        self._counts *= share
        self._n_seen *= share
        self._n_new = 0

    def add(self, eeg: NDArray[np.floating], is_good: NDArray[np.bool_]) -> None:
        """Add samples without artefacts.

        Parameters
        ----------
        eeg : ndarray, shape (n_times, n_electrodes)
            Volts, conditioned.
        is_good : ndarray of bool, shape (n_electrodes,)
        """
        good = np.where(is_good, np.nan_to_num(eeg.astype(float)), 0.0)
        self._sums += good.T @ good
        self._counts += len(eeg) * np.outer(is_good, is_good)
        self._n_seen += len(eeg)
        self._n_new += len(eeg)

    def covariance(self, model: Matrix) -> Matrix:
        """Return the covariance of the noise, of the model's trace.

        Parameters
        ----------
        model : ndarray, shape (n_electrodes, n_electrodes)
            Covariance that the model thinks noise has; what is not known of an electrode that was
            bad for long is what its neighbours tell, as the model says.
        """
        is_known = self._counts.diagonal() >= MOSTLY * self._n_seen
        known, rest = np.flatnonzero(is_known), np.flatnonzero(~is_known)
        among = np.ix_(known, known)
        measured = self._sums[among] / np.maximum(self._counts[among], 1)
        # Pairs were not all seen at the same times: no variance may come out negative.
        variances, directions = np.linalg.eigh(measured)
        measured = (directions * variances.clip(min=0)) @ directions.T
        measured *= np.trace(model[among]) / np.trace(measured)
        fill = model[np.ix_(rest, known)] @ np.linalg.pinv(model[among], hermitian=True)
        covariance = np.zeros_like(model)
        covariance[among] = measured
        covariance[np.ix_(rest, known)] = fill @ measured
        covariance[np.ix_(known, rest)] = covariance[np.ix_(rest, known)].T
        left = model[np.ix_(rest, rest)] - fill @ model[np.ix_(known, rest)]
        covariance[np.ix_(rest, rest)] = fill @ measured @ fill.T + left
        return (1 - MODEL_SHARE) * covariance + MODEL_SHARE * model
