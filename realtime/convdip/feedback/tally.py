"""What happened in each block, in numbers."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from convdip.feedback.features import Suspended


@dataclass
class Moments:
    """Count, mean and standard deviation of numbers that come one by one."""

    n: int = 0
    mean: float = math.nan
    _squares: float = 0.0

    def add(self, number: float) -> None:
        """Add a number; NaN does not count."""
        if not math.isfinite(number):
            return
        self.n += 1
        before = 0.0 if self.n == 1 else self.mean
        self.mean = before + (number - before) / self.n
        self._squares += (number - before) * (number - self.mean)

    def described(self) -> dict[str, float] | None:
        """Return mean and standard deviation; None of nothing."""
        if not self.n:
            return None
        return {"mean": round(self.mean, 4), "sd": round(math.sqrt(self._squares / self.n), 4)}


@dataclass
class Tally:
    """Of a block.

    Attributes
    ----------
    number : int
        From 1; 0 for what lies outside blocks.
    first_stamp, last_stamp : float
    n, n_above : int
        Samples, and those that were a success.
    measured, fed : Moments
        Of the feature's z, and of what was fed back.
    reasons : Counter of Suspended
        Why samples had no feedback.
    """

    number: int
    first_stamp: float
    last_stamp: float
    n: int = 0
    n_above: int = 0
    measured: Moments = field(default_factory=Moments)
    fed: Moments = field(default_factory=Moments)
    reasons: Counter[Suspended] = field(default_factory=Counter)

    def add(self, stamp: float, z: float, value: float, why: Suspended, *, is_above: bool) -> None:
        """Count a sample: what was measured, what was fed back, and why it was not."""
        self.n += 1
        self.last_stamp = stamp
        self.measured.add(z)
        self.fed.add(value)
        self.n_above += is_above
        if why is not Suspended.NOT:
            self.reasons[why] += 1

    def described(self, *, is_blinded: bool) -> dict[str, Any]:
        """Return it for a report.

        Parameters
        ----------
        is_blinded : bool
            Leave out what was measured, which beside what was fed back would tell sham.
        """
        n = max(self.n, 1)
        said = {
            "number": self.number,
            "first_stamp": round(self.first_stamp, 6),
            "last_stamp": round(self.last_stamp, 6),
            "samples": self.n,
            "with_feedback": round(self.fed.n / n, 4),
            "feedback": self.fed.described(),
            "success": round(self.n_above / self.fed.n, 4) if self.fed.n else None,
            "without_feedback": {str(why): round(k / n, 4) for why, k in self.reasons.items()},
        }
        return said if is_blinded else {**said, "z": self.measured.described()}
