"""A simulated amplifier for the benchmark: samples are stamped as they are pushed."""

from __future__ import annotations

import time
from pathlib import Path

import cyclopts
import numpy as np
import pylsl

from convdip.bundle import load_bundle
from convdip.priority import take_realtime_priority
from convdip.sources.player import eeg_outlet

LEVEL_UV = 20.0
N_PATTERN = 1000
TURN_S = 1.0
# Time for the last sample to pass through the service.
LINGER_S = 1.5


def turn_of(place: int, rate_hz: float, n_streams: int) -> int:
    """Return which of several streams a sample goes to: they take turns of one second."""
    return int(place / (TURN_S * rate_hz)) % n_streams


def play(names: str, rate_hz: float, seconds: float, stamps: Path, rt: bool = False) -> None:
    """Send noise once all streams have a consumer, and save the time stamps sent.

    A sample is stamped when it is pushed, as an amplifier stamps it when acquired. A sample that
    this process pushes late has the time stamp at which it was due.

    Parameters
    ----------
    names : str
        Names of the streams, separated by commas. Several take turns of one second, so that
        their readers are measured under the same load of the machine.
    rate_hz, seconds : float
    stamps : Path
        File for the time stamps, ``.npy``.
    rt : bool
        Take real-time priority.
    """
    if rt:
        take_realtime_priority()
    labels = load_bundle().head.channels
    rng = np.random.default_rng(0)
    pattern = rng.standard_normal((N_PATTERN, len(labels)), np.float32) * LEVEL_UV
    outlets = [eeg_outlet(name, labels, rate_hz, f"bench-{name}") for name in names.split(",")]
    while not all(outlet.wait_for_consumers(0.5) for outlet in outlets):
        pass
    n = round(seconds * rate_hz)
    sent = np.empty(n)
    start_s = pylsl.local_clock()
    k = 0
    while k < n:
        wait_s = start_s + (k + 1) / rate_hz - pylsl.local_clock()
        if wait_s > 0:
            time.sleep(wait_s)
        now_s = pylsl.local_clock()
        turn = turn_of(k, rate_hz, len(outlets))
        due = min(n, int((now_s - start_s) * rate_hz))
        if due <= k + 1:
            # On time: the cheapest path, since the other processes need the cores.
            sent[k] = now_s
            outlets[turn].push_chunk(pattern[k % N_PATTERN : k % N_PATTERN + 1], now_s)
            k += 1
            continue
        places = np.arange(k, due)
        stamped = now_s - (due - 1 - places) / rate_hz
        same = [turn_of(int(place), rate_hz, len(outlets)) == turn for place in places]
        places = places[same]  # the rest is the next stream's, in the next round
        sent[places] = stamped[same]
        outlets[turn].push_chunk(pattern[places % N_PATTERN], sent[places].tolist())
        k += len(places)
    np.save(stamps, sent)
    time.sleep(LINGER_S)


if __name__ == "__main__":
    cyclopts.run(play)
