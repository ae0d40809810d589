"""The window on a person's EEG: occipital alpha is there while the eyes are closed, then gone."""

import mne
import numpy as np
import pylsl
import pytest

pytest.importorskip("PySide6.QtWidgets", reason="Qt does not load here", exc_type=ImportError)
from convdip.display.app import has_screen

if not has_screen():
    pytest.skip("no screen: run under xvfb-run", allow_module_level=True)

from convdip.display.feed import Feed
from convdip.display.window import Window
from convdip.sources.player import eeg_outlet
from PySide6.QtCore import QSettings

pytestmark = pytest.mark.qt_log_level_fail("WARNING")

OCCIPITAL = ("lateraloccipital", "cuneus", "pericalcarine", "lingual")
ALPHA = (8.0, 13.0)
# Seconds of each recording.
PART_S = 20
# From then on, a rhythm that is over must be gone.
LET_GO_S = 3


class Person:
    """Sends a recording at its own pace, again and again, and then another."""

    def __init__(self, name, *paths):
        raws = [mne.io.read_raw_edf(path, preload=True, verbose="error") for path in paths]
        self.sfreq_hz = raws[0].info["sfreq"]
        labels = [name.rstrip(".") for name in raws[0].ch_names]
        self._eeg_uv = [raw.get_data().T * 1e6 for raw in raws]
        self._outlet = eeg_outlet(name, labels, self.sfreq_hz, f"id-{name}")
        self._begin_s, self._n_sent, self._playing = pylsl.local_clock(), 0, 0

    def plays(self, number):
        self._playing = number

    def send(self):
        n = int((pylsl.local_clock() - self._begin_s) * self.sfreq_hz)
        due = np.arange(self._n_sent, n)
        if len(due):
            playing = self._eeg_uv[self._playing]
            dtype = np.float32 if self._outlet.channel_format == pylsl.cf_float32 else np.float64
            samples = np.ascontiguousarray(playing[due % len(playing)], dtype)
            self._outlet.push_chunk(samples, (self._begin_s + due / self.sfreq_hz).tolist())
            self._n_sent = n

    @property
    def seconds(self):
        return self._n_sent / self.sfreq_hz


@pytest.fixture
def watch(qtbot, unique, recording, convdip, tmp_path):
    """Open a service and a window on recordings; nothing is set."""

    def open_window(*names):
        person = Person(f"{unique}EEG", *(recording(f"eeg/eegmmidb_S001/{n}") for n in names))
        convdip("run", "--input", f"{unique}EEG", "--name", unique)
        store = QSettings(str(tmp_path / "display.ini"), QSettings.Format.IniFormat)
        window = Window(Feed(unique), store)
        window.resize(1280, 800)
        qtbot.addWidget(window)
        window.show()
        return person, window

    return open_window


def goes_on(qtbot, person, is_so, timeout_s=60.0):
    def step():
        person.send()
        return is_so()

    qtbot.waitUntil(step, timeout=round(timeout_s * 1000))


def occipital(window):
    """Return which share of the occipital cortex that is seen has colours, and warm ones."""
    image = window.cortex.grab().toImage()
    image = image.convertToFormat(image.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    pixels = rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).astype(int)
    at = [
        (round(place.y()), round(place.x()))
        for dipole in np.flatnonzero(window.cortex.head.in_regions(OCCIPITAL))[::5]
        for place in window.cortex.places_of(int(dipole))
    ]
    colours = pixels[tuple(np.transpose(at))]
    return (np.ptp(colours, axis=1) > 40).mean(), (colours[:, 0] - colours[:, 2] > 60).mean()


@pytest.mark.long
@pytest.mark.alone
def test_alpha_comes_with_closed_eyes_and_goes_with_open_ones(qtbot, watch):
    person, window = watch("S001R02.edf", "S001R01.edf")
    goes_on(qtbot, person, lambda: window.cortex.frame is not None and window.feed.n_samples > 0)
    shown_s = person.seconds
    goes_on(qtbot, person, lambda: window.maps.band_hz == ALPHA and occipital(window)[0] > 0.03)
    assert person.seconds - shown_s < 3
    seen_in = []
    for number in (0, 1):
        person.plays(number)
        begin_s = person.seconds + LET_GO_S
        looks: list[tuple[float, float]] = []
        while person.seconds < begin_s + PART_S:
            next_s = person.seconds + 0.4
            goes_on(qtbot, person, lambda next_s=next_s: person.seconds > next_s)
            # What is grey, on a computer that cannot keep up, says nothing.
            if person.seconds > begin_s and not window.cortex.frame.banner:
                looks.append(occipital(window))
        seen_in.append(np.transpose(looks))
    (seen, warm), (seen_open, warm_open) = seen_in
    assert min(len(seen), len(seen_open)) > 10
    assert (seen > 0.02).mean() > 0.9
    assert seen.mean() > 3 * seen_open.mean()
    assert warm.mean() > 5 * warm_open.mean()
    assert warm_open.mean() < 0.02
