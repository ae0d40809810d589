"""How good a source map is: the paper's metrics for one map (section 2.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.stats import rankdata

Float = NDArray[np.float32]
CLOSE_SHARE, FAR_SHARE = 0.2, 0.5


def localisation_error_mm(estimate: Float, seed: int, dipoles_m: Float) -> float:
    """Return the distance from the strongest dipole to the seed of a single source.

    Parameters
    ----------
    estimate : ndarray, shape (n_dipoles,)
    seed : int
    dipoles_m : ndarray, shape (n_dipoles, 3)
    """
    offset_m = dipoles_m[np.argmax(np.abs(estimate))] - dipoles_m[seed]
    return float(np.linalg.norm(offset_m) * 1e3)


def auc(
    truth: Float, estimate: Float, dipoles_m: Float, rng: np.random.Generator
) -> tuple[float, float]:
    """Return the area under the ROC curve against close and against far dipoles.

    Positives are all dipoles of the truth. Negatives, as many, are drawn from the 20 % of
    the other dipoles that lie closest to it, or from the farthest 50 %. The paper's overall
    AUC is the mean of the two.

    Parameters
    ----------
    truth, estimate : ndarray, shape (n_dipoles,)
    dipoles_m : ndarray, shape (n_dipoles, 3)
    rng : Generator

    Returns
    -------
    close, far : float
    """
    positives = np.flatnonzero(truth)
    others = np.flatnonzero(truth == 0)
    distances_m, _ = KDTree(dipoles_m[positives]).query(dipoles_m[others])
    by_distance = others[np.argsort(distances_m)]
    close = by_distance[: round(CLOSE_SHARE * others.size)]
    far = by_distance[-round(FAR_SHARE * others.size) :]
    strength = np.abs(estimate)
    return (
        _area(strength[positives], strength[rng.choice(close, positives.size)]),
        _area(strength[positives], strength[rng.choice(far, positives.size)]),
    )


def _area(positives: Float, negatives: Float) -> float:
    """Return the ROC area as the Mann-Whitney statistic: ties count half."""
    ranks = rankdata(np.concatenate([positives, negatives]))[: positives.size]
    above = ranks.sum() - positives.size * (positives.size + 1) / 2
    return float(above / (positives.size * negatives.size))
