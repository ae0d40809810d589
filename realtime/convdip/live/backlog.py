"""Samples that wait for the network, and what happens when too many do."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import numpy as np
import pylsl

from convdip.errors import StreamError
from convdip.frame import EegChunk
from convdip.live.delivery import Delivery
from convdip.live.inlet import BUFFER_S, Inlet

Overload = Literal["all", "latest"]

# The largest batch. A batch takes far less time than its samples one by one, so batches that
# grow with the backlog turn overload into throughput.
MAX_BATCH = 64
# So much later than usual by their stamps, samples are of the past.
LATE_S = 1.0
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
        What happens where a sample has waited for longer than ``max_s`` since it arrived, or is of
        the past: ``all`` goes on with every sample, ``latest`` drops all but the newest.
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
        Whether a sample had waited for more than ``max_s`` within the last second.
    is_late : bool
        Whether the last batch is of the past, as after a freeze.
    is_newly_full : bool
        Whether the last `take` found the inlet's buffer full, and none before did for ten seconds.
    delivery : Delivery
    """

    def __init__(self, sfreq_hz: float, overload: Overload, max_s: float) -> None:
        self._sfreq_hz = sfreq_hz
        self._overload = overload
        self._max_s = max_s
        self._over_s = self._full_s = -float("inf")
        self.n_behind = 0
        self.n_dropped = 0
        self.dropped: tuple[float, float] | None = None
        self.is_over = self.is_late = self.is_newly_full = False
        self.delivery = Delivery(sfreq_hz, pylsl.local_clock())

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
        was_there = inlet.n_waiting() > 0
        chunk = inlet.pull(MAX_BATCH)
        now_s = pylsl.local_clock()
        self.n_dropped, self.dropped = 0, None
        n = 0 if chunk is None else len(chunk.timestamps)
        n_waiting = inlet.n_waiting() if n == MAX_BATCH else 0
        self.n_behind = max(0, n - 1) + n_waiting
        self.delivery.took(now_s, n, n_waiting, was_there=was_there)
        is_full = n_waiting >= BUFFER_S * self._sfreq_hz - MAX_BATCH
        self.is_newly_full = is_full and not self.overflowed
        if is_full:
            self._full_s = now_s
        is_too_much = chunk is not None and self.delivery.waited_s > self._max_s
        if is_too_much:
            self._over_s = now_s
        self.is_over = now_s - self._over_s < HOLD_S
        if chunk is None:
            return None
        is_past = self._is_past(inlet, chunk, now_s)
        if self._overload == "latest" and self.n_behind and (is_too_much or is_past):
            chunk = self._newest(inlet, chunk)
            is_past = self._is_past(inlet, chunk, now_s)
        self.is_late = is_past
        return chunk

    @staticmethod
    def _is_past(inlet: Inlet, chunk: EegChunk, now_s: float) -> bool:
        return inlet.stamps.late_s(float(chunk.timestamps[-1]), now_s) > LATE_S

    def _newest(self, inlet: Inlet, chunk: EegChunk) -> EegChunk:
        """Drop everything but the newest sample."""
        first_stamp, n, n_first = float(chunk.timestamps[0]), 0, len(chunk.timestamps)
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
        self.delivery.skipped(n - n_first)
        self.dropped = first_stamp, last_stamps[0]
        skipped = EegChunk(np.concatenate(samples)[:-1], np.concatenate(stamps)[:-1])
        return EegChunk(chunk.samples[-1:], chunk.timestamps[-1:], skipped)
