"""Moments that something was said of: markers of other programs, and the service's events."""

from __future__ import annotations

import math
from dataclasses import dataclass

from convdip.display.horizon import Horizon

# More than so many with stamps in the same second are counted, and not kept.
MOST_A_SECOND = 20
# A stamp that is further from now is not of LSL's clock: there is no place for it.
BEHIND_S, AHEAD_S = 60.0, 5.0


@dataclass(frozen=True)
class Mark:
    """A moment, what was said of it, and the name of the stream that said it."""

    stamp: float
    text: str
    stream: str


class Marks:
    """The latest marks, in memory that is bounded whatever comes."""

    def __init__(self) -> None:
        self._by_second: dict[int, list[Mark]] = {}
        self._n_more: dict[int, int] = {}

    def add(self, mark: Mark, now_s: float) -> bool:
        """Keep a mark; false if its stamp is none of LSL's clock at an LSL time."""
        if not now_s - BEHIND_S <= mark.stamp <= now_s + AHEAD_S:
            return False
        second = math.floor(mark.stamp)
        kept = self._by_second.setdefault(second, [])
        if len(kept) < MOST_A_SECOND:
            kept.append(mark)
        else:
            self._n_more[second] = n = self._n_more.get(second, 0) + 1
            kept[-1] = Mark(kept[-1].stamp, f"and {n + 1} more", mark.stream)
        return True

    def between(self, first_s: float, last_s: float) -> list[Mark]:
        """Return the marks of an interval, the first end excluded, in order of time."""
        seconds = (s for s in self._by_second if first_s - 1 < s <= last_s)
        marks = (mark for second in seconds for mark in self._by_second[second])
        return sorted(
            (mark for mark in marks if first_s < mark.stamp <= last_s), key=lambda mark: mark.stamp
        )

    def forget(self, horizon: Horizon) -> None:
        """Drop what can no longer be looked at."""
        for second in [s for s in self._by_second if not horizon.holds(s, s + 1)]:
            del self._by_second[second]
            self._n_more.pop(second, None)
