"""Markers that say when the person rests."""

from __future__ import annotations

import logging
import math
import threading

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError

log = logging.getLogger(__name__)

BUFFER_S, POLL_S = 60, 0.02
MOST_CHARACTERS = 200


class Between:
    """The time between two markers of any LSL marker stream.

    Every marker stream is listened to, also one that begins later, in a thread of its own: what LSL
    finds out about a clock takes a while. The time begins anew with each first marker.

    Parameters
    ----------
    first, last : str
        What the markers say; one that says anything else changes nothing.
    """

    def __init__(self, first: str, last: str) -> None:
        self._first, self._last = first, last
        # Replaced as a whole, so that no one sees half of it.
        self._time_s = math.inf, math.inf
        self._stop = threading.Event()
        threading.Thread(target=self._listen, name="convdip-markers", daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._stop.set()

    def is_inside(self, stamps: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which samples lie between the markers, as far as these are there."""
        begin_s, end_s = self._time_s
        return np.asarray((begin_s <= stamps) & (stamps < end_s))

    def is_over(self, stamp: float) -> bool:
        """Whether the last marker came before a sample."""
        begin_s, end_s = self._time_s
        return begin_s < end_s <= stamp

    def _listen(self) -> None:
        resolver = pylsl.ContinuousResolver(prop="type", value="Markers")
        inlets: dict[str, pylsl.StreamInlet] = {}
        while not self._stop.wait(POLL_S):
            for info in resolver.results():
                if info.uid() in inlets or info.channel_format() != pylsl.cf_string:
                    continue
                inlets[info.uid()] = pylsl.StreamInlet(
                    info, max_buflen=BUFFER_S, processing_flags=pylsl.proc_clocksync, recover=False
                )
                log.info("markers from %s", info.name()[:MOST_CHARACTERS])
            for uid, inlet in list(inlets.items()):
                try:
                    rows, stamps = inlet.pull_chunk(timeout=0.0)
                except LostError:
                    del inlets[uid]
                    continue
                for row, stamp in zip(rows, stamps, strict=True):
                    self._hear(str(row[0]).strip(), stamp)

    def _hear(self, said: str, stamp: float) -> None:
        begin_s, _ = self._time_s
        if said == self._first:
            self._time_s = stamp, math.inf
        elif said == self._last and stamp > begin_s:
            self._time_s = begin_s, stamp
