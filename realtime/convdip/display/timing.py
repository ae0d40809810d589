"""The window's frame rate, drawing time, and age of the samples drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

WINDOW = 4096


class Timing:
    """Statistics of the latest 4,096 frames.

    Attributes
    ----------
    n_frames, n_stale : int
        Frames drawn, and how many of them were stale.
    """

    def __init__(self) -> None:
        self.n_frames = self.n_stale = 0
        # Of each frame: start, end, time stamp of the newest sample.
        self._frames = np.zeros((WINDOW, 3))

    def add(self, start_s: float, end_s: float, stamp: float, *, is_stale: bool) -> None:
        """Record a frame, in LSL times."""
        self._frames[self.n_frames % WINDOW] = start_s, end_s, stamp
        self.n_frames += 1
        self.n_stale += is_stale

    def summary(self) -> dict[str, Any]:
        """Return rates, times and ages as JSON values; None where there are none yet."""
        n = min(self.n_frames, WINDOW)
        first = self.n_frames % WINDOW if self.n_frames > WINDOW else 0
        frames = np.roll(self._frames, -first, axis=0)[:n]
        start_s, end_s, stamp = frames.T
        intervals_ms = np.diff(start_s) * 1e3

        def percentiles(values: np.ndarray[Any, Any]) -> dict[str, float] | None:
            values = values[np.isfinite(values)]
            if not values.size:
                return None
            return {f"p{p}": round(float(np.percentile(values, p)), 2) for p in (50, 95, 99)}

        return {
            "frames": self.n_frames,
            "stale_frames": self.n_stale,
            "fps": round(1e3 / float(intervals_ms.mean()), 2) if n > 1 else None,
            "interval_ms": percentiles(intervals_ms),
            "frame_ms": percentiles((end_s - start_s) * 1e3),
            "picture_age_ms": percentiles((end_s - stamp) * 1e3),
        }
