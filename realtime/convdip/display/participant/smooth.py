"""A value that follows another one quickly and without a jump."""

from __future__ import annotations

import math

# Critically damped: half of a step after 42 ms, nine tenths after 97 ms, no overshoot.
RATE_HZ = 40.0


class Smooth:
    """Follows a value.

    Attributes
    ----------
    value : float or None
        Where it is now; None before the first one.
    """

    def __init__(self) -> None:
        self.value: float | None = None
        self._speed_hz, self._last_s = 0.0, -math.inf

    def clear(self) -> None:
        """Forget the value: the next one is shown at once."""
        self.value = None

    def hold(self, now_s: float) -> None:
        """Stand still where it is."""
        self._speed_hz, self._last_s = 0.0, now_s

    def follow(self, target: float, now_s: float) -> float:
        """Move towards a value as far as the time since the last call allows."""
        if self.value is None:
            self.value = target
            self.hold(now_s)
        passed_s = now_s - self._last_s
        self._last_s = now_s
        error = self.value - target
        push_hz = self._speed_hz + RATE_HZ * error
        left = math.exp(-RATE_HZ * passed_s)
        self.value = target + (error + push_hz * passed_s) * left
        self._speed_hz = (self._speed_hz - RATE_HZ * push_hz * passed_s) * left
        return self.value
