"""Samples missing in a stream, and its rate, found by its time stamps."""

from __future__ import annotations

import math
import statistics
from collections import deque

import numpy as np
from numpy.typing import NDArray

# Missing samples are looked for over stretches of this length, or of 32 samples.
STRETCH_S = 1.0
LEAST_STRETCH = 32
# Where samples come so much more slowly than they did, over this length at most.
LONGEST_STRETCH_S = 2.0
# What a clock drifts is less, what a wrongly stated rate is off by is more.
RATE_TOLERANCE = 0.01
# So many stretches in a row that move alike are another rate; losses are not so even.
N_ALIKE = 4
ALIKE = 0.25
# What rose and then falls by more than this share of it has wandered.
BACK = 0.5
# By so many median deviations stamps wander.
UNSTEADY = 4
# How unsteady stamps are, and how fast they drift, is seen in so many quiet stretches.
N_QUIET = 8


class GapDetector:
    """Counts the samples that should have come and did not, at the rate that the stamps show.

    Stamps run behind or ahead of the count of samples, since amplifiers stamp unevenly; but a
    lost sample puts them ahead for good. So the least advance in each stretch is compared with
    the one before: jitter leaves it where it is, loss raises it by whole samples, and a rate that
    is not the stated one moves it alike in every stretch. A rise counts once the next stretch has
    confirmed it, and if it is more than stamps of this stream wander by themselves.

    Parameters
    ----------
    sfreq_hz : float
        Nominal rate of the stream.

    Attributes
    ----------
    n_gaps, n_missing : int
        Stretches in which samples are missing, and how many are.
    n_unstamped : int
        Samples whose time stamp is not a number.
    """

    def __init__(self, sfreq_hz: float) -> None:
        self.n_gaps = 0
        self.n_missing = 0
        self.n_unstamped = 0
        self._counted_hz = sfreq_hz
        self.restart()

    def restart(self) -> None:
        """Forget the stamps so far, not the rate: the stream came back."""
        self._last_stamp: float | None = None
        self._began_after = math.inf  # of a stretch: the stamp before it
        # In samples: how far the stamps are ahead of the count, at the rate known so far.
        self._advance = 0.0
        self._least = self._least_before = math.inf
        self._n_stamps = self._n_samples = self._n_before = 0
        # By how many samples the least advance moved, and in how many: in the first stretches, that
        # wait until it is known how stamps come here; in quiet ones; in those since the last one.
        self._first: list[tuple[float, int]] = []
        self._quiet: deque[tuple[float, int]] = deque(maxlen=N_QUIET)
        self._moves: list[tuple[float, int]] = []
        self._unsteady = 0.0  # in samples, by the first stretches

    @property
    def is_rate_known(self) -> bool:
        """Whether the stamps have shown a rate."""
        return len(self._quiet) >= N_ALIKE

    @property
    def rate_hz(self) -> float:
        """The rate by the stamps; the nominal one until they have shown another."""
        return self._counted_hz / (1 + self._drift)

    def __call__(self, timestamps: NDArray[np.float64], n_dropped: int = 0) -> int:
        """Take in samples and return how many are newly found missing.

        Parameters
        ----------
        timestamps : ndarray, shape (n_times,)
        n_dropped : int
            Samples that came before these and were dropped: not missing.
        """
        # Plain floats: for a chunk of one or a few, NumPy's calls would cost ten times as much.
        stamps: list[float] = timestamps.tolist()
        rate_hz = self._counted_hz
        if self._last_stamp is None:
            first = next(filter(math.isfinite, stamps), None)
            if first is None:
                self.n_unstamped += len(stamps)
                return 0
            self._last_stamp = first - stamps.index(first) / rate_hz - 1 / rate_hz
            self._began_after = self._last_stamp
        last, advance, least = self._last_stamp, self._advance - n_dropped, self._least
        for stamp in stamps:
            if not math.isfinite(stamp):
                self.n_unstamped += 1
                advance -= 1  # its interval is in the next one's
                continue
            advance += (stamp - last) * rate_hz - 1
            last = stamp
            if advance < least:
                least = advance
        self._last_stamp, self._advance, self._least = last, advance, least
        self._n_stamps += len(stamps)
        self._n_samples += len(stamps) + n_dropped
        if self._n_stamps >= LEAST_STRETCH and (
            self._n_stamps >= STRETCH_S * rate_hz or last - self._began_after >= LONGEST_STRETCH_S
        ):
            return self._close_stretch()
        return 0

    def close(self) -> int:
        """Count what the last stretches show, at the end of the stream; return what is missing."""
        missing = self._close_stretch() + self._begin()
        if len(self._moves) > 1 and _are_alike(self._moves):
            self._moves.clear()  # another rate, by all that is known
        return missing + self._claim()

    def _close_stretch(self) -> int:
        """Compare the stretch so far with the one before, and begin another."""
        least, before = self._least, self._least_before
        n, n_before = self._n_samples, self._n_before
        if self._n_stamps < LEAST_STRETCH or not math.isfinite(least):
            return 0
        self._least_before, self._n_before = least, n
        self._least, self._n_stamps, self._n_samples = math.inf, 0, 0
        self._began_after = math.inf if self._last_stamp is None else self._last_stamp
        if not math.isfinite(before):
            return 0
        # What rises is least at the beginning of a stretch, what falls at its end.
        moved = least - before, n_before if least > before else n
        if self._quiet or self._moves:
            return self._judge(*moved)
        self._first.append(moved)
        return self._begin() if len(self._first) == N_ALIKE else 0

    def _begin(self) -> int:
        """Judge the first stretches together."""
        first = self._first
        self._first = []
        if first:
            share = statistics.median_low(by / n for by, n in first)
            apart = statistics.median_low(abs(by - share * n) for by, n in first)
            self._unsteady = UNSTEADY * apart
            if self._is_another_rate(first):
                return 0
            if len(first) == N_ALIKE and _are_alike(first):
                self._quiet.extend(first)
                return 0
        return sum(self._judge(moved, n) for moved, n in first)

    def _judge(self, moved: float, n: int) -> int:
        """Tell what is a loss, another rate, or neither, as far as it is known yet."""
        moved -= self._drift * n
        places = self._places
        most = max(0.5, self._unsteady, max(places) - min(places))
        rise = sum(by for by, _ in self._moves)
        if rise > 0 and moved < -BACK * rise:  # it goes back: stamps wander
            self._quiet.extend([*self._moves, (moved + self._drift * n, n)])
            self._moves.clear()
            return 0
        if min(places) - most <= moved <= max(places) + most:
            self._quiet.append((moved + self._drift * n, n))
            return self._claim()
        missing, by = 0, moved - statistics.median(places)
        self._quiet.append((moved - by + self._drift * n, n))
        if self._moves and (by > 0) != (self._moves[-1][0] > 0):
            missing = self._claim()
        self._moves.append((by, n))
        if self._is_another_rate(self._moves[-N_ALIKE:]):
            self._moves.clear()  # with the stretch in which it began
        elif len(self._moves) > N_ALIKE:
            missing += self._count(self._moves.pop(0)[0])
        return missing

    def _is_another_rate(self, moves: list[tuple[float, int]]) -> bool:
        """Take another rate where stretch after stretch moved alike."""
        if len(moves) < N_ALIKE or not _are_alike(moves):
            return False
        share = statistics.median(by / n for by, n in moves)
        if abs(share) * moves[0][1] < 0.5:
            return False
        self._counted_hz /= 1 + self._drift + share
        self._quiet.clear()
        self._least_before = math.inf  # it was counted at the old rate
        return True

    def _claim(self) -> int:
        """Count what rose and stayed up as missing; what fell was late before."""
        moves, self._moves = self._moves, []
        missing = self._count(sum(by for by, _ in moves))
        if not missing:
            self._quiet.extend(moves)
        return missing

    def _count(self, rise: float) -> int:
        missing = max(0, round(rise))
        self.n_gaps += missing > 0
        self.n_missing += missing
        return missing

    @property
    def _drift(self) -> float:
        """By how many samples the least advance moves in one."""
        if len(self._quiet) < N_ALIKE:
            return 0.0
        return statistics.median(moved / n for moved, n in self._quiet)

    @property
    def _places(self) -> list[float]:
        """Where the least advance was lately, from where it is now, in samples without drift."""
        drift, place, places = self._drift, 0.0, [0.0]
        for moved, n in reversed(self._quiet):
            place -= moved - drift * n
            places.append(place)
        return places


def _are_alike(moves: list[tuple[float, int]]) -> bool:
    """Return whether stretches moved in step with their samples."""
    shares = [by / n for by, n in moves]
    apart = max(ALIKE * abs(statistics.median(shares)), 0.5 / min(n for _, n in moves))
    return min(shares) * max(shares) > 0 and max(shares) - min(shares) <= apart
