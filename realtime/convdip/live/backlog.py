"""Samples that wait for the network, and what happens when too many do."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import numpy as np
import pylsl

from convdip.errors import StreamError
from convdip.frame import EegChunk
from convdip.live.inlet import BUFFER_S, Inlet

Overload = Literal["all", "latest"]

# The largest batch. A batch takes far less time than its samples one by one, so batches that
# grow with the backlog turn overload into throughput.
MAX_BATCH = 64
# Overloads closer together than this count as one.
HOLD_S = 1.0
# For this long after the inlet's buffer was full, missing samples count as its overflow.
FULL_HOLD_S = 10.0


class Backlog:
    """Takes the next batch from an inlet.

    Parameters
    ----------
    sfreq_hz : float
    overload : 'all' or 'latest'
        What happens when the newest sample is more than ``max_s`` ahead of the one whose turn
        it is: ``all`` goes on with every sample, ``latest`` drops all but the newest.
    max_s : float

    Attributes
    ----------
    n_behind : int
        Samples that waited behind the oldest one at the last `take`.
    n_dropped : int
        Samples that the last `take` dropped.
    dropped : tuple of float, or None
        Time stamps of the first and the last of them.
    is_over : bool
        Whether ``n_behind`` was more than ``max_s`` within the last second.
    """

    def __init__(self, sfreq_hz: float, overload: Overload, max_s: float) -> None:
        self._sfreq_hz = sfreq_hz
        self._overload = overload
        self._max_s = max_s
        self._over_s = self._full_s = -float("inf")
        self.n_behind = 0
        self.n_dropped = 0
        self.dropped: tuple[float, float] | None = None
        self.is_over = False

    @property
    def overflowed(self) -> bool:
        """Whether the inlet's buffer was full recently, so that samples may have been lost."""
        return bool(pylsl.local_clock() - self._full_s < FULL_HOLD_S)

    def take(self, inlet: Inlet) -> EegChunk | None:
        """Wait for a sample and return all that wait, 64 at most; None if none came.

        Raises
        ------
        StreamError
            If the stream has ended.
        """
        chunk = inlet.pull(MAX_BATCH)
        self.n_dropped, self.dropped = 0, None
        n = 0 if chunk is None else len(chunk.timestamps)
        n_waiting = inlet.n_waiting() if n == MAX_BATCH else 0
        self.n_behind = max(0, n - 1) + n_waiting
        now_s = pylsl.local_clock()
        if n_waiting >= BUFFER_S * self._sfreq_hz - MAX_BATCH:
            self._full_s = now_s
        is_too_much = self.n_behind / self._sfreq_hz > self._max_s
        if is_too_much:
            self._over_s = now_s
        self.is_over = now_s - self._over_s < HOLD_S
        if chunk is not None and is_too_much and self._overload == "latest":
            return self._newest(inlet, chunk)
        return chunk

    def _newest(self, inlet: Inlet, chunk: EegChunk) -> EegChunk:
        """Drop everything but the newest sample."""
        first_stamp, n = float(chunk.timestamps[0]), 0
        last_stamps: list[float] = []
        samples, stamps = [], []
        rest: EegChunk | None = chunk
        while rest is not None:
            chunk, n = rest, n + len(rest.timestamps)
            samples.append(chunk.samples)
            stamps.append(chunk.timestamps)
            last_stamps = [*last_stamps, *chunk.timestamps[-2:].tolist()][-2:]
            rest = None
            with suppress(StreamError):  # the next call tells
                rest = inlet.pull(max(1, inlet.n_waiting()), wait=False)
        self.n_dropped = n - 1
        self.dropped = first_stamp, last_stamps[0]
        skipped = EegChunk(np.concatenate(samples)[:-1], np.concatenate(stamps)[:-1])
        return EegChunk(chunk.samples[-1:], chunk.timestamps[-1:], skipped)
