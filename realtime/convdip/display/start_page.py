"""The start page: the streams on the network, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence

import pylsl
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from convdip.display.theme import Theme
from convdip.streams import SOURCES_TYPE, stem_of, stream_name
from convdip.terminal import in_flags

COLUMNS = ("stream", "type", "channels", "rate (Hz)", "host")


class StartPage(QWidget):
    """Lists the streams on the network.

    Parameters
    ----------
    theme : Theme
    """

    chosen = Signal(str, str)  # stem of a service's streams, hostname

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(80, 60, 80, 60)
        column.setSpacing(14)
        self.title = QLabel()
        self.advice = QLabel()
        self.advice.setWordWrap(True)
        self.advice.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.verticalHeader().hide()
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.table.cellDoubleClicked.connect(self._choose)
        for widget in (self.title, self.advice, self.table):
            column.addWidget(widget)
        self._rows: list[tuple[str, ...]] = []
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.title.setStyleSheet(theme.text_style(1.9, is_bold=True))
        self.advice.setStyleSheet(f"color: {theme.dim};")

    def show_streams(self, streams: Sequence[pylsl.StreamInfo], name: str, refusal: str) -> None:
        """Show the streams on the network.

        Parameters
        ----------
        streams : sequence of StreamInfo
        name : str
            Stem of the awaited service's streams; empty for any.
        refusal : str
            Why the awaited stream cannot be shown; empty if it can.
        """
        n_services = sum(s.type() == SOURCES_TYPE for s in streams)
        if refusal:
            title, advice = "Cannot show this stream", in_flags(refusal)
        elif n_services > 1 and not name:
            title, advice = "Several source streams", "Double-click the one to show."
        else:
            waited = stream_name(name, "Sources") if name else "a source stream"
            title = f"Waiting for {waited} …"
            advice = (
                "It opens as soon as it appears. To start a service:\n"
                "    convdip run --input YOUR_EEG_STREAM --name Lab\n"
                "or, without an amplifier:\n"
                "    convdip demo --display"
            )
        self.title.setText(title)
        self.advice.setText(advice)
        rows: list[tuple[str, ...]] = [
            (s.name(), s.type(), str(s.channel_count()), f"{s.nominal_srate():g}", s.hostname())
            for s in streams
        ] or [("no LSL streams yet", "", "", "", "")]
        if rows == self._rows:
            return
        self._rows = rows
        self.table.setRowCount(len(rows))
        for row, texts in enumerate(rows):
            for place, text in enumerate(texts):
                self.table.setItem(row, place, QTableWidgetItem(text))

    def _choose(self, row: int, _: int) -> None:
        name, kind = self._rows[row][:2]
        if kind == SOURCES_TYPE and (stem := stem_of(name)) is not None:
            self.chosen.emit(stem, self._rows[row][-1])
