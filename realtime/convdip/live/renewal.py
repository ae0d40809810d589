"""New operators, made beside the loop while the old ones are in use."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.live.baseline import Baseline
from convdip.live.operator import AnyCap, Operators


class Renewal:
    """Gathers a baseline, then makes operators for its noise in a thread of their own.

    Where it is renewed, it gathers as much again and again, and what is older counts less and less.

    Parameters
    ----------
    operators : Operators
        Those in use.
    sfreq_hz : float
    seconds : float
        Of the baseline.
    time_constant_s : float, optional
        In which what is old comes to count for 1/e; without it, the first baseline stays.

    Attributes
    ----------
    is_finished : bool
        Whether there is nothing more to come.

    Raises
    ------
    ConfigError
        If the model is for one cap, or a time too short.
    """

    def __init__(
        self,
        operators: Operators,
        sfreq_hz: float,
        seconds: float,
        time_constant_s: float | None = None,
    ) -> None:
        if not isinstance(operators, AnyCap):
            raise ConfigError(
                "`baseline` is for models that take any cap: this one knows one noise; use "
                "`model='convdip-anycap'`"
            )
        if time_constant_s is not None and not time_constant_s >= seconds:
            raise ConfigError(
                f"`renew` is {time_constant_s:g} s: expected at least the {seconds:g} s of "
                "`baseline`, which each renewal takes"
            )
        self._operators = operators
        self._baseline = Baseline(len(operators.montage.names), sfreq_hz, seconds)
        self._share = None if time_constant_s is None else math.exp(-seconds / time_constant_s)
        self.is_finished = False
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
        operators = self._future.result()
        if self._share is None:
            self.is_finished = True
        else:
            self._baseline.fade(self._share)
            self._future = None
        return operators

    def _make(self) -> Operators:
        now = self._operators
        return AnyCap(now.cortex, now.montage, self._baseline.covariance(now.noise))
