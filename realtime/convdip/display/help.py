"""The keys, over the window."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from convdip.display.theme import Theme

KEYS = (
    ("Space", "pause, go live"),
    ("P", "play on from here, hold; while paused"),
    ("← →", "a fiftieth of a second back, on (Shift: a second), while paused"),
    (", .", "play slower, faster"),
    ("1 2", "four standard views; one that the mouse turns (wheel: nearer, double click: home)"),
    ("I G W", "inflated, pial (grey matter), white surface"),
    ("S", "scale: rolling, fixed, baseline z"),
    ("L", "lock the scale"),
    ("B", "take a new baseline of ten seconds"),
    ("+ −", "end of the scale up, down (and lock it)"),
    ("[ ]", "threshold down, up"),
    ("C", "colours: inferno, viridis"),
    ("H", "hold peaks for a second"),
    ("M", "smoothing: none to 500 ms"),
    ("click", "pin the region and see its course; beside the cortex: unpin"),
    ("T", "dark, light"),
    ("Ctrl+S", "snapshot of the window as PNG, into the current folder"),
    ("R", "record a GIF of up to 20 s, end it"),
    ("Ctrl + −", "larger, smaller text (Ctrl+0: as it was)"),
    ("F", "full screen"),
    ("Esc", "close this help, leave full screen, unpin"),
    ("?", "this help"),
    ("Ctrl+Q", "quit"),
)


class Help(QLabel):
    """A list of the keys in the middle of the window.

    Parameters
    ----------
    window : QWidget
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        rows = "".join(f"<tr><td><b>{key}</b>&nbsp;</td><td>{does}</td></tr>" for key, does in KEYS)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setText(f"<table cellpadding=3>{rows}</table>")
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.setStyleSheet(
            f"background: {theme.panel}; color: {theme.text}; padding: 16px;"
            f"border: 1px solid {theme.dim}; border-radius: 6px;"
        )

    def toggle(self) -> None:
        """Show it, or hide it."""
        self.setVisible(self.isHidden())
        if self.isVisible():
            self.adjustSize()
            self.move(self._window.rect().center() - self.rect().center())
            self.raise_()
