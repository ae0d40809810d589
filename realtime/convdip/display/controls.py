"""The two bottom rows of the window: playback and settings."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QComboBox, QLabel, QPushButton, QSlider, QVBoxLayout, QWidget

from convdip.display.flow import Flow
from convdip.display.focus import reach_by_tab
from convdip.display.maps import words_of
from convdip.display.message import MessageLine
from convdip.display.preferences import CHOICES, Settings

SLIDER_STEPS = 1500


class Menu(QComboBox):
    """A menu as wide as its longest words."""

    def sizeHint(self) -> QSize:  # noqa: N802, D102
        return super().sizeHint() + QSize(4, 0)  # Qt rounds large text down


class Controls(QWidget):
    """Buttons, menus and the slider; they emit what the user asks for and decide nothing.

    Tab reaches them. A click gives none of them the keyboard focus: keys belong to the window.
    """

    chosen = Signal(str, int)  # setting, index of the choice
    view_chosen = Signal(int)  # index among the views that there are
    slid = Signal(float)  # share of the history, 0 to 1

    def __init__(self) -> None:
        super().__init__()
        self.pause = _button("❚❚ Pause", "Space")
        self.play = _button("▶ Play", "P")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setToolTip("last 30 s (while paused)")
        reach_by_tab(self.slider, "moment shown", "the last 30 seconds, while paused")
        self.slider.setRange(0, SLIDER_STEPS)
        self.slider.setPageStep(SLIDER_STEPS // 30)
        self.slider.setMinimumWidth(120)
        self.slider.actionTriggered.connect(self._slide)
        self.when = QLabel()
        self.boxes: dict[str, QComboBox] = {}
        self.lock = _button("Lock scale", "L", stays=True)
        self.hold = _button("Hold peaks", "H", stays=True)
        self.signs = _button("± Signs", "N", stays=True)
        self.theme = _button("Theme", "T")
        self.snapshot = _button("Snapshot", "Ctrl+S")
        self.record = _button("Record GIF", "R", stays=True)
        self.open = _button("Open …", "Ctrl+O")
        self.help = _button("?", "?")
        self.help.setAccessibleName("help")
        self.message = MessageLine()

        times = Flow()
        times.add(self.pause)
        times.add(self.play)
        times.add(self.slider, grows=True)
        times.add(self.when)
        times.add(self._box("speed", "{:g}×", "speed of playback", ", ."))
        self.view = Menu()
        self.view.setToolTip("what the cortex shows, shortcut: V")
        self.view.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        reach_by_tab(self.view, "what the cortex shows", "shortcut: V")
        self.view.activated.connect(self.view_chosen.emit)
        settings = Flow()
        settings.add(self.view)
        settings.add(self._box("surface", "{}", "surface", "I, G, W"))
        views = ["four views", "free view"]
        settings.add(self._box("is_free", "{}", "view", "1, 2", views))
        settings.add(self._box("scale", "scale: {}", "colour scale", "S"))
        settings.add(self.lock)
        settings.add(self.signs)
        settings.add(self._box("colour_map", "{}", "colour map", "C"))
        settings.add(self._box("threshold", "above {:.0%}", "share of the scale drawn", "[ ]"))
        smoothings = [f"smooth {s * 1e3:.0f} ms" for s in CHOICES["smooth_s"][1:]]
        texts = ["no smoothing", *smoothings]
        settings.add(self._box("smooth_s", "{}", "smoothing", "M", texts))
        settings.add(self.hold)
        for widget in (self.theme, self.snapshot, self.record, self.open, self.help):
            settings.add(widget)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 4)
        for row in (times, settings, self.message):
            rows.addWidget(row)

    def _box(
        self, name: str, words: str, what: str, keys: str, texts: list[str] | None = None
    ) -> QComboBox:
        """Make the menu of a setting."""
        box = Menu()
        box.setToolTip(f"{what}, shortcut: {keys}")
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        reach_by_tab(box, what, f"shortcut: {keys}")
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

    def show_views(
        self, choices: Sequence[tuple[float, float] | None], chosen: tuple[float, float] | None
    ) -> None:
        """Show what the cortex can show, and what it shows."""
        words = [words_of(choice) for choice in choices]
        if words != [self.view.itemText(number) for number in range(self.view.count())]:
            self.view.clear()
            self.view.addItems(words)
        if chosen in choices:
            self.view.setCurrentIndex(list(choices).index(chosen))
        for widget in (self.boxes["smooth_s"], self.hold, self.signs):
            widget.setVisible(chosen is None)  # of moments alone

    def _slide(self, _: int) -> None:
        """Tell where the slider is moved to, by mouse or keys."""
        self.slid.emit(self.slider.sliderPosition() / SLIDER_STEPS)

    def show_playback(self, *, is_paused: bool, is_playing: bool) -> None:
        """Show whether playback is paused or playing."""
        self.pause.setText("● Go live" if is_paused else "❚❚ Pause")
        self.play.setText("❚❚ Hold" if is_playing else "▶ Play")
        for widget in (self.play, self.slider):
            widget.setEnabled(is_paused)

    def show_moment(self, when: str, share: float) -> None:
        """Show which moment is shown, in words and as a share of the history."""
        self.when.setText(when)
        # Else the row would change with each digit.
        self.when.setMinimumWidth(self.when.fontMetrics().horizontalAdvance("888.88 s ago"))
        if not self.slider.isSliderDown():
            self.slider.setValue(round(share * SLIDER_STEPS))


def _button(text: str, keys: str, *, stays: bool = False) -> QPushButton:
    button = QPushButton(text)
    button.setCheckable(stays)
    button.setToolTip(f"shortcut: {keys}")
    reach_by_tab(button, description=f"shortcut: {keys}")
    return button
