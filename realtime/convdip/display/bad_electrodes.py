"""Which electrodes were bad, why, and from when to when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf, isfinite

from convdip.display.horizon import Horizon
from convdip.live.electrodes import LIMIT_V, Reason
from convdip.text import one_line

MISSING = "missing"
# In a word for the list, and in words that say what to look at.
WORDS = {
    Reason.HAND: ("by hand", "left out by hand, when the service was started"),
    Reason.NUMBER: ("no numbers", "sends what is not a number"),
    Reason.AMPLITUDE: (
        f"over {LIMIT_V * 1e3:g} mV",
        f"more than {LIMIT_V * 1e3:g} mV, which is no EEG: a loose electrode, or movement",
    ),
    Reason.RAIL: ("at the limit", "stuck at the end of the amplifier's range"),
    Reason.FLAT: ("flat", "flat: no contact, or a bridge of gel to another electrode"),
    Reason.NOISE: ("noisy", "much noisier than the others: poor contact, or a broken lead"),
    Reason.MISFIT: ("unlike others", "does not fit its neighbours: perhaps in the wrong place"),
    Reason.DRIFT: ("drifting", "drifts far from its neighbours: sweat, or contact that changes"),
    MISSING: ("not there", "the stream has no such electrode"),
}


@dataclass(frozen=True)
class BadSpan:
    """A time during which an electrode was bad.

    Attributes
    ----------
    electrode : str
    reason : str
        As the service names it; `MISSING` for one that is not in the stream.
    first_s, last_s : float
        LSL times; infinite where there is no beginning, or no end yet.
    is_kept : bool
        It was imaged all the same.
    is_older : bool
        It was bad before this window heard of the service.
    began : datetime or None
        The time of day of its beginning.
    """

    electrode: str
    reason: str
    first_s: float = -inf
    last_s: float = inf
    is_kept: bool = False
    is_older: bool = False
    began: datetime | None = None

    @property
    def word(self) -> str:
        """The reason in a word or two."""
        word = WORDS.get(self.reason, (one_line(self.reason), ""))[0]
        return f"{word}, kept" if self.is_kept else word

    @property
    def since(self) -> str:
        """The time of day at which it became bad; empty where it always was."""
        if self.began is None:
            return ""
        return f"{'before' if self.is_older else 'since'} {self.began:%H:%M:%S}"

    @property
    def sentence(self) -> str:
        """Name, reason, and since when."""
        why = WORDS.get(self.reason, ("", one_line(self.reason)))[1]
        what = "imaged all the same" if self.is_kept else ""
        since = self.since.replace("before", "since before")
        return " – ".join(part for part in (one_line(self.electrode), why, what, since) if part)


class BadElectrodes:
    """Follows what a service tells of its electrodes."""

    def __init__(self) -> None:
        self._over: list[BadSpan] = []
        self._open: dict[str, BadSpan] = {}
        self._began_s = -inf

    def restart(self, now_s: float) -> None:
        """Begin anew: the service, or another one, was opened at an LSL time."""
        for name in list(self._open):
            self.good(name, now_s)
        self._began_s = now_s

    def bad(
        self,
        name: str,
        reason: str,
        stamp: float,
        now_s: float,
        *,
        is_kept: bool = False,
        is_repeated: bool = False,
    ) -> None:
        """Note that an electrode is bad, as was said at a stamp and heard at an LSL time.

        Repeated: it has been so for a while.
        """
        known = self._open.get(name)
        if known is not None:
            self._open[name] = replace(known, reason=reason, is_kept=is_kept)
            return
        first_s = self._began_s if is_repeated else stamp
        # Once: computed anew, it would wander between two seconds.
        age = timedelta(seconds=now_s - first_s)
        began = datetime.now() - age if isfinite(first_s) else None
        self._open[name] = BadSpan(name, reason, first_s, inf, is_kept, is_repeated, began)

    def good(self, name: str, stamp: float) -> None:
        """Note that an electrode is good again."""
        span = self._open.pop(name, None)
        if span is not None:
            self._over.append(replace(span, last_s=stamp))

    @property
    def now(self) -> list[BadSpan]:
        """Those that are bad now, the first to become so first."""
        return sorted(self._open.values(), key=lambda span: span.first_s)

    def between(self, first_s: float, last_s: float) -> list[BadSpan]:
        """Return all that overlap an interval, the first to begin first."""
        spans: Iterable[BadSpan] = (*self._over, *self._open.values())
        # One without an end is bad at any later time, also at infinity.
        there = (
            s for s in spans if s.first_s <= last_s and (s.last_s > first_s or s.last_s == inf)
        )
        return sorted(there, key=lambda span: span.first_s)

    def forget(self, horizon: Horizon) -> None:
        """Drop what can no longer be looked at."""
        self._over = [span for span in self._over if horizon.holds(span.first_s, span.last_s)]
