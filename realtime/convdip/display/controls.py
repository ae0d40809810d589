"""The two bottom rows of the window: playback and settings."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from convdip.display.preferences import CHOICES, Settings

SLIDER_STEPS = 1500


class Controls(QWidget):
    """Buttons, menus and the slider; they emit what the user asks for and decide nothing.

    Nothing here takes the keyboard focus: keys belong to the window.
    """

    chosen = Signal(str, int)  # setting, index of the choice
    slid = Signal(float)  # share of the history, 0 to 1

    def __init__(self) -> None:
        super().__init__()
        self.pause = _button("❚❚ Pause", "Space")
        self.play = _button("▶ Play", "P")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("last 30 s (while paused)")
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider.setRange(0, SLIDER_STEPS)
        self.slider.sliderMoved.connect(lambda value: self.slid.emit(value / SLIDER_STEPS))
        self.when = QLabel()
        self.when.setMinimumWidth(90)
        self.boxes: dict[str, QComboBox] = {}
        self.lock = _button("Lock scale", "L", stays=True)
        self.hold = _button("Hold peaks", "H", stays=True)
        self.signs = _button("± Signs", "N", stays=True)
        self.theme = _button("Theme", "T")
        self.snapshot = _button("Snapshot", "Ctrl+S")
        self.record = _button("Record GIF", "R", stays=True)
        self.help = _button("?", "?")
        self.message = QLabel()
        # A long message is cut off rather than widening the window.
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

        times = QHBoxLayout()
        times.addWidget(self.pause)
        times.addWidget(self.play)
        times.addWidget(self.slider, 1)
        times.addWidget(self.when)
        times.addWidget(self._box("speed", "{:g}×", ", ."))
        settings = QHBoxLayout()
        settings.addWidget(self._box("surface", "{}", "I, G, W"))
        settings.addWidget(self._box("is_free", "{}", "1, 2", ["four views", "free view"]))
        settings.addWidget(self._box("scale", "scale: {}", "S"))
        settings.addWidget(self.lock)
        settings.addWidget(self.signs)
        settings.addWidget(self._box("colour_map", "{}", "C"))
        settings.addWidget(self._box("threshold", "above {:.0%}", "[ ]"))
        smoothings = [f"smooth {s * 1e3:.0f} ms" for s in CHOICES["smooth_s"][1:]]
        settings.addWidget(self._box("smooth_s", "{}", "M", ["no smoothing", *smoothings]))
        settings.addWidget(self.hold)
        settings.addWidget(self.message, 1)
        for widget in (self.theme, self.snapshot, self.record, self.help):
            settings.addWidget(widget)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 4)
        rows.addLayout(times)
        rows.addLayout(settings)

    def _box(self, name: str, words: str, keys: str, texts: list[str] | None = None) -> QComboBox:
        """Make the menu of a setting."""
        box = QComboBox()
        box.setToolTip(f"shortcut: {keys}")
        box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        box.addItems(texts or [words.format(choice) for choice in CHOICES[name]])
        box.activated.connect(lambda number: self.chosen.emit(name, number))
        self.boxes[name] = box
        return box

    def show_settings(self, settings: Settings) -> None:
        """Show the settings."""
        for name, box in self.boxes.items():
            box.setCurrentIndex(settings.number(name))
        self.boxes["smooth_s"].setEnabled(not settings.is_held)
        self.lock.setChecked(settings.is_locked)
        self.hold.setChecked(settings.is_held)
        self.signs.setChecked(settings.is_signed)
        self.boxes["colour_map"].setEnabled(not settings.is_signed)

    def show_playback(self, *, is_paused: bool, is_playing: bool) -> None:
        """Show whether playback is paused or playing."""
        self.pause.setText("● Go live" if is_paused else "❚❚ Pause")
        self.play.setText("❚❚ Hold" if is_playing else "▶ Play")
        for widget in (self.play, self.slider):
            widget.setEnabled(is_paused)

    def show_moment(self, when: str, share: float) -> None:
        """Show which moment is shown, in words and as a share of the history."""
        self.when.setText(when)
        if not self.slider.isSliderDown():
            self.slider.setValue(round(share * SLIDER_STEPS))


def _button(text: str, keys: str, *, stays: bool = False) -> QPushButton:
    button = QPushButton(text)
    button.setCheckable(stays)
    button.setToolTip(f"shortcut: {keys}")
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
