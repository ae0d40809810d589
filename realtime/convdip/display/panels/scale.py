"""The scale of an EEG panel: it follows the data, but not from one frame to the next."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from convdip.display.limits import round_up

PERIOD_S = 2.0


class EegScale:
    """End of scale in microvolts, estimated anew every two seconds.

    Parameters
    ----------
    limit_uv : float
        Until the first estimate.
    level : callable
        Returns the level of EEG of shape (n_times, n_electrodes) in microvolts; NaN is to be
        ignored. The limit is the next round number.

    Attributes
    ----------
    limit_uv : float
    """

    def __init__(self, limit_uv: float, level: Callable[[NDArray[np.float32]], float]) -> None:
        self.limit_uv = limit_uv
        self._level = level
        self._due_s = -np.inf

    def restart(self) -> None:
        """Estimate the scale at the next update."""
        self._due_s = -np.inf

    def update(self, eeg_uv: NDArray[np.float32], time_s: float) -> bool:
        """Estimate the scale if it is due; return whether it was estimated.

        Parameters
        ----------
        eeg_uv : ndarray, shape (n_times, n_electrodes)
        time_s : float
            LSL time that is shown. It may jump back, when the user does.
        """
        is_due = not -2 * PERIOD_S < time_s - self._due_s < 0
        if not is_due or not len(eeg_uv) or not np.isfinite(eeg_uv).any(axis=0).all():
            return False
        self._due_s = time_s + PERIOD_S
        level_uv = self._level(eeg_uv)
        if level_uv > 0:
            self.limit_uv = round_up(level_uv)
        return True
