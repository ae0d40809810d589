"""A check that the signal's level is that of EEG."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from convdip.live.montage import Montage

log = logging.getLogger(__name__)

# Standard deviation over a second, from a clean average to a restless raw recording.
EEG_LEVEL_V = (0.2e-6, 1e-3)


class LevelCheck:
    """Checks the level of the first second of EEG.

    A stream that states a wrong unit is off by orders of magnitude, and nothing else would tell.

    Parameters
    ----------
    montage : Montage
    sfreq_hz : float
    """

    def __init__(self, montage: Montage, sfreq_hz: float) -> None:
        self._montage = montage
        self._n_wanted = max(2, round(sfreq_hz))
        self._first: list[NDArray[np.float32]] = []

    def at(self, samples: NDArray[np.float32]) -> None:
        """Take samples as they come; warn once, after a second of them."""
        if self._n_wanted <= 0:
            return
        self._first.append(samples)
        self._n_wanted -= len(samples)
        if self._n_wanted > 0:
            return
        eeg = np.concatenate(self._first)[:, self._montage.channels] * self._montage.volts
        self._first.clear()
        level_v = float(np.median(eeg.std(axis=0)))
        if not EEG_LEVEL_V[0] <= level_v <= EEG_LEVEL_V[1]:
            log.warning(
                "the EEG's standard deviation is %.2g µV (median over electrodes), expected %g to "
                "%g µV: is its unit right? `unit` overrides what the stream states",
                level_v * 1e6,
                EEG_LEVEL_V[0] * 1e6,
                EEG_LEVEL_V[1] * 1e6,
            )
