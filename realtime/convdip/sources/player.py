"""Play samples as an EEG stream over LSL, paced by the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray

from convdip.errors import ConfigError
from convdip.sources.clients import wait_for_clients
from convdip.streams import eeg_info

# Samples due within this time are sent together; below 1 / BLOCK_S Hz, one by one.
BLOCK_S = 0.002
# After the last sample, liblsl still has to hand it to the clients.
LINGER_S = 1.0


@dataclass(frozen=True)
class Played:
    """What was sent: sample ``i`` carried the stamp ``first_stamp + i / rate_hz``."""

    n_samples: int
    first_stamp: float
    rate_hz: float


def eeg_outlet(
    name: str, labels: Sequence[str], rate_hz: float, source_id: str
) -> pylsl.StreamOutlet:
    """Open an EEG stream in microvolts, described as the XDF conventions ask.

    Raises
    ------
    ConfigError
        If the name is empty.
    """
    if not name:
        raise ConfigError("`name` is empty: expected a name for the stream")
    info = eeg_info(name, labels, rate_hz, source_id)
    return pylsl.StreamOutlet(info, max_buffered=10)


def play(
    outlet: pylsl.StreamOutlet,
    samples_uv: NDArray[np.float32],
    rate_hz: float,
    *,
    loop: bool = False,
    n_clients: int = 1,
    stop: Callable[[], bool] = lambda: False,
    on_sample: Callable[[int, float], None] = lambda n_sent, stamp: None,
    on_status: Callable[[str], None] = lambda line: None,
) -> Played:
    """Send samples in real time, each no earlier than its time stamp, once clients listen.

    Parameters
    ----------
    outlet : pylsl.StreamOutlet
    samples_uv : ndarray of float32, shape (n_times, n_channels)
        Microvolts.
    rate_hz : float
        Samples a second; faster than recorded to replay faster.
    loop : bool
        Start again at the end, until stopped.
    n_clients : int
        How many to wait for.
    stop : callable
        Ends the playing when true.
    on_sample : callable
        Gets the number of samples sent and the stamp of the last, after each block.
    on_status : callable
        Gets one line a second.
    """
    wait_for_clients(outlet, n_clients, stop, on_status)
    n_times = len(samples_uv)
    block = max(1, int(BLOCK_S * rate_hz))
    start = pylsl.local_clock() + 1 / rate_hz
    sent = 0
    status_due_s = 1.0
    while not stop() and (loop or sent < n_times):
        place = sent % n_times
        count = min(block, n_times - place)
        stamps = start + np.arange(sent, sent + count) / rate_hz
        wait_s = stamps[-1] - pylsl.local_clock()
        if wait_s > 0:
            time.sleep(wait_s)
        outlet.push_chunk(samples_uv[place : place + count], stamps.tolist())
        sent += count
        on_sample(sent, float(stamps[-1]))
        if sent / rate_hz >= status_due_s:
            status_due_s += 1.0
            on_status(f"{sent / rate_hz:.0f} s   {sent} samples sent")
    time.sleep(LINGER_S)
    return Played(sent, start, rate_hz)
