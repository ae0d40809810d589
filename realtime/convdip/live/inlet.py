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
from convdip.streams import read_eeg

# The longest block in liblsl: within it a stop is noticed and the health reported.
PULL_TIMEOUT_S = 0.04
# How much an inlet buffers. liblsl's default, 360 s, is minutes of stale data.
BUFFER_S = 5
OPEN_TIMEOUT_S = 5.0
CLOCK_PERIOD_S = 5.0
# LSL clocks count from a computer's start: two computers' differ by far more than this, and no
# measurement on one busy computer is so far off.
SAME_CLOCK_S = 0.1

NUMERIC = {pylsl.cf_float32, pylsl.cf_double64, pylsl.cf_int16, pylsl.cf_int32}


class Inlet:
    """An open EEG stream.

    Time stamps are on this computer's LSL clock: a stream from this computer keeps its own,
    one from another computer is shifted by liblsl's measured clock offset.

    Parameters
    ----------
    stream : pylsl.StreamInfo
        From `sender.resolve`.

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
            self.description = read_eeg(self._inlet.info(timeout=OPEN_TIMEOUT_S))
        except (LslTimeoutError, LostError):
            raise StreamError(
                f"stream {stream.name()!r} on {stream.hostname()} does not answer: it hangs, has "
                "just ended, or a firewall blocks it (LSL needs UDP and TCP 16572–16604)"
            ) from None
        # The offset tells cloned computers of one name apart, the name computers whose
        # clocks happen to agree.
        same_name = self.description.hostname == socket.gethostname()
        self._is_remote = not same_name or abs(self._offset_s) > SAME_CLOCK_S
        self._offset_due = time.monotonic() + CLOCK_PERIOD_S
        self._last_stamp = -np.inf

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
            if self._is_remote:
                timestamps = self._on_this_clock(timestamps)
        except (LslTimeoutError, LostError):
            raise StreamError(f"stream {self.description.name!r} ended") from None
        return EegChunk(samples, timestamps)

    def _on_this_clock(self, timestamps: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shift time stamps by the sender's clock offset, which liblsl keeps measuring."""
        if time.monotonic() > self._offset_due:
            self._offset_s = self._inlet.time_correction(timeout=OPEN_TIMEOUT_S)
            self._offset_due = time.monotonic() + CLOCK_PERIOD_S
        # A new offset is a small step: never let time run backwards over it.
        shifted: NDArray[np.float64] = np.maximum(timestamps + self._offset_s, self._last_stamp)
        self._last_stamp = float(shifted[-1])
        return shifted
