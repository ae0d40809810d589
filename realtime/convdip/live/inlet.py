"""Step 1: find an EEG stream on the network, check it, and pull its samples."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from convdip.errors import StreamError
from convdip.live.frame import EegChunk

log = logging.getLogger(__name__)

# The longest block in liblsl: within it a stop signal is answered and the health reported.
PULL_TIMEOUT_S = 0.1
# What an unread inlet keeps. liblsl's default, 360 s, is minutes of stale data.
BUFFER_S = 5
OPEN_TIMEOUT_S = 5.0
# After the first hit, how long to listen for a second stream that fits: liblsl asks the
# network every half second, and not every answer comes to the first question.
SETTLE_S = 1.0
POLL_S = 0.05
CLOCK_PERIOD_S = 5.0
# LSL clocks count from a computer's start: two computers' differ by far more than this, and no
# measurement on one busy computer is so far off.
SAME_CLOCK_S = 0.1

NUMERIC = {pylsl.cf_float32, pylsl.cf_double64, pylsl.cf_int16, pylsl.cf_int32}


@dataclass(frozen=True)
class StreamDescription:
    """What a stream says of itself.

    Attributes
    ----------
    name, source_id, hostname : str
    labels, units : tuple of str
        One a channel; empty where the stream does not say.
    sfreq_hz : float
        Nominal rate; 0 for an irregular stream.
    """

    name: str
    source_id: str
    hostname: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    sfreq_hz: float

    def difference(self, other: StreamDescription) -> str:
        """Say what makes another stream's samples other than this one's; empty for nothing."""
        for what in ("sfreq_hz", "labels", "units"):
            mine, others = getattr(self, what), getattr(other, what)
            if mine != others:
                return f"stream {other.name!r} has {what} {others}, expected {mine}"
        return ""


def find_streams(wait_s: float) -> list[pylsl.StreamInfo]:
    """Return all streams that answer within a time."""
    resolver = pylsl.ContinuousResolver()
    time.sleep(wait_s)
    return list(resolver.results())


def resolve(
    name: str | None,
    wait_s: float,
    *,
    source_id: str = "",
    settle_s: float = SETTLE_S,
    stop: Callable[[], bool] = lambda: False,
) -> pylsl.StreamInfo | None:
    """Find the one stream to read; None if stopped before.

    Parameters
    ----------
    name : str or None
        None: the only EEG stream there is.
    wait_s : float
        How long to look.
    source_id : str
        Where given, the stream must have it.
    settle_s : float
        How long to go on looking for a second one, which is an error.
    stop : callable
        Ends the search when true.

    Raises
    ------
    StreamError
        If no stream, or more than one, fits.
    """
    resolver = pylsl.ContinuousResolver()
    deadline = time.monotonic() + wait_s
    fitting: list[pylsl.StreamInfo] = []
    while not fitting and not stop():
        if time.monotonic() > deadline:
            wanted = f"named {name!r}" if name else "of type EEG"
            seen = sorted({f"{s.name()} ({s.type()})" for s in resolver.results()})
            raise StreamError(
                f"no stream {wanted} within {wait_s:g} s; on the network: "
                f"{', '.join(seen) or 'none'}; start the amplifier's LSL app, or see 'convdip "
                "streams'"
            )
        time.sleep(POLL_S)
        fitting = [s for s in resolver.results() if _fits(s, name, source_id)]
    if stop():
        return None
    if settle_s:
        time.sleep(settle_s)
        fitting = [s for s in resolver.results() if _fits(s, name, source_id)]
    if len(fitting) > 1:
        listed = "; ".join(
            f"{s.name()} on {s.hostname()}, source id {s.source_id() or 'none'}" for s in fitting
        )
        raise StreamError(
            f"{len(fitting)} streams fit: {listed}; give one its own name and choose it with "
            "--input"
        )
    if not fitting:
        raise StreamError("the stream was there for a moment and went: start it again")
    return fitting[0]


def _fits(stream: pylsl.StreamInfo, name: str | None, source_id: str) -> bool:
    if source_id and stream.source_id() != source_id:
        return False
    return bool(stream.name() == name) if name else stream.type().lower() == "eeg"


def describe(info: pylsl.StreamInfo) -> StreamDescription:
    """Read labels and units from a stream's metadata.

    Both common layouts are read: ``channels/channel`` and ``channel`` alone, ``label`` and
    ``name``.
    """
    desc = ElementTree.fromstring(info.as_xml()).find("desc")
    channels = [] if desc is None else desc.findall("channels/channel") or desc.findall("channel")
    n = info.channel_count()
    labels = [(c.findtext("label") or c.findtext("name") or "").strip() for c in channels]
    units = [(c.findtext("unit") or "").strip() for c in channels]
    return StreamDescription(
        name=info.name(),
        source_id=info.source_id(),
        hostname=info.hostname(),
        labels=tuple(labels[:n] + [""] * (n - len(labels))),
        units=tuple(units[:n] + [""] * (n - len(units))),
        sfreq_hz=info.nominal_srate(),
    )


class Inlet:
    """An open EEG stream.

    Time stamps come on this computer's LSL clock: a stream from this computer keeps its own,
    one from another computer is shifted by liblsl's measured clock offset.

    Parameters
    ----------
    stream : pylsl.StreamInfo
        From `resolve`.

    Raises
    ------
    StreamError
        If the stream is not regular and numeric, or does not answer.
    """

    def __init__(self, stream: pylsl.StreamInfo) -> None:
        # Before the inlet is built: liblsl allocates buffers for whatever rate is claimed.
        if stream.channel_format() not in NUMERIC or not 1 <= stream.nominal_srate() <= 1e5:
            raise StreamError(
                f"stream {stream.name()!r} has {stream.channel_count()} channels at "
                f"{stream.nominal_srate():g} Hz: expected numbers at a regular rate of 1 Hz to "
                "100 kHz"
            )
        # liblsl's own recovery is silent and accepts a changed rate: ask for the loss instead.
        self._inlet = pylsl.StreamInlet(stream, max_buflen=BUFFER_S, recover=False)
        try:
            # The first measurement takes a while: before any sample waits for it.
            self._offset_s = self._inlet.time_correction(timeout=OPEN_TIMEOUT_S)
            self._inlet.open_stream(timeout=OPEN_TIMEOUT_S)
            self.description = describe(self._inlet.info(timeout=OPEN_TIMEOUT_S))
        except (LslTimeoutError, LostError):
            raise StreamError(
                f"stream {stream.name()!r} on {stream.hostname()} does not answer: it hangs, has "
                "just ended, or a firewall is between (LSL needs UDP and TCP 16572–16604)"
            ) from None
        # The offset tells cloned computers of one name apart, the name computers whose
        # clocks happen to agree.
        same_name = self.description.hostname == socket.gethostname()
        self._is_remote = not same_name or abs(self._offset_s) > SAME_CLOCK_S
        self._offset_due = time.monotonic() + CLOCK_PERIOD_S
        self._last_stamp = -np.inf

    def n_waiting(self) -> int:
        """Return how many samples are there and not pulled yet, also after the stream ended."""
        return int(self._inlet.samples_available())

    def pull(self, max_samples: int, *, wait: bool = True) -> EegChunk | None:
        """Wait for the first sample and return all that are there, None for none yet.

        Parameters
        ----------
        max_samples : int
        wait : bool
            Whether to wait, a tenth of a second at most.

        Raises
        ------
        StreamError
            If the stream has ended.
        """
        try:
            samples, timestamps = self._inlet.pull_chunk(
                timeout=PULL_TIMEOUT_S if wait else 0.0, max_samples=1, as_numpy=True
            )
            if not len(timestamps):
                return None
            if max_samples > 1 and self._inlet.samples_available():
                # Lost in between: these samples are there, and the next call tells.
                with suppress(LostError):
                    more, more_timestamps = self._inlet.pull_chunk(
                        timeout=0.0, max_samples=max_samples - 1, as_numpy=True
                    )
                    samples = np.concatenate([samples, more])
                    timestamps = np.concatenate([timestamps, more_timestamps])
            if self._is_remote:
                timestamps = self._on_this_clock(timestamps)
        except (LslTimeoutError, LostError):
            raise StreamError(f"stream {self.description.name!r} ended") from None
        return EegChunk(samples.astype(np.float32, copy=False), timestamps)

    def _on_this_clock(self, timestamps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shift time stamps by the sender's clock offset, which liblsl keeps measuring."""
        if time.monotonic() > self._offset_due:
            self._offset_s = self._inlet.time_correction(timeout=OPEN_TIMEOUT_S)
            self._offset_due = time.monotonic() + CLOCK_PERIOD_S
        # A new offset is a small step: never let time run backwards over it.
        shifted: NDArray[np.float64] = np.maximum(timestamps + self._offset_s, self._last_stamp)
        self._last_stamp = float(shifted[-1])
        return shifted
