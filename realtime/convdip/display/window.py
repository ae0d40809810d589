"""The window: reads the feed thirty times a second and shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pylsl
from PySide6.QtCore import QSettings, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QApplication, QGridLayout, QMainWindow, QStackedWidget, QWidget

from convdip.display.captures import Captures
from convdip.display.colours import activity_table, colour_table
from convdip.display.controls import Controls
from convdip.display.cortex_overlay import CortexFrame
from convdip.display.cortex_widget import CortexWidget
from convdip.display.feed import Feed
from convdip.display.freshness import Freshness
from convdip.display.help import Help
from convdip.display.history import Shown
from convdip.display.keys import bind, key_map
from convdip.display.limits import ColourLimit, step
from convdip.display.panels import course, eeg
from convdip.display.panels.course import RegionCourse
from convdip.display.panels.eeg import EegStrip
from convdip.display.panels.regions import RegionList
from convdip.display.panels.scalp import ScalpWidget
from convdip.display.places import coordinate_system
from convdip.display.player import Player
from convdip.display.preferences import Settings
from convdip.display.start_page import StartPage
from convdip.display.status_bar import StatusBar
from convdip.display.theme import THEMES
from convdip.display.timing import Timing
from convdip.frame import Artefact

FRAME_MS = 33
# Numbers and panels are updated every third frame.
SLOW_EVERY = 3
MESSAGE_S = 6.0
HOLD_S = 1.0
# EEG older than this at the moment shown is not shown as that moment's.
EEG_GAP_S = 0.25


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
    limit : ColourLimit
    pinned : int or None
        Index of the region whose time course is plotted.
    timing : Timing
    """

    def __init__(
        self, feed: Feed, store: QSettings, stop: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__()
        self.feed, self._store, self._stop = feed, store, stop
        self.settings, self.timing = Settings.load(store), Timing()
        self.limit = ColourLimit(self.settings.scale, self.settings.limit_nam)
        self.pinned: int | None = None
        self._message_until_s = 0.0
        self._n_ticks = 0
        self._lay_out()
        self.player = Player(feed, self.controls)
        self.captures = Captures(self, self.controls.record, self.say)
        self._connect()
        self.apply_settings()
        self._timer = QTimer(self, interval=FRAME_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.tick)
        self._timer.start()

    def _lay_out(self) -> None:
        self.setWindowTitle("ConvDip: live cortex")
        theme = THEMES[self.settings.theme]
        self.status, self.controls = StatusBar(theme), Controls()
        self.cortex, self.scalp = CortexWidget(theme), ScalpWidget(theme)
        self.strip, self.course = EegStrip(theme), RegionCourse(theme)
        self.regions = RegionList(theme)
        live = QWidget()
        grid = QGridLayout(live)
        grid.setContentsMargins(6, 6, 6, 2)
        grid.addWidget(self.status, 0, 0, 1, 3)
        grid.addWidget(self.cortex, 1, 0, 1, 2)
        grid.addWidget(self.strip, 1, 2)
        grid.addWidget(self.regions, 2, 0)
        grid.addWidget(self.course, 2, 1)
        grid.addWidget(self.scalp, 2, 2)
        grid.addWidget(self.controls, 3, 0, 1, 3)
        for column, stretch in enumerate((3, 4, 4)):
            grid.setColumnStretch(column, stretch)
        grid.setRowStretch(1, 5)
        grid.setRowStretch(2, 2)
        self.start_page = StartPage(theme)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.start_page)
        self.pages.addWidget(live)
        self.setCentralWidget(self.pages)
        self.help = Help(self)
        geometry = self._store.value("geometry")
        if geometry is None or not self.restoreGeometry(geometry):
            self.resize(QSize(1280, 800))

    def _connect(self) -> None:
        """Connect buttons, clicks and keys."""
        controls = self.controls
        controls.chosen.connect(self.choose)
        controls.lock.clicked.connect(lambda: self.cycle("is_locked"))
        controls.hold.clicked.connect(lambda: self.cycle("is_held"))
        controls.signs.clicked.connect(lambda: self.cycle("is_signed"))
        controls.theme.clicked.connect(lambda: self.cycle("theme"))
        controls.snapshot.clicked.connect(self.captures.take_snapshot)
        controls.help.clicked.connect(self.help.toggle)
        self.cortex.clicked.connect(self._pin_dipole)
        self.start_page.chosen.connect(self.feed.choose)
        keys = key_map(self)
        bind(keys, self)
        self.help.show_keys(keys)

    # Actions of the user.

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
                self.scalp,
                self.strip,
                self.course,
                self.regions,
                self.start_page,
                self.help,
            ):
                panel.set_theme(theme)
        if changed in ("", "surface"):
            self.cortex.set_surface(settings.surface)
        if changed in ("", "is_free"):
            self.cortex.set_free(settings.is_free)
        if changed in ("", "is_signed"):
            self.course.show_region(self.course.region, is_signed=settings.is_signed)
        signed_map = THEMES[settings.theme].signed_map
        self.cortex.table = (
            colour_table(signed_map) if settings.is_signed else activity_table(settings.colour_map)
        )
        self.limit.mode, self.limit.is_locked = settings.scale, settings.is_locked
        self.player.playback.speed = settings.speed
        self.controls.show_settings(settings)

    def take_baseline(self) -> None:
        """Record a new baseline for the z-scores, and show them."""
        if self.feed.service is not None and not self.player.is_paused:
            self.limit.take_baseline(self.feed.sources.newest_s)
            self.choose("scale", 2)

    def step_limit(self, by: int) -> None:
        """Raise (1) or lower (-1) the end of the scale, and lock it."""
        if self.limit.unit == "nAm":
            self.limit.limit_nam = step(self.limit.limit_nam, by)
            self.settings.is_locked = True
            self.apply_settings("is_locked")

    def toggle_full_screen(self) -> None:
        """Switch full screen on or off."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def escape(self) -> None:
        """Close the help, leave full screen, or unpin: the first that applies."""
        if self.help.isVisible():
            self.help.hide()
        elif self.isFullScreen():
            self.toggle_full_screen()
        else:
            self._pin(None)

    def _pin_dipole(self, dipole: int) -> None:
        if self.feed.service is not None:
            head = self.feed.service.head
            is_region = dipole >= 0 and bool(head.is_cortex[dipole])
            self._pin(int(head.atlas[dipole]) if is_region else None)

    def _pin(self, region: int | None) -> None:
        self.pinned = region
        service = self.feed.service
        names = () if service is None else service.head.atlas_names
        name = None if region is None else names[region]
        self.course.show_region(name, is_signed=self.settings.is_signed)

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
        if self.feed.service is None:
            if is_slow_turn:
                streams = self.feed.on_network()
                self.start_page.show_streams(streams, self.feed.name, self.feed.refusal)
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
        self.captures.is_enabled = True
        if service.head is not self.cortex.head:
            self.cortex.show_head(service.head, *coordinate_system(service.bundle))
            self._pin(None)
        self.scalp.show_head(service.head)
        self.strip.show_head(service.head, service.sfreq_hz)
        self.limit.restart()
        self.player.restart()

    def _show(self, freshness: Freshness, now_s: float, *, is_slow_turn: bool) -> None:
        feed, settings, is_paused = self.feed, self.settings, self.player.is_paused
        if not is_paused:
            self.limit.update(feed.sources)
        time_s = self.player.time_s(now_s)
        hold_s = HOLD_S if settings.is_held else 0.0
        is_signed = settings.is_signed
        shown = feed.sources.at(time_s, settings.smooth_s, hold_s, of_magnitudes=not is_signed)
        if shown is None:
            shown = Shown(np.zeros(self.cortex.n_dipoles, np.float32), time_s)
        truth = feed.truth_at(time_s)
        is_grey = freshness.is_stale and not is_paused
        self.cortex.show_frame(
            CortexFrame(
                shown.moments_nam,
                self.limit.strength(shown.moments_nam, is_signed=is_signed),
                is_signed,
                self.limit.limit,
                self.limit.unit,
                self._scale_words(),
                settings.threshold,
                self.pinned,
                None if truth is None else truth.dipole,
                f"{freshness.word}: {freshness.text}" if is_grey else "",
            )
        )
        self.player.show_time(time_s, now_s, is_stale=freshness.is_stale)
        self._show_state(freshness, now_s)
        if is_slow_turn:
            self._show_panels(time_s, now_s, is_grey=is_grey)
            self._show_news(now_s)

    def _scale_words(self) -> str:
        if self.limit.baseline_end_s is not None:
            left_s = self.limit.baseline_end_s - self.feed.sources.newest_s
            return f"baseline\n{left_s:.0f} s left"
        return f"{self.limit.mode}\nlocked" if self.limit.is_locked else self.limit.mode

    def _show_state(self, freshness: Freshness, now_s: float) -> None:
        if self.player.is_paused:
            meanwhile = f", now {freshness.word}" if freshness.is_stale else ""
            self.status.show_state("PAUSED", meanwhile)
            return
        quality = self.feed.quality(now_s)
        is_over = bool(quality.get("overload", 0.0)) and not freshness.is_stale
        code = int(quality.get("artefact", 0.0))
        is_known = 0 < code < len(Artefact) and not freshness.is_stale
        extra = f", {list(Artefact)[code]}" if is_known else ""
        self.status.show_state("OVERLOAD" if is_over else freshness.word, extra)

    def _show_panels(self, time_s: float, now_s: float, *, is_grey: bool) -> None:
        """Show the present numbers, and EEG and regions of the moment that the cortex shows."""
        feed, service = self.feed, self.feed.service
        assert service is not None
        quality = feed.quality(now_s)
        self.status.show_numbers(now_s - time_s, quality, service, feed.n_missing)
        interpolated = feed.interpolated()
        self.scalp.show_interpolated(interpolated)
        self.strip.show_interpolated(interpolated)
        eeg_uv, stamps = feed.eeg.between(time_s - eeg.SPAN_S, time_s)
        is_there = len(stamps) and time_s - stamps[-1] < EEG_GAP_S
        self.scalp.show_eeg(
            eeg_uv[-1] if is_there else None, eeg_uv, time_s, feed.eeg_state, is_grey=is_grey
        )
        self.strip.show_eeg(eeg_uv, stamps, time_s, is_grey=is_grey)
        means, stamps = feed.regions.between(time_s - course.SPAN_S, time_s)
        if len(means):
            limit_nam = self.limit.limit_nam
            names = service.head.atlas_names
            self.regions.show_means(names, means[-1], limit_nam, is_grey=is_grey)
        if self.pinned is not None:
            if self.settings.is_signed:
                means, stamps = feed.signed_regions.between(time_s - course.SPAN_S, time_s)
            self.course.show_course(means[:, self.pinned], stamps, time_s)

    def _show_news(self, now_s: float) -> None:
        self.captures.report()
        for text in self.feed.take_news():
            self.say(text)
        if now_s > self._message_until_s and self.controls.message.text():
            self.controls.message.setText("")

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802, D102
        self._timer.stop()
        self.captures.close()
        self.settings.limit_nam = self.limit.limit_nam
        self.settings.save(self._store)
        self._store.setValue("geometry", self.saveGeometry())
        super().closeEvent(event)
