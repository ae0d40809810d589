"""The start page: what can be shown, a button for each, and why something cannot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pylsl
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from convdip.bundle import load_bundle
from convdip.display.cortex import CortexPicture
from convdip.display.focus import reach_by_tab
from convdip.display.theme import Theme
from convdip.display.view import FOUR_VIEWS
from convdip.display.wrap import WrappingButton, WrappingLabel
from convdip.streams import SOURCES_TYPE, stem_of
from convdip.terminal import in_flags
from convdip.text import shown, shown_lines

PICTURE_SIZE = (340, 226)
WIDTH = 960
NOTHING_YET = (
    "Nothing yet. If your amplifier should be here:\n"
    "•  start its LSL app, and press its button to stream (Link, Start)\n"
    "•  use the same network as its computer, not a guest network\n"
    "•  let LSL pass the firewall of both computers: UDP 16571–16604, TCP 16572–16604"
)


class StartPage(QScrollArea):
    """Offers what there is to show.

    Parameters
    ----------
    theme : Theme

    Attributes
    ----------
    options : QLineEdit
        Options for a service that is started, as on the command line.
    buttons : dict
        The buttons for what was found: by ``service``, ``eeg`` or ``recent``, name and host, or
        options.
    """

    chosen = Signal(str, str)  # stem of a service's streams, hostname
    image = Signal(str, str)  # name of an EEG stream, options

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.picture = QLabel()
        self.picture.setAccessibleName("a cortex at rest")
        self.title, self.advice, self.others = WrappingLabel(), WrappingLabel(), WrappingLabel()
        self.advice.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.cancel = QPushButton("Cancel")
        reach_by_tab(self.cancel, description="ends what is being opened")
        self.demo = WrappingButton("Show the demo\nsimulated EEG: it needs no amplifier")
        reach_by_tab(self.demo, self.demo.accessibleName())
        self.options = QLineEdit()
        self.options.setPlaceholderText("for example: --unit microvolts")
        self.options.setAccessibleName("options for the next stream")
        self.options.setClearButtonEnabled(False)
        self._options_name = QLabel("Options")
        self._options_name.setBuddy(self.options)
        self.options.setToolTip("for the EEG stream opened next, as for `convdip run`")
        self._offers = QVBoxLayout()
        self.buttons: dict[tuple[str, str, str], WrappingButton] = {}
        self._headings: list[QLabel] = []
        self._drawn = ""
        self._lay_out()
        self._shown: object = None
        self.set_theme(theme)

    def _lay_out(self) -> None:
        words = QVBoxLayout()
        words.addStretch()
        words.addWidget(self.title)
        words.addWidget(self.advice)
        words.addWidget(self.cancel, 0, Qt.AlignmentFlag.AlignLeft)
        words.addStretch()
        top = QHBoxLayout()
        top.setSpacing(24)
        top.addWidget(self.picture)
        top.addLayout(words, 1)
        self._options_row = QWidget()
        options = QHBoxLayout(self._options_row)
        options.setContentsMargins(0, 0, 0, 0)
        options.addWidget(self._options_name)
        options.addWidget(self.options, 1)
        page = QWidget()
        page.setMaximumWidth(WIDTH)
        column = QVBoxLayout(page)
        column.setContentsMargins(24, 24, 24, 24)
        column.setSpacing(10)
        column.addStretch(1)
        column.addLayout(top)
        column.addLayout(self._offers)
        column.addWidget(self._options_row)
        column.addWidget(self.demo)
        column.addWidget(self.others)
        column.addStretch(2)
        middle = QWidget()
        row = QHBoxLayout(middle)
        row.setContentsMargins(0, 0, 0, 0)
        for item, stretch in ((None, 1), (page, WIDTH), (None, 1)):
            if item is None:
                row.addStretch(stretch)
            else:
                row.addWidget(item, stretch)
        self.setWidget(middle)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        self.title.setStyleSheet(theme.text_style(1.7, is_bold=True))
        self.others.setStyleSheet(f"color: {theme.dim};")
        for heading in self._headings:
            heading.setStyleSheet(f"color: {theme.dim}; {theme.text_style(1.0, is_bold=True)}")
        if self.isVisible() and self._drawn != theme.name:
            self._draw()

    def showEvent(self, event: object) -> None:  # noqa: N802, D102
        if self._drawn != self._theme.name:
            self._draw()

    def _draw(self) -> None:
        """Draw a cortex at rest."""
        self._drawn = self._theme.name
        head, density = load_bundle().head, self.devicePixelRatioF()
        width, height = (round(size * density) for size in PICTURE_SIZE)
        picture = CortexPicture(head, width, height, "pial", FOUR_VIEWS[:1], self._theme.look)
        pixels = picture.draw(np.zeros(head.n_dipoles, np.float32))
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        pixmap = QPixmap.fromImage(image)
        pixmap.setDevicePixelRatio(density)
        self.picture.setPixmap(pixmap)

    def show_state(self, opening: str, refused: str, why: str) -> None:
        """Show what is being opened, or why something cannot be shown.

        Parameters
        ----------
        opening : str
            What is awaited; empty for nothing.
        refused, why : str
            What cannot be shown, and the reason; empty where nothing was refused.
        """
        self.cancel.setVisible(bool(opening) and not refused)
        if refused:
            self.title.show_text(refused)
            self.advice.show_text(shown_lines(in_flags(why)))
        elif opening:
            self.title.show_text(f"Waiting for {shown(opening)} …")
            self.advice.show_text("It is shown as soon as it is there.")
        elif self.buttons:
            self.title.show_text("What shall be shown?")
            self.advice.show_text("Also listening for more EEG and services on this network.")
        else:
            self.title.show_text("Looking for EEG streams on this network …")
            self.advice.show_text(NOTHING_YET)

    def show_streams(
        self, streams: Sequence[pylsl.StreamInfo], recent: Sequence[tuple[str, str]]
    ) -> None:
        """Offer what is on the network, and what was opened last.

        Parameters
        ----------
        streams : sequence of StreamInfo
        recent : sequence of (str, str)
            Names of EEG streams, and options.
        """
        offers: dict[tuple[str, str, str], str] = {}
        others = set()
        names = set()
        for stream in streams:
            name, host = stream.name(), stream.hostname()
            stem = stem_of(name) if stream.type() == SOURCES_TYPE else None
            if stem is not None:
                offers["service", stem, host] = f"Show {shown(stem)}\nruns on {shown(host)}"
            elif stream.type().lower() == "eeg":
                names.add(name)
                rate = f"{stream.nominal_srate():g} Hz"
                what = f"{stream.channel_count()} channels at {rate}, from {shown(host)}"
                offers["eeg", name, host] = f"Image {shown(name)}\n{what}"
        stems = {name for kind, name, _ in offers if kind == "service"}
        for stream in streams:
            name = stream.name()
            is_of_service = any(name.startswith(f"{stem}-") for stem in stems)
            if name not in names and not is_of_service:
                others.add(f"{shown(name)} ({shown(stream.type())})")
        for name, options in recent:
            how = f"with {options}" if options else "without options"
            there = "" if name in names else "; not on the network now"
            offers["recent", name, options] = f"Image {shown(name)} again\n{how}{there}"
        if (offers, others) == self._shown:
            return
        self._shown = (offers, others)
        self._show_offers(offers)
        self.others.show_text("Also on the network: " + ", ".join(sorted(others)) if others else "")
        self.others.setVisible(bool(others))
        self._options_row.setVisible(any(kind != "service" for kind, _, _ in offers))

    def _show_offers(self, offers: dict[tuple[str, str, str], str]) -> None:
        """Make the buttons anew; the one with the focus keeps it."""
        focused = next((key for key, button in self.buttons.items() if button.hasFocus()), None)
        while (item := self._offers.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        self.buttons, self._headings = {}, []
        for kind, heading in (("service", "Services"), ("eeg", "EEG"), ("recent", "Recent")):
            of_kind = {key: text for key, text in offers.items() if key[0] == kind}
            if of_kind:
                self._headings.append(QLabel(heading))
                self._offers.addWidget(self._headings[-1])
            for key, text in of_kind.items():
                button = WrappingButton(text)
                reach_by_tab(button, text.replace("\n", ", "))
                button.clicked.connect(partial(self._press, key))
                self.buttons[key] = button
                self._offers.addWidget(button)
        order = [self.cancel, *self.buttons.values(), self.options, self.demo]
        for first, second in pairwise(order):
            self.setTabOrder(first, second)
        if focused in self.buttons:
            self.buttons[focused].setFocus(Qt.FocusReason.OtherFocusReason)
        self.set_theme(self._theme)

    def _press(self, key: tuple[str, str, str], _: bool = False) -> None:
        kind, name, more = key
        if kind == "service":
            self.chosen.emit(name, more)
        elif kind == "eeg":
            self.image.emit(name, self.options.text())
        else:
            self.options.setText(more)
            self.image.emit(name, more)
