"""One value for a participant: from 0 to 1, and whether it counts as success."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from convdip.errors import ConfigError

Toward = Literal["up", "down"]

THRESHOLD, HYSTERESIS, DWELL_S = 0.8, 0.05, 0.1
# A threshold that follows moves by so much a second where all, or nothing, is a success; and stays
# between these.
PER_SECOND, FOLLOWS = 0.02, (0.1, 0.98)


class Feedback(NamedTuple):
    """What is fed back.

    Attributes
    ----------
    value : float
        0 to 1; NaN where suspended. At rest, as often below any number as that number says.
    is_above : bool
        Whether it counts as success.
    """

    value: float
    is_above: bool


class Feeder:
    """Turns how far from rest a feature is into feedback.

    Parameters
    ----------
    toward : 'up' or 'down'
        Which way is to be rewarded.
    threshold : float
        From which value on it is a success, once it has stayed there for ``DWELL_S``; it remains
        one until the value is ``HYSTERESIS`` below.
    success_rate : float, optional
        The threshold follows, so that values are at it or above for this share of the time.

    Raises
    ------
    ConfigError
        If a share is out of range.

    Attributes
    ----------
    threshold : float
    """

    def __init__(
        self,
        toward: Toward = "up",
        threshold: float = THRESHOLD,
        success_rate: float | None = None,
    ) -> None:
        if success_rate is not None and not 0 < success_rate < 1:
            raise ConfigError(
                f"`success_rate` is {success_rate:g}: expected a share above 0 and below 1"
            )
        if not HYSTERESIS < threshold < 1:
            raise ConfigError(
                f"`threshold` is {threshold:g}: expected a value above {HYSTERESIS:g} and below 1"
            )
        self.threshold = threshold
        self._sign = 1.0 if toward == "up" else -1.0
        self._is_above, self._since_s = False, math.nan
        self._success_rate, self._last_s = success_rate, math.nan

    def __call__(self, z: float, at_s: float) -> Feedback:
        """Return the feedback of a sample.

        Parameters
        ----------
        z : float
            NaN where there is none: then nothing is a success.
        at_s : float
            Its time stamp.
        """
        if not math.isfinite(z):
            self._is_above, self._since_s, self._last_s = False, math.nan, math.nan
            return Feedback(math.nan, False)
        value = 0.5 * math.erfc(-self._sign * z / math.sqrt(2))
        if self._success_rate is not None:
            self._follow(value, at_s)
        least = self.threshold - (HYSTERESIS if self._is_above else 0.0)
        if value < least:
            self._is_above, self._since_s = False, math.nan
        elif math.isnan(self._since_s):
            self._since_s = at_s
        self._is_above = self._is_above or at_s - self._since_s >= DWELL_S
        return Feedback(value, self._is_above)

    def _follow(self, value: float, at_s: float) -> None:
        """Move the threshold towards the value that is reached as often as it should."""
        assert self._success_rate is not None
        since_s = at_s - self._last_s
        self._last_s = at_s
        if 0 < since_s < 1:
            step = PER_SECOND * since_s * ((value >= self.threshold) - self._success_rate)
            self.threshold = min(max(self.threshold + step, FOLLOWS[0]), FOLLOWS[1])
