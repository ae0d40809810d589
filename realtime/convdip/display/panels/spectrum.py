"""The spectrum of an electrode and of the pinned region, over the background."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent

from convdip.display.panels.plot import colour_axes, keep_still
from convdip.display.spectrum import Spectrum
from convdip.display.theme import Theme
from convdip.display.wrap import fitting_points

SHOWN_HZ = (1.0, 40.0)
LEAST_DB, MOST_DB = -6.0, 18.0


class SpectrumPlot(pg.PlotWidget):  # type: ignore[misc]
    """Spectra in dB over their own background (a power law), with the band marked.

    So electrodes and regions share one axis, and a rhythm is what rises above zero.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    curves : dict of ndarray, shape (2, n_frequencies)
        What is drawn, by name: Hz and dB.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMinimumSize(80, 110)
        keep_still(self)
        self._band = pg.LinearRegionItem(movable=False)
        self._band.setVisible(False)
        self._lines = [pg.PlotCurveItem(), pg.PlotCurveItem()]
        self._zero = pg.InfiniteLine(0.0, angle=0)
        for item in (self._band, self._zero, *self._lines):
            self.addItem(item)
        self.setXRange(*SHOWN_HZ, padding=0)
        self.setYRange(LEAST_DB, MOST_DB, padding=0)
        self._top_db = MOST_DB
        self.curves: dict[str, np.ndarray] = {}
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        colour_axes(self, theme)
        self._zero.setPen(pg.mkPen(theme.dim, style=Qt.PenStyle.DashLine))
        for line, colour in zip(self._lines, (theme.trace, theme.warn), strict=True):
            line.setPen(pg.mkPen(colour, width=1.5))
        self._band.setBrush(pg.mkBrush(*pg.mkColor(theme.dim).getRgb()[:3], 60))
        for edge in self._band.lines:
            edge.setPen(pg.mkPen(theme.dim))
        self._show_title()

    def show_band(self, band_hz: tuple[float, float] | None) -> None:
        """Mark the band that the cortex shows."""
        self._band.setVisible(band_hz is not None)
        if band_hz is not None:
            self._band.setRegion(band_hz)

    def show_spectra(self, spectra: Mapping[str, Spectrum | None]) -> None:
        """Show spectra by name: that of electrodes, then that of a region.

        Parameters
        ----------
        spectra : mapping of str to Spectrum or None
            Two at most, of one signal each; None: not enough EEG yet.
        """
        self.curves = {}
        for name, spectrum in spectra.items():
            if spectrum is not None and (spectrum.density[:, 0] > 0).any():
                is_shown = (spectrum.hz >= SHOWN_HZ[0]) & (spectrum.hz <= SHOWN_HZ[1])
                density = spectrum.density[is_shown, 0]
                background = spectrum.background().density[is_shown, 0]
                level_db = 10 * np.log10(np.maximum(density, 1e-30) / np.maximum(background, 1e-30))
                self.curves[name] = np.stack([spectrum.hz[is_shown], level_db])
        drawn = list(self.curves.values())
        for number, line in enumerate(self._lines):
            line.setData(*(drawn[number] if number < len(drawn) else ([], [])))
        highest = max((curve[1].max() for curve in drawn), default=0.0)
        top_db = max(MOST_DB, 6.0 * np.ceil(highest / 6.0))
        if top_db > self._top_db or top_db < self._top_db - 6.0:
            self._top_db = top_db
            self.setYRange(LEAST_DB, top_db, padding=0)
        self._show_title()

    def _show_title(self) -> None:
        colours = (self._theme.trace, self._theme.warn)
        names = ", ".join(
            f"<span style='color: {colour}'>{name}</span>"
            for name, colour in zip(self.curves, colours, strict=False)
        )
        self.setAccessibleName(f"spectrum of {', '.join(self.curves) or 'nothing yet'}")
        lines = [names, "dB over 1/f"] if names else ["spectrum"]
        room = self.width() - self.getAxis("left").width() - 8
        plain = [", ".join(self.curves), *lines[1:]]
        points = min(fitting_points(self.font(), line, room, self._theme.points) for line in plain)
        self.setTitle("<br>".join(lines), color=self._theme.dim, size=f"{points:.1f}pt")

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802, D102
        super().resizeEvent(event)
        if hasattr(self, "curves"):  # Qt resizes a view before it is made
            self._show_title()
