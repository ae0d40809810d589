"""Opens the window and keeps it until it is closed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from convdip.display.participant import SceneName
from convdip.errors import DisplayError
from convdip.live.settings import Settings
from convdip.priority import give_way
from convdip.processes import Process


def has_screen() -> bool:
    """Whether a window could be opened here."""
    if sys.platform in ("darwin", "win32") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def check_installed() -> None:
    """Say what is missing for a picture.

    Raises
    ------
    DisplayError
        If the extra is not installed.
    """
    missing = [name for name in ("PIL", "PySide6", "pyqtgraph") if find_spec(name) is None]
    if missing:
        raise DisplayError(
            f"the display needs {', '.join(missing)}, not installed here: scripts/install display"
        )


def check_can_display() -> None:
    """Say what is missing for a window.

    Raises
    ------
    DisplayError
        If the extra is not installed, a system library is missing, or there is no screen.
    """
    check_installed()
    if not has_screen():
        raise DisplayError(
            "no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set): run it on a computer "
            "with one in the same network, it reads the streams from there"
        )
    # In a process of its own: where Qt finds no screen, or lacks a library, it aborts.
    probe = "from PySide6.QtWidgets import QApplication; QApplication([])"
    tried = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    if tried.returncode:
        said = tried.stderr.strip().splitlines() or ["nothing said"]
        raise DisplayError(
            f"Qt opens no window here ({said[0]}): is DISPLAY right? On Debian, what it needs is "
            "in libegl1 libgl1 libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 "
            "libxcb-image0 libxcb-keysyms1 libxcb-render-util0"
        )


def run_display(name: str | None, model: str | None, stop: Callable[[], bool]) -> dict[str, Any]:
    """Show a service until the window is closed or ``stop()`` is true.

    Parameters
    ----------
    name : str or None
        Stem of the service's streams; None: the only one there is, or what is chosen.
    model : str or None
        Bundle with the head model; None: the one that the stream names.

    Returns
    -------
    summary : dict
        What ``convdip display --json`` prints.

    Raises
    ------
    DisplayError
        If no window can be opened here.
    """
    check_can_display()
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from convdip.bundle import load_bundle
    from convdip.display.feed import Feed
    from convdip.display.window import Window

    if model is not None:
        load_bundle(model)  # a wrong name is told before a window opens
    give_way()
    app = QApplication.instance() or QApplication(sys.argv[:1])
    feed = Feed(name, model)
    window = Window(feed, QSettings("ConvDip", "display"), stop)
    window.show()
    app.exec()
    service = feed.service
    return {
        "name": feed.name or None,
        "model": None if service is None else service.bundle.name,
        "samples": feed.n_samples,
        "missing": feed.n_missing,
        **window.timing.summary(),
    }


def run_participant(name: str | None, scene: SceneName, stop: Callable[[], bool]) -> dict[str, Any]:
    """Show a participant the feedback until the window is closed or ``stop()`` is true.

    Parameters
    ----------
    name : str or None
        Stem of the service's streams; None: the only one there is.
    scene : str
        What follows the value.

    Returns
    -------
    summary : dict
        What ``convdip display --participant --json`` prints.

    Raises
    ------
    DisplayError
        If no window can be opened here.
    """
    check_can_display()
    from PySide6.QtWidgets import QApplication

    from convdip.display.participant.feed import FeedbackFeed
    from convdip.display.participant.window import ParticipantWindow

    give_way()
    app = QApplication.instance() or QApplication(sys.argv[:1])
    feed = FeedbackFeed(name)
    window = ParticipantWindow(feed, scene, stop)
    window.show_on_second_screen()
    screen, size = window.screen().name(), [window.width(), window.height()]
    app.exec()
    return {
        "name": feed.name or None,
        "scene": scene,
        "screen": screen,
        "size": size,
        **window.shown.summary(),
    }


@contextmanager
def display_beside(settings: Settings) -> Iterator[Process]:
    """Keep the live cortex of a service open beside it, in a process of its own."""
    check_can_display()
    command = ["convdip", "display", "--name", settings.name, "--model", str(settings.model)]
    # Out of reach of the terminal's Ctrl-C: it ends after the service.
    with Process(command, dict(os.environ), apart=True) as process:
        yield process
