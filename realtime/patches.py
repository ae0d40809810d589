"""Source patches by region growing on the cortical mesh (paper, section 2.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def mesh_adjacency(triangles: NDArray[np.int32], n_vertices: int) -> sparse.csr_array:
    """Return which vertices share a triangle edge.

    Parameters
    ----------
    triangles : ndarray of int, shape (n_triangles, 3)
    n_vertices : int

    Returns
    -------
    adjacency : sparse array of 0 and 1, shape (n_vertices, n_vertices)
        Symmetric, with an empty diagonal.
    """
    first = triangles[:, [0, 1, 2, 1, 2, 0]].ravel()
    second = triangles[:, [1, 2, 0, 0, 1, 2]].ravel()
    ones = np.ones(first.size, np.float32)
    adjacency = sparse.csr_array((ones, (first, second)), shape=(n_vertices, n_vertices))
    adjacency.data[:] = 1.0  # an inner edge belongs to two triangles
    return adjacency


def neighbourhoods(adjacency: sparse.csr_array, order: int) -> sparse.csr_array:
    """Return which vertices lie within ``order`` mesh edges of each other, itself included.

    Parameters
    ----------
    adjacency : sparse array, shape (n_vertices, n_vertices)
        From `mesh_adjacency`.
    order : int
        1 or more.

    Returns
    -------
    near : sparse array of 1, shape (n_vertices, n_vertices)
        With sorted indices.
    """
    step = adjacency + sparse.eye_array(adjacency.shape[0], dtype=adjacency.dtype, format="csr")
    reached = step
    for _ in range(order - 1):
        reached = (reached @ step).tocsr()
        reached.data[:] = 1.0
    reached.sort_indices()
    return reached


def patch_dictionary(
    triangles: NDArray[np.int32], dipoles_m: NDArray[np.float32], order: int
) -> sparse.csr_array:
    """Return the patch of every seed: row ``i`` is the patch grown from dipole ``i``.

    A patch of order ``s`` holds all dipoles within ``s`` mesh edges of its seed. (The paper
    counts the seed alone as order 1, but its own 19–91 dipoles for orders 2–5 are what 2–5
    growth iterations give.) The moment falls off as a Gaussian of the Euclidean distance to
    the seed, with a standard deviation of half the patch's radius, and is 0 outside.

    Parameters
    ----------
    triangles : ndarray of int, shape (n_triangles, 3)
    dipoles_m : ndarray, shape (n_dipoles, 3)
        Positions in metres.
    order : int
        Growth iterations, 1 or more.

    Returns
    -------
    patches : sparse array, shape (n_dipoles, n_dipoles)
        Moments relative to the seed's, which is 1.
    """
    n = dipoles_m.shape[0]
    reached = neighbourhoods(mesh_adjacency(triangles, n), order)
    seeds = np.repeat(np.arange(n), np.diff(reached.indptr))
    distances_m = np.linalg.norm(dipoles_m[reached.indices] - dipoles_m[seeds], axis=1)
    radius_m = np.maximum.reduceat(distances_m, reached.indptr[:-1])
    relative = distances_m / (radius_m / 2)[seeds]
    moments = np.exp(-0.5 * relative**2).astype(np.float32)
    return sparse.csr_array((moments, reached.indices, reached.indptr), shape=(n, n))
