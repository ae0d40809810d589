"""The status bar: state, age, losses, goodness of fit."""

from __future__ import annotations

import math

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from convdip.bundle import ONE_POLARITY
from convdip.display.feed import Service
from convdip.display.theme import Theme

SYMBOLS = {
    "LIVE": "●",
    "PAUSED": "❚❚",
    "STALE": "▲",
    "LOST": "✕",
    "CLOCK": "?",
    "OVERLOAD": "▲",
    "WAITING": "…",
    "INVALID": "✕",
}
TILES = {
    "age": "age on screen",
    "service": "age at output",
    "in": "rate in",
    "out": "rate out",
    "lost": "samples lost",
    "waiting": "backlog",
    "fit": "goodness of fit",
    "runs": "provider",
    "model": "model",
}


class StatusBar(QWidget):
    """The state, and a row of named values.

    Parameters
    ----------
    theme : Theme
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(18)
        self.state = QLabel()
        row.addWidget(self.state)
        self._names: dict[str, QLabel] = {}
        self.values: dict[str, QLabel] = {}
        for key, name in TILES.items():
            column = QVBoxLayout()
            column.setSpacing(0)
            self._names[key], self.values[key] = QLabel(name), QLabel("–")
            column.addWidget(self._names[key])
            column.addWidget(self.values[key])
            row.addLayout(column)
        row.addStretch()
        self.set_theme(theme)

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        self._theme = theme
        for label in self._names.values():
            label.setStyleSheet(f"color: {theme.dim}; {theme.text_style(0.85)}")
        for label in self.values.values():
            label.setStyleSheet(theme.text_style(1.1, is_bold=True))
        self._word = ""

    def show_state(self, word: str, extra: str = "") -> None:
        """Show the state in one word, and an addition to it."""
        text = f"{SYMBOLS[word]} {word}{extra}"
        if text != self.state.text():
            self.state.setText(text)
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

    def show_numbers(
        self, age_s: float, quality: dict[str, float], service: Service, n_missing: int
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
        """
        shown = dict.fromkeys(TILES, "–") | {"age": _milliseconds(age_s * 1e3)}
        if quality:
            lost = sum(quality[key] for key in ("dropped", "overflowed", "missing"))
            waiting = quality["backlog"]
            shown |= {
                "service": _age(quality["age_p50"], quality["filter_delay"]),
                "in": _rate(quality["rate_in"]),
                "out": _rate(quality["rate_out"]),
                "lost": f"{lost:,.0f}" + (f" ({n_missing:,} here)" if n_missing else ""),
                "waiting": f"{waiting:,.0f}",
                "fit": _percent(quality["goodness_of_fit"]),
            }
        shown["runs"] = service.provenance.provider.removesuffix("ExecutionProvider")
        shown["model"] = service.bundle.name
        advice = ""
        if service.provenance.polarity == "positive":
            shown["model"] += ", one polarity"
            advice = f"{service.bundle.name} {ONE_POLARITY}"
        for label in (self._names["model"], self.values["model"]):
            label.setToolTip(advice)
        for key, text in shown.items():
            if text != self.values[key].text():
                self.values[key].setText(text)


def _milliseconds(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value / 1e3:.1f} s" if abs(value) >= 1e3 else f"{value:.1f} ms"


def _age(median_ms: float, delay_ms: float) -> str:
    """Return the age, and what the filter adds to it."""
    if not round(delay_ms):
        return _milliseconds(median_ms)
    return f"{_milliseconds(median_ms)} + {delay_ms:.0f} ms filter"


def _rate(value: float) -> str:
    return f"{value:.0f} Hz" if math.isfinite(value) else "–"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %" if math.isfinite(share) else "–"
