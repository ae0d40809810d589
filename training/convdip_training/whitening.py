"""The matrix that makes noise white."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def whitening_matrix(
    noise: NDArray[np.floating[Any]], least_variance: float = 0.0
) -> NDArray[np.float64]:
    """Return the matrix that makes noise white.

    Parameters
    ----------
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
        Average-referenced: the direction that the reference leaves empty is dropped.
    least_variance : float
        Share of the largest variance that is added to every variance.

    Returns
    -------
    whitening : ndarray, shape (n_electrodes − 1, n_electrodes)
    """
    covariance = np.cov(noise.reshape(-1, noise.shape[-1]), rowvar=False)
    variances, directions = np.linalg.eigh(covariance)
    scale = np.sqrt(variances[1:] + least_variance * variances[-1])
    return np.asarray((directions[:, 1:] / scale).T)
