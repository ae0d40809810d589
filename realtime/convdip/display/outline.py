"""Smooth outlines of what is active: for the drawing alone, never for a number."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Each takes half of a dipole's value from its neighbours.
N_STEPS = 2
Float = NDArray[np.float32]


class Outline:
    """Rounds the outlines of a map on a mesh, whose dipoles lie some 5 mm apart.

    A map is averaged over neighbours where it is weak, less the stronger it is, and not at all at
    its peaks: those keep their places and their values.

    Parameters
    ----------
    triangles : ndarray of int, shape (n_triangles, 3)
    n_dipoles : int
    """

    def __init__(self, triangles: NDArray[np.int32], n_dipoles: int) -> None:
        ends = np.concatenate([triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
        ends = np.concatenate([ends, ends[:, ::-1]])
        beside = sp.csr_matrix((np.ones(len(ends)), ends.T), (n_dipoles, n_dipoles))
        beside.sum_duplicates()
        beside.data[:] = 1
        n = np.diff(beside.indptr)
        shares = sp.diags(0.5 / np.maximum(n, 1)) @ beside + sp.diags(np.where(n, 0.5, 1.0))
        self._average = sp.csr_matrix(shares, dtype=np.float32)
        # One row for each neighbour's turn; a dipole with fewer is its own neighbour.
        self._neighbours = np.tile(np.arange(n_dipoles), (int(n.max(initial=0)), 1))
        of = np.repeat(np.arange(n_dipoles), n)
        self._neighbours[np.arange(of.size) - beside.indptr[of], of] = beside.indices

    def __call__(self, strength: Float, threshold: float) -> Float:
        """Return a map to draw.

        Parameters
        ----------
        strength : ndarray, shape (n_dipoles,)
            As shares of the colour scale, with or without signs.
        threshold : float
            Share below which nothing is drawn.

        Returns
        -------
        softened : ndarray, shape (n_dipoles,)
            The same at peaks (no neighbour has a larger magnitude) and from 1 on.
        """
        magnitude = np.abs(strength)
        around = magnitude.copy()
        for neighbours in self._neighbours:
            np.maximum(around, magnitude[neighbours], out=around)
        kept = np.clip((magnitude - threshold) / max(1 - threshold, 1e-6), 0, 1)
        kept[magnitude >= around] = 1
        averaged = strength
        for _ in range(N_STEPS):
            averaged = self._average @ averaged
        softened: Float = averaged + kept * (strength - averaged)
        return softened
