"""Markers of other programs, as they come in over LSL."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError

from convdip.live.loop.worker import Worker
from convdip.text import decoded, shown

log = logging.getLogger(__name__)

BUFFER_S, POLL_S = 60, 0.02
MOST_WAITING = 10_000


class Markers:
    """Listens to every marker stream there is, also to one that begins later.

    In a thread of its own: what LSL finds out about a clock takes a while.

    Parameters
    ----------
    but : str
        The stream that is left out: the service's own events.
    """

    def __init__(self, but: str) -> None:
        self._but = but
        self._heard = deque[tuple[str, float]](maxlen=MOST_WAITING)
        self._stop = threading.Event()
        self._worker = Worker(self._listen, "convdip-markers")

    def close(self) -> None:
        """Listen no more."""
        self._stop.set()

    def heard(self) -> list[tuple[str, float]]:
        """Return what was said since the last call, with time stamps on this computer's clock.

        Raises
        ------
        Exception
            What ended the listening, if anything did.
        """
        self._worker.check()
        return [self._heard.popleft() for _ in range(len(self._heard))]

    def _listen(self) -> None:
        resolver = pylsl.ContinuousResolver(prop="type", value="Markers")
        # Those that have ended stay known, since they are listed for a while yet.
        inlets: dict[str, pylsl.StreamInlet | None] = {}
        while not self._stop.wait(POLL_S):
            for info in resolver.results():
                is_text = info.channel_format() == pylsl.cf_string
                if info.uid() in inlets or info.name() == self._but or not is_text:
                    continue
                inlets[info.uid()] = pylsl.StreamInlet(
                    info, max_buflen=BUFFER_S, processing_flags=pylsl.proc_clocksync, recover=False
                )
                log.info("markers from %s", shown(info.name()))
            for uid, inlet in inlets.items():
                if inlet is None:
                    continue
                try:
                    # As bytes: not every sender knows UTF-8.
                    rows, stamps = inlet.pull_chunk(timeout=0.0, as_numpy=True)
                except LostError:
                    inlets[uid] = None
                    continue
                self._heard.extend(
                    (decoded(row[0]).strip(), stamp)
                    for row, stamp in zip(rows, stamps.tolist(), strict=True)
                )


class Between:
    """The time between two markers; it begins anew with each first one.

    Parameters
    ----------
    first, last : str
        What the markers say; one that says anything else changes nothing.
    """

    def __init__(self, first: str, last: str) -> None:
        self._first, self._last = first, last
        self._begin_s = self._end_s = math.inf

    def hear(self, said: str, stamp: float) -> None:
        """Take a marker into account."""
        if said == self._first:
            self._begin_s, self._end_s = stamp, math.inf
        elif said == self._last and stamp > self._begin_s:
            self._end_s = stamp

    def is_inside(self, stamps: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which samples lie between the markers, as far as these are there."""
        return np.asarray((self._begin_s <= stamps) & (stamps < self._end_s))

    def is_over(self, stamp: float) -> bool:
        """Whether the last marker came before a sample."""
        return self._begin_s < self._end_s <= stamp
