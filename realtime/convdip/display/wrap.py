"""Text in as many lines as it takes."""

from __future__ import annotations

import re

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QLabel, QPushButton

# Longer words may break, after a mark where they have one.
LONG_WORD = 20
_LONG = re.compile(rf"\S{{{LONG_WORD},}}")
ZERO_WIDTH_SPACE = "\u200b"


def breakable(text: str) -> str:
    """Return a text whose long words, as paths are, may break into lines."""

    def split(match: re.Match[str]) -> str:
        word = re.sub(r"([/\\._=,:-])(?=\w)", rf"\1{ZERO_WIDTH_SPACE}", match[0])
        return re.sub(rf"([^{ZERO_WIDTH_SPACE}]{{{LONG_WORD}}})", rf"\1{ZERO_WIDTH_SPACE}", word)

    return _LONG.sub(split, text)


def text_height(metrics: QFontMetrics, width: int, text: str) -> int:
    """Return the height of a text that is wrapped to a width, in pixels."""
    flags = int(Qt.TextFlag.TextWordWrap)
    box = QRect(0, 0, max(width, 1), 100_000)
    return metrics.boundingRect(box, flags, breakable(text)).height()


def fitting_points(font: QFont, text: str, width: float, points: float) -> float:
    """Return the point size, the one given or smaller, at which a text fits into a width."""
    tried = QFont(font)
    tried.setPointSizeF(points)
    needed = QFontMetrics(tried).horizontalAdvance(text)
    return points if needed <= width else max(points * width / max(needed, 1) * 0.98, 4.0)


class WrappingLabel(QLabel):
    """A label whose text is never cut: it wraps, in long words too."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setMinimumWidth(1)

    def show_text(self, text: str) -> None:
        """Show a text."""
        shown = breakable(text)
        if shown != self.text():
            self.setText(shown)
            self.setAccessibleName(text.replace("\n", ", "))

    def whole_text(self) -> str:
        """Return the text as it was given."""
        return self.text().replace(ZERO_WIDTH_SPACE, "")


class WrappingButton(QPushButton):
    """A button whose text is never cut.

    Parameters
    ----------
    text : str
    """

    PADDING = 14

    def __init__(self, text: str) -> None:
        super().__init__()
        self._label = QLabel(breakable(text), self)
        self._label.setWordWrap(True)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._label.setStyleSheet("background: transparent; border: none;")
        self.setAccessibleName(text.replace("\n", ", "))
        policy = self.sizePolicy()
        policy.setHorizontalPolicy(policy.Policy.Expanding)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def hasHeightForWidth(self) -> bool:  # noqa: N802, D102
        return True

    def heightForWidth(self, width: int) -> int:  # noqa: N802, D102
        inner = width - 2 * self.PADDING
        return self._label.heightForWidth(inner) + self.PADDING

    def sizeHint(self) -> QSize:  # noqa: N802, D102
        width = max(self.width(), 200)
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:  # noqa: N802, D102
        return QSize(120, self.heightForWidth(max(self.width(), 120)))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802, D102
        super().resizeEvent(event)
        half = self.PADDING // 2
        self._label.setGeometry(self.rect().adjusted(self.PADDING, half, -self.PADDING, -half))
