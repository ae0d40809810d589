"""The window: reads the feed thirty times a second and shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pylsl
from PySide6.QtCore import QSettings, QSize, Qt, QTimer
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QGridLayout, QMainWindow, QStackedWidget, QWidget

from convdip.display.colours import activity_table
from convdip.display.controls import Controls
from convdip.display.cortex_widget import CortexFrame, CortexWidget
from convdip.display.feed import Feed
from convdip.display.freshness import Freshness
from convdip.display.help import Help
from convdip.display.history import Shown
from convdip.display.limits import ColourLimit, step
from convdip.display.panels import (
    COURSE_S,
    STRIP_S,
    EegStrip,
    RegionCourse,
    RegionList,
    ScalpWidget,
)
from convdip.display.places import coordinate_system
from convdip.display.playback import Playback
from convdip.display.preferences import Settings
from convdip.display.recording import GifRecorder, new_file
from convdip.display.start_page import StartPage
from convdip.display.status_bar import StatusBar
from convdip.display.theme import THEMES
from convdip.display.timing import Timing

FRAME_MS = 33
# Numbers are read, not watched: every third frame.
SLOW_EVERY = 3
MESSAGE_S = 6.0
HOLD_S = 1.0
# Without EEG for so long before the moment shown, there is none.
EEG_GAP_S = 0.25


class Window(QMainWindow):
    """The live cortex and the evidence beside it.

    Parameters
    ----------
    feed : Feed
    store : QSettings
        Where it is remembered how a person likes it.
    stop : callable
        Closes the window when true.
    """

    def __init__(
        self, feed: Feed, store: QSettings, stop: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__()
        self.feed, self._store, self._stop = feed, store, stop
        self.settings = Settings.load(store)
        self.playback, self.timing, self._recorder = Playback(), Timing(), GifRecorder()
        self.limit = ColourLimit(self.settings.scale, self.settings.limit_nam)
        self.pinned: int | None = None
        self._message_until_s = 0.0
        self._n_ticks = 0
        self._lay_out()
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
        """Let buttons and keys do the same."""
        controls = self.controls
        controls.pause.clicked.connect(self.toggle_pause)
        controls.play.clicked.connect(self.toggle_play)
        controls.slid.connect(self._slide)
        controls.chosen.connect(self._choose)
        controls.lock.clicked.connect(lambda: self._cycle("is_locked"))
        controls.hold.clicked.connect(lambda: self._cycle("is_held"))
        controls.theme.clicked.connect(lambda: self._cycle("theme"))
        controls.snapshot.clicked.connect(self.take_snapshot)
        controls.record.clicked.connect(self.toggle_recording)
        controls.help.clicked.connect(self.help.toggle)
        self.cortex.clicked.connect(self._pin_dipole)
        self.start_page.chosen.connect(self.feed.choose)
        repeated: dict[str, Callable[[], object]] = {
            "Left": lambda: self._step(-0.02),
            "Right": lambda: self._step(0.02),
            "Shift+Left": lambda: self._step(-1.0),
            "Shift+Right": lambda: self._step(1.0),
        }
        once: dict[str, Callable[[], object]] = {
            "Space": self.toggle_pause,
            "P": self.toggle_play,
            ",": lambda: self._move("speed", -1),
            ".": lambda: self._move("speed", 1),
            "1": lambda: self._choose("is_free", 0),
            "2": lambda: self._choose("is_free", 1),
            "I": lambda: self._choose("surface", 0),
            "G": lambda: self._choose("surface", 1),
            "W": lambda: self._choose("surface", 2),
            "S": lambda: self._cycle("scale"),
            "L": lambda: self._cycle("is_locked"),
            "B": self.take_baseline,
            "+": lambda: self._step_limit(1),
            "=": lambda: self._step_limit(1),
            "-": lambda: self._step_limit(-1),
            "[": lambda: self._move("threshold", -1),
            "]": lambda: self._move("threshold", 1),
            "C": lambda: self._cycle("colour_map"),
            "H": lambda: self._cycle("is_held"),
            "M": lambda: self._cycle("smooth_s"),
            "T": lambda: self._cycle("theme"),
            "Ctrl+S": self.take_snapshot,
            "R": self.toggle_recording,
            "Ctrl++": lambda: self._move("text_size", 1),
            "Ctrl+=": lambda: self._move("text_size", 1),
            "Ctrl+-": lambda: self._move("text_size", -1),
            "Ctrl+0": lambda: self._choose("text_size", 2),
            "F": self.toggle_full_screen,
            "F11": self.toggle_full_screen,
            "?": self.help.toggle,
            "F1": self.help.toggle,
            "Escape": self._escape,
            "Ctrl+Q": self.close,
        }
        for key, act in (repeated | once).items():
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setAutoRepeat(key in repeated)  # a key that is held does not flicker
            shortcut.activated.connect(act)

    # What a person does.

    def _choose(self, name: str, number: int) -> None:
        self.settings.choose(name, number)
        self.apply_settings(name)

    def _cycle(self, name: str) -> None:
        self.settings.cycle(name)
        self.apply_settings(name)

    def _move(self, name: str, by: int) -> None:
        self._choose(name, self.settings.number(name) + by)

    def apply_settings(self, changed: str = "") -> None:
        """Show all as it is set; only what a change concerns, where one is named."""
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
        self.cortex.table = activity_table(settings.colour_map)
        self.limit.mode, self.limit.is_locked = settings.scale, settings.is_locked
        self.playback.speed = settings.speed
        self.controls.show_settings(settings)
        self._show_playback()

    def _show_playback(self) -> None:
        self.controls.show_playback(
            is_paused=self.playback.is_paused, is_playing=self.playback.is_playing
        )

    def toggle_pause(self) -> None:
        """Hold the picture, or go live again."""
        if self.feed.service is None or self.feed.sources.at(np.inf) is None:
            return
        if self.playback.is_paused:
            self.playback.go_live()
        else:
            self.playback.pause(self.feed.sources.newest_s)
        # What is looked at must not be overwritten meanwhile.
        self.feed.is_frozen = self.playback.is_paused
        self._show_playback()

    def toggle_play(self) -> None:
        """Play back what is held, or hold it."""
        if self.playback.is_paused:
            self.playback.play(self.feed.sources.oldest_s, self.feed.sources.newest_s)
            self._show_playback()

    def _step(self, by_s: float) -> None:
        if self.playback.is_paused:
            kept = self.feed.sources
            shown_s = self.playback.shown_s(kept.newest_s, pylsl.local_clock())
            self.playback.seek(shown_s + by_s, kept.oldest_s, kept.newest_s)
            self._show_playback()

    def _slide(self, share: float) -> None:
        kept = self.feed.sources
        time_s = kept.oldest_s + share * (kept.newest_s - kept.oldest_s)
        self.playback.seek(time_s, kept.oldest_s, kept.newest_s)
        self._show_playback()

    def take_baseline(self) -> None:
        """Take a new baseline for the z scale."""
        if self.feed.service is not None and not self.playback.is_paused:
            self.limit.take_baseline(self.feed.sources.newest_s)
            self._choose("scale", 2)

    def _step_limit(self, by: int) -> None:
        if self.limit.unit == "nAm":
            self.limit.limit_nam = step(self.limit.limit_nam, by)
            self.settings.is_locked = True
            self.apply_settings("is_locked")

    def toggle_full_screen(self) -> None:
        """Fill the screen, or not."""
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _escape(self) -> None:
        if self.help.isVisible():
            self.help.hide()
        elif self.isFullScreen():
            self.toggle_full_screen()
        else:
            self._pin(None)

    def _pin_dipole(self, dipole: int) -> None:
        if self.feed.service is not None:
            self._pin(int(self.feed.service.head.atlas[dipole]) if dipole >= 0 else None)

    def _pin(self, region: int | None) -> None:
        self.pinned = region
        service = self.feed.service
        names = () if service is None else service.head.atlas_names
        self.course.show_region(None if region is None else names[region])

    def take_snapshot(self) -> None:
        """Write the window as it is into the current folder."""
        path = self._new_file(".png")
        if path is not None:
            is_written = self.grab().save(str(path))
            self._say(f"wrote {path}" if is_written else f"{path} could not be written")

    def _new_file(self, suffix: str) -> Path | None:
        """Make an empty file in the current folder; say why, where that cannot be done."""
        try:
            return new_file(Path.cwd(), suffix)
        except OSError as error:
            self._say(f"nothing can be written into {Path.cwd()}: {error.strerror}")
            return None

    def toggle_recording(self) -> None:
        """Begin to record a GIF, or end it."""
        if self._recorder.is_recording:
            path = self._new_file(".gif")
            if path is not None:
                self._say(f"writing {path} …")
            self._recorder.finish(path)
        elif self.feed.service is not None:
            self._recorder.start(pylsl.local_clock())
            self._say("recording …")
        self.controls.record.setChecked(self._recorder.is_recording)

    def _say(self, text: str) -> None:
        self.controls.message.setText(text)
        self._message_until_s = pylsl.local_clock() + MESSAGE_S

    # What happens by itself.

    def tick(self) -> None:
        """Read what has come and show it: one frame."""
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
        self._record(now_s)
        newest_s, end_s = self.feed.sources.newest_s, pylsl.local_clock()
        if not self.playback.is_paused:
            self.timing.add(now_s, end_s, newest_s, is_stale=freshness.is_stale)

    def _show_service(self) -> None:
        """Begin to show a service that was opened."""
        service = self.feed.service
        assert service is not None
        self.pages.setCurrentIndex(1)
        if service.head is not self.cortex.head:
            self.cortex.show_head(service.head, *coordinate_system(service.bundle))
            self._pin(None)
        self.scalp.show_head(service.head, service.provenance.interpolated)
        self.strip.show_head(service.head, service.provenance.interpolated, service.sfreq_hz)
        self.limit.restart()
        if self.playback.is_paused and not self.feed.is_frozen:  # there is no past any more
            self.playback.go_live()
            self._show_playback()

    def _show(self, freshness: Freshness, now_s: float, *, is_slow_turn: bool) -> None:
        feed, settings, is_paused = self.feed, self.settings, self.playback.is_paused
        if not is_paused:
            self.limit.update(feed.sources)
        was_playing = self.playback.is_playing
        time_s = self.playback.shown_s(feed.sources.newest_s, now_s)
        if was_playing != self.playback.is_playing:
            self._show_playback()
        hold_s = HOLD_S if settings.is_held else 0.0
        shown = feed.sources.at(time_s, settings.smooth_s, hold_s)
        if shown is None:
            shown = Shown(np.zeros(self.cortex.n_dipoles, np.float32), time_s)
        truth = feed.truth_at(time_s)
        is_grey = freshness.is_stale and not is_paused
        self.cortex.show_frame(
            CortexFrame(
                shown.moments_nam,
                self.limit.strength(shown.moments_nam),
                self.limit.limit,
                self.limit.unit,
                self._scale_words(),
                settings.threshold,
                self.pinned,
                None if truth is None else truth.dipole,
                f"{freshness.word}: {freshness.text}" if is_grey else "",
            )
        )
        self._show_moment(freshness, time_s, now_s)
        if is_slow_turn:
            self._show_evidence(time_s, now_s)
            self._show_news(now_s)

    def _scale_words(self) -> str:
        if self.limit.baseline_end_s is not None:
            left_s = self.limit.baseline_end_s - self.feed.sources.newest_s
            return f"baseline\n{left_s:.0f} s left"
        return f"{self.limit.mode}\nlocked" if self.limit.is_locked else self.limit.mode

    def _show_moment(self, freshness: Freshness, time_s: float, now_s: float) -> None:
        kept = self.feed.sources
        span_s = kept.newest_s - kept.oldest_s
        share = 1 - (kept.newest_s - time_s) / span_s if span_s > 0 else 1.0
        is_now = not self.playback.is_paused and not freshness.is_stale
        self.controls.show_moment("now" if is_now else _ago(now_s - time_s), share)
        if self.playback.is_paused:
            meanwhile = f", now {freshness.word}" if freshness.is_stale else ""
            self.status.show_state("PAUSED", meanwhile)
            return
        is_over = bool(self.feed.quality(now_s).get("overload", 0.0)) and not freshness.is_stale
        self.status.show_state("OVERLOAD" if is_over else freshness.word)

    def _show_evidence(self, time_s: float, now_s: float) -> None:
        """Show numbers of now, and EEG and regions of the moment that the cortex shows."""
        feed, service = self.feed, self.feed.service
        assert service is not None
        quality = feed.quality(now_s)
        self.status.show_numbers(now_s - time_s, quality, service, feed.n_missing)
        is_grey = bool(self.cortex.frame and self.cortex.frame.banner)
        eeg, stamps = feed.eeg.between(time_s - STRIP_S, time_s)
        is_there = len(stamps) and time_s - stamps[-1] < EEG_GAP_S
        self.scalp.show_eeg(
            eeg[-1] if is_there else None, eeg, time_s, feed.eeg_state, is_grey=is_grey
        )
        self.strip.show_eeg(eeg, stamps, time_s, is_grey=is_grey)
        means, stamps = feed.regions.between(time_s - COURSE_S, time_s)
        if len(means):
            limit_nam = self.limit.limit_nam
            names = service.head.atlas_names
            self.regions.show_means(names, means[-1], limit_nam, is_grey=is_grey)
        if self.pinned is not None:
            self.course.show_course(means[:, self.pinned], stamps, time_s)

    def _show_news(self, now_s: float) -> None:
        for text in (*self._recorder.news(), *self.feed.take_news()):
            self._say(text)
        if now_s > self._message_until_s and self.controls.message.text():
            self.controls.message.setText("")

    def _record(self, now_s: float) -> None:
        if self._recorder.is_due(now_s):
            self._recorder.add(self.grab(), now_s)
        if self._recorder.is_full(now_s):
            self.toggle_recording()

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802, D102
        self._timer.stop()
        if self._recorder.is_recording:
            self.toggle_recording()
        self.settings.limit_nam = self.limit.limit_nam
        self.settings.save(self._store)
        self._store.setValue("geometry", self.saveGeometry())
        super().closeEvent(event)


def _ago(seconds: float) -> str:
    return f"{seconds:.2f} s ago" if np.isfinite(seconds) else "–"
