"""A course over the last seconds: of the pinned region, or of the feedback."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt

from convdip.display.history import thinned
from convdip.display.limits import round_up
from convdip.display.panels.plot import Float, TimePlot, set_curves
from convdip.display.theme import Theme

SPAN_S = 10.0
# Points over the width of the plot.
N_DRAWN = 1500
# Between maps of a band there is more time than between samples.
BAND_GAP_S = 0.6
# Feedback that is usual.
USUAL = 0.5


class Course(TimePlot):
    """The course of a value, with what is usual, and the threshold of feedback.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    region : str or None
        Name of the region that is shown; None: the feedback is, if there is any.
    """

    def __init__(self, theme: Theme) -> None:
        self._curve = pg.PlotCurveItem(skipFiniteCheck=True)
        self._usual = pg.InfiniteLine(angle=0)
        self._threshold = pg.PlotCurveItem(skipFiniteCheck=True)
        self.region: str | None = None
        self._range = (0.0, 0.0)
        super().__init__(theme, SPAN_S)
        self.setAccessibleName("time course")
        for item in (self._usual, self._threshold, self._curve):
            self.addItem(item)
        self._usual.setVisible(False)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        self._curve.setPen(pg.mkPen(theme.warn, width=1))
        self._usual.setPen(pg.mkPen(theme.dim, style=Qt.PenStyle.DashLine))
        self._threshold.setPen(pg.mkPen(theme.good, width=1.5))

    def show_region(
        self,
        name: str,
        means_nam: Float,
        stamps: NDArray[np.float64],
        end_s: float,
        *,
        band_hz: tuple[float, float] | None,
        is_signed: bool,
        baseline_nam: float | None,
    ) -> None:
        """Show the course of a region up to a time.

        Parameters
        ----------
        name : str
        means_nam : ndarray, shape (n_times,)
        stamps : ndarray, shape (n_times,)
        end_s : float
        band_hz : (float, float) or None
            They are of its power; None: of moments.
        is_signed : bool
            Of moments with signs.
        baseline_nam : float or None
            Its mean in the baseline, where there is one.
        """
        self.region = name
        self._draw(means_nam, stamps, end_s, gap_s=None if band_hz is None else BAND_GAP_S)
        self._threshold.setData([], [])
        self._usual.setVisible(baseline_nam is not None)
        if band_hz is None:
            title = f"{name}: {'mean moment' if is_signed else 'mean |moment|'}, nAm"
        else:
            title = f"{name}: {band_hz[0]:g}–{band_hz[1]:g} Hz, nAm"
        largest = float(np.abs(np.nan_to_num(means_nam)).max(initial=0.0))
        if baseline_nam is not None:
            self._usual.setValue(baseline_nam)
            largest = max(largest, baseline_nam)
            if len(means_nam) and means_nam[-1] > 0 and baseline_nam > 0:
                change_db = 20 * np.log10(means_nam[-1] / baseline_nam)
                title += f", {change_db:+.0f} dB".replace("-", "−")
        self._show_title(title)
        top = round_up(largest) if largest > 0 else 1.0
        self._show_range(-top if is_signed else 0.0, top)

    def show_feedback(
        self, rows: Float, stamps: NDArray[np.float64], end_s: float, feature: str, z: Float
    ) -> None:
        """Show the course of the feedback up to a time; a word where there is none.

        Parameters
        ----------
        rows : ndarray, shape (n_times, 2)
            Value and threshold.
        stamps : ndarray, shape (n_times,)
        end_s : float
        feature : str
            What is fed back; empty for nothing.
        z : ndarray, shape (n,)
            How far it was lately from the baseline.
        """
        self.region = None
        self._usual.setVisible(bool(feature))
        if not feature:
            self._curve.setData([], [])
            self._threshold.setData([], [])
            self._show_title("click a region to plot its time course")
            return
        self._draw(rows[:, 0], stamps, end_s)
        x = (stamps - end_s).astype(np.float32)
        set_curves(self._threshold, x, rows[None, :, 1])
        self._usual.setValue(USUAL)
        known = z[np.isfinite(z)]
        now = f"z {known[-1]:+.1f}".replace("-", "−") if len(known) else "z –"
        if not len(rows) or np.isnan(rows[-1, 0]):
            now = "suspended"
        self._show_title(f"feedback of {feature}, {now}")
        self._show_range(0.0, 1.0)

    def _draw(
        self,
        values: Float,
        stamps: NDArray[np.float64],
        end_s: float,
        *,
        gap_s: float | None = None,
    ) -> None:
        if not len(stamps):
            self._curve.setData([], [])
            return
        drawn, at = thinned(values, stamps, N_DRAWN)
        x = (at - end_s).astype(np.float32)
        y = drawn[None].astype(np.float32)
        if gap_s is None:
            set_curves(self._curve, x, y)
        else:
            set_curves(self._curve, x, y, gap_s)

    def _show_title(self, text: str) -> None:
        if text != self.accessibleName():
            self.show_title(text)

    def _show_range(self, low: float, high: float) -> None:
        if (low, high) != self._range:
            self._range = (low, high)
            self.setYRange(low, high, padding=0.05)
