"""Moments and times on a plot over time: lines with words, and shaded spans with theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFontMetricsF, QPainter, QPen

from convdip.display.marks import Mark
from convdip.display.spans import GAP, NO_ESTIMATES, Span
from convdip.display.theme import Theme
from convdip.frame import Artefact

# Rows of words above the traces: one of spans, and two of marks.
N_ROWS = 3
SPACE, LEAST, MOST = 6.0, 16.0, 150.0  # pixels: between words, and their widths
OPACITY = 0.3
ToX = Callable[[float], float]

# Each kind has a pattern, so that none depends on colour alone.
_PATTERNS = {
    GAP: Qt.BrushStyle.SolidPattern,
    NO_ESTIMATES: Qt.BrushStyle.BDiagPattern,
    Artefact.BLINK: Qt.BrushStyle.Dense5Pattern,
    Artefact.EYES: Qt.BrushStyle.Dense6Pattern,
    Artefact.MUSCLE: Qt.BrushStyle.FDiagPattern,
}


def _brush(kind: str, theme: Theme, opacity: float) -> QBrush:
    colour = QColor(theme.bad if kind in (GAP, NO_ESTIMATES) else theme.warn)
    colour.setAlphaF(opacity)
    return QBrush(colour, _PATTERNS[kind])


def paint_spans(
    painter: QPainter, box: QRectF, to_x: ToX, spans: Sequence[Span], theme: Theme
) -> None:
    """Shade times, behind the traces.

    Parameters
    ----------
    painter : QPainter
    box : QRectF
        Of the traces.
    to_x : callable
        From LSL time to the place across.
    spans : sequence of Span
    theme : Theme
    """
    for span in spans:
        left, right = max(to_x(span.first_s), box.left()), min(to_x(span.last_s), box.right())
        # What is short must be seen, too.
        shade = QRectF(left, box.top(), max(right - left, 2.0), box.height())
        painter.fillRect(shade, _brush(span.kind, theme, OPACITY))


def paint_span_words(
    painter: QPainter, box: QRectF, to_x: ToX, spans: Sequence[Span], theme: Theme
) -> list[str]:
    """Name the shaded times in a row on top, each kind where it begins; return what was written.

    Where there is no room, a time goes unnamed whose kind is named beside it.

    Parameters
    ----------
    painter, box, to_x, spans, theme
        As for `paint_spans`; ``box`` is of the row.
    """
    metrics = QFontMetricsF(painter.font())
    swatch = metrics.ascent() * 0.8
    placed: list[tuple[str, float, float]] = []  # kind, where it would begin, width
    free_from = box.left()
    for span in sorted(spans, key=lambda span: span.first_s):
        begins = max(to_x(span.first_s), box.left())
        if begins >= free_from or span.kind not in [kind for kind, _, _ in placed]:
            width = swatch + 3 + metrics.horizontalAdvance(span.kind)
            left = max(begins, free_from)
            placed.append((span.kind, left, width))
            free_from = left + width + SPACE
    # What would pass the right edge moves the ones before it to the left.
    end = box.right()
    for kind, wanted, width in reversed(placed):
        left = min(wanted, end - width)
        end = left - SPACE
        behind = QColor(theme.background)
        behind.setAlphaF(0.85)
        painter.fillRect(QRectF(left, box.top(), width + 2, box.height()), behind)
        square = QRectF(left, box.center().y() - swatch / 2, swatch, swatch)
        painter.fillRect(square, _brush(kind, theme, 1.0))
        painter.setPen(QColor(theme.text))
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(box.adjusted(left + swatch + 3 - box.left(), 0, 0, 0), flags, kind)
    return [kind for kind, _, _ in placed]


def paint_marks(
    painter: QPainter,
    box: QRectF,
    rows: Sequence[QRectF],
    to_x: ToX,
    marks: Sequence[Mark],
    theme: Theme,
) -> None:
    """Draw a line at each mark, with its words beside it as far as there is room.

    Parameters
    ----------
    painter : QPainter
    box : QRectF
        What the lines cross.
    rows : sequence of QRectF
        Where words may stand.
    to_x : callable
        From LSL time to the place across.
    marks : sequence of Mark
        In order of time.
    theme : Theme
    """
    metrics = QFontMetricsF(painter.font())
    free_from = [box.left()] * len(rows)
    placed = [(to_x(mark.stamp), mark.text) for mark in marks]
    for number, (x, text) in enumerate(placed):
        painter.setPen(QPen(QColor(theme.text), 1.0, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(x, box.top()), QPointF(x, box.bottom()))
        row = min(range(len(rows)), key=lambda r: (free_from[r] > x, free_from[r]))
        # A row that is free begins at the line; another one would be read as of the line before.
        if free_from[row] > x:
            continue
        # The next line but one may have this row.
        later = placed[number + len(rows) :]
        end = min(later[0][0] if later else box.right(), box.right())
        width = min(end - x - SPACE, MOST)
        if width < LEAST:
            continue
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
        background = QColor(theme.background)
        background.setAlphaF(0.85)
        length = metrics.horizontalAdvance(shown) + 4
        painter.fillRect(QRectF(x + 1, rows[row].top(), length, rows[row].height()), background)
        painter.setPen(QColor(theme.text))
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.drawText(rows[row].adjusted(x + 3 - rows[row].left(), 0, 0, 0), flags, shown)
        free_from[row] = x + length + SPACE
