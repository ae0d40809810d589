"""What the panels with a time axis share."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtGui import QFont

from convdip.display.theme import Theme

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
        self.setMenuEnabled(False)
        self.setMouseEnabled(False, False)
        self.hideButtons()
        self.setXRange(-span_s, 0, padding=0)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.theme = theme
        self.setBackground(theme.background)
        font = QFont(self.font())
        font.setPointSizeF(theme.points * 0.85)
        for side in ("left", "bottom"):
            axis = self.getAxis(side)
            axis.setStyle(tickFont=font)
            axis.label.setFont(font)
            axis.setPen(theme.dim)
            axis.setTextPen(theme.dim)

    def show_title(self, text: str) -> None:
        """Set the title."""
        self.setTitle(text, color=self.theme.dim, size=f"{self.theme.points:.1f}pt")


def set_curves(item: pg.PlotCurveItem, x: Float, y: Float) -> None:
    """Draw several curves as one item, which is much faster than one each.

    Parameters
    ----------
    item : PlotCurveItem
    x : ndarray, shape (n_times,)
        Seconds.
    y : ndarray, shape (n_curves, n_times)
        No line is drawn to or from NaN.
    """
    connected = np.isfinite(y)
    connected[:, :-1] &= connected[:, 1:]
    connected[:, -1:] = False
    connected &= ~(np.diff(x, append=x[-1:]) > GAP_S)
    finite = np.nan_to_num(y)
    item.setData(np.tile(x, len(y)), finite.ravel(), connect=connected.astype(np.int32).ravel())
