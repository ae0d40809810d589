"""The server in a thread, a service that goes on by itself, and a real browser."""

from __future__ import annotations

import asyncio
import io
import shutil
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pylsl
import pytest
from convdip.feedback.features import Suspended
from convdip.streams import feedback_info
from PIL import Image

pytest.importorskip("websockets", reason="the extra web is not installed: scripts/install web")

from convdip.web.live import Live
from convdip.web.server import WebServer

PATIENCE_S = 90.0


class Served:
    """A server that can be stopped, and started again at its address."""

    def __init__(self, name: str, host: str, port: int = 0) -> None:
        self.server = WebServer(Live(name))
        self._stop = threading.Event()
        urls: list[str] = []
        is_up = threading.Event()

        def announce(url: str) -> None:
            urls.append(url)
            is_up.set()

        def run() -> None:
            asyncio.run(self.server.run(host, port, self._stop.is_set, announce))

        self._thread = threading.Thread(target=run)
        self._thread.start()
        assert is_up.wait(PATIENCE_S)
        [self.url] = urls
        self.port = int(self.url.split(":")[2].split("/")[0])

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Serve a service's streams to browsers; ends with the test."""
    started: list[Served] = []

    def start(name: str, host: str = "127.0.0.1", port: int = 0) -> Served:
        started.append(Served(name, host, port))
        return started[-1]

    yield start
    for served in started:
        served.stop()


class Feedback:
    """Publishes feedback that a test decides on."""

    def __init__(self, name: str) -> None:
        blocks = [{"number": "1", "name": "up", "kind": "regulate", "seconds": "600"}]
        info = feedback_info(name, 100.0, "alpha", 0.3, "training", blocks)
        self._outlet = pylsl.StreamOutlet(info)
        self.value, self.above, self.reason = 0.5, False, Suspended.NOT

    def send(self) -> None:
        is_valid = self.reason is Suspended.NOT
        row = [self.value, is_valid, self.above, 0.75, self.reason.code, 1, 0.8]
        self._outlet.push_sample(row, pylsl.local_clock())


class Heart:
    """Calls something again and again, as a service goes on, until it is to rest."""

    def __init__(self, beat: Callable[[], object]) -> None:
        self._beat, self._end, self._lock = beat, threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.01):
            self._beat()

    def rest(self) -> None:
        self._end.set()
        self._thread.join()


@pytest.fixture
def keep() -> Iterator[Callable[[Callable[[], object]], Heart]]:
    """Keep something going in a thread."""
    hearts: list[Heart] = []

    def start(beat: Callable[[], object]) -> Heart:
        hearts.append(Heart(beat))
        return hearts[-1]

    yield start
    for heart in hearts:
        heart.rest()


@pytest.fixture
def feedback(unique: str, keep: Callable[..., Heart]) -> Feedback:
    published = Feedback(unique)
    keep(published.send)
    return published


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, without a screen."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        pytest.skip("no browser here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    # On a busy computer it takes a page of this one for one of another's network, now and then.
    options.add_argument("--disable-features=LocalNetworkAccessChecks")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=programs[1])
    driver = webdriver.Chrome(options, service)
    yield driver
    driver.quit()


class Page:
    """A page in the browser, driven as a person does: by the mouse, fingers and keys."""

    def __init__(self, driver, url: str) -> None:
        self.driver = driver
        driver.get_log("browser")  # of the page before
        driver.get(url)

    def get(self, name: str):
        return self.driver.find_element("id", name)

    def text(self, name: str) -> str:
        return self.get(name).get_property("textContent").strip()

    def button(self, text: str):
        return self.driver.find_element("xpath", f"//button[text()='{text}']")

    def is_set(self, text: str) -> bool:
        return self.button(text).get_attribute("aria-pressed") == "true"

    @property
    def word(self) -> str:
        return self.get("state").get_attribute("data-word") or ""

    @property
    def banner(self) -> str:
        banner = self.get("banner")
        return banner.text if banner.is_displayed() else ""

    def until(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not is_so():
            assert time.monotonic() < deadline, f"it never came: {self.word} {self.banner}"
            time.sleep(0.02)

    def pixels(self, name: str = "cortex") -> np.ndarray:
        """Return what is to be seen of an element, shape (height, width, 3)."""
        picture = Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")
        box = self.get(name).rect
        left, top = round(box["x"]), round(box["y"])
        area = (left, top, left + round(box["width"]), top + round(box["height"]))
        return np.asarray(picture.crop(area)).astype(int)

    def hues(self, *points: tuple[float, float]) -> list[int]:
        """Return how far from grey the cortex is around points, all at one moment."""
        seen = self.pixels()
        around = [seen[round(y) - 5 : round(y) + 6, round(x) - 5 : round(x) + 6] for x, y in points]
        return [int(np.ptp(pixels, axis=-1).max()) for pixels in around]

    def height(self, name: str) -> float:
        """Return an element's height as it is drawn."""
        script = "return arguments[0].getBoundingClientRect().height"
        return float(self.driver.execute_script(script, self.get(name)))

    def complaints(self) -> list[str]:
        """Return what the browser calls an error."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]


@pytest.fixture
def browse(chromium) -> Iterator[Callable[..., Page]]:
    """Open a page; nothing in its console is left unread."""
    opened: list[Page] = []

    def go(url: str) -> Page:
        chromium.set_window_size(1280, 900)
        opened.append(Page(chromium, url))
        return opened[-1]

    yield go
    chromium.get("about:blank")


@pytest.fixture
def live(publish, serve, keep, browse):
    """Open a page on a service with a patch, and wait until it is live."""

    def start(dipole: int | None = None, peak_nam: float = 5.0):
        publisher = publish()
        if dipole is not None:
            publisher.patch(dipole, peak_nam)
        heart = keep(publisher.send)
        served = serve(publisher.name)
        page = browse(served.url)
        page.until(lambda: page.word == "LIVE")
        return page, publisher, heart, served

    return start
