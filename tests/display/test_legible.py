"""Whatever the theme, the size of window and text: words are whole, and every control is named."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from convdip.display.app import has_screen

pytest.importorskip("PySide6.QtWidgets", reason="Qt does not load here", exc_type=ImportError)
if not has_screen():
    pytest.skip("no screen: run under xvfb-run", allow_module_level=True)

from convdip.display.cortex_overlay import Overlay
from convdip.display.feed import Feed
from convdip.display.keys import key_map
from convdip.display.preferences import TEXT_SIZES
from convdip.display.theme import THEMES
from convdip.display.window import Window
from convdip.display.wrap import breakable, text_height
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSettings, QSize, QSizeF, Qt
from PySide6.QtGui import QAccessible, QColor, QFont, QFontMetrics, QImage, QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QStyle,
    QStyleOptionButton,
    QStyleOptionComboBox,
    QWidget,
)

pytestmark = pytest.mark.qt_log_level_fail("WARNING")
CONTROLS = (QAbstractButton, QComboBox, QAbstractSlider, QLineEdit)
SIZES = ((900, 560), (1280, 800))


@pytest.fixture
def show(qtbot, tmp_path, publish, monkeypatch):
    """Open a window on a service, and wait until it shows it."""
    monkeypatch.chdir(tmp_path)

    def open_window():
        publisher = publish()
        store = QSettings(str(tmp_path / "display.ini"), QSettings.Format.IniFormat)
        window = Window(Feed(publisher.name), store)
        qtbot.addWidget(window)
        window.resize(1280, 800)
        window.show()
        window.activateWindow()
        go_on(qtbot, publisher, lambda: window.status.state.text() == "● LIVE")
        return window, publisher

    return open_window


def go_on(qtbot, publisher, is_so):
    def step():
        publisher.send()
        return is_so()

    qtbot.waitUntil(step, timeout=60_000)


# Contrast, as WCAG 2.2 defines it.


def luminance(colour):
    channels = (colour.redF(), colour.greenF(), colour.blueF())
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(QColor(one)), luminance(QColor(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_is_that_of_the_standard():
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_stands_out(theme):
    for text in (theme.text, theme.dim):
        for beneath in (theme.background, theme.panel):
            assert contrast(text, beneath) >= 4.5, (text, beneath)
    for word in (theme.good, theme.warn, theme.bad):
        assert contrast(theme.background, word) >= 4.5, word
    look = QColor.fromRgbF(*theme.look.background)
    assert contrast(theme.dim, look) >= 4.5  # the names of the views
    for mark in (theme.trace, theme.warn, theme.dim):  # lines, and the borders of controls
        assert contrast(mark, theme.background) >= 3


# Nothing is cut.


def shown_text(widget):
    if isinstance(widget, QComboBox):
        return max((widget.itemText(i) for i in range(widget.count())), key=len)
    if isinstance(widget, QLineEdit):
        return widget.text() or widget.placeholderText()
    return widget.text()


def room_for_text(widget):
    """Return the rectangle that a widget's style leaves for its text."""
    style = widget.style()
    if isinstance(widget, QPushButton):
        option = QStyleOptionButton()
        widget.initStyleOption(option)
        return style.subElementRect(QStyle.SubElement.SE_PushButtonContents, option, widget)
    if isinstance(widget, QComboBox):
        menu = QStyleOptionComboBox()
        widget.initStyleOption(menu)
        return style.subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            menu,
            QStyle.SubControl.SC_ComboBoxEditField,
            widget,
        )
    return widget.contentsRect()


def cut(window):
    """Return what is not whole, or cannot be brought into the window."""
    found = []
    for _ in range(3):  # what the latest words have asked for, in widgets within widgets
        QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
    for widget in window.findChildren(QWidget):
        is_text = isinstance(widget, (QLabel, QPushButton, QComboBox, QLineEdit))
        if not is_text or not widget.isVisible() or not shown_text(widget):
            continue
        text, metrics, room = shown_text(widget), widget.fontMetrics(), room_for_text(widget)
        if isinstance(widget, QLabel) and (widget.wordWrap() or widget is window.controls.message):
            fits = text_height(metrics, room.width(), text) <= room.height()
            longest = max(breakable(text).replace("\u200b", " ").split(), key=len)
            fits = fits and metrics.horizontalAdvance(longest) <= room.width()
        else:
            fits = metrics.size(0, text).width() <= room.width()
            fits = fits and metrics.height() <= max(room.height(), widget.height() - 2)
        if not fits:
            found.append((type(widget).__name__, text, room, metrics.size(0, text)))
        page = window.pages.currentWidget()
        assert isinstance(page, QScrollArea)
        inside = page.widget().rect()
        place = QRect(widget.mapTo(page.widget(), QPoint(0, 0)), widget.size())
        if not inside.contains(place):
            found.append(("outside", text, place, inside))
    assert page.widget().width() <= page.viewport().width()  # down it may scroll, not across
    return found


@pytest.mark.parametrize("theme", THEMES)
def test_no_word_is_cut_on_the_live_page(qtbot, show, theme):
    window, publisher = show()
    window.choose("theme", list(THEMES).index(theme))
    facts = {"electrode": "C3", "reason": "rail"}
    publisher.events.say("bad", "C3 is bad (rail): left out", 0.0, **facts)
    for number, text_size in enumerate(TEXT_SIZES):
        if text_size not in (0.8, 1.0, 1.5, 2.0):
            continue
        window.choose("text_size", number)
        for width, height in SIZES:
            window.resize(width, height)
            settled = [window.size().toTuple() == (width, height)]
            window.say("saved /home/a/very/long/path/" + "convdip-2026-11-27" * 6 + ".png")
            n_before = window.timing.n_frames
            go_on(qtbot, publisher, lambda n=n_before: window.timing.n_frames > n + 8)
            assert settled == [True]
            assert cut(window) == [], (theme, text_size, width)
            page = window.pages.currentWidget()
            if text_size == 1.0:
                assert not page.verticalScrollBar().isVisible()
            for control in window.controls.findChildren(QPushButton):
                page.ensureWidgetVisible(control)
                place = QRect(control.mapTo(page.viewport(), QPoint(0, 0)), control.size())
                assert page.viewport().rect().contains(place), control.text()


@pytest.mark.parametrize("theme", THEMES)
def test_no_word_is_cut_on_the_start_page(qtbot, show, unique, theme):
    window, publisher = show()
    window.choose("theme", list(THEMES).index(theme))
    window.leave()
    page = window.start_page
    go_on(qtbot, publisher, lambda: bool(page.buttons))
    for number in (2, 7):
        window.choose("text_size", number)
        for width, height in SIZES:
            window.resize(width, height)
            for why in ("", "the unit is not stated: give `unit='microvolts'`; " + "a/path" * 30):
                window.opener._refusal = (f"Cannot show {unique}EEG", why) if why else ("", "")
                window.opener.update()
                for _ in range(3):
                    qtbot.wait(20)
                assert cut(window) == [], (theme, number, width, why)


words = st.text("abc de/fgh–", min_size=1, max_size=400).filter(str.strip)


@given(words, st.integers(240, 1600), st.integers(180, 900), st.sampled_from(TEXT_SIZES))
def test_a_banner_is_whole(qapp, text, width, height, text_size):
    image = QImage(QSize(width, height), QImage.Format.Format_RGB32)
    theme = replace(THEMES["dark"], points=9 * text_size)
    painter = QPainter(image)
    drawn = Overlay(painter, QSizeF(width, height), theme).draw_banner(text)
    painter.end()
    assert QRectF(0, 0, width, height).contains(drawn)


def test_long_words_break_and_lose_nothing(qapp):
    path = "/home/somebody/" + "x" * 90 + "/file_of_today.gif"
    assert breakable(path).replace("\u200b", "") == path
    assert max(map(len, breakable(path).split("\u200b"))) <= 21
    assert breakable("plain words stay") == "plain words stay"
    metrics = QFontMetrics(QFont())
    assert text_height(metrics, 200, path) > 2 * metrics.height()


# Keyboard and screen reader.


def test_tab_reaches_every_control_and_each_names_its_key(qtbot, show):
    window, _ = show()
    controls = {
        c
        for c in window.controls.findChildren(QWidget)
        if isinstance(c, CONTROLS) and c.isVisible() and c.isEnabled()
    }
    assert len(controls) > 14
    reached = set()
    for _ in range(3 * len(controls)):
        qtbot.keyClick(window.focusWidget() or window, Qt.Key.Key_Tab)
        reached.add(window.focusWidget())
    assert controls <= reached
    shown = " ".join(key.shown for key in key_map(window))
    for control in controls - {window.controls.slider}:
        [keys] = re.findall(r"shortcut: (.+)", control.toolTip())
        assert all(key.strip() in shown or key.startswith("Ctrl") for key in keys.split(",") if key)


def test_a_click_leaves_the_keys_to_the_window(qtbot, show):
    window, _ = show()
    qtbot.mouseClick(window.controls.lock, Qt.MouseButton.LeftButton)
    assert not window.controls.lock.hasFocus()
    qtbot.keyClick(window, Qt.Key.Key_Space)
    assert window.player.is_paused


def test_the_focus_has_the_keys_of_its_control_and_is_seen(qtbot, show):
    window, publisher = show()
    button = window.controls.lock
    before = button.grab().toImage()
    while window.focusWidget() is not button:
        qtbot.keyClick(window.focusWidget() or window, Qt.Key.Key_Tab)
    assert button.grab().toImage() != before
    for key in (Qt.Key.Key_Space, Qt.Key.Key_Return):
        was_locked = window.settings.is_locked
        qtbot.keyClick(button, key)
        assert window.settings.is_locked != was_locked
        assert not window.player.is_paused
    qtbot.keyClick(button, Qt.Key.Key_N)  # other keys are the window's all the same
    assert window.settings.is_signed
    box = window.controls.boxes["surface"]
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Down)
    assert window.settings.surface == "pial"
    qtbot.keyClick(window, Qt.Key.Key_Space)
    held_s = window.feed.sources.newest_s
    window.controls.slider.setFocus()
    qtbot.keyClick(window.controls.slider, Qt.Key.Key_Home)
    go_on(qtbot, publisher, lambda: window.player.time_s(0.0) < held_s)


def test_the_keyboard_pins_the_strongest_region(qtbot, show, hand):
    window, publisher = show()
    publisher.patch(hand(publisher.head), 5.0)
    go_on(qtbot, publisher, lambda: window.cortex.frame.map.strength.max() > 0.5)
    qtbot.keyClick(window, Qt.Key.Key_K)
    qtbot.waitUntil(lambda: window.beside.course.region == "precentral-lh", timeout=60_000)


@pytest.mark.parametrize("is_live", [False, True])
def test_every_control_and_panel_has_a_name(qtbot, show, unique, tmp_path, is_live):
    """Also before anything was shown."""
    if is_live:
        window, _ = show()
    else:
        store = QSettings(str(tmp_path / "display.ini"), QSettings.Format.IniFormat)
        window = Window(Feed(unique), store)
        qtbot.addWidget(window)
    beside = window.beside
    panels = [window.status, window.cortex]
    panels += [beside.scalp, beside.strip, beside.course, beside.regions]
    for widget in [*window.findChildren(QWidget), *panels]:
        is_control = isinstance(widget, CONTROLS) and not isinstance(widget, QScrollBar)
        if is_control or widget in panels:
            name = QAccessible.queryAccessibleInterface(widget).text(QAccessible.Text.Name)
            is_inner = widget.objectName().startswith("qt_") or widget.parent() is None
            assert name or is_inner, widget
    for box in window.controls.boxes.values():
        assert box.accessibleName()
        assert "shortcut" in box.accessibleDescription()


def test_the_state_is_told_to_a_screen_reader(qtbot, show):
    window, publisher = show()
    reader = QAccessible.queryAccessibleInterface(window.status.state)
    assert reader.text(QAccessible.Text.Name) == "LIVE"
    qtbot.waitUntil(lambda: "STALE" in reader.text(QAccessible.Text.Name), timeout=60_000)
    picture = QAccessible.queryAccessibleInterface(window.cortex)
    qtbot.waitUntil(
        lambda: "no sample" in picture.text(QAccessible.Text.Description), timeout=60_000
    )
    go_on(qtbot, publisher, lambda: reader.text(QAccessible.Text.Name) == "LIVE")
    go_on(qtbot, publisher, lambda: "no sample" not in picture.text(QAccessible.Text.Description))
