"""Between the inlet and the network: what waits, and what to do when too much does."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import pylsl

from convdip.errors import StreamError
from convdip.live.frame import EegChunk
from convdip.live.inlet import BUFFER_S, Inlet

Overload = Literal["all", "latest"]

# Most samples imaged at once. A batch takes longer than a sample but far less than as many
# samples one by one, so batches that grow with what waits turn overload into throughput.
MAX_BATCH = 64
# An overload that comes and goes is one overload.
HOLD_S = 1.0
# So long after the inlet's buffer was full, missing samples are those that it had no place for.
FULL_HOLD_S = 10.0


class Backlog:
    """Takes from an inlet what is to be imaged next.

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
        How many newer samples were there at the last `take` than the one whose turn it was.
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
        """Whether the inlet's buffer was full of late, and may have had no place for samples."""
        return bool(pylsl.local_clock() - self._full_s < FULL_HOLD_S)

    def take(self, inlet: Inlet) -> EegChunk | None:
        """Wait for a sample and return all that are there, 64 at most; None for none yet.

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
        """Drop all that waits but the last sample."""
        first_stamp, n = float(chunk.timestamps[0]), 0
        last_stamps: list[float] = []
        rest: EegChunk | None = chunk
        while rest is not None:
            chunk, n = rest, n + len(rest.timestamps)
            last_stamps = [*last_stamps, *chunk.timestamps[-2:].tolist()][-2:]
            rest = None
            with suppress(StreamError):  # the next call tells
                rest = inlet.pull(max(1, inlet.n_waiting()), wait=False)
        self.n_dropped = n - 1
        self.dropped = first_stamp, last_stamps[0]
        return EegChunk(chunk.samples[-1:], chunk.timestamps[-1:])
