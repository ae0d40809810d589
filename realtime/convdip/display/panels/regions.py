"""The regions that are strongest at the moment shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from convdip.display.theme import Theme

N_REGIONS = 5


class RegionList(QWidget):
    """The five strongest regions, with a bar each.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    rows : list of (str, float)
        Name and mean absolute moment in nAm, the strongest first.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMinimumSize(230, 110)
        self._theme = theme
        self.rows: list[tuple[str, float]] = []
        self._limit_nam = 1.0
        self._is_grey = False

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme

    def show_means(
        self,
        names: tuple[str, ...],
        means_nam: NDArray[np.float32],
        limit_nam: float,
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
        is_grey : bool
            Dim the list: it is not of the present.
        """
        self._is_grey = is_grey
        order = np.argsort(means_nam)[::-1][:N_REGIONS]
        self.rows = [(names[i], float(means_nam[i])) for i in order if means_nam[i] > 0]
        self._limit_nam = limit_nam
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        painter = QPainter(self)
        line = painter.fontMetrics().height()
        painter.setPen(QColor(self._theme.dim))
        painter.drawText(QPointF(6, line), "strongest regions (mean |moment|, nAm)")
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
