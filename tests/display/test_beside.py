"""What is beside the cortex: real streams, real keys, a real mouse, real pixels."""

from __future__ import annotations

import time

import numpy as np
import pylsl
import pytest
from convdip.display.app import has_screen

pytest.importorskip("PySide6.QtWidgets", reason="Qt does not load here", exc_type=ImportError)
if not has_screen():
    pytest.skip("no screen: run under xvfb-run", allow_module_level=True)

from convdip.display.feed import Feed
from convdip.display.panels.eeg import SPAN_S
from convdip.display.status_bar import StatusBar
from convdip.display.theme import THEMES
from convdip.display.window import SLOW_EVERY, Window
from convdip.frame import Artefact
from convdip.streams import Event, markers_info
from PySide6.QtCore import QEvent, QPoint, QPointF, QSettings, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QLabel, QToolTip

pytestmark = pytest.mark.qt_log_level_fail("WARNING")


@pytest.fixture
def show(qtbot, tmp_path, monkeypatch):
    """Open a window on a service, and wait until all of its streams are open."""
    monkeypatch.chdir(tmp_path)

    def open_window(publisher):
        store = QSettings(str(tmp_path / "display.ini"), QSettings.Format.IniFormat)
        window = Window(Feed(publisher.name), store)
        window.resize(1280, 800)
        qtbot.addWidget(window)
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow, timeout=60_000)

        def is_there():
            feed = window.feed
            return (
                window.cortex.frame is not None
                and bool(feed.quality(pylsl.local_clock()))
                and len(feed.eeg.stamps) > 10
                and feed._events.is_open
            )

        goes_on(qtbot, publisher, is_there)
        return window

    return open_window


def goes_on(qtbot, publisher, is_so, timeout_s=60):
    """Let the service go on until something is so."""

    def step():
        publisher.send()
        return bool(is_so())

    qtbot.waitUntil(step, timeout=round(timeout_s * 1000))


def for_seconds(qtbot, publisher, seconds):
    end = time.monotonic() + seconds
    goes_on(qtbot, publisher, lambda: time.monotonic() > end)


def tick(window):
    """Draw so many frames that the panels are among them."""
    for _ in range(SLOW_EVERY + 1):
        window.tick()


def column_of(strip, time_s, beside=0):
    """Return the pixels of the traces at a time and beside it, from top to bottom.

    Returns
    -------
    pixels : ndarray, shape (n_rows, 1 + 2 * beside, 3)
    """
    picture, box = pixels_of(strip), strip._box()
    x = round(strip._to_x(time_s))
    assert box.left() <= x <= box.right()
    rows = slice(round(box.top()) + 45, round(box.bottom()) - 2)
    return picture[rows, x - beside : x + beside + 1].astype(int)


def pixels_of(widget):
    image = widget.grab().toImage()
    image = image.convertToFormat(image.Format.Format_RGB888)
    rows = np.array(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3)


def has_line(strip, time_s):
    """Whether there is a dashed line, as light as text."""
    is_light = column_of(strip, time_s, 1).min(axis=2) > 200
    return bool(is_light.mean(axis=0).max() > 0.3)


def reddish(pixels):
    """Return the share of pixels that are as red as a gap is shaded."""
    red, green, blue = np.moveaxis(pixels, -1, 0)
    return float(((red - green > 30) & (red - blue > 30)).mean())


def hover(widget, place):
    event = QHelpEvent(QEvent.Type.ToolTip, place, widget.mapToGlobal(place))
    QApplication.sendEvent(widget, event)


def test_markers_scroll_with_the_eeg_and_are_there_when_one_looks_back(qtbot, publish, show):
    publisher = publish()
    stimuli = pylsl.StreamOutlet(markers_info(f"{publisher.name}EEG", f"{publisher.name}-m"))
    window = show(publisher)
    strip = window.beside.strip
    goes_on(qtbot, publisher, stimuli.have_consumers)
    stamp = pylsl.local_clock()
    stimuli.push_sample(["S  7 <b>go</b>\nnow" + "x" * 500], stamp)
    goes_on(qtbot, publisher, lambda: strip.marks)
    [mark] = strip.marks
    assert mark.stamp == pytest.approx(stamp, abs=1e-3)
    assert mark.text.startswith("S 7 <b>go</b> nowx")
    goes_on(qtbot, publisher, lambda: strip._end_s > stamp + 0.5)
    qtbot.keyClick(window, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.player.is_paused, timeout=60_000)
    tick(window)
    assert has_line(strip, stamp)
    assert not has_line(strip, stamp - 0.1)
    first_x = strip._to_x(stamp)
    # What is said at the line is no markup.
    place = QPoint(round(first_x), round(strip._box().center().y()))
    hover(strip.viewport(), place)
    assert "&lt;b&gt;go&lt;/b&gt;" in QToolTip.text()
    qtbot.keyClick(window, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    tick(window)
    assert strip._end_s < stamp
    assert strip.marks == []  # it has not happened yet
    qtbot.keyClick(window, Qt.Key.Key_Space)
    goes_on(qtbot, publisher, lambda: strip._end_s > stamp + SPAN_S)
    assert strip.marks == []


def test_gaps_no_estimates_and_artefacts_are_shaded_and_named(qtbot, publish, show):
    publisher = publish()
    window = show(publisher)
    strip = window.beside.strip
    for_seconds(qtbot, publisher, 0.5)

    def kinds():
        strip.grab()  # paints
        return set(strip.named)

    assert kinds() == set()
    publisher.health.artefact = Artefact.BLINK
    goes_on(qtbot, publisher, lambda: kinds() == {"blink"})
    publisher.health.artefact = Artefact.NONE
    usual = publisher.moments_nam
    publisher.moments_nam = usual * np.nan
    publisher.events.say(Event.INVALID, "NOT VALID", pylsl.local_clock(), reason="no signal")
    goes_on(qtbot, publisher, lambda: kinds() >= {"blink", "no estimates"})
    publisher.moments_nam = usual
    goes_on(qtbot, publisher, lambda: window.feed.sources.is_finite)
    ended_s = publisher._sent_s
    publisher._sent_s += 0.3  # the amplifier left some out
    time.sleep(0.3)
    goes_on(qtbot, publisher, lambda: kinds() >= {"blink", "no estimates", "gap"})
    qtbot.keyClick(window, Qt.Key.Key_Space)
    tick(window)
    gap = next(span for span in strip.spans if span.kind == "gap")
    assert gap.first_s == pytest.approx(ended_s, abs=1e-3)
    assert gap.last_s - gap.first_s == pytest.approx(0.3, abs=0.02)
    assert reddish(column_of(strip, ended_s + 0.15)) > 0.8
    [mark] = [mark for mark in strip.marks if mark.text == "no estimates: no signal"]
    assert mark.stream == f"{publisher.name}-Events"
    assert "gap, 0.3" in strip.words_at(QPointF(strip._to_x(ended_s + 0.15), 200))
    # Back to before any of it.
    for _ in range(3):
        qtbot.keyClick(window, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    tick(window)
    assert "gap" not in kinds()


def test_traces_stay_at_their_names_when_the_window_changes(qtbot, publish, show):
    """Flat EEG, so that each trace is a line where its name is, however the window was before."""
    publisher = publish()
    window = show(publisher)
    strip = window.beside.strip
    for width, height in ((1280, 560), (1280, 860), (1200, 700)):
        window.resize(width, height)
        for_seconds(qtbot, publisher, 0.3)

        def is_at_its_name():
            box = strip.getViewBox()
            column = column_of(strip, strip._end_s - 0.05)[:, 0]
            top = round(strip._box().top()) + 45
            lowest = box.mapViewToScene(QPointF(0, 0)).y() - top
            drawn = np.flatnonzero(np.ptp(column, axis=1) + column.max(axis=1) > 100)
            return len(drawn) and abs(drawn.max() - lowest) < 3

        goes_on(qtbot, publisher, is_at_its_name)


def test_a_trace_is_dotted_only_while_its_electrode_was_bad(qtbot, publish, show):
    publisher = publish()
    window = show(publisher)
    say, facts = publisher.events.say, {"electrode": "C3", "reason": "noise"}
    for_seconds(qtbot, publisher, 0.6)
    began_s = pylsl.local_clock()
    say(Event.BAD, "C3 is bad (noise): left out", began_s, **facts)
    for_seconds(qtbot, publisher, 0.6)
    ended_s = pylsl.local_clock()
    say(Event.GOOD, "C3 is good again", ended_s, **facts)
    strip = window.beside.strip
    goes_on(qtbot, publisher, lambda: strip._end_s > ended_s + 0.4)

    def dotted():
        x, _ = strip._interpolated.getData()
        is_drawn = strip._interpolated.opts["connect"].astype(bool)
        return x[is_drawn] + strip._end_s

    assert not strip._is_interpolated.any()  # by now
    assert window.beside.scalp.interpolated == {}
    assert dotted().min() == pytest.approx(began_s, abs=0.05)
    assert dotted().max() == pytest.approx(ended_s, abs=0.05)
    # Looking back, it is crossed out where it was.
    qtbot.keyClick(window, Qt.Key.Key_Space)
    window.player._seek(ended_s - 0.1)
    tick(window)
    assert window.beside.scalp.interpolated == {"C3": "noise"}
    assert [row[:2] for row in window.beside.electrodes.rows] == [("C3", "noisy")]
    window.player._seek(began_s - 0.1)
    tick(window)
    assert window.beside.scalp.interpolated == {}


def test_bad_electrodes_are_listed_with_reason_and_time(qtbot, publish, show):
    publisher = publish(n_missing=2)
    window = show(publisher)
    listed = window.beside.electrodes
    goes_on(qtbot, publisher, lambda: len(listed.rows) == 2)
    assert {row[1] for row in listed.rows} == {"not there"}
    assert listed.title == "electrodes: 2 not there"
    say = publisher.events.say
    say(Event.BAD, "", pylsl.local_clock(), electrode="C3", reason="rail")
    say(Event.BAD, "", pylsl.local_clock(), electrode="C4", reason="noise", kept=True)
    say(Event.BAD, "", pylsl.local_clock(), electrode="<b>Q</b>", reason="<i>new</i>")
    goes_on(qtbot, publisher, lambda: len(listed.rows) == 5)
    rows = {name: (word, since) for name, word, since in listed.rows}
    word, since = rows["C3"]
    assert word == "at the limit"
    assert since.startswith("since ")
    assert len(since) == len("since 10:31:02")
    assert rows["C4"][0] == "noisy, kept"
    assert window.beside.scalp.interpolated.keys().isdisjoint({"C4"})  # it is imaged
    hover(listed, QPoint(20, 20))
    assert "&lt;b&gt;Q&lt;/b&gt;" in QToolTip.text()
    # Many: the first few, how many more, and all by keyboard.
    for name in publisher.head.channels[:20]:
        say(Event.BAD, "", pylsl.local_clock(), electrode=name, reason="flat")
    goes_on(qtbot, publisher, lambda: listed.n_more > 0)
    assert len(listed.rows) + listed.n_more == len(listed.whole)
    qtbot.keyClick(window, Qt.Key.Key_E)
    assert window.overview.isVisible()
    text = window.overview.toPlainText()
    assert all(name in text for name in publisher.head.channels[:20])
    assert "<i>new</i>" in text
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.overview.isVisible()


def test_age_and_delay_are_told_apart(qtbot, publish, show):
    publisher = publish()
    publisher.health.filter_delay_s = 0.113
    window = show(publisher)
    values = window.status.values
    goes_on(qtbot, publisher, lambda: values["delay"].text() == "113 ms")
    assert "filter" not in values["service"].text()
    assert "on top of the age" in values["delay"].toolTip()
    assert "time stamp" in values["age"].toolTip()
    publisher.health.feedback_delay_s = 0.64
    goes_on(qtbot, publisher, lambda: values["delay"].text() == "113 ms, feedback 640 ms")
    service = window.feed.service
    bar = StatusBar(THEMES["dark"])
    qtbot.addWidget(bar)
    bar.show_numbers(0.01, {}, service, 0, window_s=0.5)  # as described: no report of late
    described_ms = service.provenance.filter_delay_s * 1e3
    assert bar.values["delay"].text() == f"{described_ms + 250:.0f} ms"
    assert "Window of 0.5 s" in bar.values["delay"].toolTip()


@pytest.mark.parametrize("points", [9.0, 13.0])
def test_nothing_in_the_bar_is_cut_at_900_pixels(qtbot, publish, show, points):
    service = show(publish()).feed.service
    bar = StatusBar(THEMES["light"])
    bar.setStyleSheet(f"font-size: {points}pt")
    qtbot.addWidget(bar)
    report = dict.fromkeys(
        ("dropped", "overflowed", "missing", "backlog", "age_p50", "rate_in", "rate_out"), 8_888.8
    )
    report |= {"goodness_of_fit": 0.88, "filter_delay": 118.0, "feedback_delay": 888.0}
    bar.show_state("LIVE", ", eye movement")
    bar.show_numbers(8.8, report, service, 8_888)
    bar.resize(900, 50)
    bar.show()

    def is_whole():
        bar.resize(900, bar.minimumSizeHint().height())
        labels = [label for label in bar.findChildren(QLabel) if label.text()]
        corners = [
            (label.mapTo(bar, QPoint(0, 0)), label.mapTo(bar, label.rect().bottomRight()))
            for label in labels
        ]
        return len(labels) > 20 and all(
            bar.rect().contains(first)
            and bar.rect().contains(last)
            and label.width() >= label.sizeHint().width()
            for label, (first, last) in zip(labels, corners, strict=True)
        )

    qtbot.waitUntil(is_whole, timeout=60_000)


def test_the_electrode_under_the_mouse_is_told(qtbot, publish, show):
    publisher = publish(n_missing=1)
    window = show(publisher)
    publisher.patch(1234, 30.0)
    scalp, told = window.beside.scalp, []
    scalp.hovered_changed.connect(told.append)
    goes_on(qtbot, publisher, lambda: len(scalp._amplitudes_uv) == publisher.head.n_electrodes)
    qtbot.mouseMove(scalp, scalp.place_of("C3").toPoint())
    goes_on(qtbot, publisher, lambda: scalp.hovered == "C3")
    # Another hand on the patch each time: the range of the last second is what is told.
    flips = [1]

    def swinging():
        flips[0] += 1
        publisher.patch(1234, 30.0 if flips[0] % 20 < 10 else -30.0)
        stamps, rows = window.feed.eeg.stamps, window.feed.eeg.rows
        c3 = publisher.head.channels.index("C3")
        last = rows[stamps > window.beside.strip._end_s - 1.0, c3]
        shown = scalp._amplitudes_uv["C3"]
        return len(last) > 100 and shown > 1 and shown == pytest.approx(np.ptp(last), rel=0.2)

    goes_on(qtbot, publisher, swinging)
    assert "peak-to-peak in the last second" in scalp.text_of("C3")
    assert "measured" in scalp.text_of("C3")
    missing = publisher.head.channels[-1]
    assert "the stream has no such electrode" in scalp.text_of(missing)
    qtbot.mouseMove(scalp, scalp.place_of(missing).toPoint())
    goes_on(qtbot, publisher, lambda: scalp.hovered == missing)
    qtbot.mouseMove(scalp, QPoint(2, 2))
    goes_on(qtbot, publisher, lambda: scalp.hovered is None)
    assert told == ["C3", missing, None]
