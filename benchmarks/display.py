"""What the live cortex costs the service, and its frame rate, with moments and with a rhythm.

Without a screen:

    xvfb-run -s "-screen 0 1280x900x24" .venv/bin/python benchmarks/display.py

Source, service and window are three processes. The service runs alone and beside the window in
turns, so that both are measured under the same load of the machine. Simulated sources are shown
moment by moment, a simulated person at rest as the power of a band: nothing is set.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mne
from convdip.bundle import load_bundle
from convdip.display.app import check_can_display
from convdip.machine import n_cores, processor_name
from convdip.processes import Process, private_lsl
from convdip.sources.rest import resting_eeg

TURNS = 3
SFREQ_HZ = 500.0
TURN_S = 15.0
SETTLE_S = 6.0


Commands = Callable[[str], list[str]]


def turn(
    env: dict[str, str], name: str, play: Commands, *, is_shown: bool
) -> tuple[dict[str, Any], Any]:
    """Run a service for a while; return its summary, and the window's."""
    run = ["convdip", "run", "--input", name, "--name", name, "--wait-s", "30", "--json"]
    show = ["convdip", "display", "--name", name, "--json"]
    with Process(play(name), env), Process(run, env) as service:
        if not is_shown:
            time.sleep(SETTLE_S + TURN_S)
            return service.end_with_json(), None
        with Process(show, env) as display:
            time.sleep(SETTLE_S + TURN_S)
            display.check_alive()
            shown = display.end_with_json()
            return service.end_with_json(), shown


def measured(env: dict[str, str], kind: str, play: Commands) -> dict[str, Any]:
    """Measure in turns what is played."""
    alone, beside, windows = [], [], []
    for number in range(TURNS):
        print(f"{kind}: turn {number + 1} of {TURNS} …", file=sys.stderr)
        alone.append(turn(env, f"{kind}{number}Alone", play, is_shown=False)[0])
        service, window = turn(env, f"{kind}{number}Shown", play, is_shown=True)
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

    return {
        "service_alone_ms": {p: age(alone, p) for p in ("p50", "p99")},
        "service_beside_window_ms": {p: age(beside, p) for p in ("p50", "p99")},
        "fps": of_window("fps"),
        "interval_ms": {p: of_window("interval_ms", p) for p in ("p50", "p95", "p99")},
        "frame_ms": {p: of_window("frame_ms", p) for p in ("p50", "p95", "p99")},
        "picture_age_ms": {p: of_window("picture_age_ms", p) for p in ("p50", "p95", "p99")},
        "lost": sum(s["dropped"] + s["overflowed"] + s["missing"] for s in beside),
    }


def main() -> None:
    """Measure, then print a table and one JSON object."""
    check_can_display()
    result: dict[str, Any] = {"machine": f"{n_cores()} cores, {processor_name()}"}
    with private_lsl() as env, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rest_raw.fif"
        head = load_bundle().head
        eeg_v = resting_eeg(head, [(60.0, True)], SFREQ_HZ).T.astype(float) * 1e-6
        info = mne.create_info(list(head.channels), SFREQ_HZ, "eeg")
        mne.io.RawArray(eeg_v, info, verbose="error").save(path, verbose="error")

        def simulate(name: str) -> list[str]:
            return ["convdip", "simulate", "--name", name, "--seconds", "60"]

        def replay(name: str) -> list[str]:
            return ["convdip", "replay", str(path), "--name", name, "--loop"]

        for kind, play in (("Moments", simulate), ("Rhythm", replay)):
            result[kind.lower()] = measured(env, kind, play)
    for kind, values in result.items():
        print(kind, "" if isinstance(values, dict) else values)
        for key, value in values.items() if isinstance(values, dict) else ():
            print(f"  {key:26} {value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
