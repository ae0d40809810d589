"""The help: the key map, over the window."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from convdip.display.keys import Key
from convdip.display.theme import Theme


class Help(QLabel):
    """A list of the keys in the middle of the window.

    Parameters
    ----------
    window : QWidget
    """

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.setTextFormat(Qt.TextFormat.RichText)
        self.hide()

    def show_keys(self, keys: tuple[Key, ...]) -> None:
        """Set the list."""
        rows = (f"<tr><td><b>{k.shown}</b>&nbsp;</td><td>{k.does}</td></tr>" for k in keys)
        self.setText(f"<table cellpadding=3>{''.join(rows)}</table>")

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self.setStyleSheet(
            f"background: {theme.panel}; color: {theme.text}; padding: 16px;"
            f"border: 1px solid {theme.dim}; border-radius: 6px;"
        )

    def toggle(self) -> None:
        """Show the help, or hide it."""
        self.setVisible(self.isHidden())
        if self.isVisible():
            self.adjustSize()
            self.move(self._window.rect().center() - self.rect().center())
            self.raise_()
