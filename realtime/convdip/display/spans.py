"""Times that are to be told from others: gaps, no estimates, eyes and muscle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from convdip.display.horizon import Horizon
from convdip.frame import Artefact

GAP, NO_ESTIMATES = "gap", "no estimates"
# A shorter step between two stamps may be jitter, unless the service says that samples are missing:
# it tells so within about a second.
GAP_S, TOLD_S = 0.1, 2.0
# The service looks every quarter of a second at the last half: what it reports for the first time
# may have begun a little more than the one before, and what it no longer reports ended about the
# other.
BEFORE_S, AFTER_S = 0.35, 0.4

Stamps = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """A time from one stamp to another, and what was then."""

    kind: str
    first_s: float
    last_s: float


def _around(stamps: Stamps, first_s: float, last_s: float) -> slice:
    """Return where the stamps of an interval are, and one before."""
    low, high = np.searchsorted(stamps, (first_s, last_s), "right")
    return slice(max(int(low) - 1, 0), int(high))


def gaps(
    stamps: Stamps, sfreq_hz: float, first_s: float, last_s: float, told_s: Sequence[float] = ()
) -> list[Span]:
    """Return where samples are missing within an interval.

    Parameters
    ----------
    stamps : ndarray, shape (n_times,)
        All that are kept, ascending.
    sfreq_hz : float
    first_s, last_s : float
    told_s : sequence of float
        When the service told that some are missing: of the steps before, the largest is a gap.
    """
    stamps = stamps[_around(stamps, first_s - TOLD_S, last_s)]
    steps_s = np.diff(stamps)
    is_gap = steps_s > max(GAP_S, 2.5 / sfreq_hz)
    for when_s in told_s:
        before = slice(*np.searchsorted(stamps[1:], (when_s - TOLD_S, when_s)).tolist())
        if steps_s[before].size and steps_s[before].max() > 1.5 / sfreq_hz:
            is_gap[before.start + int(steps_s[before].argmax())] = True
    found = np.flatnonzero(is_gap)
    ends = zip(stamps[found].tolist(), stamps[found + 1].tolist(), strict=True)
    return [Span(GAP, first, last) for first, last in ends if last > first_s]


def without_estimates(
    stamps: Stamps,
    rows: NDArray[np.float32],
    sfreq_hz: float,
    first_s: float,
    last_s: float,
    gaps: Sequence[Span] = (),
) -> list[Span]:
    """Return where there are no estimates within an interval: no samples, or no numbers.

    Parameters
    ----------
    stamps : ndarray, shape (n_times,)
        Of the estimates that are kept, ascending.
    rows : ndarray, shape (n_times, n_values)
        The estimates: where one is no number, there is none.
    sfreq_hz : float
    first_s, last_s : float
    gaps : sequence of Span
        Where there was no EEG: of that no estimates are missed.
    """
    part = _around(stamps, first_s, last_s)
    stamps, is_there = stamps[part], np.asarray(np.isfinite(rows[part]).all(axis=1))
    if not len(stamps):
        return []
    # An estimate stands for the time since the one before it.
    is_lacking = ~is_there[1:] | (np.diff(stamps) > max(GAP_S, 2.5 / sfreq_hz))
    for gap in gaps:
        is_in_gap = (stamps[:-1] > gap.first_s - 0.5 / sfreq_hz) & (
            stamps[1:] < gap.last_s + 0.5 / sfreq_hz
        )
        is_lacking[is_in_gap] = False
    edges = np.flatnonzero(np.diff(is_lacking.astype(np.int8), prepend=0, append=0))
    return [
        Span(NO_ESTIMATES, float(stamps[start]), float(stamps[end]))
        for start, end in edges.reshape(-1, 2).tolist()
    ]


class Artefacts:
    """Eyes and muscle, as the service reports them ten times a second."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._reported_s = (0.0, 0.0)  # the first and the last time of the present one
        self._now = Artefact.NONE

    def add(self, code: float, stamp: float) -> None:
        """Take a report.

        Parameters
        ----------
        code : float
            Number of the artefact, 0 for none.
        stamp : float
            Of the newest EEG sample at the report.
        """
        is_known = 0 < code < len(Artefact)
        what = list(Artefact)[int(code)] if is_known else Artefact.NONE
        is_new = what != self._now
        self._now = what
        if what == Artefact.NONE or not np.isfinite(stamp):
            return
        if is_new:
            self._reported_s = stamp, stamp
            self._spans.append(Span(what, stamp - BEFORE_S, stamp))
        first_s, _ = self._reported_s
        self._spans[-1] = replace(self._spans[-1], last_s=max(first_s, stamp - AFTER_S))

    def between(self, first_s: float, last_s: float) -> list[Span]:
        """Return all that overlap an interval."""
        return [s for s in self._spans if s.first_s <= last_s and s.last_s > first_s]

    def forget(self, horizon: Horizon) -> None:
        """Drop what can no longer be looked at; never the newest, which may go on."""
        older, newest = self._spans[:-1], self._spans[-1:]
        self._spans = [s for s in older if horizon.holds(s.first_s, s.last_s)] + newest
