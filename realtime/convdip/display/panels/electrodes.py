"""Which electrodes are bad, why, and since when: a list beside the scalp map, and the whole one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QEvent, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QTextBrowser, QToolTip, QWidget

from convdip.display.bad_electrodes import MISSING, BadSpan
from convdip.display.theme import Theme
from convdip.text import one_line

MARGIN, MOST_WIDE = 6, 640
NOUN = "electrodes: "


class ElectrodeList(QWidget):
    """The bad electrodes, as many as there is room for, and how many more; all in the tooltip.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    title : str
    rows : list of (str, str, str)
        Name, reason and since when of those that are shown.
    n_more : int
        Those that are not.
    whole : list of str
        A sentence of each.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setMinimumWidth(90)
        self._bad: list[BadSpan] = []
        self._is_grey = False
        self.title = ""
        self.rows: list[tuple[str, str, str]] = []
        self.n_more = 0
        self.whole: list[str] = []
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.update()

    def show_bad(self, bad: Sequence[BadSpan], n_electrodes: int, *, is_grey: bool) -> None:
        """Show the electrodes that are bad.

        Parameters
        ----------
        bad : sequence of BadSpan
        n_electrodes : int
            Of the input, in all; 0 where that is not known.
        is_grey : bool
            Dim the list: it is not of the present.
        """
        # The latest first; what the cap never had last.
        self._bad = sorted(bad, key=lambda s: (s.reason == MISSING, -s.first_s, s.electrode))
        self._is_grey = is_grey
        n_failed = sum(span.reason != MISSING for span in bad)
        of = f" of {n_electrodes}" if n_electrodes else ""
        parts = [f"{n_failed}{of} bad"] if n_failed else []
        n_missing = len(bad) - n_failed
        parts += [f"{n_missing} not there"] if n_missing else []
        known = f"all {n_electrodes} good" if n_electrodes else "all good"
        self.title = NOUN + (", ".join(parts) or known)
        self.whole = [span.sentence for span in self._bad]
        self._fit()
        self.setAccessibleName(self.title)
        self.setAccessibleDescription("; ".join(self.whole))
        self.update()

    def _fit(self) -> None:
        line = QFontMetricsF(self.font()).height()
        n_lines = max(int((self.height() - 2 * MARGIN) / line) - 1, 1)
        n_shown = len(self._bad) if len(self._bad) <= n_lines else n_lines - 1
        self.rows = [(one_line(s.electrode), s.word, s.since) for s in self._bad[:n_shown]]
        self.n_more = len(self._bad) - n_shown

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        self._fit()
        painter = QPainter(self)
        metrics = QFontMetricsF(self.font())
        line, width = metrics.height(), self.width() - 2 * MARGIN
        dim, text = QColor(self._theme.dim), QColor(self._theme.text)
        left, middle = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignVCenter

        def write(number: int, x: float, room: float, words: str, colour: QColor) -> float:
            shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room)
            painter.setPen(colour)
            painter.drawText(
                QRectF(MARGIN + x, MARGIN + number * line, room, line), left | middle, shown
            )
            return metrics.horizontalAdvance(shown)

        is_wide = metrics.horizontalAdvance(self.title) <= width
        write(0, 0, width, self.title if is_wide else self.title.removeprefix(NOUN), dim)
        bold = QFont(self.font())
        bold.setBold(True)
        names = QFontMetricsF(bold)
        widest = max((names.horizontalAdvance(f"✕ {name}") for name, _, _ in self.rows), default=0)
        column = min(widest + 8, width / 2)
        for number, (name, word, since) in enumerate(self.rows, 1):
            painter.setFont(bold)
            write(number, 0, column - 4, f"✕ {name}", dim if self._is_grey else text)
            painter.setFont(self.font())
            # The reason first; then the time of day, with its word where there is room for both.
            written = write(number, column, width - column, word, dim if self._is_grey else text)
            for shown in (since, since.removeprefix("since ")):
                when = metrics.horizontalAdvance(shown)
                if column + written + 10 + when <= width:
                    write(number, width - when, when + 1, shown, dim)
                    break
        if self.n_more:
            write(len(self.rows) + 1, 0, width, f"and {self.n_more} more: E lists all", dim)

    def event(self, event: QEvent) -> bool:  # noqa: D102
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), _html(self.whole), self)
            return True
        return super().event(event)


def _html(sentences: Sequence[str]) -> str:
    """Return lines that are not broken by force, and in which nothing is markup."""
    return f"<qt>{'<br>'.join(map(escape, sentences))}</qt>" if sentences else ""


class Overview(QTextBrowser):
    """All bad electrodes in the middle of the window, when a key asks for them.

    Parameters
    ----------
    window : QWidget
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._sentences: list[str] | None = None
        self.setOpenLinks(False)
        self.setAccessibleName("bad electrodes")
        self.document().setDocumentMargin(MARGIN * 2)
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.setStyleSheet(
            f"background: {theme.panel}; color: {theme.text};"
            f"border: 1px solid {theme.dim}; border-radius: 6px;"
        )

    def show_text(self, sentences: Sequence[str]) -> None:
        """Set what is listed."""
        if list(sentences) != self._sentences:
            self._sentences = list(sentences)
            self.setHtml(_html(sentences) or "all electrodes are good")
            self._place()

    def toggle(self) -> None:
        """Show the list, or hide it."""
        self.setVisible(self.isHidden())
        self._place()

    def _place(self) -> None:
        """Take the room that the list needs, as far as the window has it; the rest scrolls."""
        if self.isVisible():
            room = self._window.rect().adjusted(20, 20, -20, -20)
            self.document().setTextWidth(min(room.width(), MOST_WIDE) - 2)
            height = int(self.document().size().height()) + 4
            self.resize(min(room.width(), MOST_WIDE), min(height, room.height()))
            self.move(self._window.rect().center() - self.rect().center())
            self.raise_()
            self.setFocus()  # arrows and page keys scroll
