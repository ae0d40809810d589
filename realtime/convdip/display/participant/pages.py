"""The pages between scenes: a word, the time left, the score."""

from __future__ import annotations

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from convdip.display.participant.brush import BACKGROUND, DIM, TEXT, tone, write
from convdip.display.participant.sitting import Page, time_left


def draw_page(painter: QPainter, box: QRectF, page: Page) -> None:
    """Draw a page into a box."""
    painter.fillRect(box, tone(BACKGROUND, is_grey=False))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    text, dim = tone(TEXT, is_grey=False), tone(DIM, is_grey=False)

    def line(top: float, height: float) -> QRectF:
        full = box.height()
        return QRectF(
            box.left() + 0.08 * box.width(),
            box.top() + top * full,
            0.84 * box.width(),
            height * full,
        )

    # What is alone stands in the middle.
    write(painter, line(0.14 if page.score is not None else 0.36, 0.14), page.title, text)
    if page.left_s is not None:
        clock = time_left(page.left_s)
        write(painter, line(0.29 if page.score is not None else 0.52, 0.09), clock, dim)
    if page.score is not None:
        share = f"{round(100 * page.score)} %"
        write(painter, line(0.48, 0.24), share, text, is_bold=True)
        write(painter, line(0.73, 0.08), "of the time above the mark", text)
