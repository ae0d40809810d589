"""The regions that are strongest at the moment shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from convdip.display.readings import N_REGIONS, strongest_regions
from convdip.display.theme import Theme
from convdip.display.wrap import fitting_points

# Of the names in the atlas.
LONGEST = "caudalanteriorcingulate-rh"


class RegionList(QWidget):
    """The five strongest regions, with a bar each.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    rows : list of (str, float)
        Name and mean in nAm over a second, of magnitudes or in a band, the strongest first.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setAccessibleName("strongest regions")
        self._theme = theme
        self._fit()
        self.rows: list[tuple[str, float]] = []
        self._limit_nam = 1.0
        self.title = ""
        self._is_grey = False

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self._fit()

    def _fit(self) -> None:
        """Ask for the room that title and rows need at the theme's text size."""
        font = QFont(self.font())
        font.setPointSizeF(self._theme.points)
        metrics = QFontMetrics(font)
        width = metrics.horizontalAdvance(f"5  {LONGEST}  00.00") + 20
        self.setMinimumSize(max(width, 230), round((N_REGIONS + 1.3) * metrics.height()) + 8)

    def show_means(
        self,
        names: tuple[str, ...],
        means_nam: NDArray[np.float32],
        limit_nam: float,
        band_hz: tuple[float, float] | None,
        *,
        is_grey: bool,
    ) -> None:
        """Show the strongest of all regions.

        Parameters
        ----------
        names : tuple of str
        means_nam : ndarray, shape (n_regions,)
        limit_nam : float
            Length of a full bar.
        band_hz : (float, float) or None
            Of the power that these are means of; None: of moments.
        is_grey : bool
            Dim the list: it is not of the present.
        """
        self._is_grey = is_grey
        self.rows = strongest_regions(names, means_nam)
        self._limit_nam = limit_nam
        what = "|moment|" if band_hz is None else f"{band_hz[0]:g}–{band_hz[1]:g} Hz"
        self.title = f"strongest regions, {what} over 1 s, nAm"
        self.setAccessibleName(self.title)
        self.setAccessibleDescription(", ".join(name for name, _ in self.rows))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        painter = QPainter(self)
        line = painter.fontMetrics().height()
        painter.setPen(QColor(self._theme.dim))
        points = fitting_points(painter.font(), self.title, self.width() - 12, self._theme.points)
        font = QFont(painter.font())
        painter.save()
        font.setPointSizeF(points)
        painter.setFont(font)
        painter.drawText(QPointF(6, line), self.title)
        painter.restore()
        step = min((self.height() - line - 8) / N_REGIONS, 1.9 * line)
        for number, (name, value) in enumerate(self.rows):
            top = line + 8 + number * step
            bar = QColor(self._theme.dim)
            bar.setAlpha(90)
            length = (self.width() - 12) * min(value / self._limit_nam, 1.0)
            painter.fillRect(QRectF(6, top, length, step - 3), bar)
            painter.setPen(QColor(self._theme.dim if self._is_grey else self._theme.text))
            text_y = top + (step - 3 + painter.fontMetrics().ascent()) / 2 - 1
            painter.drawText(QPointF(10, text_y), f"{number + 1}  {name}")
            shown = f"{value:.2f}"
            width = painter.fontMetrics().horizontalAdvance(shown)
            painter.drawText(QPointF(self.width() - width - 10, text_y), shown)
