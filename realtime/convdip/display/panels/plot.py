"""What the panels with a time axis share."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QResizeEvent

from convdip.display.theme import Theme
from convdip.display.wrap import fitting_points

# A longer step between two stamps is a gap in the data: no line is drawn over it.
GAP_S = 0.1
Float = NDArray[np.float32]


class TimePlot(pg.PlotWidget):  # type: ignore[misc]
    """A plot of the seconds before the moment shown, without mouse interaction.

    Parameters
    ----------
    theme : Theme
    span_s : float
        Length of the time axis.
    """

    def __init__(self, theme: Theme, span_s: float) -> None:
        super().__init__()
        self._title = ""
        keep_still(self)
        self.setXRange(-span_s, 0, padding=0)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        colour_axes(self, theme)
        self._fit_texts()

    def show_title(self, text: str) -> None:
        """Set the title."""
        self._title = text
        self.setAccessibleName(text)
        self._fit_texts()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802, D102
        super().resizeEvent(event)
        if hasattr(self, "theme"):  # Qt resizes a view before it is made
            self._fit_texts()

    def _fit_texts(self) -> None:
        """Show title and label of the time axis as large as the width allows: whole."""
        room, theme = self.width() - self.getAxis("left").width() - 8, self.theme
        if self._title:
            lines = [self._title]
            points = fitting_points(self.font(), self._title, room, theme.points)
            if points < 0.8 * theme.points:
                lines = halves(self._title)
                points = min(fitting_points(self.font(), x, room, theme.points) for x in lines)
            self.setTitle("<br>".join(lines), color=theme.dim, size=f"{points:.1f}pt")
        axis = self.getAxis("bottom")
        font = QFont(self.font())
        font.setPointSizeF(fitting_points(font, axis.labelText, room, theme.points * 0.85))
        axis.label.setFont(font)


def keep_still(plot: pg.PlotWidget) -> None:
    """Let a plot take neither keys nor the mouse."""
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(False, False)
    plot.hideButtons()


def colour_axes(plot: pg.PlotWidget, theme: Theme) -> None:
    """Give a plot's ground and axes the colours and the text size of a theme."""
    plot.setBackground(theme.background)
    font = QFont(plot.font())
    font.setPointSizeF(theme.points * 0.85)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setStyle(tickFont=font)
        axis.label.setFont(font)
        axis.setPen(theme.dim)
        axis.setTextPen(theme.dim)


def halves(text: str) -> list[str]:
    """Return a text in two lines, parted at the space that is nearest its middle."""
    spaces = [place for place, character in enumerate(text) if character == " "]
    if not spaces:
        return [text]
    middle = min(spaces, key=lambda place: abs(place - len(text) / 2))
    return [text[:middle], text[middle + 1 :]]


def set_curves(item: pg.PlotCurveItem, x: Float, y: Float, gap_s: float = GAP_S) -> None:
    """Draw several curves as one item, which is much faster than one each.

    Parameters
    ----------
    item : PlotCurveItem
    x : ndarray, shape (n_times,)
        Seconds.
    y : ndarray, shape (n_curves, n_times)
        No line is drawn to or from NaN.
    gap_s : float
        Nor over a longer step.
    """
    connected = np.isfinite(y)
    connected[:, :-1] &= connected[:, 1:]
    connected[:, -1:] = False
    connected &= ~(np.diff(x, append=x[-1:]) > gap_s)
    finite = np.nan_to_num(y)
    item.setData(np.tile(x, len(y)), finite.ravel(), connect=connected.astype(np.int32).ravel())
