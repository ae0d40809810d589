"""Beside the map of each sample: how strong each dipole is in a band, over the last second.

This is what a person wants to look at while EEG is ongoing: not where the current of this very
sample comes from, but where the rhythm is. The EEG is filtered to the band **before** it is imaged,
as for feedback. A model for any cap images the window's covariance; a model for one cap a few
samples of each period, whose squares are averaged. It is filtered and imaged only when somebody
looks, and after the samples are on their way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from convdip.live.conditioning import Conditioner, Filters
from convdip.live.operator import Operator
from convdip.live.window import Window

Float = NDArray[np.float32]
Band = tuple[float, float]

# Edges in Hz of the rhythms that people look for.
USUAL_BANDS: tuple[Band, ...] = ((4.0, 8.0), (8.0, 13.0), (13.0, 30.0))
SECONDS = 1.0
# What the filter needs to settle is not looked at.
SETTLING_S = 0.5
# Of the EEG that nobody has looked at, what is kept: enough for both.
KEPT_S = 2.0
# Samples that are imaged in each period of the band's upper edge.
PER_PERIOD = 4


class Squares:
    """Root mean square moments over the last moments, for a model that images single samples.

    Parameters
    ----------
    image : callable
        EEG and an operator to moments in nAm, shape (n_times, n_dipoles).
    n_dipoles : int
    sfreq_hz : float
    highest_hz : float
        Upper edge of the band.
    seconds : float
    """

    def __init__(
        self,
        image: Callable[[Float, Operator], Float],
        n_dipoles: int,
        sfreq_hz: float,
        highest_hz: float,
        seconds: float,
    ) -> None:
        self.seconds = seconds
        self._image = image
        self._every = max(1, int(sfreq_hz / (PER_PERIOD * highest_hz)))
        n_kept = max(1, round(seconds * sfreq_hz / self._every))
        self._squares = np.zeros((n_kept, n_dipoles), np.float32)
        self.restart()

    def restart(self) -> None:
        """Begin anew after a gap."""
        self._n_seen = self._n_imaged = 0

    def add(self, eeg: Float, operator: Operator) -> None:
        """Image some of these samples.

        Parameters
        ----------
        eeg : ndarray, shape (n_times, n_electrodes)
            Volts, in the band.
        operator : Operator
        """
        chosen = eeg[-self._n_seen % self._every :: self._every]
        self._n_seen += len(eeg)
        n = len(self._squares)
        chosen = chosen[-n:]
        if len(chosen):
            rows = (self._n_imaged + np.arange(len(chosen))) % n
            self._squares[rows] = np.square(self._image(chosen, operator))
            self._n_imaged += len(chosen)

    def power(self) -> Float | None:
        """Return root mean square moments in nAm; None until they cover the time."""
        if self._n_imaged < len(self._squares):
            return None
        rms_nam: Float = np.sqrt(self._squares.mean(axis=0))
        return rms_nam


class Rhythm:
    """The power of the cortex in one band.

    Parameters
    ----------
    band_hz : (float, float)
    is_filtered : bool
        The EEG that comes holds this band alone already.
    names : sequence of str
        Electrodes of the montage.
    sfreq_hz : float
    looks : Squares or Window
        What images the band.

    Attributes
    ----------
    band_hz : (float, float)
    filters : Filters
        What is done to the EEG that comes.
    delay_s : float
        Group delay of that, in the middle of the band.
    """

    def __init__(
        self,
        band_hz: Band,
        names: Sequence[str],
        sfreq_hz: float,
        looks: Squares | Window,
        *,
        is_filtered: bool = False,
    ) -> None:
        self.band_hz = band_hz
        self.filters = Filters(None, None if is_filtered else band_hz, None)
        self._conditioner = Conditioner(self.filters, sfreq_hz)
        self.delay_s = self._conditioner.delay_s
        self._names, self._looks = tuple(names), looks
        self._most = round(KEPT_S * sfreq_hz)
        self._n_settling = 0 if is_filtered else round(SETTLING_S * sfreq_hz)
        self.restart()

    @property
    def seconds(self) -> float:
        """How far it looks back."""
        return self._looks.seconds

    def restart(self) -> None:
        """Begin anew after a gap."""
        self._waiting: deque[tuple[Float, Operator]] = deque()
        self._n_waiting = 0
        self._begin()

    def _begin(self) -> None:
        self._is_cut, self._n_unsettled = False, self._n_settling
        self._left_out: frozenset[str] = frozenset()
        self._conditioner.restart()
        self._looks.restart()

    def add(self, eeg: Float, operator: Operator) -> None:
        """Take samples, to be looked at later.

        Parameters
        ----------
        eeg : ndarray, shape (n_times, n_electrodes)
            Volts, conditioned.
        operator : Operator
            Of the electrodes that can be believed.
        """
        self._waiting.append((eeg, operator))
        self._n_waiting += len(eeg)
        while self._n_waiting - len(self._waiting[0][0]) >= self._most:
            self._n_waiting -= len(self._waiting.popleft()[0])
            self._is_cut = True

    def power(self) -> Float | None:
        """Return root mean square moments in nAm, shape (n_dipoles,), over the last second.

        None until there is a second of EEG.
        """
        self._look()
        return self._looks.power()

    def _look(self) -> None:
        """Filter and image what waits, together as long as the electrodes are the same."""
        if self._is_cut:
            self._begin()
        waiting, first = list(self._waiting), 0
        self._waiting.clear()
        self._n_waiting = 0
        for last, (_, operator) in enumerate(waiting):
            if last + 1 == len(waiting) or waiting[last + 1][1] is not operator:
                eeg = np.concatenate([samples for samples, _ in waiting[first : last + 1]])
                self._take(eeg, operator)
                first = last + 1

    def _take(self, eeg: Float, operator: Operator) -> None:
        left_out = frozenset(operator.left_out)
        if back := self._left_out - left_out:
            # The filter still rings with what they were left out for.
            numbers = np.array([self._names.index(name) for name in back])
            self._conditioner.reseed(numbers, eeg[0, numbers])
        self._left_out = left_out
        in_band = self._conditioner(eeg.astype(np.float64)).astype(np.float32)
        settled = in_band[self._n_unsettled :]
        self._n_unsettled -= len(in_band) - len(settled)
        if len(settled):
            self._looks.add(settled, operator)
