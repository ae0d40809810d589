"""The status bar: state, age, delay, losses, goodness of fit."""

from __future__ import annotations

import math
from html import escape

from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleEvent, QFontMetrics
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from convdip.bundle import ONE_POLARITY
from convdip.display.flow import Flow
from convdip.display.readings import ADVICE, SYMBOLS, TILES, delay_parts, health_numbers
from convdip.display.shown_service import Service
from convdip.display.theme import Theme

# What the state is followed by most: its room is kept, so that nothing else moves.
USUAL = "● LIVE, eye movement"


class StatusBar(Flow):
    """The state, and a row of named values.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__(gap=18)
        self.setAccessibleName("state of the service")
        self.state, self._room = QLabel(), QWidget()
        place = QHBoxLayout(self._room)
        place.setContentsMargins(8, 0, 0, 0)
        place.addWidget(self.state, 0, Qt.AlignmentFlag.AlignLeft)
        self.add(self._room)
        self._names: dict[str, QLabel] = {}
        self.values: dict[str, QLabel] = {}
        for key, name in TILES.items():
            tile = QWidget()
            column = QVBoxLayout(tile)
            column.setContentsMargins(0, 4, 0, 4)
            column.setSpacing(0)
            self._names[key], self.values[key] = QLabel(name), QLabel("–")
            for label in (self._names[key], self.values[key]):
                label.setToolTip(_wrapped(ADVICE.get(key, "")))
                column.addWidget(label)
            self.add(tile)
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        for label in self._names.values():
            label.setStyleSheet(f"color: {theme.dim}; {theme.text_style(0.85)}")
        for label in self.values.values():
            label.setStyleSheet(theme.text_style(1.1, is_bold=True))
            label.setMinimumWidth(0)
        self._word = ""

    def show_state(self, word: str, extra: str = "") -> None:
        """Show the state in one word, and an addition to it."""
        text = f"{SYMBOLS[word]} {word}{extra}"
        if text != self.state.text():
            self.state.setText(text)
            # What stands before the words is for the eye alone.
            self.state.setAccessibleName(f"{word}{extra}")
            QAccessible.updateAccessibility(QAccessibleEvent(self.state, QAccessible.Event.Alert))
        if word != self._word:
            self._word = word
            theme = self._theme
            tone = {
                "LIVE": theme.good,
                "PAUSED": theme.warn,
                "CLOCK": theme.warn,
                "WAITING": theme.warn,
            }
            colour = tone.get(word, theme.bad)
            self.state.setStyleSheet(
                f"background: {colour}; color: {theme.background}; padding: 4px 12px; "
                f"border-radius: 4px; {theme.text_style(1.3, is_bold=True)}"
            )
            self.state.ensurePolished()
            usual = QFontMetrics(self.state.font()).horizontalAdvance(USUAL)
            self._room.setMinimumWidth(usual + 3 * 12)

    def show_numbers(
        self,
        age_s: float,
        quality: dict[str, float],
        service: Service,
        n_missing: int,
        window_s: float = 0.0,
        band_delay_s: float = math.nan,
    ) -> None:
        """Show the service's health.

        Parameters
        ----------
        age_s : float
            Age of the sample on the screen.
        quality : dict
            The latest quality sample; empty if there is no recent one.
        service : Service
        n_missing : int
            Samples that did not reach this window.
        window_s : float
            Length of the window that each map on the screen is of; 0 for single samples.
        band_delay_s : float
            What the filters of a band add, where one is on the screen; else NaN.
        """
        shown = health_numbers(age_s, quality, service, n_missing, window_s, band_delay_s)
        advice = ""
        if service.provenance.polarity == "positive":
            advice = f"{service.bundle.name} {ONE_POLARITY}"
        parts = delay_parts(quality, service, window_s, band_delay_s)
        for key, tip in (("model", advice), ("delay", f"{ADVICE['delay']}\n{parts}")):
            for label in (self._names[key], self.values[key]):
                label.setToolTip(_wrapped(tip))
        for key, text in shown.items():
            if text != self.values[key].text():
                label = self.values[key]
                label.setText(text)
                label.setAccessibleName(f"{TILES[key]}: {text}")
                # Else the row would jump with each digit that comes and goes.
                label.setMinimumWidth(max(label.minimumWidth(), label.sizeHint().width()))


def _wrapped(text: str) -> str:
    """Return a tooltip that is broken into lines, which Qt does with rich text alone."""
    return f"<qt>{escape(text)}</qt>".replace("\n", "<br>") if text else ""
