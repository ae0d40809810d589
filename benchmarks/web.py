"""How many new maps a browser draws a second, how old they are then, and what the server costs.

    .venv/bin/python benchmarks/web.py

Source, service, server and Chromium run beside each other, without a screen. A map counts once the
page has said that it is drawn; its age then includes the way of that word back to the server.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from typing import Any

import psutil
from convdip.machine import n_cores, processor_name
from convdip.processes import Process, private_lsl
from selenium import webdriver

SIZES = ((1280, 900), (820, 1180))  # a laptop's, and a tablet's
SETTLE_S, TURN_S = 12.0, 20.0
PATIENCE_S = 120.0
PORT = 8791
# Counts the frames in which anything was drawn, in the browser itself.
COUNT = """
let isDrawn = false; window.nDrawn = 0;
const draw = WebGL2RenderingContext.prototype.drawElements;
WebGL2RenderingContext.prototype.drawElements = function (...how) {
  isDrawn = true; return draw.apply(this, how);
};
const count = () => { window.nDrawn += isDrawn; isDrawn = false; requestAnimationFrame(count); };
requestAnimationFrame(count);
"""


def browser(width: int, height: int) -> webdriver.Chrome:
    """Open Chromium without a screen."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("headless=new", "no-sandbox", f"window-size={width},{height}"):
        options.add_argument(f"--{flag}")
    # By its path: else Selenium looks for one on the internet.
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COUNT})
    return driver


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has taken."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def turn(env: dict[str, str], number: int, size: tuple[int, int]) -> dict[str, Any]:
    """Look at a service for a while."""
    name = f"Web{number}"
    simulate = ["convdip", "simulate", "--name", name, "--seconds", "120"]
    run = ["convdip", "run", "--input", name, "--name", name, "--wait-s", "60", "--json"]
    serve = ["convdip", "web", "--name", name, "--port", str(PORT), "--json"]
    with (
        Process(simulate, env),
        Process(run, env) as service,
        Process(serve, env) as server,
        browser(*size) as driver,
    ):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                driver.get(f"http://127.0.0.1:{PORT}/")
                break
            except Exception:
                server.check_alive()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

        def word() -> str:
            return driver.find_element("id", "state").get_attribute("data-word") or ""

        while word() != "LIVE":
            for process in (service, server):
                process.check_alive()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the page is {word()}, not LIVE")
            time.sleep(0.1)
        time.sleep(SETTLE_S)
        began_s, cpu = time.monotonic(), cpu_s(server.pid)
        n_before = driver.execute_script("return nDrawn")
        time.sleep(TURN_S)
        n_drawn = driver.execute_script("return nDrawn") - n_before
        took_s, cpu = time.monotonic() - began_s, cpu_s(server.pid) - cpu
        fineness = driver.execute_script(
            "const c = document.getElementById('cortex'); return c.width / c.clientWidth"
        )
        version = driver.capabilities["browserVersion"]
        shown, of_service = server.end_with_json()["pages"][-1], service.end_with_json()
    return {
        "size": list(size),
        "browser": f"Chromium {re.match('[0-9]+', version)[0]}",  # type: ignore[index]
        "drawn_per_s_in_page": round(n_drawn / took_s, 1),
        "drawn_per_s_acknowledged": shown["fps"],
        "stamp_to_drawn_ms": shown["picture_age_ms"],
        "interval_ms": shown["interval_ms"],
        "stale_frames": shown["stale_frames"],
        "frames": shown["frames"],
        "skipped": shown["skipped"],
        "pixels_per_css_pixel": round(fineness, 2),
        "server_cpu_share_of_a_core": round(cpu / took_s, 3),
        "service_age_ms": of_service["latency_ms"]["age"],
    }


def main() -> None:
    """Measure, then print a line for each size and one JSON object."""
    load = [round(one, 1) for one in psutil.getloadavg()]
    turns = []
    with private_lsl() as env:
        for number, size in enumerate(SIZES):
            print(f"turn {number + 1} of {len(SIZES)} …", file=sys.stderr)
            turns.append(turn(env, number, size))
    machine = f"{n_cores()} cores, {processor_name()}"
    for one in turns:
        for key, value in one.items():
            print(f"{key:28} {value}")
    print(json.dumps({"machine": machine, "load_before": load, "turns": turns}))


if __name__ == "__main__":
    main()
