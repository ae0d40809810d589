"""What has just happened, in words, below the controls."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel

from convdip.display.wrap import breakable, text_height


class MessageLine(QLabel):
    """A line of text; more lines where it does not fit, none of it cut."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self._height = 0

    def setText(self, text: str) -> None:  # noqa: N802, D102
        super().setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802, D102
        super().resizeEvent(event)
        self._fit()

    def sizeHint(self) -> QSize:  # noqa: N802, D102
        return QSize(1, self._needed())

    def minimumSizeHint(self) -> QSize:  # noqa: N802, D102
        return self.sizeHint()

    def _needed(self) -> int:
        metrics = self.fontMetrics()
        return max(text_height(metrics, self.width(), self.text()), metrics.height())

    def _fit(self) -> None:
        if self._needed() != self._height:
            self._height = self._needed()
            self.updateGeometry()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        flags = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignVCenter
        QPainter(self).drawText(self.rect(), flags, breakable(self.text()))
