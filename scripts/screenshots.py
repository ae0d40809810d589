"""Screenshots of the main states of the live cortex, with real services on real streams."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
import pylsl
from convdip.bundle import load_bundle
from convdip.display.feed import Feed
from convdip.display.window import Window
from convdip.processes import Process, private_lsl
from convdip.sources.signs import signs_for
from convdip.sources.simulator import simulate_session
from PySide6.QtCore import QSettings, QSize
from PySide6.QtWidgets import QApplication

DOCS = Path("docs")
PATIENCE_S = 40.0
SFREQ_HZ = 500.0
MISSING, NOISY, RAILED = "FT9", "C4", "O1"


def show(name: str, folder: Path) -> Window:
    """Open a window with its own settings."""
    store = QSettings(str(folder / f"{name}.ini"), QSettings.Format.IniFormat)
    window = Window(Feed(name), store)
    window.resize(QSize(1280, 800))
    window.show()
    return window


def wait(is_so: Callable[[], bool], what: str) -> None:
    """Process events until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"timed out waiting for {what}")
        QApplication.processEvents()
        time.sleep(0.005)


def rest(seconds: float) -> None:
    """Process events for a while."""
    end = time.monotonic() + seconds
    wait(lambda: time.monotonic() > end, "the end")


def take(window: Window, state: str) -> None:
    """Save a screenshot."""
    window.grab().save(str(DOCS / f"display-{state}.png"))
    print(f"docs/display-{state}.png")


def has_report(window: Window) -> bool:
    """Whether a sample of the quality stream has arrived."""
    return window.feed.service is not None and bool(window.feed.quality(pylsl.local_clock()))


def is_clear(window: Window, *, with_truth: bool = True) -> bool:
    """Whether a strong source is active and visible in a lateral view."""
    frame, head = window.cortex.frame, window.cortex.head
    if frame is None or head is None or np.abs(frame.strength).max() < 0.4:
        return False
    dipole = frame.truth if with_truth else int(head.strongest(frame.strength))
    if dipole is None or abs(frame.strength[dipole]) < 0.25:
        return False
    outward = head.normals[dipole, 0] * (-1 if dipole < head.n_left else 1)
    return bool(window.cortex.places_of(dipole)) and bool(outward > 0.2)


def settle(window: Window, seconds: float) -> None:
    """Let the window run, then until a source is clear."""
    rest(seconds)
    wait(lambda: is_clear(window), "a clear source")


def look_back(window: Window) -> None:
    """Step back through the history until a source is clear."""
    for share in np.arange(0.85, 0.0, -0.003):  # a tenth of a second
        window.controls.slid.emit(share)
        rest(0.1)
        if is_clear(window):
            return
    raise TimeoutError("no clear source in the last 30 s")


def simulated(folder: Path, env: dict[str, str]) -> None:
    """Take start, live, paused, light, signed and stale of a simulated session."""
    window = show("Lab", folder)
    simulate = ["convdip", "simulate", "--name", "Amplifier", "--seconds", "300"]
    with Process([*simulate, "--signs", signs_for(load_bundle().polarity)], env) as eeg:
        wait(lambda: window.start_page.table.rowCount() > 1, "the stream in the list")
        rest(0.5)
        take(window, "start")
        run = ["convdip", "run", "--input", "Amplifier", "--name", "Lab"]
        with Process(run, env):
            wait(lambda: has_report(window), "the service")
            settle(window, 14)  # a full EEG strip, and a settled scale
            window.cortex.clicked.emit(window.cortex.frame.truth)
            settle(window, 8)
            take(window, "live")
            window.player.toggle_pause()
            look_back(window)
            take(window, "paused")
            window.player.toggle_pause()
            for name, number in (("theme", 1), ("surface", 1)):
                window.choose(name, number)
            settle(window, 2)
            take(window, "light")
            window.choose("theme", 0)
            window.choose("surface", 0)
            window.choose("is_signed", 1)
            settle(window, 2)
            take(window, "signed")
            window.choose("is_signed", 0)
            settle(window, 2)
            os.kill(eeg.pid, signal.SIGSTOP)
            rest(1.2)
            take(window, "stale")
    window.close()


def with_bad_electrodes(folder: Path, env: dict[str, str]) -> None:
    """Take bad-electrodes, of a recording in which one is missing, one noisy, one at a rail."""
    bundle = load_bundle()
    head = bundle.head
    session = simulate_session(head, 60.0, SFREQ_HZ, 4, signs_for(bundle.polarity))
    info = mne.create_info(list(head.channels), SFREQ_HZ, "eeg")
    eeg_v = session.eeg_uv.T.astype(float) * 1e-6
    noise = np.random.default_rng(0).standard_normal(eeg_v.shape[1])
    eeg_v[head.channels.index(NOISY)] += 200e-6 * noise
    eeg_v[head.channels.index(RAILED)] = 0.1875
    raw = mne.io.RawArray(eeg_v, info, verbose="error")
    path = folder / "session_raw.fif"
    raw.drop_channels([MISSING]).save(path, verbose="error")
    window = show("Ward", folder)
    replay = ["convdip", "replay", str(path), "--name", "Recording", "--loop"]
    run = ["convdip", "run", "--input", "Recording", "--name", "Ward"]
    with Process(replay, env), Process(run, env):
        wait(lambda: has_report(window), "the service")
        rest(10)
        wait(lambda: is_clear(window, with_truth=False), "a clear source")
        take(window, "bad-electrodes")
    window.close()


def main() -> None:
    """Take all screenshots."""
    app = QApplication([])
    with tempfile.TemporaryDirectory() as made, private_lsl() as env:
        simulated(Path(made), env)
        with_bad_electrodes(Path(made), env)
    app.quit()


if __name__ == "__main__":
    main()
