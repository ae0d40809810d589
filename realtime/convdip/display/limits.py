"""The end of the colour scale: never set by the single frame shown."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convdip.display.history import FRAME_HZ, SourceHistory

ScaleMode = Literal["rolling", "fixed", "baseline"]
SCALES: tuple[ScaleMode, ...] = ("rolling", "fixed", "baseline")

# Round ends of scale, per decade.
STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
ENDS_NAM = tuple(step * 10.0**decade for decade in range(-4, 6) for step in STEPS)
PERCENTILE = 95.0
ROLLING_S = 20.0
PERIOD_S = 1.0
# Hysteresis: the scale shrinks only if the peaks stay below this share of the smaller end.
MARGIN = 0.85
BASELINE_S = 10.0
# Share of the baseline's maps that must have arrived.
ENOUGH = 0.8
Z_LIMIT = 10.0


def round_up(value: float) -> float:
    """Return the smallest round end of scale that is not below a value."""
    return next((end for end in ENDS_NAM if end >= value), ENDS_NAM[-1])


def step(limit: float, by: int) -> float:
    """Return the next larger (1) or smaller (-1) end of scale."""
    return ENDS_NAM[min(max(ENDS_NAM.index(limit) + by, 0), len(ENDS_NAM) - 1)]


class ColourLimit:
    """The end of the colour scale.

    - ``rolling``: a round number above the 95th percentile of the maps' maxima over the last
      20 s, updated once a second, with hysteresis before it shrinks;
    - ``fixed``: set by the user;
    - ``baseline``: z-scores, each dipole against its own mean over a baseline of 10 s.

    Attributes
    ----------
    mode : 'rolling', 'fixed' or 'baseline'
    is_locked : bool
        Only the user changes the scale.
    limit_nam : float
    baseline_end_s : float or None
        Time stamp at which the baseline being recorded ends.
    """

    def __init__(self, mode: ScaleMode = "rolling", limit_nam: float = 5.0) -> None:
        self.mode = mode
        self.is_locked = False
        self.limit_nam = limit_nam
        self.baseline_end_s: float | None = None
        self._mean: NDArray[np.float32] | None = None
        self._sd: NDArray[np.float32] | None = None
        self._due_s = -np.inf

    @property
    def limit(self) -> float:
        """End of the scale: nAm, or standard deviations once there is a baseline."""
        return Z_LIMIT if self.mode == "baseline" and self._mean is not None else self.limit_nam

    @property
    def unit(self) -> str:
        """Unit of the scale: ``nAm`` or ``z``."""
        return "z" if self.mode == "baseline" and self._mean is not None else "nAm"

    @property
    def baseline_nam(self) -> NDArray[np.float32] | None:
        """Mean magnitude of each dipole in the baseline; None where z-scores are not shown."""
        return self._mean if self.unit == "z" else None

    def update(self, history: SourceHistory) -> None:
        """Update the scale from the history; call it once per frame."""
        now_s = history.newest_s
        if now_s < self._due_s - PERIOD_S:  # the time stamps jumped back
            self._due_s = -np.inf
        if self.baseline_end_s is not None and now_s < self.baseline_end_s - BASELINE_S - PERIOD_S:
            self.take_baseline(now_s)
        if self.mode == "rolling" and not self.is_locked and now_s >= self._due_s:
            self._due_s = now_s + PERIOD_S
            peaks = history.peaks_nam(ROLLING_S)
            peaks = peaks[np.isfinite(peaks)]
            if peaks.size and peaks.max() > 0:
                wanted = float(np.percentile(peaks, PERCENTILE))
                fitting = round_up(wanted)
                if fitting > self.limit_nam or round_up(wanted / MARGIN) < self.limit_nam:
                    self.limit_nam = fitting
        if self.mode == "baseline" and self.baseline_end_s is None and self._mean is None:
            self.take_baseline(now_s)
        if self.baseline_end_s is not None and now_s >= self.baseline_end_s:
            maps = history.maps(BASELINE_S)
            maps = maps[np.isfinite(maps).all(axis=1)]
            if len(maps) < ENOUGH * BASELINE_S * FRAME_HZ:  # interrupted by a pause or a loss
                self.take_baseline(now_s)
                return
            self._mean = maps.mean(axis=0)
            # A silent dipole has no spread of its own: the mean over the cortex is the least.
            sd = maps.std(axis=0)
            self._sd = np.maximum(sd, max(float(sd.mean()), 1e-6))
            self.baseline_end_s = None

    def take_baseline(self, now_s: float) -> None:
        """Start a baseline that ends 10 s after an LSL time."""
        if np.isfinite(now_s):
            self.baseline_end_s = now_s + BASELINE_S

    def restart(self) -> None:
        """Forget the baseline: the time stamps begin anew."""
        self._due_s = -np.inf
        self._mean = self._sd = self.baseline_end_s = None

    def strength(
        self, moments_nam: NDArray[np.float32], *, is_signed: bool = False
    ) -> NDArray[np.float32]:
        """Return a map as shares of the scale.

        Parameters
        ----------
        moments_nam : ndarray, shape (n_dipoles,)
        is_signed : bool
            Keep the signs.

        Returns
        -------
        strength : ndarray, shape (n_dipoles,)
            0 to 1 within the scale; −1 to 1 with signs.
        """
        values = np.abs(moments_nam)
        if self.unit == "z" and self._mean is not None and self._sd is not None:
            values = np.maximum((values - self._mean) / self._sd, 0)
        strength: NDArray[np.float32] = (values / self.limit).astype(np.float32)
        return np.copysign(strength, moments_nam) if is_signed else strength
