"""The start page, with real streams and the services that its buttons run."""

from __future__ import annotations

import json
import time

import numpy as np
import psutil
import pylsl
import pytest
from convdip.display.app import has_screen

pytest.importorskip("PySide6.QtWidgets", reason="Qt does not load here", exc_type=ImportError)
if not has_screen():
    pytest.skip("no screen: run under xvfb-run", allow_module_level=True)

from convdip.display.feed import Feed
from convdip.display.opener import reason
from convdip.display.recent import N_KEPT, Recent
from convdip.display.start_page import StartPage
from convdip.display.theme import THEMES
from convdip.display.window import Window
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QApplication

pytestmark = pytest.mark.qt_log_level_fail("WARNING")
SFREQ_HZ = 250.0


@pytest.fixture
def store(tmp_path):
    return QSettings(str(tmp_path / "display.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def show(qtbot, store, tmp_path, monkeypatch, unique):
    """Open a window that awaits a service which is not there."""
    monkeypatch.chdir(tmp_path)

    def open_window():
        window = Window(Feed(f"{unique}NotThere"), store)
        window.resize(1000, 640)
        qtbot.addWidget(window)
        window.show()
        return window

    return open_window


class Amplifier:
    """An EEG stream whose labels and unit a test decides on."""

    def __init__(self, name, labels, unit="microvolts"):
        info = pylsl.StreamInfo(name, "EEG", len(labels), SFREQ_HZ, "float32", f"{name}-id")
        channels = info.desc().append_child("channels")
        for label in labels:
            channel = channels.append_child("channel")
            channel.append_child_value("label", label)
            if unit:
                channel.append_child_value("unit", unit)
        self._outlet = pylsl.StreamOutlet(info)
        self._rng, self._n = np.random.default_rng(1), len(labels)
        self._sent_s = pylsl.local_clock()

    def send(self):
        n = int((pylsl.local_clock() - self._sent_s) * SFREQ_HZ)
        if n:
            stamps = self._sent_s + (1 + np.arange(n)) / SFREQ_HZ
            self._sent_s = float(stamps[-1])
            samples = self._rng.normal(0, 10, (n, self._n)).astype(np.float32)
            self._outlet.push_chunk(samples, stamps.tolist())


def until(qtbot, is_so, amplifier=None, timeout_s=90.0):
    def step():
        if amplifier is not None:
            amplifier.send()
        return is_so()

    qtbot.waitUntil(step, timeout=round(timeout_s * 1000))


def button_of(window, kind, name):
    found = (b for (k, n, _), b in window.start_page.buttons.items() if (k, n) == (kind, name))
    return next(found, None)


def press(qtbot, window, kind, name):
    until(qtbot, lambda: button_of(window, kind, name) is not None)
    qtbot.mouseClick(button_of(window, kind, name), Qt.MouseButton.LeftButton)


def is_live(window):
    return window.pages.currentIndex() == 1 and window.status.state.text() == "● LIVE"


def are_gone(pids):
    return all(
        not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        for pid in pids
    )


def test_where_there_is_nothing_it_says_what_to_do_and_shows_a_cortex(qtbot):
    page = StartPage(THEMES["dark"])
    qtbot.addWidget(page)
    page.resize(900, 560)
    page.show()
    page.show_streams([], [])
    page.show_state("", "", "")
    assert not page.buttons
    assert page.demo.isVisible()
    for words in ("LSL app", "same network", "firewall"):
        assert words in page.advice.whole_text()
    picture = page.picture.pixmap().toImage()
    shades = {picture.pixelColor(x, 100).lightness() for x in range(0, picture.width(), 5)}
    assert len(shades) > 20


def test_streams_are_offered_by_what_they_are(qtbot):
    page = StartPage(THEMES["light"])
    qtbot.addWidget(page)
    streams = [
        pylsl.StreamInfo("Lab-Sources", "SourceEstimate", 5124, 500.0, "float32", "a"),
        pylsl.StreamInfo("Lab-Quality", "Quality", 12, 10.0, "float32", "b"),
        pylsl.StreamInfo("Cap\x1b[2J", "eeg", 32, 500.0, "float32", "c"),
        pylsl.StreamInfo("Buttons", "Markers", 1, 0.0, "string", "d"),
    ]
    page.show_streams(streams, [("Cap\x1b[2J", "--model x"), ("Away", "")])
    texts = [button.accessibleName() for button in page.buttons.values()]
    assert [text.split(",")[0] for text in texts] == [
        "Show Lab",
        "Image Cap\\x1b[2J",
        "Image Cap\\x1b[2J again",
        "Image Away again",
    ]
    assert "not on the network" in texts[3]
    assert "not on the network" not in texts[2]
    assert page.others.whole_text() == "Also on the network: Buttons (Markers)"
    before = dict(page.buttons)
    page.show_streams(streams, [("Cap\x1b[2J", "--model x"), ("Away", "")])
    assert page.buttons == before  # else a click would find another button than the one shown


def test_a_button_images_a_stream_in_a_process_that_ends_with_the_window(
    qtbot, show, convdip, unique
):
    convdip("simulate", "--name", f"{unique}EEG", "--seconds", "120")
    window = show()
    press(qtbot, window, "eeg", f"{unique}EEG")
    until(qtbot, lambda: is_live(window))
    [pid] = window.opener.pids
    command = psutil.Process(pid).cmdline()
    assert command[command.index("run") :][:2] == ["run", f"--input={unique}EEG"]
    assert window.feed.name == command[command.index("--name") + 1]
    window.close()
    assert are_gone([pid])


def test_a_name_that_is_taken_is_left_to_its_owner(qtbot, show, unique):
    taken = pylsl.StreamInfo("ConvDip-Sources", "SourceEstimate", 3, 1.0, "float32", unique)
    outlet = pylsl.StreamOutlet(taken)
    amplifier = Amplifier(f"{unique}EEG", ["A", "B"])
    window = show()
    until(qtbot, lambda: button_of(window, "service", "ConvDip") is not None)
    press(qtbot, window, "eeg", f"{unique}EEG")
    assert window.feed.name == "ConvDip2"
    qtbot.mouseClick(window.start_page.cancel, Qt.MouseButton.LeftButton)
    assert window.opener.pids == []
    assert window.feed.name == ""
    del outlet, amplifier


def test_what_cannot_be_imaged_says_why_once_it_is_tried(qtbot, show, unique):
    amplifier = Amplifier(f"{unique}EEG", ["Fp1", "Fp2", "Cz", "O1", "O2"])
    window = show()
    page = window.start_page
    press(qtbot, window, "eeg", f"{unique}EEG")
    until(qtbot, lambda: page.title.whole_text() == f"Cannot show {unique}EEG", amplifier)
    text = page.advice.whole_text()
    assert "electrodes" in text
    assert "convdip:" not in text
    assert window.opener.pids == []
    advice = page.advice
    until(qtbot, lambda: advice.height() >= advice.heightForWidth(advice.width()))  # whole
    assert button_of(window, "recent", f"{unique}EEG") is None


def test_an_option_mends_a_refusal_and_is_offered_again(qtbot, show, store, unique, shipped):
    amplifier = Amplifier(f"{unique}EEG", shipped.head.channels, unit="")
    window = show()
    page = window.start_page
    press(qtbot, window, "eeg", f"{unique}EEG")
    until(qtbot, lambda: page.title.whole_text().startswith("Cannot"), amplifier)
    assert "--unit" in page.advice.whole_text()
    assert "under Options" in page.advice.whole_text()
    page.options.setFocus()
    qtbot.keyClicks(page.options, "--unit microvolts")  # no key of these acts on the window
    assert page.options.text() == "--unit microvolts"
    press(qtbot, window, "eeg", f"{unique}EEG")
    until(qtbot, lambda: is_live(window), amplifier)
    qtbot.mouseClick(window.controls.open, Qt.MouseButton.LeftButton)
    assert window.opener.pids == []
    until(qtbot, lambda: button_of(window, "recent", f"{unique}EEG") is not None, amplifier)
    window.close()
    assert json.loads(store.value("recent")) == [[f"{unique}EEG", "--unit microvolts"]]
    again = show()
    press(qtbot, again, "recent", f"{unique}EEG")
    until(qtbot, lambda: is_live(again), amplifier)


def test_the_demo_is_a_click_away(qtbot, show):
    window = show()
    qtbot.mouseClick(window.start_page.demo, Qt.MouseButton.LeftButton)
    until(qtbot, lambda: is_live(window) and window.cortex.frame.truth is not None, None, 150)
    pids = window.opener.pids
    assert len(pids) == 2
    window.close()
    assert are_gone(pids)


def test_a_service_that_dies_is_told_of(qtbot, show, convdip, unique):
    convdip("simulate", "--name", f"{unique}EEG", "--seconds", "120")
    window = show()
    press(qtbot, window, "eeg", f"{unique}EEG")
    until(qtbot, lambda: is_live(window))
    psutil.Process(window.opener.pids[0]).kill()
    until(qtbot, lambda: "has ended" in window.controls.message.text())
    assert window.pages.currentIndex() == 1


def test_the_keyboard_opens_what_is_offered(qtbot, show, unique, publish):
    publisher = publish()
    window = show()
    window.activateWindow()
    until(qtbot, lambda: button_of(window, "service", publisher.name) is not None, publisher)
    button = button_of(window, "service", publisher.name)
    deadline = time.monotonic() + 60
    while window.focusWidget() is not button:
        assert time.monotonic() < deadline, "Tab never came to it"
        QApplication.processEvents()  # a button that was just made is not shown before
        qtbot.keyClick(window.focusWidget() or window, Qt.Key.Key_Tab)
        button = button_of(window, "service", publisher.name)
    qtbot.keyClick(button, Qt.Key.Key_Return)
    until(qtbot, lambda: is_live(window), publisher)


def test_only_the_latest_few_are_kept(store):
    recent = Recent(store)
    for number in (1, 2, 3, 4, 2):
        recent.add(f"Cap {number}", "")
    assert Recent(store).entries == [("Cap 2", ""), ("Cap 4", ""), ("Cap 3", "")]
    assert len(recent.entries) == N_KEPT
    for nonsense in ("", "{", "[1]", '["ab", 3]', "null"):
        store.setValue("recent", nonsense)
        assert all(len(entry) == 2 for entry in Recent(store).entries)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("INFO model x\nconvdip: the stream is gone\n", "the stream is gone"),
        ("convdip: two\nlines", "two\nlines"),
        (
            "╭─ Error ───────╮\n│ Unknown option: --bogus. │\n╰───────╯\n",
            "Unknown option: --bogus.",
        ),
        ("", "It ended and said nothing."),
    ],
)
def test_the_reason_is_what_the_command_says_last(said, expected):
    assert reason(said) == expected
