"""The mean of the last numbers."""

from __future__ import annotations

import math
from collections import deque


class Recent:
    """Keeps the last numbers, and their mean.

    Parameters
    ----------
    n : int
        How many at most.
    """

    def __init__(self, n: int) -> None:
        self._numbers, self._sum = deque[float](maxlen=n), 0.0

    def restart(self) -> None:
        """Forget them."""
        self._numbers.clear()
        self._sum = 0.0

    def __call__(self, number: float) -> float:
        """Add a number, and return the mean; what is none makes it begin anew."""
        if not math.isfinite(number):
            self.restart()
            return math.nan
        if len(self._numbers) == self._numbers.maxlen:
            self._sum -= self._numbers[0]
        self._numbers.append(number)
        self._sum += number
        return self._sum / len(self._numbers)
