"""The scalp map: the EEG of the moment shown, from above."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from convdip.display.colours import N_LEVELS, colour_table, grey
from convdip.display.panels.plot import Float
from convdip.display.panels.scale import EegScale
from convdip.display.scalp import ScalpMap
from convdip.display.theme import Theme
from convdip.head import Head


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
        By name of the electrode, why; empty for one that the cap does not have.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMinimumSize(150, 150)
        self._theme = theme
        self.note = ""
        self.interpolated: dict[str, str] = {}
        self._is_grey = False
        self._table = colour_table("blue-red")
        self._map: ScalpMap | None = None
        self._names: tuple[str, ...] = ()
        self._eeg_uv: Float | None = None
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
        self.interpolated, self._eeg_uv = {}, None
        self._scale.restart()

    def show_eeg(
        self, eeg_uv: Float | None, recent_uv: Float, time_s: float, note: str, *, is_grey: bool
    ) -> None:
        """Show potentials.

        Parameters
        ----------
        eeg_uv : ndarray, shape (n_electrodes,), or None
        recent_uv : ndarray, shape (n_times, n_electrodes)
            EEG before, from which the scale is estimated.
        time_s : float
            Time stamp of ``eeg_uv``.
        note : str
            Why there is no EEG.
        is_grey : bool
            Draw without colours: it is not the present EEG.
        """
        self._eeg_uv, self.note, self._is_grey = eeg_uv, note, is_grey
        self._scale.update(recent_uv, time_s)
        self.update()

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
        size = min(self.width() - 60, self.height() - 24)
        box = QRectF((self.width() - size) / 2, (self.height() - size) / 2 + 6, size, size)
        self._paint_map(painter, box, self._map, self._eeg_uv)
        self._paint_electrodes(painter, box, self._map)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(QPointF(6, self.height() - 6), f"±{self._scale.limit_uv:g} µV")
        if self.interpolated:
            text = f"✕ {len(self.interpolated)} interpolated"
            width = painter.fontMetrics().horizontalAdvance(text)
            painter.drawText(QPointF(self.width() - width - 6, self.height() - 6), text)

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
                why = self.interpolated[name]
                painter.drawText(at + QPointF(5, -3), f"{name} {why}".rstrip())
            else:
                painter.setPen(QPen(QColor("black"), 1.0))
                painter.setBrush(QColor("white"))
                painter.drawEllipse(at, 1.8, 1.8)
                painter.setBrush(Qt.BrushStyle.NoBrush)
