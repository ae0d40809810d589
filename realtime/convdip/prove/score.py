"""What a proof counts: shares and their intervals, ranks, leakage, delays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

Z_95 = 1.959964
N_DRAWS = 1000


@dataclass(frozen=True)
class Share:
    """A share of trials, beside what guessing would give.

    Attributes
    ----------
    hits, n : int
    share : float
        NaN where there are no trials.
    low, high : float
        The 95 % interval of Wilson's.
    chance : float
    """

    hits: int
    n: int
    share: float
    low: float
    high: float
    chance: float

    @classmethod
    def of(cls, is_hit: NDArray[np.bool_], chance: float) -> Share:
        """Count."""
        hits, n = int(is_hit.sum()), int(is_hit.size)
        if not n:
            return cls(0, 0, float("nan"), 0.0, 1.0, chance)
        share = hits / n
        middle = share + Z_95**2 / (2 * n)
        half = Z_95 * np.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
        low, high = (middle + np.array([-half, half])) / (1 + Z_95**2 / n)
        return cls(hits, n, share, float(max(0.0, low)), float(min(1.0, high)), chance)

    @property
    def is_better_than_chance(self) -> bool:
        """Whether chance lies below the interval."""
        return self.low > self.chance

    def __str__(self) -> str:
        """Say it with its interval."""
        if not self.n:
            return "none"
        share, low, high = (f"{100 * one:.0f}" for one in (self.share, self.low, self.high))
        return f"{share} % ({low}–{high})"


@dataclass(frozen=True)
class Middle:
    """A median over trials, beside that of draws by chance.

    Attributes
    ----------
    median : float
    low, high : float
        Its 95 % interval, by bootstrap over the trials.
    chance : float
    n : int
    """

    median: float
    low: float
    high: float
    chance: float
    n: int

    @classmethod
    def of(cls, values: Float, by_chance: Callable[[np.random.Generator], Float]) -> Middle:
        """Take the median.

        Parameters
        ----------
        values : ndarray, shape (n_trials,)
        by_chance : callable
            Draws as many values as a guess would give.
        """
        if not values.size:
            nan = float("nan")
            return cls(nan, nan, nan, nan, 0)
        rng = np.random.default_rng(0)
        drawn = np.median(rng.choice(values, (N_DRAWS, values.size)), axis=1)
        low, high = np.percentile(drawn, (2.5, 97.5))
        chance = np.median([np.median(by_chance(rng)) for _ in range(N_DRAWS)])
        return cls(float(np.median(values)), float(low), float(high), float(chance), values.size)

    def __str__(self) -> str:
        """Say it with its interval."""
        return f"{self.median:.0f} mm ({self.low:.0f}–{self.high:.0f})" if self.n else "none"


@dataclass(frozen=True)
class Quartiles:
    """Median, lower and upper quartile; NaN of nothing."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Float) -> Quartiles:
        """Take them."""
        if not values.size:
            return cls(float("nan"), float("nan"), float("nan"))
        return cls(*map(float, np.percentile(values, (50, 25, 75))))

    def __str__(self) -> str:
        """Say seconds."""
        return f"{self.median:.2f} s ({self.low:.2f}–{self.high:.2f})"


def ranks(powers: Float, true: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how many other regions are as strong as the true one, or stronger, in each trial.

    Parameters
    ----------
    powers : ndarray, shape (n_trials, n_regions)
        NaN where nothing is.
    true : ndarray of int, shape (n_trials,)
    """
    there = np.nan_to_num(powers)
    own = there[np.arange(len(true)), true]
    counted: NDArray[np.intp] = (there >= own[:, None]).sum(axis=1) - 1
    return counted


def share_of(powers: Float, sizes: Float, counted: NDArray[np.bool_]) -> Float:
    """Return the share of all power that some regions hold, in each trial.

    Parameters
    ----------
    powers : ndarray, shape (n_trials, n_regions)
        Means over a region's dipoles.
    sizes : ndarray, shape (n_regions,)
        How many dipoles they are means over.
    counted : ndarray of bool, shape (n_trials, n_regions)
    """
    totals = np.nan_to_num(powers) * sizes
    shares: Float = (totals * counted).sum(axis=1) / totals.sum(axis=1)
    return shares


def confusion(true: NDArray[np.intp], found: NDArray[np.intp], n: int) -> NDArray[np.int64]:
    """Count which region was found for which, shape (n, n): rows are true."""
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (true, found), 1)
    return counts


def crossing(course: Float, share: float, n_settled: int) -> float:
    """Return the sample at which a feature has made this share of its way, NaN if it made none.

    Parameters
    ----------
    course : ndarray, shape (n_times,)
        From the source's first sample on.
    share : float
    n_settled : int
        Samples at the end over whose mean it is settled.
    """
    before, after = course[0], course[-n_settled:].mean()
    if not after > before:  # NaN, too
        return float("nan")
    is_there = course >= before + share * (after - before)
    return float(np.argmax(is_there)) if is_there.any() else float("nan")
