"""Rhythms in the window, and what is beside them: real streams, real keys, real pixels."""

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
from convdip.display.window import Window
from convdip.live.outlet import provenance_of
from convdip.patches import patch_dictionary
from convdip.streams import (
    FeatureChannel,
    features_info,
    feedback_info,
    power_info,
    read_eeg,
    stream_name,
)
from PySide6.QtCore import QPointF, QSettings, Qt

pytestmark = pytest.mark.qt_log_level_fail("WARNING")

ALPHA, BETA = (8.0, 13.0), (13.0, 30.0)
MAP_S = 0.05


class Rhythms:
    """A service's power of bands: of each, a patch with a strength that the test decides on."""

    def __init__(self, publisher, bands, network, bundle):
        self._publisher, head = publisher, publisher.head
        provenance = provenance_of(
            read_eeg(publisher._eeg.get_info()), bundle, network, head.channels[:0]
        )
        self._outlets = {
            band: pylsl.StreamOutlet(power_info(publisher.name, head, 1.0, provenance, band))
            for band in bands
        }
        self.maps_nam = {band: np.zeros(head.n_dipoles, np.float32) for band in bands}
        self._due_s = 0.0
        self.more = lambda stamp: None

    def patch(self, band, dipole, peak_nam):
        head = self._publisher.head
        shape = patch_dictionary(head.triangles, head.dipoles_m, 5)[[dipole]].toarray()[0]
        self.maps_nam[band] = (shape * peak_nam).astype(np.float32)

    def send(self):
        self._publisher.send()
        now_s = pylsl.local_clock()
        if now_s >= self._due_s:
            self._due_s = now_s + MAP_S
            for band, outlet in self._outlets.items():
                outlet.push_sample(self.maps_nam[band], now_s)
            self.more(now_s)


@pytest.fixture
def watch(qtbot, publish, shipped, network, tmp_path):
    """Open a window on a service with rhythms."""

    def open_window(bands=(ALPHA, BETA), **how):
        publisher = publish(**how)
        service = Rhythms(publisher, bands, network, shipped)
        store = QSettings(str(tmp_path / "display.ini"), QSettings.Format.IniFormat)
        window = Window(Feed(publisher.name), store)
        window.resize(1280, 800)
        qtbot.addWidget(window)
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow, timeout=60_000)
        return service, window, publisher

    return open_window


def goes_on(qtbot, service, is_so, timeout_s=60):
    def step():
        service.send()
        return bool(is_so())

    qtbot.waitUntil(step, timeout=round(timeout_s * 1000))


def colour_at(window, dipole):
    """Return the colour of the most strongly coloured pixel around a dipole."""
    [place] = window.cortex.places_of(dipole)
    image = window.cortex.grab().toImage()
    image = image.convertToFormat(image.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    pixels = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)
    x, y = round(place.x()), round(place.y())
    around = pixels[y - 6 : y + 7, x - 6 : x + 7].reshape(-1, 3)
    return around[np.ptp(around, axis=1).argmax()]


def test_alpha_is_shown_first_and_says_what_it_is(qtbot, watch, hand):
    service, window, publisher = watch()
    dipole = hand(publisher.head)
    service.patch(ALPHA, dipole, 5.0)
    goes_on(qtbot, service, lambda: window.maps.band_hz == ALPHA)
    goes_on(qtbot, service, lambda: np.ptp(colour_at(window, dipole)) > 60)
    goes_on(qtbot, service, lambda: window.cortex.text_of(dipole).endswith("   5.00 nAm RMS"))
    goes_on(qtbot, service, lambda: "8–13 Hz" in window.beside.regions.title)
    assert window.controls.view.currentText() == "alpha, mu: 8–13 Hz"
    delay_ms = float(window.status.values["delay"].text().split()[0])
    assert delay_ms >= 1000
    qtbot.keyClick(window, Qt.Key.Key_K)
    goes_on(qtbot, service, lambda: window.beside.course.region == "precentral-lh")
    goes_on(qtbot, service, lambda: "8–13 Hz" in window.beside.course.accessibleName())
    rng = np.random.default_rng(0)
    service.more = lambda stamp: publisher.patch(dipole, rng.standard_normal())
    goes_on(qtbot, service, lambda: len(window.beside.spectrum.curves) == 2)
    all_electrodes, of_region = window.beside.spectrum.curves
    assert (all_electrodes, of_region) == ("all electrodes", "precentral-lh")


def test_key_and_menu_choose_what_is_shown(qtbot, watch, hand):
    service, window, publisher = watch()
    dipole = hand(publisher.head)
    service.patch(ALPHA, dipole, 5.0)
    publisher.patch(dipole, 4.0)
    choices = (None, ALPHA, BETA)
    goes_on(qtbot, service, lambda: window.maps.band_hz == ALPHA and window.maps.choices == choices)
    goes_on(qtbot, service, lambda: window.controls.view.count() == len(choices))
    assert not window.controls.signs.isVisible()
    for band in (BETA, None, ALPHA):
        qtbot.keyClick(window, Qt.Key.Key_V)
        goes_on(qtbot, service, lambda band=band: window.cortex.frame.band_hz == band)
    goes_on(qtbot, service, lambda: window.cortex.frame.map.values_nam.max() > 4.5)
    view = window.controls.view
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Home)
    goes_on(qtbot, service, lambda: window.cortex.frame.band_hz is None)
    goes_on(qtbot, service, lambda: window.cortex.text_of(dipole).endswith("   4.00 nAm"))
    goes_on(qtbot, service, lambda: window.controls.signs.isVisible())
    # What is chosen stays chosen.
    end = time.monotonic() + 1
    goes_on(qtbot, service, lambda: time.monotonic() > end)
    assert window.maps.band_hz is None


def test_against_a_baseline_more_is_red_and_less_is_blue(qtbot, watch, hand):
    service, window, publisher = watch()
    dipole = hand(publisher.head)
    service.patch(ALPHA, dipole, 4.0)
    goes_on(qtbot, service, lambda: window.cortex.frame and window.cortex.frame.map.strength.any())
    qtbot.keyClick(window, Qt.Key.Key_B)
    goes_on(qtbot, service, lambda: "baseline" in window.cortex.frame.map.words)
    goes_on(qtbot, service, lambda: window.cortex.frame.map.is_signed)
    assert window.cortex.frame.map.unit == "dB"
    qtbot.keyClick(window, Qt.Key.Key_K)
    service.patch(ALPHA, dipole, 10.0)

    def red_over_blue():
        red, _, blue = colour_at(window, dipole)
        return red - blue

    goes_on(qtbot, service, lambda: red_over_blue() > 40)
    goes_on(qtbot, service, lambda: window.beside.course.accessibleName().endswith("+8 dB"))
    service.patch(ALPHA, dipole, 1.0)
    goes_on(qtbot, service, lambda: red_over_blue() < -40)


def test_paused_it_looks_back_and_afterwards_nothing_is_missing(qtbot, watch, hand):
    service, window, publisher = watch()
    dipole = hand(publisher.head)
    service.patch(ALPHA, dipole, 5.0)
    goes_on(qtbot, service, lambda: window.cortex.frame and window.cortex.frame.map.strength.any())
    end = time.monotonic() + 2
    goes_on(qtbot, service, lambda: time.monotonic() > end)
    qtbot.keyClick(window, Qt.Key.Key_Space)
    service.patch(ALPHA, dipole, 0.0)
    end = time.monotonic() + 2
    goes_on(qtbot, service, lambda: time.monotonic() > end)
    assert window.cortex.frame.map.values_nam.max() > 4.5
    qtbot.keyClick(window, Qt.Key.Key_Space)
    goes_on(qtbot, service, lambda: window.cortex.frame.map.values_nam.max() < 0.1)
    stamps = window.feed.rhythm.regions.stamps
    assert np.diff(stamps[-20:]).max() < 1.0
    assert stamps[-1] - stamps[0] > 3.5


def test_simulated_eeg_is_shown_moment_by_moment(qtbot, watch, hand):
    service, window, publisher = watch()
    truth = pylsl.StreamInfo(
        stream_name(f"{publisher.name}EEG", "Truth"), "Truth", 1, 0, "string", "truth"
    )
    _outlet = pylsl.StreamOutlet(truth)
    service.patch(ALPHA, hand(publisher.head), 5.0)
    goes_on(qtbot, service, lambda: window.feed.is_simulated and window.cortex.frame is not None)
    goes_on(qtbot, service, lambda: window.cortex.frame.band_hz is None)
    qtbot.keyClick(window, Qt.Key.Key_V)
    goes_on(qtbot, service, lambda: window.cortex.frame.band_hz == ALPHA)


def test_the_electrode_under_the_mouse_has_a_spectrum(qtbot, watch):
    service, window, publisher = watch()
    goes_on(qtbot, service, lambda: "all electrodes" in window.beside.spectrum.curves)
    scalp, name = window.beside.scalp, publisher.head.channels[5]
    qtbot.mouseMove(scalp, QPointF(scalp.place_of(name)).toPoint())
    goes_on(qtbot, service, lambda: name in window.beside.spectrum.curves)
    assert "all electrodes" not in window.beside.spectrum.curves
    hz, level_db = window.beside.spectrum.curves[name]
    assert len(hz) == len(level_db) > 50
    assert window.beside.spectrum._band.getRegion() == ALPHA


def test_the_course_is_of_the_feedback_while_no_region_is_pinned(qtbot, watch, hand):
    service, window, publisher = watch()
    name = publisher.name
    feedback = pylsl.StreamOutlet(feedback_info(name, 250.0, "alpha", 0.3))
    channels = [FeatureChannel(label, "", "z", "", 0.3) for label in ("alpha", "alpha_z")]
    features = pylsl.StreamOutlet(features_info(name, "Features", channels, 250.0, "none"))
    state = {"value": 0.8, "valid": 1.0, "z": 1.3}

    def more(stamp):
        features.push_sample([1.0, state["z"]], stamp)
        row = [state["value"], state["valid"], 1.0, 0.6, 0.0, 0.0, 1.0]
        feedback.push_sample(row, stamp)

    service.more = more
    course = window.beside.course
    goes_on(qtbot, service, lambda: course.accessibleName() == "feedback of alpha, z +1.3")
    values, thresholds = (item.getData()[1] for item in (course._curve, course._threshold))
    assert values.max() == pytest.approx(0.8)
    assert thresholds.max() == pytest.approx(0.6)
    assert course._usual.isVisible()
    state |= {"value": np.nan, "valid": 0.0}
    goes_on(qtbot, service, lambda: course.accessibleName() == "feedback of alpha, suspended")
    service.patch(ALPHA, hand(publisher.head), 5.0)
    goes_on(qtbot, service, lambda: window.cortex.frame.map.strength.max() > 0)
    qtbot.keyClick(window, Qt.Key.Key_K)
    goes_on(qtbot, service, lambda: course.region == "precentral-lh")
    assert not len(course._threshold.getData()[0])
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    goes_on(qtbot, service, lambda: course.region is None)
