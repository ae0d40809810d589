"""The participant's view: real feedback streams, real keys, real pixels."""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pylsl
import pytest
from convdip.display.app import has_screen
from convdip.feedback.features import Suspended
from convdip.streams import NONE, feedback_info, read_shown

pytest.importorskip("PySide6.QtWidgets", reason="Qt does not load here", exc_type=ImportError)
if not has_screen():
    pytest.skip("no screen: run under xvfb-run", allow_module_level=True)

from convdip.display.participant.feed import FeedbackFeed
from convdip.display.participant.scenes import SCENES, Look, draw_scene
from convdip.display.participant.sitting import Block, Page, Scene, Sitting
from convdip.display.participant.smooth import Smooth
from convdip.display.participant.window import ParticipantWindow
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QImage, QPainter

pytestmark = pytest.mark.qt_log_level_fail("WARNING")

SFREQ_HZ = 100.0
REST, REGULATE, PAUSE, TRANSFER = 1, 2, 3, 4
BLOCKS = [
    {"number": "1", "name": "rest", "kind": "rest", "seconds": "60", "begin": "", "end": ""},
    {"number": "2", "name": "up", "kind": "regulate", "seconds": "", "begin": "", "end": "x"},
    {"number": "3", "name": "pause", "kind": "pause", "seconds": "20", "begin": "", "end": ""},
    {"number": "4", "name": "alone", "kind": "transfer", "seconds": "9", "begin": "", "end": ""},
]


class Service:
    """Publishes feedback that a test decides on."""

    def __init__(self, name, blocks=BLOCKS):
        protocol = "training" if blocks else NONE
        info = feedback_info(name, SFREQ_HZ, "alpha", 0.3, protocol, blocks)
        self._outlet = pylsl.StreamOutlet(info)
        self._sent_s = pylsl.local_clock()
        self.stamps = []
        self.block, self.value, self.above, self.reason = 0, np.nan, False, Suspended.BLOCK

    def says(self, block, value=np.nan, *, above=False, reason=Suspended.NOT):
        self.block, self.value, self.above, self.reason = block, value, above, reason

    def send(self):
        """Publish what is due by now."""
        n = int((pylsl.local_clock() - self._sent_s) * SFREQ_HZ)
        is_valid = self.reason is Suspended.NOT
        for _ in range(n):
            self._sent_s += 1 / SFREQ_HZ
            row = [self.value, is_valid, self.above, 0.8, self.reason.code, self.block, np.nan]
            self._outlet.push_sample(row, self._sent_s)
            self.stamps.append(self._sent_s)


@pytest.fixture
def show(qtbot):
    def open_window(name, scene="gauge", size=(800, 600)):
        window = ParticipantWindow(FeedbackFeed(name), scene)
        window.resize(*size)
        qtbot.addWidget(window)
        window.show()
        window.activateWindow()  # without a window manager nobody else does
        qtbot.waitUntil(window.isActiveWindow, timeout=60_000)
        return window

    return open_window


def live(qtbot, service, is_so, timeout_s=60):
    """Let the service go on until something is so."""

    def step():
        service.send()
        return is_so()

    qtbot.waitUntil(step, timeout=round(timeout_s * 1000))


def goes_on(qtbot, service, seconds):
    end = time.monotonic() + seconds
    live(qtbot, service, lambda: time.monotonic() > end, seconds + 10)


def stands_at(window, value):
    picture = window.picture
    return isinstance(picture, Look) and picture.value == pytest.approx(value, abs=1e-3)


def is_live_at(window, value):
    return stands_at(window, value) and not window.picture.is_grey


def is_page(window, title):
    return isinstance(window.picture, Page) and window.picture.title == title


def pixels_of(image):
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    # A copy: the image goes with this function.
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)


def seen(window):
    return pixels_of(window.grab().toImage())


def drawn(name, look, size=(400, 300)):
    image = QImage(size[0], size[1], QImage.Format.Format_RGB32)
    with QPainter(image) as painter:
        draw_scene(painter, QRectF(0, 0, *size), name, look)
    return pixels_of(image)


def is_colourless(pixels):
    return np.ptp(pixels, axis=-1).max() <= 2


def column_height(pixels):
    """Return the share of the window's height that the gauge's column has, down its left side."""
    height, width, _ = pixels.shape
    blue = pixels[:, width // 2 - height // 20]
    return (blue[:, 2] > 150).sum() / height


def test_the_gauge_follows_the_value(qtbot, unique, show):
    service, window = Service(unique), show(unique)
    service.says(REGULATE, 0.25)
    live(qtbot, service, lambda: is_live_at(window, 0.25))
    low = column_height(seen(window))
    service.says(REGULATE, 0.75)
    live(qtbot, service, lambda: is_live_at(window, 0.75))
    high = column_height(seen(window))
    assert low == pytest.approx(0.68 * 0.25, abs=0.03)
    assert high - low == pytest.approx(0.68 * 0.5, abs=0.02)


def test_the_success_has_a_colour_and_a_form(qtbot, unique, show):
    service, window = Service(unique), show(unique)
    service.says(REGULATE, 0.85)
    live(qtbot, service, lambda: is_live_at(window, 0.85))
    before = seen(window)
    service.says(REGULATE, 0.85, above=True)
    live(qtbot, service, lambda: window.picture.is_above)
    after = seen(window)
    above_the_gauge = slice(0, round(0.14 * 600))
    assert np.ptp(before[above_the_gauge], axis=(0, 1)).max() == 0
    assert np.ptp(after[above_the_gauge], axis=(0, 1)).max() > 100
    in_column = after[330, 380], before[330, 380]
    assert np.abs(in_column[0] - in_column[1]).max() > 50


@pytest.mark.parametrize("scene", SCENES)
def test_what_is_suspended_is_grey_and_stands_still(qtbot, unique, show, scene):
    service, window = Service(unique), show(unique, scene)
    service.says(REGULATE, 0.4)
    live(qtbot, service, lambda: is_live_at(window, 0.4))
    coloured = seen(window)
    service.says(REGULATE, reason=Suspended.INVALID)
    live(qtbot, service, lambda: window.picture.is_grey)
    first = seen(window)
    goes_on(qtbot, service, 0.3)
    assert not is_colourless(coloured)
    assert is_colourless(first)
    assert np.array_equal(first, seen(window))
    assert stands_at(window, 0.4)
    assert window.picture.word == "one moment"
    service.says(REGULATE, 0.6)
    live(qtbot, service, lambda: is_live_at(window, 0.6))
    assert not is_colourless(seen(window))


def test_a_blink_is_not_worth_a_word(qtbot, unique, show):
    service, window = Service(unique), show(unique)
    service.says(REGULATE, 0.4)
    live(qtbot, service, lambda: is_live_at(window, 0.4))
    service.says(REGULATE, reason=Suspended.ARTEFACT)
    live(qtbot, service, lambda: window.picture.is_grey and window.picture.word == "")
    live(qtbot, service, lambda: window.picture.word == "one moment")


def test_no_value_outlives_its_time(qtbot, unique, show):
    service, window = Service(unique), show(unique)
    service.says(REGULATE, 0.4)
    live(qtbot, service, lambda: is_live_at(window, 0.4))
    qtbot.waitUntil(lambda: window.picture.is_grey, timeout=60_000)
    assert 0.2 < pylsl.local_clock() - service.stamps[-1] < 5
    assert is_colourless(seen(window))


def test_it_waits_for_the_service(qtbot, unique, show):
    window = show(unique)
    qtbot.wait(100)
    assert is_page(window, "Waiting")
    service = Service(unique)
    service.says(REGULATE, 0.4)
    live(qtbot, service, lambda: is_live_at(window, 0.4))


def test_a_service_that_comes_back_begins_anew(qtbot, unique, show):
    first, window = Service(unique), show(unique)
    first.says(TRANSFER, reason=Suspended.BLOCK)
    live(qtbot, first, lambda: is_page(window, "Continue without feedback"))
    first.says(REGULATE, 0.4)
    live(qtbot, first, lambda: is_live_at(window, 0.4))
    del first
    qtbot.waitUntil(lambda: window.picture.is_grey, timeout=60_000)
    second = Service(unique)
    second.says(0, reason=Suspended.BLOCK)
    live(qtbot, second, lambda: is_page(window, "Please wait"))  # not the end
    assert window.picture.score is None
    second.says(REGULATE, 0.6)
    live(qtbot, second, lambda: is_live_at(window, 0.6))


def test_a_block_begins_without_the_value_of_the_one_before(qtbot, unique, show):
    service, window = Service(unique, [BLOCKS[1], {**BLOCKS[1], "number": "5"}]), show(unique)
    service.says(REGULATE, 0.4)
    live(qtbot, service, lambda: is_live_at(window, 0.4))
    service.says(5, reason=Suspended.FILLING)
    live(qtbot, service, lambda: stands_at(window, 0.4) is False)
    assert window.picture.value is None
    assert window.picture.is_grey


def test_rest_counts_down_and_then_the_score_is_told(qtbot, unique, show):
    service, window = Service(unique), show(unique)
    service.says(0, reason=Suspended.BLOCK)
    live(qtbot, service, lambda: is_page(window, "Please wait"))
    service.says(REST, reason=Suspended.BLOCK)
    live(qtbot, service, lambda: is_page(window, "Rest"))
    service.send()
    begun_s = service.stamps[-1]
    goes_on(qtbot, service, 1.2)
    live(qtbot, service, lambda: window.picture.left_s is not None)
    assert window.picture.left_s == pytest.approx(60 - (service.stamps[-1] - begun_s), abs=0.3)
    assert window.picture.score is None
    plain = seen(window)
    n_before = len(service.stamps)
    service.says(REGULATE, 0.5)
    live(qtbot, service, lambda: len(service.stamps) >= n_before + 100)
    service.says(REGULATE, 0.9, above=True)
    live(qtbot, service, lambda: len(service.stamps) >= n_before + 150)
    n_above = len(service.stamps) - n_before - 100
    service.says(REGULATE, reason=Suspended.ARTEFACT)  # counts for nothing
    goes_on(qtbot, service, 0.2)
    service.says(PAUSE, reason=Suspended.BLOCK)
    live(qtbot, service, lambda: is_page(window, "Pause") and window.picture.left_s is not None)
    assert window.picture.score == pytest.approx(n_above / (n_above + 100), abs=0.1)
    assert window.picture.left_s == pytest.approx(20, abs=2)
    assert (seen(window) > 150).sum() > 2 * (plain > 150).sum()  # in large type
    service.says(TRANSFER, reason=Suspended.BLOCK)
    live(qtbot, service, lambda: is_page(window, "Continue without feedback"))
    assert window.picture.score is None
    service.says(0, reason=Suspended.BLOCK)
    live(qtbot, service, lambda: is_page(window, "The end"))


def row(block, *, above=False, reason=Suspended.NOT):
    is_valid = reason is Suspended.NOT
    return {
        "value": 0.9 if above else 0.5,
        "valid": is_valid,
        "above": above,
        "threshold": 0.8,
        "reason": reason.code,
        "block": block,
    }


@pytest.fixture
def sitting():
    kinds = (("rest", 60.0), ("regulate", np.nan), ("pause", 20.0), ("transfer", 9.0))
    blocks = {n: Block(kind, kind, seconds) for n, (kind, seconds) in enumerate(kinds, 1)}
    return Sitting(blocks)


def test_the_score_is_the_share_above_of_the_samples_with_feedback(sitting):
    rows = [row(REGULATE)] * 6 + [row(REGULATE, above=True)] * 2
    rows += [row(REGULATE, reason=Suspended.ARTEFACT)] * 12 + [row(PAUSE, reason=Suspended.BLOCK)]
    stamps = 7 + 0.01 * np.arange(len(rows))
    sitting.add(rows, stamps)
    page = sitting.at(stamps[-1])
    assert page == Page("Pause", 20.0, 0.25)


def test_a_block_without_any_feedback_has_no_score(sitting):
    rows = [row(REGULATE, reason=Suspended.SILENCE), row(PAUSE, reason=Suspended.BLOCK)]
    sitting.add(rows, [7.0, 7.01])
    assert sitting.at(7.01).score is None


def test_who_comes_in_the_middle_is_not_told_how_long_it_lasts(sitting):
    sitting.add([row(REST, reason=Suspended.BLOCK)] * 2, [7.0, 7.1])
    assert sitting.at(7.1) == Page("Rest")


def test_a_block_over_time_and_one_without_samples_count_down_no_further(sitting):
    sitting.add([row(0, reason=Suspended.BLOCK)], [7.0])
    stamps = 7 + 0.1 * np.arange(1, 700)
    sitting.add([row(REST, reason=Suspended.BLOCK)] * 500, stamps[:500])
    assert sitting.at(stamps[499]).left_s == pytest.approx(60 - 49.9)
    assert sitting.at(stamps[499] + 0.5).left_s is None
    sitting.add([row(REST, reason=Suspended.BLOCK)] * 199, stamps[500:])
    assert sitting.at(stamps[-1]).left_s is None


def test_without_a_protocol_the_baseline_is_rest_and_all_else_feedback():
    sitting = Sitting({})
    sitting.add([row(0, reason=Suspended.REST)], [7.0])
    assert sitting.at(7.0) == Page("Rest")
    sitting.add([row(0, above=True)], [7.01])
    assert sitting.at(7.02) == Scene(0.9, 0.8, True, 7.01)


def test_what_is_said_to_be_valid_and_is_no_number_is_no_value(sitting):
    sitting.add([{**row(REGULATE), "value": np.nan}], [7.0])
    assert sitting.at(7.0).value is None


def test_a_stamp_in_the_future_is_no_value(sitting):
    sitting.add([row(REGULATE)], [9.0])
    assert sitting.at(7.0).value is None


def test_a_step_is_followed_within_a_tenth_of_a_second_without_overshoot():
    smooth = Smooth()
    assert smooth.follow(0.2, 5.0) == 0.2
    course = [smooth.follow(1.0, 5.0 + k / 1000) for k in range(1, 401)]
    assert course[41] == pytest.approx(0.6, abs=0.01)
    assert course[97] >= 0.2 + 0.9 * 0.8
    assert np.all(np.diff(course) > 0)
    assert course[-1] == pytest.approx(1.0, abs=1e-4)
    # However seldom frames come, they show the same course.
    again = Smooth()
    again.follow(0.2, 5.0)
    assert [again.follow(1.0, 5.0 + k / 1000) for k in (20, 70)] == pytest.approx(
        [course[19], course[69]]
    )


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_shows_its_value_and_nothing_else(qapp, name):
    low, high = (drawn(name, Look(value, 0.8)) for value in (0.1, 0.9))
    assert (np.abs(low - high).max(axis=-1) > 30).mean() > 0.005
    assert np.array_equal(low, drawn(name, Look(0.1, 0.8)))
    empty = drawn(name, Look(None, 0.8, is_grey=True))
    assert is_colourless(empty)
    assert not np.array_equal(empty, drawn(name, Look(0.1, 0.8, is_grey=True)))
    assert not np.array_equal(empty, drawn(name, Look(None, 0.4, is_grey=True)))


@pytest.mark.parametrize("name", SCENES)
def test_a_success_is_seen_without_colours(qapp, name):
    plain, success = (
        drawn(name, Look(0.9, 0.8, is_above)).mean(axis=-1) for is_above in (False, True)
    )
    assert (np.abs(plain - success) > 40).mean() > 0.003


def test_what_was_shown_is_in_the_record(qtbot, unique, show):
    service, window = Service(unique), show(unique)
    service.says(REGULATE, 0.4)
    live(qtbot, service, lambda: is_live_at(window, 0.4))
    [found] = pylsl.resolve_byprop("name", f"{unique}-Shown", timeout=60)
    inlet = pylsl.StreamInlet(found)
    inlet.open_stream(timeout=60)
    shown, stamps = [], []

    def live_until(is_so):
        def step():
            rows, at = inlet.pull_chunk(timeout=0.0, max_samples=1000)
            shown.extend(map(read_shown, rows))
            stamps.extend(at)
            return is_so()

        live(qtbot, service, step)

    def n_of(value):
        return sum(one["age"] >= 0 and round(one["value"], 3) == value for one in shown)

    live_until(lambda: n_of(0.4) > 10)
    service.says(REGULATE, 0.7)
    live_until(lambda: n_of(0.7) > 10)
    service.says(REGULATE, reason=Suspended.INVALID)
    live_until(lambda: np.isnan(shown[-1]["age"]))
    valid = [(one, at) for one, at in zip(shown, stamps, strict=True) if one["age"] >= 0]
    assert len(valid) > 20
    sent = np.array(service.stamps)
    for one, at in valid:
        assert np.abs(sent - one["stamp"]).min() < 1e-3  # liblsl's own correction
        assert one["age"] == pytest.approx(at - one["stamp"])
        assert one["age"] < 1
        assert 0.4 - 1e-6 <= one["drawn"] <= 0.7 + 1e-6
    assert {round(one["value"], 3) for one, _ in valid} == {0.4, 0.7}
    assert np.isnan([shown[-1][label] for label in ("stamp", "value", "drawn", "age")]).all()
    summary = window.shown.summary()
    assert summary["frames"] > summary["frames_without_value"] > 0
    assert 0 < summary["value_to_screen_ms"]["p50"] <= summary["value_to_screen_ms"]["p95"] < 1000


def test_escape_leaves_the_full_screen_and_then_closes(qtbot, unique, show):
    window = show(unique)
    qtbot.keyClick(window, Qt.Key.Key_F)
    assert window.isFullScreen()
    assert window.cursor().shape() is Qt.CursorShape.BlankCursor
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert window.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not window.isVisible()


@pytest.mark.parametrize("size", [(800, 600), (1280, 800)])
def test_no_word_touches_the_edge(qtbot, unique, show, size):
    service, window = Service(unique), show(unique, size=size)
    service.says(TRANSFER, reason=Suspended.BLOCK)
    live(qtbot, service, lambda: is_page(window, "Continue without feedback"))
    pixels = seen(window)
    edges = [pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]]
    assert all(np.ptp(edge, axis=(0, 1)).max() == 0 for edge in edges)
    assert pixels.max() > 200


def test_a_stream_that_is_no_feedback_is_refused(qtbot, unique, show, caplog):
    info = pylsl.StreamInfo(f"{unique}-Feedback", "Feedback", 1, 0.0, "float32", unique)
    outlet = pylsl.StreamOutlet(info)
    window = show(unique)
    qtbot.waitUntil(lambda: window.feed.refusal != "", timeout=60_000)
    qtbot.waitUntil(lambda: "has no channel 'value'" in caplog.text, timeout=2000)
    assert is_page(window, "Waiting")
    del outlet


def test_the_command_fills_the_screen_and_sums_up(convdip, unique):
    service = Service(unique)
    service.says(REGULATE, 0.4)
    view = convdip("display", "--participant", "--scene", "circle", "--name", unique, "--json")
    end = time.monotonic() + 60
    found = []
    while not found and time.monotonic() < end:
        service.send()
        found = pylsl.resolve_byprop("name", f"{unique}-Shown", timeout=0.05)
    inlet = pylsl.StreamInlet(found[0])
    inlet.open_stream(timeout=60)
    n_valid = 0
    while n_valid < 20 and time.monotonic() < end:
        service.send()
        rows, _ = inlet.pull_chunk(timeout=0.02)
        n_valid += sum(read_shown(one)["age"] >= 0 for one in rows)
    view.send_signal(signal.SIGTERM)
    printed, _ = view.communicate(timeout=60)
    assert view.returncode == 0
    summary = json.loads(printed.splitlines()[-1])
    assert (summary["name"], summary["scene"]) == (unique, "circle")
    assert summary["frames"] >= 20
    assert summary["value_to_screen_ms"]["p50"] < 1000


def test_it_fills_the_second_screen_where_there_is_one(convdip, unique, monkeypatch, tmp_path):
    places = (("1", 0, 0, 800, 600), ("2", 800, 0, 1024, 768))
    screens = [
        dict(zip(("name", "x", "y", "width", "height"), place, strict=True)) for place in places
    ]
    (tmp_path / "screens.json").write_text(json.dumps({"screens": screens}))
    # Qt's platform without a screen takes as many as it is told.
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen:configfile=screens.json")
    view = convdip("display", "--participant", "--name", unique, "--json")
    assert pylsl.resolve_byprop("name", f"{unique}-Shown", timeout=60)  # it is open
    view.send_signal(signal.SIGINT)
    printed, _ = view.communicate(timeout=60)
    summary = json.loads(printed.splitlines()[-1])
    assert summary["screen"] == "2"
    assert summary["size"] == [1024, 768]
    assert summary["frames"] > 0
    assert summary["value_to_screen_ms"] is None


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (["--scene", "circle"], "--scene is what a participant sees"),
        (["--participant", "--model", "convdip-anycap"], "--model is for the live cortex"),
    ],
)
def test_flags_that_mean_nothing_together_are_refused(call, flags, word):
    ended = call("convdip", "display", *flags)
    assert ended.returncode == 2
    assert word in ended.stderr
