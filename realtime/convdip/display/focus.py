"""Controls that the keyboard reaches, beside the window's own keys."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QWidget

PRESSES = {Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter}
MOVES = {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End}
# Keys that a control keeps from the window's shortcuts while it has the focus.
OWN_KEYS: tuple[tuple[type[QWidget], set[Qt.Key]], ...] = (
    (QAbstractButton, PRESSES),
    (QComboBox, PRESSES | MOVES),
    (QAbstractSlider, MOVES | {Qt.Key.Key_Left, Qt.Key.Key_Right}),
)


class _OwnKeys(QObject):
    """Lets a control that has the focus have its keys."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        if not isinstance(event, QKeyEvent):
            return False
        own = next((keys for kind, keys in OWN_KEYS if isinstance(watched, kind)), set())
        if event.key() not in own:
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        is_press = event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat()
        if is_enter and is_press and isinstance(watched, QAbstractButton):
            watched.click()  # Qt leaves Enter to dialogs
            return True
        return False


def reach_by_tab(control: QWidget, name: str = "", description: str = "") -> None:
    """Let Tab reach a control, but not a click, after which keys are the window's as before.

    Parameters
    ----------
    control : QWidget
    name, description : str
        What a screen reader says; by default, the control's text.
    """
    control.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    control.setAccessibleName(name)
    control.setAccessibleDescription(description)
    control.installEventFilter(_OwnKeys(control))
