"""Age of the samples at each stage, over the latest few thousand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.frame import Frame
from convdip.streams import AGE, PERCENTILES, STAGES

WINDOW = 4096


class Latency:
    """A sliding window over the latest 4,096 samples.

    ``arrival`` is a sample's age when the service has it: everything that the amplifier, LSL
    and the queue before the network take. The other stages are the service's own work;
    ``age`` is the sum, time stamp → published.
    """

    def __init__(self) -> None:
        self._seconds = np.zeros((len(STAGES) + 1, WINDOW), np.float32)
        self._n = 0

    @property
    def has_samples(self) -> bool:
        """Whether any sample was taken in."""
        return self._n > 0

    def add(self, frame: Frame, published_s: float, *, has_age: bool = True) -> None:
        """Take in a frame that was published at an LSL time; its stages are timed by LSL too.

        Of what has stamps that do not tell an age, the service's own work counts alone.
        """
        pulled_s, prepared_s, inferred_s, scaled_s = frame.stages
        timestamps = frame.timestamps if has_age else np.full(len(frame.timestamps), np.nan)
        n = len(timestamps)
        first = self._n % WINDOW
        if n == 1:  # the usual case, in one step
            stamp = timestamps.item()
            self._seconds[:, first] = (
                pulled_s - stamp,
                prepared_s - pulled_s,
                inferred_s - prepared_s,
                scaled_s - inferred_s,
                published_s - scaled_s,
                published_s - stamp,
            )
            self._n += 1
            return
        reached_s = (*frame.stages, published_s)
        # A batch's samples lie side by side: two slices at most, and mostly one.
        for places, stamps in (
            (slice(first, first + n), timestamps[: WINDOW - first]),
            (slice(0, max(0, first + n - WINDOW)), timestamps[WINDOW - first :]),
        ):
            if not len(stamps):
                continue
            self._seconds[0, places] = reached_s[0] - stamps
            for stage in range(1, len(STAGES)):
                self._seconds[stage, places] = reached_s[stage] - reached_s[stage - 1]
            self._seconds[-1, places] = reached_s[-1] - stamps
        self._n += n

    def percentiles_ms(self) -> dict[str, NDArray[np.float32]]:
        """Return 50th, 95th and 99th percentile of each stage and of the age; NaN for none."""
        n = min(self._n, WINDOW)
        if not n:
            return {name: np.full(len(PERCENTILES), np.nan, np.float32) for name in (*STAGES, AGE)}
        # Sorted once for all of them (nearest rank): np.percentile takes ten times as long.
        ordered = np.sort(self._seconds[:, :n], axis=1) * 1e3
        values = {}
        for stage, row in zip((*STAGES, AGE), ordered, strict=True):
            n_known = n - int(np.isnan(row).sum())  # those without an age come last
            ranks = [round(percentile / 100 * (n_known - 1)) for percentile in PERCENTILES]
            is_known = 2 * n_known > n
            values[stage] = row[ranks] if is_known else np.full(len(ranks), np.nan, np.float32)
        return values
