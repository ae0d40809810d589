"""Whether samples come in time, told as events and in the health: silence, lateness, clocks."""

from __future__ import annotations

import logging

from convdip.frame import EegChunk
from convdip.live.backlog import Backlog
from convdip.live.events import Say
from convdip.live.gaps import RATE_TOLERANCE
from convdip.live.health import Health
from convdip.live.stamps import Stamps
from convdip.live.watch import REPEAT_S
from convdip.streams import Event

# What is seen at leisure is looked at so often, and stamps that lie are told of no more often.
LOOK_S, STAMPS_S = 1.0, 10.0


class Timeliness:
    """Tells how the samples of a stream come.

    Parameters
    ----------
    sfreq_hz : float
        Nominal rate.
    health : Health

    Attributes
    ----------
    is_stalled : bool
        Whether none has come for longer than usual.
    """

    def __init__(self, sfreq_hz: float, health: Health) -> None:
        self._stated_hz = self._told_hz = sfreq_hz
        self._health = health
        self._due_s = self._stamps_due_s = -float("inf")
        self.restart()

    def restart(self) -> None:
        """Begin anew: the stream came back."""
        self.is_stalled = False
        self._stalled_at_s = self._repeated_s = 0.0
        self._n_late, self._late_stamps = 0, (0.0, 0.0)
        self._n_repaired = self._n_told = 0
        self._shift_s = 0.0
        self._is_clock_told = self._are_blocks_told = False

    def waits(self, now_s: float, say: Say) -> None:
        """Take note that no sample came."""
        silence_s = self._health.silence_s(now_s)
        if silence_s and not self.is_stalled:
            self.is_stalled, self._stalled_at_s = True, now_s - silence_s
            text = f"STALLED: no sample for {silence_s:.1f} s; the stream is still there"
            say(Event.STALLED, text, now_s, logging.WARNING, silent_s=round(silence_s, 3))
            self._repeated_s = now_s
        elif self.is_stalled and now_s - self._repeated_s > REPEAT_S:  # for clients that come late
            self._repeated_s = now_s
            facts = {"silent_s": round(now_s - self._stalled_at_s, 3), "repeated": True}
            say(Event.STALLED, "still no sample", now_s, logging.DEBUG, **facts)
        self._tell_late(now_s, say)

    def came(self, chunk: EegChunk, backlog: Backlog, stamps: Stamps) -> None:
        """Take note of samples, before they are imaged."""
        self._health.has_known_age = stamps.has_age
        if backlog.is_late:
            first = float(chunk.timestamps[0])
            self._late_stamps = (
                self._late_stamps[0] if self._n_late else first,
                float(chunk.timestamps[-1]),
            )
            self._n_late += len(chunk.timestamps)
            self._health.n_late += len(chunk.timestamps)

    def after(self, backlog: Backlog, stamps: Stamps, now_s: float, say: Say) -> None:
        """Tell what is new; once a frame is on its way."""
        if self.is_stalled:
            self.is_stalled = False
            silent_s = now_s - self._stalled_at_s
            text = f"samples come again, after {silent_s:.1f} s"
            say(Event.FLOWING, text, now_s, logging.WARNING, silent_s=round(silent_s, 3))
        if not backlog.is_late:
            self._tell_late(now_s, say)
        if now_s >= self._due_s:
            self._due_s = now_s + LOOK_S
            self._tell_late(now_s, say)
            self._tell_clock(stamps, now_s, say)
            self._tell_stamps(stamps, now_s, say)
            self._tell_rate(now_s, say)
            self._tell_blocks(backlog, now_s, say)

    def _tell_late(self, now_s: float, say: Say) -> None:
        if not self._n_late:
            return
        n, (first, last) = self._n_late, self._late_stamps
        self._n_late = 0
        text = f"{n} samples came late, the first by {now_s - first:.1f} s: imaged, of the past"
        facts = {"late": n, "stamps": (first, last)}
        say(Event.LATE, text, now_s, logging.WARNING, **facts)

    def _tell_clock(self, stamps: Stamps, now_s: float, say: Say) -> None:
        """Say that no age would be true: the stamps are not this computer's LSL time."""
        if stamps.shift_s != self._shift_s:
            self._shift_s = stamps.shift_s
            text = f"the sender's clock was set: its stamps are moved by {stamps.shift_s:.3g} s"
            if not stamps.shift_s:
                text = "the sender's clock is right again"
            say(Event.CLOCK, text, now_s, logging.WARNING, shift_s=stamps.shift_s)
        if self._is_clock_told or stamps.is_of_lsl:
            return
        self._is_clock_told = True
        age_s = -stamps.usual_s
        text = (
            f"samples are {age_s:.3g} s old by their stamps: either they come late, or the sender "
            "does not stamp them with LSL's clock; no age is shown"
        )
        say(Event.CLOCK, text, now_s, logging.WARNING, age_ms=round(age_s * 1e3, 1))

    def _tell_stamps(self, stamps: Stamps, now_s: float, say: Say) -> None:
        """Say that stamps were replaced, and count them."""
        self._health.n_repaired += stamps.n_repaired - self._n_repaired
        self._n_repaired = stamps.n_repaired
        n = self._n_repaired - self._n_told
        if n and now_s >= self._stamps_due_s:
            self._n_told, self._stamps_due_s = self._n_repaired, now_s + STAMPS_S
            text = f"{n} time stamps could not be and were replaced; the last: {stamps.reason}"
            say(Event.STAMPS, text, now_s, logging.WARNING, replaced=n, reason=stamps.reason)

    def _tell_rate(self, now_s: float, say: Say) -> None:
        """Say once that the rate is not what the stream states, or what it was."""
        gaps = self._health.gaps
        rate_hz = gaps.rate_hz
        if not gaps.is_rate_known or abs(rate_hz / self._told_hz - 1) <= RATE_TOLERANCE:
            return
        self._told_hz = rate_hz
        off = rate_hz / self._stated_hz - 1
        text = f"the stream states {self._stated_hz:g} Hz, its stamps show {rate_hz:.4g} Hz"
        if abs(off) > RATE_TOLERANCE:
            text += f": filters and windows, made for what it states, are off by {off:+.1%}"
        facts = {"stated_hz": self._stated_hz, "measured_hz": round(rate_hz, 3)}
        say(Event.RATE, text, now_s, logging.WARNING, **facts)

    def _tell_blocks(self, backlog: Backlog, now_s: float, say: Say) -> None:
        """Say once that the sender delivers in blocks."""
        block_s = backlog.delivery.block_s
        if self._are_blocks_told or not block_s:
            return
        self._are_blocks_told = True
        text = (
            f"the sender delivers {block_s:.2g} s at a time: samples are up to that old when they "
            "come"
        )
        say(Event.BLOCKS, text, now_s, logging.WARNING, block_s=round(block_s, 3))
