"""The EEG that the sources are computed from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QHelpEvent, QPainter
from PySide6.QtWidgets import QToolTip

from convdip.display.bad_electrodes import BadSpan
from convdip.display.marks import Mark
from convdip.display.panels.plot import Float, TimePlot, set_curves
from convdip.display.panels.scale import EegScale
from convdip.display.panels.timeline import N_ROWS, paint_marks, paint_span_words, paint_spans
from convdip.display.spans import Span
from convdip.display.theme import Theme
from convdip.head import Head

SPAN_S = 4.0
# At most so many points a second and channel are drawn.
DRAWN_HZ = 125.0
# So near to a line, the mouse is on it.
NEAR_PX = 5.0


def _spacing_uv(eeg_uv: Float) -> float:
    """Return a distance between traces at which they rarely overlap."""
    deviations = np.abs(eeg_uv - np.nanmedian(eeg_uv, axis=0))
    return 1.5 * float(np.nanpercentile(deviations, 95))


class EegStrip(TimePlot):
    """Average-referenced EEG, one trace an electrode, from front to back.

    Interpolated electrodes are marked with a cross, and all bad ones are dotted while they are so.
    Lines are markers and events; times that differ are shaded, and named above the traces.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    marks : list of Mark
    spans : list of Span
        What is drawn now.
    named : list of str
        The kinds of spans that are named, in their order.
    """

    def __init__(self, theme: Theme) -> None:
        self.marks: list[Mark] = []
        self.spans: list[Span] = []
        self.named: list[str] = []
        self._bad: list[BadSpan] = []
        self._markers = ""
        self._end_s = 0.0
        self._measured = pg.PlotCurveItem(skipFiniteCheck=True)
        self._interpolated = pg.PlotCurveItem(skipFiniteCheck=True)
        self._scale = EegScale(50.0, _spacing_uv)
        self._is_interpolated: NDArray[np.bool_] = np.zeros(0, bool)
        self._sfreq_hz = DRAWN_HZ
        self._channels: tuple[str, ...] = ()
        self._order: NDArray[np.intp] = np.zeros(0, np.intp)
        super().__init__(theme, SPAN_S)
        self.setCacheMode(self.CacheModeFlag.CacheNone)  # shades move
        self.getViewBox().sigResized.connect(self._leave_room)
        self.setAccessibleName("EEG")
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
        self._leave_room()

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
        self._sfreq_hz, self._channels = sfreq_hz, head.channels
        self._order = np.argsort(-head.electrodes_m[:, 1], kind="stable")
        self._is_interpolated = np.zeros(0, bool)
        self.show_interpolated(())
        self.getAxis("left").setStyle(tickLength=0)
        self._leave_room()
        self._scale.restart()

    def show_times(
        self, marks: Sequence[Mark], spans: Sequence[Span], bad: Sequence[BadSpan], markers: str
    ) -> None:
        """Show what happened in the time of the EEG that is shown next.

        Parameters
        ----------
        marks : sequence of Mark
            In order of time.
        spans : sequence of Span
        bad : sequence of BadSpan
            Electrodes whose traces are dotted, and when.
        markers : str
            Which streams the marks come from.
        """
        self.marks, self.spans, self._bad, self._markers = (
            list(marks),
            list(spans),
            list(bad),
            markers,
        )

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
        self._end_s = end_s
        self.viewport().update()  # lines and shades move, too
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
        is_bad = self._is_bad(stamps[first::step])
        set_curves(self._measured, x, np.where(is_bad, np.nan, y))
        some = is_bad.any(axis=1)
        set_curves(self._interpolated, x, np.where(is_bad, y, np.nan)[some])

    def _is_bad(self, stamps: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return when which electrode was bad, shape (n_electrodes, n_times), as drawn."""
        is_bad = np.zeros((len(self._order), len(stamps)), bool)
        row_of = {self._channels[i]: row for row, i in enumerate(self._order.tolist())}
        for span in self._bad:
            if span.electrode in row_of:
                low, high = np.searchsorted(stamps, (span.first_s, span.last_s))
                is_bad[row_of[span.electrode], low:high] = True
        return is_bad

    # What is drawn around the traces; a scene's places are the widget's pixels.

    def _row_px(self) -> float:
        font = QFont(self.font())
        font.setPointSizeF(self._word_points)
        return QFontMetricsF(font).height()

    @property
    def _word_points(self) -> float:
        return max(self.theme.points * 0.8, 6.0)

    def _leave_room(self) -> None:
        """Leave room for words above the traces."""
        n = len(self._channels)
        if not n:
            return
        height = max(self.getViewBox().height(), 1.0)
        share = min(N_ROWS * self._row_px() / height, 0.4)
        self.setYRange(-1, -1 + (n + 0.5) / (1 - share), padding=0)

    def _box(self) -> QRectF:
        return QRectF(self.getViewBox().sceneBoundingRect())

    def _to_x(self, time_s: float) -> float:
        box = self._box()
        return box.right() + (time_s - self._end_s) / SPAN_S * box.width()

    def drawBackground(self, painter: QPainter, rect: QRectF) -> None:  # noqa: N802, D102
        super().drawBackground(painter, rect)
        paint_spans(painter, self._box(), self._to_x, self.spans, self.theme)

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:  # noqa: N802, D102
        super().drawForeground(painter, rect)
        box, height = self._box(), self._row_px()
        font = QFont(self.font())
        font.setPointSizeF(self._word_points)
        painter.setFont(font)
        rows = [
            QRectF(box.left(), box.top() + number * height, box.width(), height)
            for number in range(N_ROWS)
        ]
        painter.save()
        painter.setClipRect(box)
        paint_marks(
            painter, box.adjusted(0, height, 0, 0), rows[1:], self._to_x, self.marks, self.theme
        )
        self.named = paint_span_words(painter, rows[0], self._to_x, self.spans, self.theme)
        painter.restore()

    def words_at(self, place: QPointF) -> str:
        """Say what is drawn at a place, and where the markers come from; a line each."""
        lines = [
            f"{mark.text} ({mark.stream})"
            for mark in self.marks
            if abs(self._to_x(mark.stamp) - place.x()) <= NEAR_PX
        ]
        lines += [
            f"{span.kind}, {span.last_s - span.first_s:.2f} s"
            for span in self.spans
            if self._to_x(span.first_s) - 1 <= place.x() <= self._to_x(span.last_s) + 1
        ]
        return "\n".join(lines or [self._markers])

    def viewportEvent(self, event: QEvent) -> bool:  # noqa: N802, D102
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            # What others said may look like markup.
            text = escape(self.words_at(QPointF(event.pos()))).replace("\n", "<br>")
            QToolTip.showText(event.globalPos(), f"<qt>{text}</qt>" if text else "", self)
            return True
        return bool(super().viewportEvent(event))
