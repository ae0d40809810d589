"""Snapshots and GIF recordings of the window, as files in the current folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pylsl
from PySide6.QtWidgets import QPushButton, QWidget

from convdip.display.recording import GifRecorder, new_file


class Captures:
    """Takes pictures of a window.

    Parameters
    ----------
    window : QWidget
    button : QPushButton
        Starts and stops a GIF; down while one is recorded.
    say : callable
        Gets a message for the user.

    Attributes
    ----------
    is_enabled : bool
        Whether there is anything to record.
    """

    def __init__(self, window: QWidget, button: QPushButton, say: Callable[[str], None]) -> None:
        self._window, self._button, self._say = window, button, say
        self._recorder = GifRecorder()
        self.is_enabled = False
        button.clicked.connect(self.toggle)

    def take_snapshot(self) -> None:
        """Save the window as it is as PNG."""
        path = self._new_file(".png")
        if path is not None:
            is_saved = self._window.grab().save(str(path))
            self._say(f"saved {path}" if is_saved else f"cannot save {path}")

    def toggle(self) -> None:
        """Start recording a GIF, or stop and save it."""
        if not self.is_enabled:
            return
        if self._recorder.is_recording:
            path = self._new_file(".gif")
            if path is not None:
                self._say(f"saving {path} …")
            self._recorder.finish(path)
        else:
            self._recorder.start(pylsl.local_clock())
            self._say("recording …")
        self._button.setChecked(self._recorder.is_recording)

    def update(self, now_s: float) -> None:
        """Take the picture of a recording that is due at an LSL time."""
        if self._recorder.is_due(now_s):
            self._recorder.add(self._window.grab(), now_s)
        if self._recorder.is_full(now_s):
            self.toggle()

    def report(self) -> None:
        """Say which files have been saved since."""
        for text in self._recorder.news():
            self._say(text)

    def close(self) -> None:
        """Save a recording that is in progress."""
        if self._recorder.is_recording:
            self.toggle()

    def _new_file(self, suffix: str) -> Path | None:
        """Make an empty file in the current folder; tell the user if that fails."""
        try:
            return new_file(Path.cwd(), suffix)
        except OSError as error:
            self._say(f"cannot write to {Path.cwd()}: {error.strerror}")
            return None
