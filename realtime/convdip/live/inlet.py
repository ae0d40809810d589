"""Step 1: pull the EEG stream's samples, time-stamped on this computer's clock."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError
from pylsl.util import TimeoutError as LslTimeoutError

from convdip.errors import StreamError
from convdip.frame import EegChunk
from convdip.live.stamps import Stamps
from convdip.streams import Sender, read_eeg, read_sender

# The longest block in liblsl: within it a stop is noticed and the health reported.
PULL_TIMEOUT_S = 0.04
# How much an inlet buffers. liblsl's default, 360 s, is minutes of stale data.
BUFFER_S = 5
OPEN_TIMEOUT_S = 5.0
CLOCK_PERIOD_S = 5.0
# LSL clocks count from a computer's start: two computers' differ by far more than this, and no
# measurement on one busy computer is so far off.
SAME_CLOCK_S = 0.1

# What EEG is sent in. The steps of int8 are too few for it; not every build of pylsl has int64.
NUMERIC = ("float32", "double64", "int16", "int32")
LEAST_HZ, MOST_HZ = 1.0, 1e5


def unfit(stream: Sender) -> str:
    """Say why a stream cannot be read as EEG, as far as is known before it is opened.

    Empty for nothing.
    """
    if stream.sample_format not in NUMERIC:
        return (
            f"has format {stream.sample_format}: expected {', '.join(NUMERIC[:-1])} or "
            f"{NUMERIC[-1]}; choose one of these in its program"
        )
    if stream.n_channels < 1:
        return "has no channels: expected EEG"
    if not LEAST_HZ <= stream.sfreq_hz <= MOST_HZ:
        rate = f"{stream.sfreq_hz:g} Hz" if stream.sfreq_hz else "an irregular rate"
        return (
            f"has {rate}: expected numbers at a regular rate of {LEAST_HZ:g} Hz to "
            f"{MOST_HZ / 1e3:g} kHz"
        )
    return ""


class Inlet:
    """An open EEG stream.

    Time stamps are on this computer's LSL clock: a stream from this computer keeps its own,
    one from another computer is shifted by liblsl's measured clock offset. What cannot be a stamp
    is repaired (`Stamps`).

    Parameters
    ----------
    stream : pylsl.StreamInfo
        From `sender.resolve`.
    timeout_s : float
        How long each of its answers may take.

    Attributes
    ----------
    description : EegDescription
    stamps : Stamps

    Raises
    ------
    StreamError
        If the stream is not regular and numeric, or does not answer.
    """

    def __init__(self, stream: pylsl.StreamInfo, timeout_s: float = OPEN_TIMEOUT_S) -> None:
        # Before the inlet is built: liblsl allocates buffers for whatever rate is claimed.
        sender = read_sender(stream)
        if why := unfit(sender):
            raise StreamError(f"stream {sender.name!r} on {sender.hostname} {why}")
        try:
            # liblsl's own recovery is silent and accepts a changed rate: ask for the loss instead.
            self._inlet = pylsl.StreamInlet(stream, max_buflen=BUFFER_S, recover=False)
            # The first measurement takes a while: before any sample waits for it.
            self._offset_s = self._inlet.time_correction(timeout=timeout_s)
            self._inlet.open_stream(timeout=timeout_s)
            info = self._inlet.info(timeout=timeout_s)
        except RuntimeError:  # of liblsl: late, lost, or anything else
            raise StreamError(
                f"stream {sender.name!r} on {sender.hostname} does not answer: it hangs, has "
                "just ended, or a firewall blocks it (LSL needs UDP and TCP 16572–16604)"
            ) from None
        self.description = read_eeg(info)
        if self.description.uid != sender.uid:  # another one has its port by now
            raise StreamError(f"stream {sender.name!r} on {sender.hostname} has just ended")
        # The offset tells cloned computers of one name apart, the name computers whose
        # clocks happen to agree.
        same_name = self.description.hostname == socket.gethostname()
        self._is_remote = not same_name or abs(self._offset_s) > SAME_CLOCK_S
        self._offset_due = time.monotonic() + CLOCK_PERIOD_S
        self.stamps = Stamps(self.description.sfreq_hz)

    @property
    def created_s(self) -> float:
        """When the stream was made, on this computer's LSL clock."""
        return self.description.created_at + float(self._offset_s)

    def n_waiting(self) -> int:
        """Return how many samples wait to be pulled, also after the stream ended."""
        return int(self._inlet.samples_available())

    def pull(self, max_samples: int, *, wait: bool = True) -> EegChunk | None:
        """Wait for a sample and return all that wait, None if none came.

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
                # If the stream is lost in between, these samples still count; the next call raises.
                with suppress(LostError):
                    more, more_timestamps = self._inlet.pull_chunk(
                        timeout=0.0, max_samples=max_samples - 1, as_numpy=True
                    )
                    samples = np.concatenate([samples, more])
                    timestamps = np.concatenate([timestamps, more_timestamps])
        except (LslTimeoutError, LostError):
            raise StreamError(f"stream {self.description.name!r} ended") from None
        if self._is_remote:
            timestamps = self._on_this_clock(timestamps)
        return EegChunk(samples, self.stamps(timestamps, pylsl.local_clock()))

    def _on_this_clock(self, timestamps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shift time stamps by the sender's clock offset, which liblsl keeps measuring."""
        if time.monotonic() > self._offset_due:
            self._offset_due = time.monotonic() + CLOCK_PERIOD_S
            # What liblsl has measured by now: no sample waits for a measurement.
            with suppress(LslTimeoutError, LostError):
                self._offset_s = self._inlet.time_correction(timeout=0.0)
        # A new offset is a small step: `Stamps` keeps time from running backwards over it.
        shifted: NDArray[np.float64] = timestamps + self._offset_s
        return shifted
