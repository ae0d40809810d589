"""The EEG that the sources are computed from."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont

from convdip.display.panels.plot import Float, TimePlot, set_curves
from convdip.display.panels.scale import EegScale
from convdip.display.theme import Theme
from convdip.head import Head

SPAN_S = 4.0
# At most so many points a second and channel are drawn.
DRAWN_HZ = 125.0


def _spacing_uv(eeg_uv: Float) -> float:
    """Return a distance between traces at which they rarely overlap."""
    deviations = np.abs(eeg_uv - np.nanmedian(eeg_uv, axis=0))
    return 1.5 * float(np.nanpercentile(deviations, 95))


class EegStrip(TimePlot):
    """Average-referenced EEG, one trace an electrode, from front to back.

    Interpolated electrodes are dotted and marked with a cross.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        self._measured = pg.PlotCurveItem(skipFiniteCheck=True)
        self._interpolated = pg.PlotCurveItem(skipFiniteCheck=True)
        self._scale = EegScale(50.0, _spacing_uv)
        self._is_interpolated: NDArray[np.bool_] = np.zeros(0, bool)
        self._sfreq_hz = DRAWN_HZ
        self._channels: tuple[str, ...] = ()
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)
        super().__init__(theme, SPAN_S)
        self.addItem(self._measured)
        self.addItem(self._interpolated)
        self.setLabel("bottom", "time before the map shown (s)")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        self._measured.setPen(pg.mkPen(theme.trace, width=1))
        self._interpolated.setPen(pg.mkPen(theme.warn, width=1, style=Qt.PenStyle.DotLine))
        font = QFont(self.font())  # 31 names, one below the other
        font.setPointSizeF(max(theme.points * 0.7, 5.0))
        self.getAxis("left").setStyle(tickFont=font)

    def show_interpolated(self, interpolated: Collection[str]) -> None:
        """Mark the electrodes that are interpolated."""
        is_interpolated = np.isin(self._channels, list(interpolated))
        if np.array_equal(is_interpolated, self._is_interpolated):
            return
        self._is_interpolated = is_interpolated
        marks = np.where(is_interpolated, "✕ ", "")
        names = [f"{marks[i]}{self._channels[i]}" for i in self._order]
        places = range(len(names) - 1, -1, -1)
        self.getAxis("left").setTicks([list(zip(places, names, strict=True))])

    def show_head(self, head: Head, sfreq_hz: float) -> None:
        """Show the electrodes of another head, at the EEG's sampling rate."""
        n = head.n_electrodes
        self._sfreq_hz, self._channels = sfreq_hz, head.channels
        self._order = np.argsort(-head.electrodes_m[:, 1], kind="stable")
        self._is_interpolated = np.zeros(0, bool)
        self.show_interpolated(())
        self.getAxis("left").setStyle(tickLength=0)
        self.setYRange(-1, n, padding=0)
        self._scale.restart()

    def show_eeg(
        self, eeg_uv: Float, stamps: NDArray[np.float64], end_s: float, *, is_grey: bool
    ) -> None:
        """Show the EEG up to a time.

        Parameters
        ----------
        eeg_uv : ndarray, shape (n_times, n_electrodes)
        stamps : ndarray, shape (n_times,)
        end_s : float
        is_grey : bool
            Dim the traces: they are not the present EEG.
        """
        self._measured.setPen(pg.mkPen(self.theme.dim if is_grey else self.theme.trace, width=1))
        if len(stamps) < 2:
            self._measured.setData([], [])
            self._interpolated.setData([], [])
            return
        if self._scale.update(eeg_uv, end_s):
            self.show_title(f"EEG, {self._scale.limit_uv:g} µV between traces")
        # Every n-th sample by its absolute number, so that the traces do not crawl.
        step = max(1, round(self._sfreq_hz / DRAWN_HZ))
        first = round(float(stamps[0]) * self._sfreq_hz) % step
        x = (stamps[first::step] - end_s).astype(np.float32)
        n = len(self._order)
        y = eeg_uv[first::step][:, self._order].T / self._scale.limit_uv
        known = np.where(np.isfinite(y), y, 0.0)
        y = y - known.mean(axis=1, keepdims=True) + np.arange(n - 1, -1, -1)[:, None]
        is_interpolated = self._is_interpolated[self._order]
        set_curves(self._measured, x, y[~is_interpolated])
        set_curves(self._interpolated, x, y[is_interpolated])
