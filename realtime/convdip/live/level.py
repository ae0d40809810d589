"""A check that the signal's level is that of EEG."""

from __future__ import annotations

import math

# Standard deviation over a second, from a clean average to a restless raw recording.
EEG_LEVEL_V = (0.2e-6, 1e-3)
# Of the median electrode with what its neighbours predict: on a head, 0.7 and more.
LEAST_CORRELATION = 0.25
# What a wrong unit is off by does not pass in a moment; what a person does, does.
N_BEFORE_SAID = 8


class LevelCheck:
    """Checks the level of each second of EEG.

    A stream that states a wrong unit is off by orders of magnitude, and nothing else would tell.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Check anew, and say again what was said: the stream came back."""
        self._n_wrong, self._is_said = 0, False

    def __call__(self, level_v: float, correlation: float = 1.0) -> str:
        """Take the level of a second; say what is wrong with it, once; empty for nothing.

        Parameters
        ----------
        level_v : float
            Standard deviation, the median electrode's; NaN where there is none to judge.
        correlation : float
            Of the median electrode with what its neighbours predict.
        """
        least_v, most_v = EEG_LEVEL_V
        is_level = least_v <= level_v <= most_v
        is_right = math.isnan(level_v) or (is_level and not correlation < LEAST_CORRELATION)
        self._n_wrong = 0 if is_right else self._n_wrong + 1
        if self._is_said or self._n_wrong < N_BEFORE_SAID:
            return ""
        self._is_said = True
        if is_level:
            return (
                f"the electrodes have nothing in common (median correlation {correlation:.2f} with "
                "what their neighbours predict): is the cap on a head, and are its labels right?"
            )
        return (
            f"the EEG's standard deviation is {level_v * 1e6:.2g} µV (median over electrodes), "
            f"expected {least_v * 1e6:g} to {most_v * 1e6:g} µV: is its unit right? `unit` "
            "overrides what the stream states"
        )
