"""Colours and words as all scenes and pages draw them."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen

BACKGROUND, TEXT, DIM = "#14171c", "#e8e8e6", "#8d929a"
# Apart in lightness, too; the success has a form of its own beside its colour.
BELOW, ABOVE = "#6f9fd8", "#8fe0a8"


def tone(colour: str, *, is_grey: bool, alpha: float = 1.0) -> QColor:
    """Return a colour, or the grey that is as light."""
    made = QColor(colour)
    if is_grey:
        grey = round(0.299 * made.red() + 0.587 * made.green() + 0.114 * made.blue())
        made = QColor(grey, grey, grey)
    made.setAlphaF(alpha)
    return made


def pen(
    colour: QColor,
    width: float,
    *,
    is_dashed: bool = False,
    ends: Qt.PenCapStyle = Qt.PenCapStyle.RoundCap,
) -> QPen:
    """Return a pen."""
    style = Qt.PenStyle.DashLine if is_dashed else Qt.PenStyle.SolidLine
    return QPen(colour, width, style, ends, Qt.PenJoinStyle.RoundJoin)


def write(
    painter: QPainter,
    box: QRectF,
    text: str,
    colour: QColor,
    *,
    is_bold: bool = False,
) -> None:
    """Write a line into the middle of a box, as large as fits."""
    font = QFont(painter.font())
    font.setWeight(QFont.Weight.DemiBold if is_bold else QFont.Weight.Normal)
    font.setPixelSize(max(1, round(box.height() * 0.75)))
    width = QFontMetricsF(font).horizontalAdvance(text)
    if width > box.width():
        font.setPixelSize(max(1, int(font.pixelSize() * box.width() / width)))
    painter.setFont(font)
    painter.setPen(colour)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)
