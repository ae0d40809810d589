"""Confidence intervals and tests (section 2.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

Float = NDArray[np.float64]

N_PERMUTATIONS = 1_000_000
N_PERMUTATIONS_QUICK = 100_000
N_RESAMPLES = 2000
CONFIDENCE = 0.95
# Permutations at once: their masks take 2,000 × 2 n_samples bytes, and eight times that as numbers.
CHUNK = 2000
# Sums that differ by less than this share of the values' size are equal but for rounding.
ROUNDING = 1e-10


def cohens_d(a: Float, b: Float) -> Float:
    """Return Cohen's d, (mean a − mean b) / pooled SD, over the first axis.

    Parameters
    ----------
    a, b : ndarray, shape (n, …)
    """
    n_a, n_b = len(a), len(b)
    squares = (n_a - 1) * a.var(axis=0, ddof=1) + (n_b - 1) * b.var(axis=0, ddof=1)
    pooled = np.sqrt(squares / (n_a + n_b - 2))
    difference = a.mean(axis=0) - b.mean(axis=0)
    d: Float = np.divide(difference, pooled, out=np.full_like(pooled, np.nan), where=pooled > 0)
    return d


def permutation_test(
    scores: Float,
    rng: np.random.Generator,
    n_permutations: int,
    progress: Callable[[int], Any] = lambda _: None,
) -> Float:
    """Return p of the unpaired permutation test for every pair of methods and every metric.

    Two-sided, on the difference of means. A permutation deals the 2n samples of two methods
    anew into two groups of n. All pairs and metrics share the permutations: with the first half
    of a permutation's mask, method a contributes a sum of its own, with the second half
    method b does, and each pair only adds two numbers. So a million permutations of all pairs
    cost two matrix products and not a million shuffles of each pair.

    Parameters
    ----------
    scores : ndarray, shape (n_methods, n_samples, n_metrics)
        A method with a NaN in a metric is not tested in that metric.
    rng : Generator
    n_permutations : int
    progress : callable
        Gets the number of permutations done since it was last called.

    Returns
    -------
    p : ndarray, shape (n_methods, n_methods, n_metrics)
        Symmetric; NaN on the diagonal and where there was no test. Never below
        1 / (n_permutations + 1), as the observed split is one of the permutations.
    """
    n_methods, n, n_metrics = scores.shape
    usable = np.asarray(np.isfinite(scores).all(axis=1))
    clean = np.where(usable[:, None], scores, 0.0)
    columns = clean.transpose(0, 2, 1).reshape(-1, n)
    total, size_of = clean.sum(axis=1), np.abs(clean).sum(axis=1)
    a, b = np.triu_indices(n_methods, k=1)
    both = total[a] + total[b]
    bound = np.abs(total[a] - total[b]) - ROUNDING * (size_of[a] + size_of[b])
    at_least = np.zeros((a.size, n_metrics), np.int64)
    halves = np.repeat(np.array([1, 0], np.int8), n)
    done = 0
    while done < n_permutations:
        size = min(CHUNK, n_permutations - done)
        masks = rng.permuted(np.tile(halves, (size, 1)), axis=1)
        first, second = (
            (columns @ half.T.astype(float)).reshape(n_methods, n_metrics, size)
            for half in (masks[:, :n], masks[:, n:])
        )
        for pair, (i, j) in enumerate(zip(a, b, strict=True)):
            # Sum of one group minus sum of the other = 2 · one − both.
            difference = first[i] + second[j]
            difference *= 2
            difference -= both[pair, :, None]
            np.abs(difference, out=difference)
            at_least[pair] += np.count_nonzero(difference >= bound[pair, :, None], axis=1)
        done += size
        progress(size)
    p = np.full((n_methods, n_methods, n_metrics), np.nan)
    p[a, b] = (at_least + 1) / (n_permutations + 1)
    p[b, a] = p[a, b]
    p[~(usable[:, None] & usable[None])] = np.nan
    return p


def bootstrap_intervals(values: Float, rng: np.random.Generator) -> tuple[Float, Float]:
    """Return 95 % percentile bootstrap intervals of mean and median, from the same resamples.

    Parameters
    ----------
    values : ndarray, shape (n_samples,)
        Without NaN.
    rng : Generator

    Returns
    -------
    of_mean, of_median : ndarray, shape (2,)
        The value itself, twice, where there is only one.
    """
    if values.size == 1:
        return np.repeat(values, 2), np.repeat(values, 2)
    found = bootstrap(
        (values,),
        lambda resampled, axis: (resampled.mean(axis=axis), np.median(resampled, axis=axis)),
        n_resamples=N_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        rng=rng,
    )
    of_mean, of_median = np.transpose(found.confidence_interval)
    return of_mean, of_median


def separation(
    above: Float, below: Float, rng: np.random.Generator
) -> tuple[float, tuple[float, float]]:
    """Return the AUC of telling two groups apart by one number, with its bootstrap interval.

    Parameters
    ----------
    above, below : ndarray, shape (n_above,), (n_below,)
        ``above`` is expected to have the larger values: 1 if all have, 0.5 by chance.
    rng : Generator

    Returns
    -------
    auc : float
        Share of pairs in which ``above`` is larger; ties count half.
    interval : tuple of float
        95 % percentile interval; each group is resampled by itself.
    """
    wins = (np.sign(above[:, None] - below) + 1) / 2
    # How often each value was drawn says all that its resample does.
    drawn_above, drawn_below = (
        rng.multinomial(n, np.full(n, 1 / n), N_RESAMPLES) for n in wins.shape
    )
    resampled = np.vecdot(drawn_above @ wins, drawn_below) / wins.size
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return float(wins.mean()), (float(low), float(high))
