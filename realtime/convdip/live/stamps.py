"""Time stamps as they should be: finite, never running backwards, on one clock."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Stamps further from now than this when a stream begins are of the sender's own clock.
OWN_CLOCK_S = 5.0
# What may lie ahead of the usual: of LSL's clock as it is measured, or of a clock of its own, whose
# first samples may have waited.
AHEAD_S, AHEAD_OWN_S = 1.0, 6.0
# For so long stamps that cannot be are replaced by the last one and a period each; then the clock
# counts as set to another time.
REPAIRED_S = 1.0
# The least lateness of samples is known of the last one to two of these.
USUAL_S = 60.0


class Stamps:
    """Repairs the stamps of a stream.

    A stamp that is no number, lies behind the one before, or far ahead of what can be, is replaced
    by the one before it and a period, for a second at most. What goes on for longer is another
    time that the sender's clock was set to: stamps go on from where they were, and follow it from
    there; where they are no numbers or stand still, they follow the arrival of the samples.

    Parameters
    ----------
    sfreq_hz : float
        Nominal rate.

    Attributes
    ----------
    is_of_lsl : bool
        Whether they are of LSL's clock, not of one of the sender's own.
    n_repaired : int
        Stamps that were replaced.
    shift_s : float
        What is added to the sender's stamps since its clock was set.
    reason : str
        Why the last one was replaced.
    """

    def __init__(self, sfreq_hz: float) -> None:
        self.n_repaired = 0
        self.shift_s = 0.0
        self.reason = ""
        self._period_s = 1 / sfreq_hz
        self._most_repaired = max(2, round(REPAIRED_S * sfreq_hz))
        self._last = self._last_sent = -math.inf
        self._n_in_a_row = self._n_still = 0
        self.is_of_lsl = True
        # Of what came: how far its stamp is ahead of now, at most; in this minute, and the last.
        self._ahead = self._ahead_before = -math.inf
        self._minute_s = -math.inf

    def __call__(self, timestamps: NDArray[np.float64], now_s: float) -> NDArray[np.float64]:
        """Return the stamps of samples that have just come, repaired where need be.

        Parameters
        ----------
        timestamps : ndarray, shape (n_times,)
        now_s : float
            On LSL's clock.

        Returns
        -------
        stamps : ndarray, shape (n_times,)
            Finite, and none before another.
        """
        if self._minute_s == -math.inf:
            self._begin(timestamps, now_s)
        elif now_s - self._minute_s > USUAL_S:
            self._ahead_before, self._ahead, self._minute_s = self._ahead, -math.inf, now_s
        n = len(timestamps)
        if n == 1:  # the usual: no need for lists
            sent = timestamps.item()
            stamp = self._next(sent, now_s, 0)
            return timestamps if stamp == sent else np.array([stamp])
        sent = timestamps.tolist()
        stamps = [self._next(one, now_s, n - 1 - place) for place, one in enumerate(sent)]
        return timestamps if stamps == sent else np.array(stamps)

    @property
    def has_age(self) -> bool:
        """Whether stamps tell how old samples are: as sent, and of LSL's clock."""
        return self.is_of_lsl and not self.shift_s and not self._n_in_a_row

    def late_s(self, stamp: float, now_s: float) -> float:
        """Return by how much a sample comes later than samples of this stream usually do."""
        return now_s + self.usual_s - stamp

    def _begin(self, timestamps: NDArray[np.float64], now_s: float) -> None:
        self._minute_s = now_s
        first = next(filter(math.isfinite, timestamps.tolist()), math.nan)
        self.is_of_lsl = abs(first - now_s) <= OWN_CLOCK_S

    @property
    def usual_s(self) -> float:
        """How far stamps are ahead of now where samples are least late: mostly below 0."""
        usual_s = max(self._ahead, self._ahead_before)
        return usual_s if usual_s > -math.inf else 0.0

    def _next(self, sent: float, now_s: float, n_behind: int) -> float:
        """Return the stamp of a sample behind which so many more came."""
        stamp, last = sent + self.shift_s, self._last
        if sent == self._last_sent:
            self._n_still += 1
        else:
            self._n_still, self._last_sent = 0, sent
        reason = self._wrong(stamp, now_s)
        if reason:
            return self._replaced(reason, sent, now_s, n_behind)
        self._n_in_a_row = 0
        self._ahead = max(self._ahead, stamp - now_s)
        if not self.is_of_lsl and not self.shift_s and abs(stamp - now_s) <= AHEAD_S:
            self.is_of_lsl = True  # the first ones were late
        if stamp >= last:
            self._last = stamp
            return stamp
        if last - stamp > self._period_s:  # below that, clocks that are compared do so
            self.n_repaired += 1
            self.reason = "out of order"
        return last

    def _wrong(self, stamp: float, now_s: float) -> str:
        """Return why a stamp cannot be; empty where it can."""
        if not math.isfinite(stamp):
            return "not a number"
        if self._n_still > self._most_repaired:
            return "standing still"
        if self._last == -math.inf:
            return ""
        if stamp < self._last - REPAIRED_S:
            return "running backwards"
        most_s = AHEAD_S if self.is_of_lsl else self.usual_s + AHEAD_OWN_S
        if stamp <= now_s + most_s:
            return ""
        if not self.shift_s and abs(stamp - now_s) <= AHEAD_S:  # the first ones were wrong
            self.is_of_lsl, self._ahead, self._ahead_before = True, -math.inf, -math.inf
            return ""
        return "ahead of time"

    def _replaced(self, reason: str, sent: float, now_s: float, n_behind: int) -> float:
        """Return a stamp in place of one that cannot be."""
        self.n_repaired += 1
        self.reason = reason
        self._n_in_a_row += 1
        # By its arrival, as samples of this stream usually come.
        expected = now_s + self.usual_s - n_behind * self._period_s
        stamp = expected if self._last == -math.inf else self._last + self._period_s
        if self._n_in_a_row > self._most_repaired:
            stamp = max(self._last, min(max(stamp, expected - REPAIRED_S), expected))
            if reason in ("running backwards", "ahead of time"):
                is_right = self.is_of_lsl and abs(sent - now_s) <= AHEAD_S
                self.shift_s, self._n_in_a_row = 0.0 if is_right else stamp - sent, 0
        self._last = max(stamp, self._last)
        return self._last
