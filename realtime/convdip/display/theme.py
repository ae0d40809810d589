"""The dark and the light theme."""

from __future__ import annotations

from dataclasses import dataclass

from convdip.display.cortex import DARK, LIGHT_LOOK, Look


@dataclass(frozen=True)
class Theme:
    """Colours of the window, as Qt style sheets spell them.

    ``signed_map`` names the colour map of signed moments: strong ones stand out from its middle and
    from the background. ``good``, ``warn`` and ``bad`` only ever accompany words. ``points`` is the
    text size.
    """

    name: str
    look: Look
    signed_map: str
    background: str
    panel: str
    text: str
    dim: str
    trace: str
    good: str
    warn: str
    bad: str
    points: float = 9.0

    def text_style(self, factor: float, *, is_bold: bool = False) -> str:
        """Return the style of text that is larger or smaller by a factor."""
        weight = " font-weight: 600;" if is_bold else ""
        return f"font-size: {self.points * factor:.1f}pt;{weight}"

    @property
    def style(self) -> str:
        """Qt style sheet."""
        return f"""
            QWidget {{
                background: {self.background}; color: {self.text}; font-size: {self.points:.1f}pt;
            }}
            QToolTip {{ background: {self.panel}; color: {self.text}; }}
            QPushButton, QComboBox {{
                background: {self.panel}; border: 1px solid {self.dim}; border-radius: 4px;
                padding: 3px 8px;
            }}
            QLineEdit {{
                background: {self.panel}; border: 1px solid {self.dim}; border-radius: 4px;
                padding: 4px 8px; placeholder-text-color: {self.dim};
            }}
            QPushButton:hover, QComboBox:hover {{ border-color: {self.text}; }}
            QPushButton:focus, QComboBox:focus {{
                border: 2px solid {self.text}; padding: 2px 7px;
            }}
            QLineEdit:focus {{ border: 2px solid {self.text}; padding: 3px 7px; }}
            QSlider:focus {{ border: 2px solid {self.text}; border-radius: 4px; }}
            QPushButton:checked {{ background: {self.text}; color: {self.background}; }}
            QPushButton:disabled {{ color: {self.dim}; }}
            QComboBox QAbstractItemView {{ background: {self.panel}; color: {self.text}; }}
            QTableWidget {{ background: {self.panel}; border: none; gridline-color: {self.dim}; }}
            QHeaderView::section {{ background: {self.panel}; color: {self.dim}; border: none; }}
            QScrollBar:vertical {{ background: {self.background}; width: 10px; margin: 0; }}
            QScrollBar:horizontal {{ background: {self.background}; height: 10px; margin: 0; }}
            QScrollBar::handle {{ background: {self.dim}; border-radius: 4px; }}
            QScrollBar::handle:vertical {{ min-height: 30px; }}
            QScrollBar::handle:horizontal {{ min-width: 30px; }}
            QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
            QScrollBar::add-page, QScrollBar::sub-page {{ background: none; }}
            QSlider::groove:horizontal {{ height: 4px; background: {self.dim}; }}
            QSlider::handle:horizontal {{
                width: 12px; margin: -5px 0; border-radius: 6px; background: {self.text};
            }}
        """


THEMES = {
    "dark": Theme(
        "dark", DARK, "ice-fire", "#0f1114", "#1a1d22", "#e8e8e6", "#8d929a", "#b8c4d0",
        good="#7fd4a8", warn="#ffc04d", bad="#ff6b5e",
    ),
    "light": Theme(
        "light", LIGHT_LOOK, "blue-red", "#f7f7f5", "#ecece8", "#1c1d1f", "#5c5f64", "#34495e",
        good="#0b6e43", warn="#9a5b00", bad="#b3241c",
    ),
}  # fmt: skip
