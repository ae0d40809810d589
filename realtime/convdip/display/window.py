"""The window: reads the feed thirty times a second and shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pylsl
from PySide6.QtCore import QSettings, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QMainWindow,
    QScrollArea,
    QStackedWidget,
    QWidget,
)

from convdip.display.beside import Beside
from convdip.display.captures import Captures
from convdip.display.colours import activity_table, colour_table
from convdip.display.controls import Controls
from convdip.display.cortex_overlay import CortexFrame
from convdip.display.cortex_widget import CortexWidget
from convdip.display.feed import Feed
from convdip.display.freshness import Freshness
from convdip.display.help import Help
from convdip.display.keys import bind, key_map
from convdip.display.limits import ColourLimit, step
from convdip.display.maps import Maps
from convdip.display.opener import Opener
from convdip.display.panels.electrodes import Overview
from convdip.display.places import coordinate_system
from convdip.display.player import Player
from convdip.display.preferences import Settings
from convdip.display.readings import state_of
from convdip.display.rhythm_limit import RhythmLimit
from convdip.display.start_page import StartPage
from convdip.display.status_bar import StatusBar
from convdip.display.theme import THEMES
from convdip.display.timing import Timing

FRAME_MS = 33
# Numbers and panels are updated every third frame.
SLOW_EVERY = 3
MESSAGE_S = 6.0
# Spectra are taken anew every so many frames.
SPECTRA_EVERY = 15


class Window(QMainWindow):
    """The live cortex and the panels beside it.

    Parameters
    ----------
    feed : Feed
    store : QSettings
        Keeps the user's settings between sessions.
    stop : callable
        The window closes when it returns true.

    Attributes
    ----------
    settings : Settings
    player : Player
    captures : Captures
    maps : Maps
    beside : Beside
        The panels beside the cortex.
    timing : Timing
    """

    def __init__(
        self, feed: Feed, store: QSettings, stop: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__()
        self.feed, self._store, self._stop = feed, store, stop
        self.settings, self.timing = Settings.load(store), Timing()
        self.maps = Maps(feed)
        self.maps.moments.limit_nam = self.settings.limit_nam
        self.maps.rhythm.limit_nam = self.settings.rhythm_limit_nam
        self._message_until_s = 0.0
        self._n_ticks = 0
        self._lay_out()
        self.player = Player(feed, self.controls)
        self.captures = Captures(self, self.controls.record, self.say)
        self.opener = Opener(feed, self.start_page, store, self.say)
        self._connect()
        self.apply_settings()
        self._timer = QTimer(self, interval=FRAME_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._timer.start()

    def _lay_out(self) -> None:
        self.setWindowTitle("ConvDip: live cortex")
        # Until Tab is pressed, the focus is the window's own, and so are all keys.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        theme = THEMES[self.settings.theme]
        self.status, self.controls = StatusBar(theme), Controls()
        self.cortex, self.beside = CortexWidget(theme), Beside(self.feed, self.maps, theme)
        live = QWidget()
        grid = QGridLayout(live)
        grid.setContentsMargins(6, 6, 6, 2)
        grid.addWidget(self.status, 0, 0, 1, 3)
        grid.addWidget(self.cortex, 1, 0, 1, 2)
        grid.addWidget(self.beside.strip, 1, 2)
        grid.addWidget(self.beside.regions, 2, 0)
        courses = QHBoxLayout()
        courses.addWidget(self.beside.course, 4)
        courses.addWidget(self.beside.spectrum, 3)
        grid.addLayout(courses, 2, 1)
        electrodes = QHBoxLayout()
        electrodes.addWidget(self.beside.scalp, 1)
        electrodes.addWidget(self.beside.electrodes, 1)
        grid.addLayout(electrodes, 2, 2)
        grid.addWidget(self.controls, 3, 0, 1, 3)
        for column, stretch in enumerate((3, 4, 4)):
            grid.setColumnStretch(column, stretch)
        grid.setRowStretch(1, 5)
        grid.setRowStretch(2, 2)
        self.start_page = StartPage(theme)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start_page)
        # Large text in a small window: what does not fit is scrolled, not cut.
        scrolled = QScrollArea(widgetResizable=True)
        scrolled.setFrameShape(QFrame.Shape.NoFrame)
        scrolled.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scrolled.setWidget(live)
        self.pages.addWidget(scrolled)
        self.setCentralWidget(self.pages)
        self.help, self.overview = Help(self), Overview(self)
        geometry = self._store.value("geometry")
        if geometry is None or not self.restoreGeometry(geometry):
            self.resize(QSize(1280, 800))

    def _connect(self) -> None:
        """Connect buttons, clicks and keys."""
        controls = self.controls
        controls.chosen.connect(self.choose)
        controls.view_chosen.connect(self.show_view)
        controls.lock.clicked.connect(lambda: self.cycle("is_locked"))
        controls.hold.clicked.connect(lambda: self.cycle("is_held"))
        controls.signs.clicked.connect(lambda: self.cycle("is_signed"))
        controls.theme.clicked.connect(lambda: self.cycle("theme"))
        controls.snapshot.clicked.connect(self.captures.take_snapshot)
        controls.help.clicked.connect(self.help.toggle)
        self.cortex.clicked.connect(self._pin_dipole)
        controls.open.clicked.connect(self.leave)
        keys = key_map(self)
        bind(keys, self)
        self.help.show_keys(keys)

    @property
    def limit(self) -> ColourLimit | RhythmLimit:
        """The scale of what is shown."""
        return self.maps.limit

    # Actions of the user.

    def show_view(self, number: int) -> None:
        """Show one of the maps that there are: each moment, or a band."""
        choices = self.maps.choices
        self.maps.choose(choices[number % len(choices)])

    def next_view(self) -> None:
        """Show the next of the maps that there are."""
        choices = self.maps.choices
        here = choices.index(self.maps.band_hz) if self.maps.band_hz in choices else 0
        self.show_view(here + 1)

    def choose(self, name: str, number: int) -> None:
        """Set a setting to one of its choices."""
        self.settings.choose(name, number)
        self.apply_settings(name)

    def cycle(self, name: str) -> None:
        """Set a setting to its next choice; the first follows the last."""
        self.settings.cycle(name)
        self.apply_settings(name)

    def shift(self, name: str, by: int) -> None:
        """Shift a setting along its choices, and stop at the ends."""
        self.choose(name, self.settings.number(name) + by)

    def apply_settings(self, changed: str = "") -> None:
        """Apply all settings, or the changed one alone."""
        settings = self.settings
        if changed in ("", "theme", "text_size"):
            points = QApplication.font().pointSizeF() * settings.text_size
            theme = replace(THEMES[settings.theme], points=points)
            self.setStyleSheet(theme.style)
            for panel in (
                self.status,
                self.cortex,
                self.beside,
                self.start_page,
                self.help,
                self.overview,
            ):
                panel.set_theme(theme)
        if changed in ("", "surface"):
            self.cortex.set_surface(settings.surface)
        if changed in ("", "is_free"):
            self.cortex.set_free(settings.is_free)
        for limit in (self.maps.moments, self.maps.rhythm):
            limit.mode, limit.is_locked = settings.scale, settings.is_locked
        self.player.playback.speed = settings.speed
        self.controls.show_settings(settings)

    def take_baseline(self) -> None:
        """Record a new baseline for the z-scores, and show them."""
        if self.feed.service is not None and not self.player.is_paused:
            is_rhythm = self.maps.band_hz is not None
            kept = self.feed.rhythm if is_rhythm else self.feed.sources
            self.limit.take_baseline(kept.newest_s)
            self.choose("scale", 2)

    def step_limit(self, by: int) -> None:
        """Raise (1) or lower (-1) the end of the scale, and lock it."""
        if self.limit.unit == "nAm":
            self.limit.limit_nam = step(self.limit.limit_nam, by)
            self.settings.is_locked = True
            self.apply_settings("is_locked")

    def leave(self) -> None:
        """Go back to the start page."""
        if self.player.is_paused:
            self.player.toggle_pause()
        self.opener.leave()
        self.captures.is_enabled = False
        self.pages.setCurrentIndex(0)
        self.setFocus()

    def toggle_full_screen(self) -> None:
        """Switch full screen on or off."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def escape(self) -> None:
        """Close the help or the list, leave full screen, or unpin: the first that applies."""
        if self.help.isVisible():
            self.help.hide()
        elif self.overview.isVisible():
            self.overview.hide()
        elif self.isFullScreen():
            self.toggle_full_screen()
        else:
            self._pin(None)

    def pin_strongest(self) -> None:
        """Pin the region of the strongest dipole shown, for those who use no mouse."""
        frame, head = self.cortex.frame, self.cortex.head
        if frame is not None and head is not None:
            self._pin(int(head.atlas[head.strongest(frame.map.strength)]))

    def _pin_dipole(self, dipole: int) -> None:
        if self.feed.service is not None:
            head = self.feed.service.head
            is_region = dipole >= 0 and bool(head.is_cortex[dipole])
            self._pin(int(head.atlas[dipole]) if is_region else None)

    def _pin(self, region: int | None) -> None:
        self.beside.pinned = region

    def say(self, text: str) -> None:
        """Show a message for some seconds."""
        self.controls.message.setText(text)
        self._message_until_s = pylsl.local_clock() + MESSAGE_S

    # Every frame.

    def tick(self) -> None:
        """Read the feed and show it: one frame."""
        now_s = pylsl.local_clock()
        if self._stop():
            self.close()
            return
        if self.feed.poll(now_s):
            self._show_service()
        is_slow_turn = self._n_ticks % SLOW_EVERY == 0
        self._n_ticks += 1
        if is_slow_turn:
            self.opener.update()
        if self.feed.service is None:
            return
        freshness = self.feed.freshness(now_s)
        self._show(freshness, now_s, is_slow_turn=is_slow_turn)
        self.captures.update(now_s)
        newest_s, end_s = self.feed.sources.newest_s, pylsl.local_clock()
        if not self.player.is_paused:
            self.timing.add(now_s, end_s, newest_s, is_stale=freshness.is_stale)

    def _show_service(self) -> None:
        """Show a service whose streams have just been opened."""
        service = self.feed.service
        assert service is not None
        self.pages.setCurrentIndex(1)
        self.setFocus()
        self.captures.is_enabled = True
        if service.head is not self.cortex.head:
            self.cortex.show_head(service.head, *coordinate_system(service.bundle))
            self._pin(None)
        self.beside.show_service()
        self.maps.restart()
        self.player.restart()

    def _show(self, freshness: Freshness, now_s: float, *, is_slow_turn: bool) -> None:
        settings, is_paused = self.settings, self.player.is_paused
        if not is_paused:
            self.maps.update()
        time_s = self.player.time_s(now_s)
        shown = self.maps.at(
            time_s, settings.smooth_s, is_held=settings.is_held, is_signed=settings.is_signed
        )
        truth = self.feed.truth_at(time_s)
        is_grey = freshness.is_stale and not is_paused
        signed_map = THEMES[settings.theme].signed_map
        self.cortex.table = (
            colour_table(signed_map) if shown.is_signed else activity_table(settings.colour_map)
        )
        self.cortex.show_frame(
            CortexFrame(
                shown,
                self.maps.band_hz,
                settings.threshold,
                self.beside.pinned,
                None if truth is None else truth.dipole,
                f"{freshness.word}: {freshness.text}" if is_grey else "",
            )
        )
        self.player.show_time(time_s, now_s, is_stale=freshness.is_stale)
        self._show_state(freshness, now_s)
        if is_slow_turn:
            self._show_numbers(time_s, now_s)
            self.controls.show_views(self.maps.choices, self.maps.band_hz)
            self.beside.show(
                time_s, is_signed=settings.is_signed, is_paused=is_paused, is_grey=is_grey
            )
            self.overview.show_text(self.beside.electrodes.whole)
            self._show_news(now_s)
        if self._n_ticks % SPECTRA_EVERY == 0:
            self.beside.show_spectra(time_s)

    def _show_state(self, freshness: Freshness, now_s: float) -> None:
        if self.player.is_paused:
            meanwhile = f", now {freshness.word}" if freshness.is_stale else ""
            self.status.show_state("PAUSED", meanwhile)
            return
        self.status.show_state(*state_of(freshness, self.feed.quality(now_s)))

    def _show_numbers(self, time_s: float, now_s: float) -> None:
        """Show the service's health."""
        feed = self.feed
        assert feed.service is not None
        self.status.show_numbers(
            now_s - time_s,
            feed.quality(now_s),
            feed.service,
            feed.n_missing,
            self.maps.window_s,
            feed.power.delay_s,
        )

    def _show_news(self, now_s: float) -> None:
        self.captures.report()
        for text in self.feed.take_news():
            self.say(text)
        if now_s > self._message_until_s and self.controls.message.text():
            self.controls.message.setText("")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802, D102
        self._timer.stop()
        self.captures.close()
        self.opener.end()
        self.settings.limit_nam = self.maps.moments.limit_nam
        self.settings.rhythm_limit_nam = self.maps.rhythm.limit_nam
        self.settings.save(self._store)
        self._store.setValue("geometry", self.saveGeometry())
        super().closeEvent(event)
