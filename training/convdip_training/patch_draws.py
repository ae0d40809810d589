"""Sources drawn at random: patches of cortex, and how strong they are (section 2.2)."""

from __future__ import annotations

import numpy as np
from convdip.patches import fall_off, patch_distances
from numpy.typing import NDArray
from scipy import sparse

from convdip_training.config import SimulationConfig

NAM = 1e-9


class PatchDraws:
    """Draws patches of a cortex.

    Parameters
    ----------
    triangles : ndarray of int, shape (n_triangles, 3)
    dipoles_m : ndarray, shape (n_dipoles, 3)
    orders : tuple of int
        Smallest and largest.

    Attributes
    ----------
    orders : range
    """

    def __init__(
        self,
        triangles: NDArray[np.int32],
        dipoles_m: NDArray[np.float32],
        orders: tuple[int, int],
    ) -> None:
        self.orders = range(orders[0], orders[1] + 1)
        self._n_dipoles = len(dipoles_m)
        patches = list(patch_distances(triangles, dipoles_m, self.orders))
        # Patch of order s grown from dipole i: members[starts[s − lowest, i] : ends[…]].
        offsets = np.cumsum([0, *(patch.nnz for patch in patches)])[:-1, None]
        bounds = np.array([patch.indptr for patch in patches]) + offsets
        self._starts, self._ends = bounds[:, :-1], bounds[:, 1:]
        self._members = np.concatenate([patch.indices for patch in patches])
        self._distances = np.concatenate([patch.data for patch in patches])

    def __call__(
        self, n: int, config: SimulationConfig, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], sparse.csr_array]:
        """Draw the patches of ``n`` samples.

        Parameters
        ----------
        n : int
        config : SimulationConfig
        rng : Generator

        Returns
        -------
        count : ndarray of int, shape (n,)
            Patches of each sample.
        seeds : ndarray of int, shape (n_patches,)
            Sample by sample.
        patches : sparse array, shape (n_patches, n_dipoles)
            Moments of each patch, A·m.
        """
        low, most = config.n_sources
        count = rng.integers(low, most + 1, size=n)
        count[rng.random(n) < config.single] = 1
        present = np.arange(most) < count[:, None]
        all_seeds = rng.integers(self._n_dipoles, size=(n, most))
        orders = rng.integers(len(self.orders), size=(n, most))[present]
        moments = rng.uniform(*config.moment_nam, size=(n, most)) * NAM
        if config.signs == "random":
            moments *= rng.choice([-1, 1], size=(n, most))
        steepness = rng.uniform(*config.steepness, size=(n, most))[present].astype(np.float32)
        seeds = all_seeds[present]

        # From here on one row a member of a patch.
        start = self._starts[orders, seeds]
        size = self._ends[orders, seeds] - start
        before = np.append(0, size.cumsum())
        members = np.arange(before[-1]) + np.repeat(start - before[:-1], size)
        relative = fall_off(self._distances[members], np.repeat(steepness, size))
        values = np.repeat(moments[present].astype(np.float32), size) * relative
        shape = len(seeds), self._n_dipoles
        patches = sparse.csr_array((values, self._members[members], before), shape=shape)
        return count, seeds, patches
