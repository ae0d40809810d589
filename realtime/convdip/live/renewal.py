"""New operators, made beside the loop while the old ones are in use."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.live.baseline import Baseline
from convdip.live.operator import AnyCap, Operators


class Renewal:
    """Gathers a baseline, then makes operators for its noise in a thread of their own.

    Parameters
    ----------
    operators : Operators
        Those in use.
    sfreq_hz : float
    seconds : float
        Of the baseline.

    Raises
    ------
    ConfigError
        If the model is for one cap, or the baseline too short.
    """

    def __init__(self, operators: Operators, sfreq_hz: float, seconds: float) -> None:
        if not isinstance(operators, AnyCap):
            raise ConfigError(
                "`baseline` is for models that take any cap: this one knows one noise; use "
                "`model='convdip-anycap'`"
            )
        self._operators = operators
        self._baseline = Baseline(len(operators.montage.names), sfreq_hz, seconds)
        self._future: Future[Operators] | None = None

    def add(self, eeg: NDArray[np.floating], is_good: NDArray[np.bool_]) -> None:
        """Add samples to the baseline, and begin to make operators when it is complete."""
        if self._future is not None:
            return
        self._baseline.add(eeg, is_good)
        if self._baseline.is_complete:
            worker = ThreadPoolExecutor(1, "convdip-operator")
            self._future = worker.submit(self._make)
            worker.shutdown(wait=False)

    def made(self) -> Operators | None:
        """Return the new operators, once they are there.

        Raises
        ------
        Exception
            What went wrong while they were made.
        """
        if self._future is None or not self._future.done():
            return None
        return self._future.result()

    def _make(self) -> Operators:
        now = self._operators
        return AnyCap(now.cortex, now.montage, self._baseline.covariance(now.noise))
