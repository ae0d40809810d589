"""The evidence beside the cortex: scalp map, EEG, strongest regions, course of a region."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from convdip.display.colours import N_LEVELS, colour_table, grey
from convdip.display.limits import round_up
from convdip.display.scalp import ScalpMap
from convdip.display.theme import Theme
from convdip.head import Head

STRIP_S = 4.0
COURSE_S = 10.0
# The strip is drawn with at most so many points a channel and second.
STRIP_HZ = 125.0
# The scales of EEG follow the data slowly: looked at so often.
SCALE_PERIOD_S = 2.0
N_REGIONS = 5
GAP_S = 0.1
Float = NDArray[np.float32]


class ScalpWidget(QWidget):
    """The EEG from above, with its electrodes; those that are not measured are crossed out.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMinimumSize(150, 150)
        self._theme = theme
        self.note = ""
        self._is_grey = False
        self._table = colour_table("blue-red")
        self._map: ScalpMap | None = None
        self._names: tuple[str, ...] = ()
        self._bad: tuple[str, ...] = ()
        self._eeg: Float | None = None
        self._limit_uv = 10.0
        self._due_s = -np.inf

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme

    def show_head(self, head: Head, bad: tuple[str, ...]) -> None:
        """Show another cap."""
        self._map, self._names, self._bad = ScalpMap(head.electrodes_m), head.channels, bad
        self._eeg, self._due_s = None, -np.inf

    def show_eeg(
        self, eeg: Float | None, recent: Float, now_s: float, note: str, *, is_grey: bool
    ) -> None:
        """Show potentials.

        Parameters
        ----------
        eeg : ndarray, shape (n_electrodes,), or None
            Microvolts.
        recent : ndarray, shape (n_times, n_electrodes)
            What the scale is made of.
        now_s : float
        note : str
            Why there is no EEG.
        is_grey : bool
            Without colours: what is shown is not true now.
        """
        self._eeg, self.note, self._is_grey = eeg, note, is_grey
        if len(recent) and not -2 * SCALE_PERIOD_S < now_s - self._due_s < 0:
            self._due_s = now_s + SCALE_PERIOD_S
            level_uv = float(np.nanpercentile(np.abs(recent), 98)) if _is_some(recent) else 0.0
            self._limit_uv = round_up(level_uv) if level_uv > 0 else self._limit_uv
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        painter = QPainter(self)
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        painter.setPen(QColor(self._theme.dim))
        line = painter.fontMetrics().height()
        painter.drawText(QPointF(6, line), "scalp, µV")
        is_finite = self._eeg is not None and bool(np.isfinite(self._eeg).all())
        if self._map is None or self._eeg is None or not is_finite:
            note = "the EEG holds what is no number" if self._eeg is not None else self.note
            painter.drawText(
                self.rect().adjusted(10, 0, -10, 0),
                Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                note or "no EEG yet",
            )
            return
        size = min(self.width() - 60, self.height() - 24)
        box = QRectF((self.width() - size) / 2, (self.height() - size) / 2 + 6, size, size)
        self._paint_map(painter, box)
        self._paint_electrodes(painter, box)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(QPointF(6, self.height() - 6), f"±{self._limit_uv:g} µV")
        if self._bad:
            text = f"✕ not measured: {len(self._bad)}"
            width = painter.fontMetrics().horizontalAdvance(text)
            painter.drawText(QPointF(self.width() - width - 6, self.height() - 6), text)

    def _paint_map(self, painter: QPainter, box: QRectF) -> None:
        assert self._map is not None
        assert self._eeg is not None
        values = self._map.values(self._eeg) / self._limit_uv
        levels = np.clip((np.nan_to_num(values) + 1) / 2, 0, 1) * (N_LEVELS - 1)
        table = ((grey(self._table) if self._is_grey else self._table) * 255).astype(np.uint8)
        pixels = table[levels.astype(np.intp)]
        n = len(pixels)
        image = QImage(pixels.data, n, n, 3 * n, QImage.Format.Format_RGB888)
        head = QPainterPath()
        head.addEllipse(box)
        painter.save()
        painter.setClipPath(head)
        painter.drawImage(box, image)
        painter.restore()
        painter.setPen(QPen(QColor(self._theme.dim), 1.5))
        painter.drawEllipse(box)
        top, middle = box.top(), box.center().x()
        painter.drawPolyline(
            [QPointF(middle - 8, top + 1), QPointF(middle, top - 9), QPointF(middle + 8, top + 1)]
        )

    def _paint_electrodes(self, painter: QPainter, box: QRectF) -> None:
        assert self._map is not None
        for name, (x, y) in zip(self._names, self._map.places.tolist(), strict=True):
            at = QPointF(box.left() + x * box.width(), box.top() + y * box.height())
            if name in self._bad:
                painter.setPen(QPen(QColor("black"), 2.0))
                for dx, dy in ((4, 4), (4, -4)):
                    painter.drawLine(at - QPointF(dx, dy), at + QPointF(dx, dy))
                painter.drawText(at + QPointF(5, -3), name)
            else:
                painter.setPen(QPen(QColor("black"), 1.0))
                painter.setBrush(QColor("white"))
                painter.drawEllipse(at, 1.8, 1.8)
                painter.setBrush(Qt.BrushStyle.NoBrush)


class RegionList(QWidget):
    """The strongest regions now.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMinimumSize(230, 110)
        self._theme = theme
        self.rows: list[tuple[str, float]] = []
        self._limit = 1.0
        self._is_grey = False

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme

    def show_means(
        self, names: tuple[str, ...], means_nam: Float, limit_nam: float, *, is_grey: bool
    ) -> None:
        """Show those of all regions that are strongest; dim where that is not true now."""
        self._is_grey = is_grey
        order = np.argsort(means_nam)[::-1][:N_REGIONS]
        self.rows = [(names[i], float(means_nam[i])) for i in order if means_nam[i] > 0]
        self._limit = limit_nam
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        painter = QPainter(self)
        line = painter.fontMetrics().height()
        painter.setPen(QColor(self._theme.dim))
        painter.drawText(QPointF(6, line), "strongest regions (mean over the region, nAm)")
        step = min((self.height() - line - 8) / N_REGIONS, 1.9 * line)
        for number, (name, value) in enumerate(self.rows):
            top = line + 8 + number * step
            bar = QColor(self._theme.dim)
            bar.setAlpha(90)
            length = (self.width() - 12) * min(value / self._limit, 1.0)
            painter.fillRect(QRectF(6, top, length, step - 3), bar)
            painter.setPen(QColor(self._theme.dim if self._is_grey else self._theme.text))
            text_y = top + (step - 3 + painter.fontMetrics().ascent()) / 2 - 1
            painter.drawText(QPointF(10, text_y), f"{number + 1}  {name}")
            shown = f"{value:.2f}"
            width = painter.fontMetrics().horizontalAdvance(shown)
            painter.drawText(QPointF(self.width() - width - 10, text_y), shown)


class _Plot(pg.PlotWidget):  # type: ignore[misc]
    """A plot whose time axis ends at the moment that is shown, and that the mouse leaves alone."""

    def __init__(self, theme: Theme, span_s: float) -> None:
        super().__init__()
        self.setMenuEnabled(False)
        self.setMouseEnabled(False, False)
        self.hideButtons()
        self.setXRange(-span_s, 0, padding=0)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
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

    def _title(self, text: str) -> None:
        self.setTitle(text, color=self.theme.dim, size=f"{self.theme.points:.1f}pt")


class EegStrip(_Plot):
    """The EEG that the sources are computed from, average-referenced, electrode over electrode.

    Electrodes that are not measured are drawn dotted.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        self._measured = pg.PlotCurveItem(skipFiniteCheck=True)
        self._repaired = pg.PlotCurveItem(skipFiniteCheck=True)
        self._scale_uv = 50.0
        self._due_s = -np.inf
        self._is_bad: NDArray[np.bool_] = np.zeros(0, bool)
        self._sfreq_hz = STRIP_HZ
        super().__init__(theme, STRIP_S)
        self.addItem(self._measured)
        self.addItem(self._repaired)
        self.setLabel("bottom", "s before what the cortex shows")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        self._measured.setPen(pg.mkPen(theme.trace, width=1))
        self._repaired.setPen(pg.mkPen(theme.warn, width=1, style=Qt.PenStyle.DotLine))
        font = QFont(self.font())  # 31 names one under the other
        font.setPointSizeF(max(theme.points * 0.7, 5.0))
        self.getAxis("left").setStyle(tickFont=font)

    def show_head(self, head: Head, bad: tuple[str, ...], sfreq_hz: float) -> None:
        """Show other electrodes, at the EEG's rate."""
        n = head.n_electrodes
        self._sfreq_hz = sfreq_hz
        self._is_bad = np.isin(head.channels, bad)
        # The front of the head on top; a crossed name is not measured.
        self._order = np.argsort(-head.electrodes_m[:, 1], kind="stable")
        names = [
            f"✕ {head.channels[i]}" if self._is_bad[i] else head.channels[i] for i in self._order
        ]
        self.getAxis("left").setTicks([list(zip(range(n - 1, -1, -1), names, strict=True))])
        self.getAxis("left").setStyle(tickLength=0)
        self.setYRange(-1, n, padding=0)
        self._due_s = -np.inf

    def show_eeg(
        self, eeg_uv: Float, stamps: NDArray[np.float64], end_s: float, *, is_grey: bool
    ) -> None:
        """Show the EEG before a moment.

        Parameters
        ----------
        eeg_uv : ndarray, shape (n_times, n_electrodes)
        stamps : ndarray, shape (n_times,)
        end_s : float
        is_grey : bool
            Dim: it is not the EEG of now.
        """
        self._measured.setPen(pg.mkPen(self.theme.dim if is_grey else self.theme.trace, width=1))
        if len(stamps) < 2:
            self._measured.setData([], [])
            self._repaired.setData([], [])
            return
        if not -2 * SCALE_PERIOD_S < end_s - self._due_s < 0 and _is_some(eeg_uv):
            self._due_s = end_s + SCALE_PERIOD_S
            middle = np.nanmedian(eeg_uv, axis=0)
            self._scale_uv = round_up(1.5 * float(np.nanpercentile(np.abs(eeg_uv - middle), 95)))
            self._title(f"EEG, {self._scale_uv:g} µV a line")
        # Every n-th sample by its number since ever, so that the curve does not crawl.
        step = max(1, round(self._sfreq_hz / STRIP_HZ))
        first = round(float(stamps[0]) * self._sfreq_hz) % step
        x = (stamps[first::step] - end_s).astype(np.float32)
        n = len(self._order)
        y = eeg_uv[first::step][:, self._order].T / self._scale_uv
        known = np.where(np.isfinite(y), y, 0.0)
        y = y - known.mean(axis=1, keepdims=True) + np.arange(n - 1, -1, -1)[:, None]
        is_bad = self._is_bad[self._order]
        _set_curves(self._measured, x, y[~is_bad])
        _set_curves(self._repaired, x, y[is_bad])


def _set_curves(item: Any, x: Float, y: Float) -> None:
    """Draw several curves as one item, which is much quicker than one each."""
    connected = np.isfinite(y)
    connected[:, :-1] &= connected[:, 1:]
    connected[:, -1:] = False
    # No line over what is missing.
    gap = np.diff(x, append=x[-1:]) > GAP_S
    connected &= ~gap
    known = np.nan_to_num(y)
    item.setData(np.tile(x, len(y)), known.ravel(), connect=connected.astype(np.int32).ravel())


def _is_some(values: Float) -> bool:
    """Whether each column holds a number at all."""
    return bool(np.isfinite(values).any(axis=0).all())


class RegionCourse(_Plot):
    """The course of the region that was clicked.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        self._curve = pg.PlotCurveItem(skipFiniteCheck=True)
        self.region: str | None = None
        super().__init__(theme, COURSE_S)
        self.addItem(self._curve)
        self.show_region(None)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        super().set_theme(theme)
        self._curve.setPen(pg.mkPen(theme.warn, width=1))
        self._show_title()

    def show_region(self, name: str | None) -> None:
        """Say whose course it is."""
        self.region = name
        self._show_title()
        self._curve.setData([], [])
        self._limit = 0.0

    def _show_title(self) -> None:
        text = "click a region: its course, nAm"
        if self.region:
            text = f"{self.region}: mean |moment|, nAm"
        self._title(text)

    def show_course(self, means_nam: Float, stamps: NDArray[np.float64], end_s: float) -> None:
        """Show the course before a moment."""
        if len(stamps):
            # The largest of neighbours, so that no peak is lost to the screen's width.
            starts = np.arange(0, len(stamps), max(1, len(stamps) // 1500))
            drawn = np.maximum.reduceat(means_nam, starts)
            x = (stamps[starts] - end_s).astype(np.float32)
            _set_curves(self._curve, x, drawn[None].astype(np.float32))
        largest = float(np.nan_to_num(means_nam).max(initial=0.0))
        top = round_up(largest) if largest > 0 else 1.0
        if top != self._limit:
            self._limit = top
            self.setYRange(0, top, padding=0.05)
