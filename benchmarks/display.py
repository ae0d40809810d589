"""What the live cortex costs the service, and its frame rate.

Without a screen:

    xvfb-run -s "-screen 0 1280x900x24" .venv/bin/python benchmarks/display.py

Source, service and window are three processes. The service runs alone and beside the window in
turns, so that both are measured under the same load of the machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

from convdip.display.app import check_can_display
from convdip.machine import n_cores, processor_name
from convdip.processes import Process, private_lsl

TURNS = 3
TURN_S = 15.0
SETTLE_S = 6.0


def turn(env: dict[str, str], number: int, *, is_shown: bool) -> tuple[dict[str, Any], Any]:
    """Run a service for a while; return its summary, and the window's."""
    name = f"Bench{number}{'Shown' if is_shown else 'Alone'}"
    simulate = ["convdip", "simulate", "--name", name, "--seconds", "60"]
    run = ["convdip", "run", "--input", name, "--name", name, "--wait-s", "30", "--json"]
    show = ["convdip", "display", "--name", name, "--json"]
    with Process(simulate, env), Process(run, env) as service:
        if not is_shown:
            time.sleep(SETTLE_S + TURN_S)
            return service.end_with_json(), None
        with Process(show, env) as display:
            time.sleep(SETTLE_S + TURN_S)
            display.check_alive()
            shown = display.end_with_json()
            return service.end_with_json(), shown


def main() -> None:
    """Measure, then print a table and one JSON object."""
    check_can_display()
    alone, beside, windows = [], [], []
    with private_lsl() as env:
        for number in range(TURNS):
            print(f"turn {number + 1} of {TURNS} …", file=sys.stderr)
            alone.append(turn(env, number, is_shown=False)[0])
            service, window = turn(env, number, is_shown=True)
            beside.append(service)
            windows.append(window)

    def age(summaries: list[dict[str, Any]], percentile: str) -> float:
        return statistics.median(s["latency_ms"]["age"][percentile] for s in summaries)

    def of_window(*keys: str) -> float:
        values = []
        for window in windows:
            for key in keys:
                window = window[key]
            values.append(window)
        return statistics.median(values)

    result = {
        "machine": f"{n_cores()} cores, {processor_name()}",
        "service_alone_ms": {p: age(alone, p) for p in ("p50", "p99")},
        "service_beside_window_ms": {p: age(beside, p) for p in ("p50", "p99")},
        "fps": of_window("fps"),
        "interval_ms": {p: of_window("interval_ms", p) for p in ("p50", "p95", "p99")},
        "frame_ms": {p: of_window("frame_ms", p) for p in ("p50", "p95", "p99")},
        "picture_age_ms": {p: of_window("picture_age_ms", p) for p in ("p50", "p95", "p99")},
        "lost": sum(s["dropped"] + s["overflowed"] + s["missing"] for s in beside),
    }
    for key, value in result.items():
        print(f"{key:26} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
