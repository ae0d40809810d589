"""One LSL stream, followed through its losses, without ever blocking the window."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from convdip.errors import ConvDipError
from convdip.text import decoded, shown, shown_line

OPEN_TIMEOUT_S = 5.0
# What waits while the window is busy, and no more.
BUFFER_S = 2
# So long without a sample, an open stream is compared with what the network has: a cable that was
# pulled closes nothing.
DOUBT_S = 2.0
# And so long, a regular one is opened again in any case: the other end may have dropped it.
REOPEN_S = 10.0


@dataclass(frozen=True)
class Wanted:
    """Which stream to follow; an empty source id or hostname fits all."""

    name: str
    source_id: str = ""
    hostname: str = ""

    def fits(self, stream: pylsl.StreamInfo) -> bool:
        """Whether a stream is the one."""
        return (
            _is_same(self.name, stream.name())
            and (not self.source_id or _is_same(self.source_id, stream.source_id()))
            and (not self.hostname or _is_same(self.hostname, stream.hostname()))
        )


def _is_same(wanted: str, found: str) -> bool:
    """Whether it is what is wanted, or how a service's description writes it."""
    return wanted in (found, shown(found))


class Follower:
    """Opens a stream when it is there, reads it, and opens it again after a loss.

    Opening may take seconds, so it happens in a thread; all else is called by the window.

    Parameters
    ----------
    wanted : Wanted
    max_samples : int
        Read at a time.
    understand : callable
        Gets the opened stream's full description and returns what is to be known of it, or raises
        `ConvDipError` to refuse it. It runs in the thread.

    Attributes
    ----------
    info : pylsl.StreamInfo or None
        Full description of the open stream.
    facts : object
        What ``understand`` returned for it.
    refusal : str
        Why it cannot be read; empty for nothing.
    """

    def __init__(
        self,
        wanted: Wanted,
        max_samples: int = 256,
        understand: Callable[[pylsl.StreamInfo], Any] = lambda info: None,
    ) -> None:
        self.wanted = wanted
        self.info: pylsl.StreamInfo | None = None
        self.facts: Any = None
        self.refusal = ""
        self._understand = understand
        self._max_samples = max_samples
        self._inlet: pylsl.StreamInlet | None = None
        self._buffer: NDArray[np.float32] | None = None
        self._opened: list[tuple[pylsl.StreamInlet, pylsl.StreamInfo, Any]] = []
        self._thread: threading.Thread | None = None
        self._last_news_s = 0.0
        self._refused_uid = ""

    @property
    def is_open(self) -> bool:
        """Whether samples can come."""
        return self._inlet is not None

    def follow(self, there: Sequence[pylsl.StreamInfo], now_s: float) -> bool:
        """Open the stream if it is among those there; whether it was opened anew just now."""
        # One a computer, the youngest: liblsl lists a stream for seconds after its end.
        listed = sorted((s for s in there if self.wanted.fits(s)), key=lambda s: s.created_at())
        of_host = {stream.hostname(): stream for stream in listed}
        fitting = {stream.uid(): stream for stream in of_host.values()}
        if self._inlet is not None:
            assert self.info is not None
            silence_s = now_s - self._last_news_s
            is_other = bool(fitting) and self.info.uid() not in fitting
            is_regular = self.info.nominal_srate() > 0
            if (is_other and silence_s > DOUBT_S) or (
                bool(fitting) and is_regular and silence_s > REOPEN_S
            ):
                self.close()
            return False
        if self._thread is not None:
            if self._thread.is_alive():
                return False
            self._thread = None
            if self._opened:
                self._inlet, self.info, self.facts = self._opened.pop()
                is_float = self.info.channel_format() == pylsl.cf_float32
                shape = (self._max_samples, self.info.channel_count())
                self._buffer = np.empty(shape, np.float32) if is_float else None
                self._last_news_s = now_s
                return True
            return False
        if self._refused_uid not in fitting:
            self.refusal = self._refused_uid = ""
        if len(fitting) > 1:
            hosts = ", ".join(map(shown, sorted(of_host)))
            self.refusal = f"{len(fitting)} streams are named {shown(self.wanted.name)}, on {hosts}"
        elif fitting and not self._refused_uid:
            [stream] = fitting.values()
            self._thread = threading.Thread(
                target=self._open, args=(stream,), name="convdip-follower", daemon=True
            )
            self._thread.start()
        return False

    def _open(self, stream: pylsl.StreamInfo) -> None:
        """Open the stream and read its description; runs in a thread."""
        try:
            inlet = pylsl.StreamInlet(
                stream,
                max_buflen=BUFFER_S,
                recover=False,
                # Stamps on this computer's clock, wherever the sender is.
                processing_flags=pylsl.proc_clocksync,
            )
            inlet.time_correction(timeout=OPEN_TIMEOUT_S)  # once: later ones do not wait
            info = inlet.info(timeout=OPEN_TIMEOUT_S)
            inlet.open_stream(timeout=OPEN_TIMEOUT_S)
        except (LslTimeoutError, LostError):
            return  # gone again, or listed by a sender that hangs: it is tried again
        try:
            facts = self._understand(info)
        except ConvDipError as error:
            self.refusal, self._refused_uid = shown_line(error), stream.uid()
        except Exception as error:  # whatever a foreign stream says of itself, the window lives
            self.refusal = shown_line(
                f"the description of {shown(info.name())} cannot be read: {error!r}"
            )
            self._refused_uid = stream.uid()
        else:
            self._opened.append((inlet, info, facts))

    def read_numbers(self, now_s: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return what has come, at most ``max_samples``; the array is used again.

        Returns
        -------
        samples : ndarray, shape (n_times, n_channels)
        stamps : ndarray, shape (n_times,)
            On this computer's LSL clock.
        """
        if self._inlet is None:
            return np.empty((0, 0), np.float32), np.empty(0)
        try:
            samples, stamps = self._inlet.pull_chunk(
                timeout=0.0,
                max_samples=self._max_samples,
                dest_obj=self._buffer,
                as_numpy=True,
            )
        except (LostError, LslTimeoutError):
            self.close()
            return np.empty((0, 0), np.float32), np.empty(0)
        if not len(stamps):
            return np.empty((0, 0), np.float32), np.empty(0)
        self._last_news_s = now_s
        # A stamp that is no number has no place in time.
        stamps = np.asarray(stamps)
        is_timed = np.isfinite(stamps)
        if not is_timed.all():
            samples, stamps = samples[is_timed], stamps[is_timed]
        return samples.astype(np.float32, copy=False), stamps

    def read_texts(self, now_s: float) -> list[tuple[str, float]]:
        """Return the markers that have come, with their stamps; several channels by comma."""
        if self._inlet is None:
            return []
        try:
            # As bytes: not every sender knows UTF-8.
            rows, stamps = self._inlet.pull_chunk(
                timeout=0.0, max_samples=self._max_samples, as_numpy=True
            )
        except (LostError, LslTimeoutError):
            self.close()
            return []
        if len(stamps):
            self._last_news_s = now_s
        texts = [", ".join(decoded(v) for v in row if v) for row in rows]
        return list(zip(texts, stamps.tolist(), strict=True))

    def close(self) -> None:
        """Let the stream go; it is opened again where it is there."""
        if self._inlet is not None:
            self._inlet.close_stream()
        self._inlet = None
        self.info = None
