"""Source maps resampled from a finer cortex to the model's."""

from __future__ import annotations

import numpy as np
from convdip.head import Head
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import KDTree

Float = NDArray[np.float32]


def nearest_mean(source_m: Float, target_m: Float, n_nearest: int) -> sparse.csr_array:
    """Return the matrix that assigns to each target the mean of its nearest sources.

    Parameters
    ----------
    source_m, target_m : ndarray, shape (n, 3)
    n_nearest : int
        The paper takes five.

    Returns
    -------
    transform : sparse array, shape (n_target, n_source)
        The paper's K.
    """
    _, nearest = KDTree(source_m).query(target_m, k=n_nearest)
    rows = np.repeat(np.arange(len(target_m)), n_nearest)
    share = np.full(rows.size, 1 / n_nearest)
    return sparse.csr_array((share, (rows, nearest.ravel())), shape=(len(target_m), len(source_m)))


def carry_to(model: Head, cortex: Head, n_nearest: int) -> sparse.csr_array:
    """Return the matrix of `nearest_mean` between two heads; it puts nothing on the medial wall.

    Parameters
    ----------
    model : Head
        Whose dipoles are the targets.
    cortex : Head
        Whose dipoles are the sources.
    n_nearest : int

    Returns
    -------
    transform : sparse array, shape (n_dipoles of the model, n_dipoles of the cortex)
    """
    mean = nearest_mean(cortex.dipoles_m, model.dipoles_m, n_nearest)
    return (sparse.diags_array(model.is_cortex.astype(float)) @ mean).tocsr()


def to_model(sources: NDArray[np.float64], transform: sparse.csr_array) -> Float:
    """Resample source maps to the model's dipoles, with equal energy (section 2.2).

    Parameters
    ----------
    sources : ndarray, shape (n, n_fine_dipoles)
        A·m, of either sign. Opposite sources that lie side by side cancel in part.
    transform : sparse array, shape (n_dipoles, n_fine_dipoles)
        From `nearest_mean` or `carry_to`.

    Returns
    -------
    sources : ndarray, shape (n, n_dipoles)
        Each map's sum of absolute moments is unchanged.
    """
    carried = (transform @ sources.T).T
    total = np.abs(carried).sum(axis=1, keepdims=True)
    before = np.abs(sources).sum(axis=1, keepdims=True)
    scale = np.divide(before, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(carried * scale, np.float32)


def resampling(head: Head, cortex: Head) -> sparse.csr_array:
    """Return the matrix that resamples sources of a finer cortex to a model's dipoles.

    As in the evaluation, a dipole of the model gets the mean of its neighbourhood, so wide that
    each dipole of the cortex counts for about three of the model's, and the medial wall nothing.

    Returns
    -------
    matrix : sparse array, shape (n_fine_dipoles, n_dipoles)
        Multiplies maps from the right.
    """
    if cortex is head:
        return sparse.eye_array(head.n_dipoles, dtype=np.float32, format="csr")
    n_nearest = round(3 * cortex.n_dipoles / head.n_dipoles)
    mean = carry_to(head, cortex, n_nearest)
    return (mean.T * (cortex.n_dipoles / head.n_dipoles)).tocsr().astype(np.float32)
