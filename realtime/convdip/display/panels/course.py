"""The time course of the pinned region."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from convdip.display.history import extreme
from convdip.display.limits import round_up
from convdip.display.panels.plot import Float, TimePlot, set_curves
from convdip.display.theme import Theme

SPAN_S = 10.0
# Points over the width of the plot.
N_DRAWN = 1500


class RegionCourse(TimePlot):
    """Mean absolute, or mean signed, moment of one region over the last 10 s.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    region : str or None
        Name of the region; None while none is pinned.
    is_signed : bool
        What is shown has signs.
    """

    def __init__(self, theme: Theme) -> None:
        self._curve = pg.PlotCurveItem(skipFiniteCheck=True)
        self.region: str | None = None
        self.is_signed = False
        super().__init__(theme, SPAN_S)
        self.addItem(self._curve)
        self.show_region(None)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        self._curve.setPen(pg.mkPen(theme.warn, width=1))
        self._show_title()

    def show_region(self, name: str | None, *, is_signed: bool = False) -> None:
        """Show another region or none, with or without signs."""
        self.region, self.is_signed = name, is_signed
        self._show_title()
        self._curve.setData([], [])
        self._limit = 0.0

    def _show_title(self) -> None:
        if self.region:
            what = "mean moment" if self.is_signed else "mean |moment|"
            self.show_title(f"{self.region}: {what}, nAm")
        else:
            self.show_title("click a region to plot its time course")

    def show_course(self, means_nam: Float, stamps: NDArray[np.float64], end_s: float) -> None:
        """Show the time course up to a time.

        Parameters
        ----------
        means_nam : ndarray, shape (n_times,)
        stamps : ndarray, shape (n_times,)
        end_s : float
        """
        if len(stamps):
            # The largest of neighbours, so that no peak falls between two points.
            starts = np.arange(0, len(stamps), max(1, len(stamps) // N_DRAWN))
            drawn = extreme(*(f.reduceat(means_nam, starts) for f in (np.maximum, np.minimum)))
            x = (stamps[starts] - end_s).astype(np.float32)
            set_curves(self._curve, x, drawn[None].astype(np.float32))
        largest = float(np.abs(np.nan_to_num(means_nam)).max(initial=0.0))
        top = round_up(largest) if largest > 0 else 1.0
        if top != self._limit:
            self._limit = top
            self.setYRange(-top if self.is_signed else 0, top, padding=0.05)
