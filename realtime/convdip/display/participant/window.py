"""The participant's window: a scene or a page, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pylsl
from PySide6.QtCore import QRectF, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QGuiApplication, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from convdip.display.participant import SceneName
from convdip.display.participant.feed import FeedbackFeed
from convdip.display.participant.pages import draw_page
from convdip.display.participant.scenes import Look, draw_scene
from convdip.display.participant.shown import Shown
from convdip.display.participant.sitting import Page, Scene
from convdip.display.participant.smooth import Smooth

log = logging.getLogger(__name__)

FRAME_MS = 16


class ParticipantWindow(QWidget):
    """Draws what the participant is to see, sixty times a second.

    Parameters
    ----------
    feed : FeedbackFeed
    scene : str
    stop : callable
        The window closes when it returns true.

    Attributes
    ----------
    picture : Look or Page
        What is drawn.
    shown : Shown
    """

    def __init__(
        self, feed: FeedbackFeed, scene: SceneName, stop: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__()
        self.setWindowTitle("ConvDip")
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(320, 240)
        self.resize(1280, 800)
        self.feed, self.shown = feed, Shown(scene)
        self.picture: Look | Page = Page("Waiting")
        self._scene, self._stop = scene, stop
        self._smooth, self._number = Smooth(), 0
        self._is_painted = False
        self._refusal = ""
        self._timer = QTimer(self, interval=FRAME_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._timer.start()

    def show_on_second_screen(self) -> None:
        """Fill the second screen, or the only one."""
        first = QGuiApplication.primaryScreen()
        for screen in QGuiApplication.screens():
            if screen is not first:
                self.setScreen(screen)
                self.setGeometry(screen.geometry())
                break
        self._fill(is_full=True)

    def _fill(self, *, is_full: bool) -> None:
        """Take the whole screen or give it back; there is no pointer on a full one."""
        self.setCursor(Qt.CursorShape.BlankCursor if is_full else Qt.CursorShape.ArrowCursor)
        if is_full:
            self.showFullScreen()
        else:
            self.showNormal()

    def tick(self) -> None:
        """Read the feedback and show it: one frame."""
        if self._stop():
            self.close()
            return
        start_s = pylsl.local_clock()
        self.feed.poll(start_s)
        if self.feed.name:
            self.shown.open(self.feed.name)
        if self.feed.refusal != self._refusal:
            self._refusal = self.feed.refusal
            if self._refusal:
                log.warning("the participant sees no feedback: %s", self._refusal)
        seen = self.feed.sitting.at(start_s)
        self.picture = seen if isinstance(seen, Page) else self._look(seen, start_s)
        self._is_painted = False
        self.repaint()  # at once, until the window system has the picture
        if self._is_painted:
            value = drawn = None
            stamp = float("nan")
            if isinstance(seen, Scene) and isinstance(self.picture, Look):
                stamp, value, drawn = seen.stamp, seen.value, self.picture.value
            self.shown.add(start_s, pylsl.local_clock(), stamp, value, drawn)

    def _look(self, scene: Scene, now_s: float) -> Look:
        """Return the scene as it follows; what is suspended stands still."""
        if self.feed.sitting.number != self._number:
            self._number = self.feed.sitting.number
            self._smooth.clear()
        is_grey = scene.value is None
        if scene.value is None:
            self._smooth.hold(now_s)
        else:
            self._smooth.follow(scene.value, now_s)
        return Look(self._smooth.value, scene.threshold, scene.is_above, is_grey, scene.word)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, D102
        with QPainter(self) as painter:
            box = QRectF(self.rect())
            if isinstance(self.picture, Page):
                draw_page(painter, box, self.picture)
            else:
                draw_scene(painter, box, self._scene, self.picture)
        self._is_painted = True

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802, D102
        if event.key() in (Qt.Key.Key_F, Qt.Key.Key_F11):
            self._fill(is_full=not self.isFullScreen())
        elif event.key() != Qt.Key.Key_Escape:
            super().keyPressEvent(event)
        elif self.isFullScreen():
            self._fill(is_full=False)
        else:
            self.close()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802, D102
        self._timer.stop()
        self.feed.close()
        super().closeEvent(event)
