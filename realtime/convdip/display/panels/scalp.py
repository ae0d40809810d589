"""The scalp map: the EEG of the moment shown, from above."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QCursor,
    QImage,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QToolTip, QWidget

from convdip.display.bad_electrodes import WORDS
from convdip.display.colours import N_LEVELS, colour_table, grey
from convdip.display.panels.plot import Float
from convdip.display.panels.scale import EegScale
from convdip.display.scalp import ScalpMap
from convdip.display.theme import Theme
from convdip.head import Head

# So near to an electrode, the mouse points at it.
NEAR_PX = 12.0
# Over which an electrode's amplitude is measured.
AMPLITUDE_S = 1.0


def _level_uv(eeg_uv: Float) -> float:
    return float(np.nanpercentile(np.abs(eeg_uv), 98))


class ScalpWidget(QWidget):
    """The scalp map with its electrodes; interpolated ones are crossed out.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    note : str
        Why no EEG is shown.
    interpolated : dict
        By name of the electrode, why.
    hovered : str or None
        The electrode under the mouse.
    """

    hovered_changed = Signal(object)  # the electrode under the mouse: its name, or None

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMinimumSize(150, 150)
        self.setAccessibleName("scalp map")
        self._theme = theme
        self.note = ""
        self.interpolated: dict[str, str] = {}
        self._is_grey = False
        self._table = colour_table("blue-red")
        self._map: ScalpMap | None = None
        self._names: tuple[str, ...] = ()
        self._eeg_uv: Float | None = None
        self._amplitudes_uv: dict[str, float] = {}
        self.hovered: str | None = None
        self.setMouseTracking(True)
        self._scale = EegScale(10.0, _level_uv)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme

    def show_interpolated(self, interpolated: dict[str, str]) -> None:
        """Cross electrodes out, and say why."""
        self.interpolated = interpolated

    def show_head(self, head: Head) -> None:
        """Show the electrodes of another head."""
        self._map, self._names = ScalpMap(head.electrodes_m), head.channels
        self.interpolated, self._eeg_uv, self._amplitudes_uv = {}, None, {}
        self._hover(None)
        self._scale.restart()

    def show_eeg(
        self,
        eeg_uv: Float | None,
        recent_uv: Float,
        stamps: NDArray[np.float64],
        time_s: float,
        note: str,
        *,
        is_grey: bool,
    ) -> None:
        """Show potentials.

        Parameters
        ----------
        eeg_uv : ndarray, shape (n_electrodes,), or None
        recent_uv : ndarray, shape (n_times, n_electrodes)
            EEG before, from which the scale is estimated.
        stamps : ndarray, shape (n_times,)
            Its time stamps.
        time_s : float
            Time stamp of ``eeg_uv``.
        note : str
            Why there is no EEG.
        is_grey : bool
            Draw without colours: it is not the present EEG.
        """
        self._eeg_uv, self.note, self._is_grey = eeg_uv, note, is_grey
        self._scale.update(recent_uv, time_s)
        last = recent_uv[np.searchsorted(stamps, time_s - AMPLITUDE_S, "right") :]
        is_there = eeg_uv is not None and len(last)
        ranges_uv = np.ptp(last, axis=0).tolist() if is_there else []
        self._amplitudes_uv = dict(zip(self._names, ranges_uv, strict=False))
        if self.hovered is not None and QToolTip.isVisible():
            self._show_tip()  # its numbers go on
        self.update()

    def text_of(self, name: str) -> str:
        """Say of an electrode whether it is measured, and how large its EEG is."""
        state = "measured"
        if name in self.interpolated:
            reason = self.interpolated[name]
            why = WORDS.get(reason, (reason, reason))[1]
            state = f"filled from the others: {why}"
        uv = self._amplitudes_uv.get(name, np.nan)
        size = f"{uv:.3g} µV peak-to-peak in the last second" if np.isfinite(uv) else "no EEG"
        return f"{name}\n{state}\n{size}"

    def place_of(self, name: str) -> QPointF:
        """Return where an electrode is, in the widget."""
        assert self._map is not None
        x, y = self._map.places[self._names.index(name)].tolist()
        box = self._box()
        return QPointF(box.left() + x * box.width(), box.top() + y * box.height())

    def _electrode_at(self, place: QPointF) -> str | None:
        if self._map is None:
            return None
        box = self._box()
        offsets = self._map.places * box.width() - (place.x() - box.left(), place.y() - box.top())
        distances = np.linalg.norm(offsets, axis=1)
        nearest = int(distances.argmin())
        return self._names[nearest] if distances[nearest] <= NEAR_PX else None

    def _hover(self, name: str | None) -> None:
        if name != self.hovered:
            self.hovered = name
            self.hovered_changed.emit(name)
            if name is None:
                QToolTip.hideText()
            else:
                self._show_tip()
            self.update()

    def _show_tip(self) -> None:
        assert self.hovered is not None
        text = escape(self.text_of(self.hovered)).replace("\n", "<br>")
        QToolTip.showText(QCursor.pos(), f"<qt>{text}</qt>", self)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802, D102
        self._hover(self._electrode_at(event.position()))

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802, D102
        self._hover(None)

    def _box(self) -> QRectF:
        size = min(self.width() - 12, self.height() - 24)
        return QRectF((self.width() - size) / 2, (self.height() - size) / 2 + 6, size, size)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        painter = QPainter(self)
        painter.setRenderHints(
            QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform
        )
        painter.setPen(QColor(self._theme.dim))
        line = painter.fontMetrics().height()
        painter.drawText(QPointF(6, line), "scalp map")
        is_finite = self._eeg_uv is not None and bool(np.isfinite(self._eeg_uv).all())
        if self._map is None or self._eeg_uv is None or not is_finite:
            note = "the EEG contains NaN" if self._eeg_uv is not None else self.note
            painter.drawText(
                self.rect().adjusted(10, 0, -10, 0),
                Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap,
                note or "no EEG yet",
            )
            return
        box = self._box()
        self._paint_map(painter, box, self._map, self._eeg_uv)
        self._paint_electrodes(painter, box, self._map)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(QPointF(6, self.height() - 6), f"±{self._scale.limit_uv:g} µV")

    def _paint_map(self, painter: QPainter, box: QRectF, scalp: ScalpMap, eeg_uv: Float) -> None:
        values = scalp.values(eeg_uv) / self._scale.limit_uv
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
        painter.drawPolyline(  # the nose
            [QPointF(middle - 8, top + 1), QPointF(middle, top - 9), QPointF(middle + 8, top + 1)]
        )

    def _paint_electrodes(self, painter: QPainter, box: QRectF, scalp: ScalpMap) -> None:
        for name, (x, y) in zip(self._names, scalp.places.tolist(), strict=True):
            at = QPointF(box.left() + x * box.width(), box.top() + y * box.height())
            if name in self.interpolated:
                painter.setPen(QPen(QColor("black"), 2.0))
                for dx, dy in ((4, 4), (4, -4)):
                    painter.drawLine(at - QPointF(dx, dy), at + QPointF(dx, dy))
                painter.drawText(at + QPointF(5, -3), name)
            else:
                painter.setPen(QPen(QColor("black"), 1.0))
                painter.setBrush(QColor("white"))
                painter.drawEllipse(at, 1.8, 1.8)
                painter.setBrush(Qt.BrushStyle.NoBrush)
            if name == self.hovered:
                painter.setPen(QPen(QColor("black"), 2.0))
                painter.drawEllipse(at, 6.0, 6.0)
