"""Screenshots and GIFs of the live cortex, in windows and a browser, of real streams."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import mne
import numpy as np
import pylsl
from convdip.bundle import load_bundle
from convdip.display.feed import Feed
from convdip.display.participant.feed import FeedbackFeed
from convdip.display.participant.scenes import Look
from convdip.display.participant.sitting import Page
from convdip.display.participant.window import ParticipantWindow
from convdip.display.window import Window
from convdip.processes import Process, private_lsl
from convdip.sources.rest import resting_eeg
from convdip.sources.signs import signs_for
from convdip.sources.simulator import simulate_session
from PIL import Image
from PySide6.QtCore import QSettings, QSize
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains

DOCS = Path("docs")
PATIENCE_S = 60.0
SFREQ_HZ = 500.0
GIF_FPS, GIF_WIDTH = 8, 480
MISSING, NOISY, RAILED = "FT9", "C4", "O1"
PROTOCOL = """
name = "for the screenshots"
blocks = [
  {kind = "rest", seconds = 20},
  {kind = "regulate", seconds = 20},
  {kind = "rest", seconds = 60},
]
"""
# Where on the page a ring stands around a strong source, while it is live and gives feedback.
CLEAR = """
const of = (id) => document.getElementById(id);
const isLive = of("state").dataset.word === "LIVE" && of("feedback").dataset.is !== "grey";
const number = (element) => parseFloat(element?.textContent);
const share = number(of("regions").firstChild?.lastChild) / number(of("limit"));
if (!isLive || !(share > 0.05)) return [];
return [...document.querySelectorAll("#marks > .ring")]
  .map((ring) => [parseFloat(ring.style.left), parseFloat(ring.style.top)]);
"""


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


def take(window: QWidget, state: str, of: str = "display") -> None:
    """Save a screenshot."""
    window.grab().save(str(DOCS / f"{of}-{state}.png"))
    print(f"docs/{of}-{state}.png")


def has_report(window: Window) -> bool:
    """Whether a sample of the quality stream has arrived."""
    return window.feed.service is not None and bool(window.feed.quality(pylsl.local_clock()))


def is_clear(window: Window, *, with_truth: bool = True) -> bool:
    """Whether a strong source is active and visible in a lateral view."""
    frame, head = window.cortex.frame, window.cortex.head
    if frame is None or head is None or np.abs(frame.map.strength).max() < 0.4:
        return False
    dipole = frame.truth if with_truth else int(head.strongest(frame.map.strength))
    if dipole is None or abs(frame.map.strength[dipole]) < 0.25:
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


def start_page(folder: Path, env: dict[str, str]) -> None:
    """Take start: an amplifier and a service are on the network."""
    window = show("Elsewhere", folder)
    window.opener.leave()
    amplifier = ["convdip", "simulate", "--name", "Amplifier", "--seconds", "60"]
    other = ["convdip", "simulate", "--name", "Ward EEG", "--seconds", "60"]
    run = ["convdip", "run", "--input", "Ward EEG", "--name", "Ward", "--wait-s", "60"]
    with Process(amplifier, env), Process(other, env), Process(run, env):
        wait(lambda: len(window.start_page.buttons) == 3, "what is offered")
        rest(1)
        take(window, "start")
    window.close()


def simulated(folder: Path, env: dict[str, str]) -> None:
    """Take live, paused, light, signed and stale of a simulated session."""
    window = show("Lab", folder)
    simulate = ["convdip", "simulate", "--name", "Amplifier", "--seconds", "300"]
    with Process([*simulate, "--signs", signs_for(load_bundle().polarity)], env) as eeg:
        run = ["convdip", "run", "--input", "Amplifier", "--name", "Lab"]
        with Process(run, env):
            wait(lambda: has_report(window), "the service")
            settle(window, 14)  # a full EEG strip, and a settled scale
            window.cortex.clicked.emit(window.cortex.frame.truth)
            settle(window, 8)
            take(window, "live")
            film(window.cortex, "moments", 5.0)
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


def film(window: QWidget, state: str, seconds: float, of: str = "display") -> None:
    """Save a small GIF of what is to be seen next."""
    frames: list[Image.Image] = []
    begin_s = time.monotonic()
    while (now_s := time.monotonic() - begin_s) < seconds:
        QApplication.processEvents()
        if now_s * GIF_FPS >= len(frames):
            taken = window.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
            rows = np.frombuffer(taken.constBits(), np.uint8).reshape(taken.height(), -1)
            pixels = rows[:, : 3 * taken.width()].reshape(taken.height(), taken.width(), 3)
            picture = Image.fromarray(pixels.copy())
            height = round(GIF_WIDTH * picture.height / picture.width)
            frames.append(picture.resize((GIF_WIDTH, height), Image.Resampling.LANCZOS))
        time.sleep(0.005)
    mosaic = Image.new("RGB", (frames[0].width, 4 * frames[0].height))
    for number in range(4):  # colours of all times, and the rare ones, too
        shown = frames[number * (len(frames) - 1) // 3]
        mosaic.paste(shown, (0, number * shown.height))
    palette = mosaic.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    first, *others = (f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames)
    path = DOCS / f"{of}-{state}.gif"
    first.save(path, save_all=True, append_images=others, duration=1000 // GIF_FPS, loop=0)
    print(path)


def at_rest(folder: Path, env: dict[str, str]) -> None:
    """Take rhythm, and a GIF of alpha that comes and goes, of a person who closes the eyes."""
    path = folder / "rest_raw.fif"
    spans_s = [(8.0, False), (8.0, True)] * 4
    head = load_bundle().head
    eeg_v = resting_eeg(head, spans_s, SFREQ_HZ, seed=2).T.astype(float) * 1e-6
    info = mne.create_info(list(head.channels), SFREQ_HZ, "eeg")
    mne.io.RawArray(eeg_v, info, verbose="error").save(path, verbose="error")
    window = show("Rest", folder)
    replay = ["convdip", "replay", str(path), "--name", "Person at rest", "--loop"]
    run = ["convdip", "run", "--input", "Person at rest", "--name", "Rest"]

    def strongest() -> float:
        frame = window.cortex.frame
        is_rhythm = frame is not None and frame.band_hz is not None
        return float(frame.map.strength.max()) if is_rhythm and frame is not None else 0.0

    with Process(replay, env), Process(run, env):
        wait(lambda: has_report(window) and strongest() > 0, "the rhythm")
        rest(8)
        wait(lambda: strongest() < 0.45, "open eyes")
        wait(lambda: strongest() > 0.8, "closed eyes")
        rest(2.5)
        window.pin_strongest()
        rest(0.5)
        take(window, "rhythm")
        wait(lambda: strongest() < 0.45, "open eyes")
        film(window.cortex, "rhythm", 10.0)
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


def for_the_participant(folder: Path, env: dict[str, str]) -> None:
    """Take the gauge and the rest page of a session in blocks."""
    protocol = folder / "protocol.toml"
    protocol.write_text(PROTOCOL)
    window = ParticipantWindow(FeedbackFeed("Booth"), "gauge")
    window.resize(QSize(800, 600))
    window.show()

    def is_success() -> bool:
        seen = window.picture
        return isinstance(seen, Look) and seen.is_above and (seen.value or 0) < 0.95

    def has_score() -> bool:
        seen = window.picture
        return isinstance(seen, Page) and seen.score is not None and seen.left_s is not None

    simulate = ["convdip", "simulate", "--name", "Person", "--seconds", "300"]
    run = ["convdip", "run", "--input", "Person", "--name", "Booth", "--protocol", str(protocol)]
    run += ["--roi", "precentral,postcentral", "--band", "8", "12"]
    signs = ["--signs", signs_for(load_bundle().polarity)]
    with Process([*simulate, *signs], env), Process(run, env):
        wait(is_success, "a success")
        film(window, "gauge", 4.0, "participant")
        wait(has_score, "the score")
        rest(3)
        take(window, "rest", "participant")
    window.close()


def in_a_browser(env: dict[str, str]) -> None:
    """Take the page in Chromium, of a session with feedback."""
    port = 8793
    simulate = ["convdip", "simulate", "--name", "Tablet", "--seconds", "240"]
    run = ["convdip", "run", "--input", "Tablet", "--name", "Ward2", "--baseline", "10"]
    run += ["--roi", "precentral,postcentral", "--band", "8", "12", "--wait-s", "60"]
    web = ["convdip", "web", "--name", "Ward2", "--port", str(port)]
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("headless=new", "no-sandbox", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    driver = webdriver.ChromeService(shutil.which("chromedriver"))
    signs = ["--signs", signs_for(load_bundle().polarity)]
    with (
        Process([*simulate, *signs], env),
        Process(run, env),
        Process(web, env),
        webdriver.Chrome(options, driver) as browser,
    ):
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
        )
        # A tablet's.
        size = {"width": 1180, "height": 820, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

        def is_there() -> bool:
            with suppress(WebDriverException):
                browser.get(f"http://127.0.0.1:{port}/")
                return True
            return False

        clear: list[list[float]] = []

        def is_clear() -> bool:
            """Whether it is live, gives feedback, and rings a strong source that can be seen."""
            clear[:] = browser.execute_script(CLEAR)
            return bool(clear)

        wait(is_there, "the page")
        wait(is_clear, "a source and feedback")
        canvas = browser.find_element("id", "cortex")
        middle = canvas.rect["width"] / 2, canvas.rect["height"] / 2
        offset = [int(one - half) for one, half in zip(clear[0], middle, strict=True)]
        ActionChains(browser).move_to_element_with_offset(canvas, *offset).click().perform()
        rest(9)
        path = DOCS / "display-web.png"

        def is_taken() -> bool:
            """Whether the picture just taken is live, and shows a source in colour."""
            browser.save_screenshot(str(path))
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB")).astype(int)
            red, green, _ = pixels[12, 12]  # of the state
            coloured = np.ptp(pixels[130:700, : int(2 * middle[0])], axis=-1) > 120
            return bool(green > red and coloured.sum() > 150)

        wait(is_taken, "a clear source")
        print("docs/display-web.png")


def main() -> None:
    """Take all screenshots, or those that are named."""
    app = QApplication([])
    with tempfile.TemporaryDirectory() as made, private_lsl() as env:
        folder = Path(made)
        kinds: dict[str, Callable[[], None]] = {
            "start": lambda: start_page(folder, env),
            "simulated": lambda: simulated(folder, env),
            "rest": lambda: at_rest(folder, env),
            "electrodes": lambda: with_bad_electrodes(folder, env),
            "participant": lambda: for_the_participant(folder, env),
            "browser": lambda: in_a_browser(env),
        }
        for kind in sys.argv[1:] or kinds:
            kinds[kind]()
    app.quit()


if __name__ == "__main__":
    main()
