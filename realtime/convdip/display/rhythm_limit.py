"""The scale of a band's power: a resting brain is never blank, and never made to look alive."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.display.limits import PERIOD_S, ROLLING_S, ScaleMode
from convdip.display.rhythm_history import RhythmHistory
from convdip.display.spectrum import Spectrum, over_background

# In dB over the background, which is what the strongest place would show without a rhythm: so that
# is seen (at a third of the scale) and does not glow, and closed eyes (5 to 10 dB) do.
LEAST_DB, MOST_DB = -6.0, 12.0
# What the background is taken from, and how quickly it is followed: each second this share, upwards
# and downwards. One that is too high hides what is there.
LATELY_S, UP, DOWN = 4.0, 0.3, 0.6
# Without EEG there is no background: what is usual lies so far over it.
USUAL_DB = 6.0
BASELINE_S = 10.0
# Share of the baseline that must have arrived.
ENOUGH = 0.8
CHANGE_DB = 10.0
# Of the baseline's maximum, added to both sides of a ratio: where there is no power, none changes.
LEAST_SHARE = 0.2
TINY_NAM = 1e-12

Float = NDArray[np.float32]


class RhythmLimit:
    """The end of the scale of a band's power.

    - ``rolling``: dB over the background. The EEG's spectrum is a power law with peaks; how far
      the band rises from that law says what the map's maximum would be without a rhythm. It is
      followed with a time constant of some seconds;
    - ``fixed``: root mean square moments, set by the user;
    - ``baseline``: dB, each dipole against its own power over a baseline of 10 s, with signs.

    Attributes
    ----------
    mode : 'rolling', 'fixed' or 'baseline'
    is_locked : bool
        The background is no longer followed.
    limit_nam : float
        Of the scale in moments.
    over_background : float
        How many times the background's power the EEG has in the band; NaN where it is not known.
    baseline_end_s : float or None
        Time stamp at which the baseline being recorded ends.
    """

    def __init__(self, mode: ScaleMode = "rolling", limit_nam: float = 5.0) -> None:
        self.mode, self.limit_nam = mode, limit_nam
        self.is_locked = False
        self.restart()

    def restart(self) -> None:
        """Forget the baseline and the background: another band, or another stream."""
        self.over_background = np.nan
        self.baseline_end_s: float | None = None
        self._baseline: Float | None = None
        self._background_nam: float | None = None
        self._due_s = -np.inf

    @property
    def is_signed(self) -> bool:
        """Whether the scale's middle is no change."""
        return self.mode == "baseline" and self._baseline is not None

    @property
    def baseline_nam(self) -> Float | None:
        """Root mean square moments in the baseline; None where changes are not shown."""
        return self._baseline if self.is_signed else None

    @property
    def _is_over_background(self) -> bool:
        return self.mode != "fixed" and not self.is_signed and self._background_nam is not None

    @property
    def least(self) -> float:
        """Beginning of the scale; of one with signs, its middle."""
        return LEAST_DB if self._is_over_background else 0.0

    @property
    def limit(self) -> float:
        """End of the scale."""
        if self.is_signed:
            return CHANGE_DB
        return MOST_DB if self._is_over_background else self.limit_nam

    @property
    def unit(self) -> str:
        """Unit of the scale: ``dB`` or ``nAm``."""
        return "dB" if self.is_signed or self._is_over_background else "nAm"

    def is_due(self, now_s: float) -> bool:
        """Whether the scale is to be looked at again, at the stamp of the newest map."""
        return now_s >= self._due_s or now_s < self._due_s - 2 * PERIOD_S

    def update(
        self, history: RhythmHistory, spectrum: Spectrum | None, band_hz: tuple[float, float]
    ) -> None:
        """Follow the background, and take the baseline; where `is_due`.

        Parameters
        ----------
        history : RhythmHistory
        spectrum : Spectrum or None
            Of the EEG of the last seconds; None where there is none to be had.
        band_hz : (float, float)
        """
        now_s = history.newest_s
        self._due_s = now_s + PERIOD_S
        if not history.peaks_nam(LATELY_S).size:
            return
        background_nam = self._background_of(history, spectrum, band_hz)
        before_nam = self._background_nam
        if before_nam is None:
            self._background_nam = background_nam
        elif not self.is_locked:
            share = UP if background_nam > before_nam else DOWN
            self._background_nam = before_nam * (background_nam / before_nam) ** share
        self._update_baseline(history, now_s)

    def _background_of(
        self, history: RhythmHistory, spectrum: Spectrum | None, band_hz: tuple[float, float]
    ) -> float:
        """Return what the maximum of a map would be without a rhythm."""
        if spectrum is None:
            self.over_background = float("nan")
            usual_nam = float(np.median(history.peaks_nam(ROLLING_S)))
            return max(usual_nam * 10 ** (-USUAL_DB / 20), TINY_NAM)
        self.over_background = over_background(spectrum, band_hz)
        lately_nam = float(np.median(history.peaks_nam(LATELY_S)))
        return float(max(lately_nam / max(self.over_background, 1e-6) ** 0.5, TINY_NAM))

    def _update_baseline(self, history: RhythmHistory, now_s: float) -> None:
        if self.baseline_end_s is not None and now_s < self.baseline_end_s - BASELINE_S - PERIOD_S:
            self.take_baseline(now_s)  # the time stamps jumped back
        if self.mode == "baseline" and self.baseline_end_s is None and self._baseline is None:
            self.take_baseline(now_s)
        if self.baseline_end_s is not None and now_s >= self.baseline_end_s:
            maps, stamps = history.between(now_s - BASELINE_S, now_s)
            if len(stamps) < 2 or stamps[-1] - stamps[0] < ENOUGH * BASELINE_S:
                self.take_baseline(now_s)
                return
            self._baseline = np.sqrt(np.mean(np.square(maps), axis=0))
            self.baseline_end_s = None

    def take_baseline(self, now_s: float) -> None:
        """Start a baseline that ends 10 s after an LSL time."""
        if np.isfinite(now_s):
            self.baseline_end_s = now_s + BASELINE_S

    def values(self, rms_nam: Float) -> Float:
        """Return a map in the unit of the scale."""
        if self.is_signed:
            assert self._baseline is not None
            least = LEAST_SHARE * float(self._baseline.max()) + TINY_NAM
            change: Float = 20 * np.log10((rms_nam + least) / (self._baseline + least))
            return change
        if self._is_over_background:
            assert self._background_nam is not None
            over: Float = 20 * np.log10(np.maximum(rms_nam, TINY_NAM) / self._background_nam)
            return over.astype(np.float32)
        return rms_nam

    def strength(self, rms_nam: Float) -> Float:
        """Return a map as shares of the scale: 0 to 1 within it, −1 to 1 with signs."""
        values = self.values(rms_nam)
        if self.is_signed:
            return values / np.float32(self.limit)
        shares: Float = (values - np.float32(self.least)) / np.float32(self.limit - self.least)
        return shares.clip(min=0)
