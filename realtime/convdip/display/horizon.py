"""How far back there is something to look at, so that what goes with it can be forgotten."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Horizon:
    """The time that is kept, and the latest half minute: while paused, they part.

    Attributes
    ----------
    oldest_s, newest_s : float
        LSL time of the first and the last map that is kept.
    latest_s : float
        What is not older than this is kept in any case.
    """

    oldest_s: float
    newest_s: float
    latest_s: float

    def holds(self, first_s: float, last_s: float) -> bool:
        """Whether something that lasted so is of any interest yet."""
        is_looked_at = first_s <= self.newest_s and last_s >= self.oldest_s
        return is_looked_at or last_s >= self.latest_s
