"""A family of heads: lead fields for other skulls, other caps and a finer cortex.

Nobody's head is the model. Training samples are therefore simulated on heads drawn from a family
around it, with sources on a finer cortex than the model's; so are the evaluation's stricter sets,
from another family.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import KDTree

Float = NDArray[np.float32]

# Each electrode takes one of so many places, by itself: 16 to the power of 31 caps.
N_PLACES = 16
# A training's caps are moved by up to so many times the places' standard deviation.
MOST_MOVED = 1.2


@dataclass(frozen=True)
class Family:
    """Lead fields of heads with other skulls and other places of the electrodes.

    Attributes
    ----------
    lead_fields : ndarray, shape (n_skulls, n_places, n_electrodes, n_dipoles)
        V/(A·m), not referenced.
    log_skull : ndarray, shape (n_skulls,)
        Logarithm of the skull's conductivity in S/m.
    """

    lead_fields: Float
    log_skull: NDArray[np.float64]

    def project(
        self, sources: NDArray[np.float64], skull_s_m: float, places: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the average-referenced EEG of a source map in one head of the family.

        Parameters
        ----------
        sources : ndarray, shape (n_dipoles,)
            A·m.
        skull_s_m : float
        places : ndarray of int, shape (n_electrodes,)
            Which of its places each electrode takes.

        Returns
        -------
        eeg : ndarray, shape (n_electrodes,)
        """
        active = np.flatnonzero(sources)
        electrodes = np.arange(places.size)
        rows = self.lead_fields[:, places, electrodes][:, :, active]
        weights = _lagrange(self.log_skull, np.log(skull_s_m))
        eeg: NDArray[np.float64] = weights @ (rows @ sources[active].astype(float))
        return np.asarray(eeg - eeg.mean())

    def draw_lead_field(self, rng: np.random.Generator) -> Float:
        """Draw a head: any skull between the ends, a cap moved by any share of its places.

        Returns
        -------
        lead_field : ndarray, shape (n_electrodes, n_dipoles)
            V/(A·m), average-referenced. The family's first place is that of the cap unmoved.
        """
        _, n_places, n_electrodes, _ = self.lead_fields.shape
        weights = _lagrange(self.log_skull, rng.uniform(*self.log_skull[[0, -1]]))
        moved = rng.uniform(0.0, MOST_MOVED)
        places, electrodes = rng.integers(1, n_places, n_electrodes), np.arange(n_electrodes)
        drawn = np.zeros(self.lead_fields.shape[2:], np.float32)
        for weight, places_of_skull in zip(
            weights.astype(np.float32), self.lead_fields, strict=True
        ):
            unmoved, there = places_of_skull[0], places_of_skull[places, electrodes]
            drawn += weight * (unmoved + np.float32(moved) * (there - unmoved))
        return np.asarray(drawn - drawn.mean(axis=0))


def _lagrange(nodes: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """Return the weights of the nodes' values in the parabola through them, at x."""
    others = ~np.eye(nodes.size, dtype=bool)
    return np.array([np.prod((x - nodes[o]) / (nodes[i] - nodes[o])) for i, o in enumerate(others)])


def nearest_mean(source_m: Float, target_m: Float, n_nearest: int) -> sparse.csr_array:
    """Return the matrix that takes the mean of the nearest sources to each target.

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


def to_model(sources: NDArray[np.float64], transform: sparse.csr_array) -> Float:
    """Carry source maps to the model's dipoles, with equal energy (section 2.2).

    Parameters
    ----------
    sources : ndarray, shape (n, n_fine_dipoles)
        A·m, not negative.
    transform : sparse array, shape (n_dipoles, n_fine_dipoles)
        From `nearest_mean`.

    Returns
    -------
    sources : ndarray, shape (n, n_dipoles)
        The sum of each map's moments is what it was.
    """
    carried = (transform @ sources.T).T
    total = carried.sum(axis=1, keepdims=True)
    before = sources.sum(axis=1, keepdims=True)
    scale = np.divide(before, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(carried * scale, np.float32)
