"""A family of heads: lead fields for other skulls and other electrode positions.

No real head is the head model. Training samples are therefore simulated on heads drawn from a
family around it, with sources on a finer cortex; the evaluation's stricter sets are, too, from
another family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from convdip.head import Head
from numpy.typing import NDArray
from scipy.spatial import KDTree

Float = NDArray[np.float32]

# Places of each electrode, independent of the others': 16 to the power of 31 caps.
N_PLACES = 16
# A training's caps are displaced by up to this many times the places' standard deviation.
MOST_MOVED = 1.2


@dataclass(frozen=True)
class Family:
    """Lead fields for several skulls and several places of every electrode.

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
            The place of each electrode, as an index.

        Returns
        -------
        eeg : ndarray, shape (n_electrodes,)
        """
        active = np.flatnonzero(sources)
        electrodes = np.arange(places.size)
        rows = self.lead_fields[:, places, electrodes][:, :, active]
        weights = skull_weights(self.log_skull, np.log(skull_s_m))
        eeg: NDArray[np.float64] = weights @ (rows @ sources[active].astype(float))
        return np.asarray(eeg - eeg.mean())

    def draw_lead_field(self, rng: np.random.Generator) -> Float:
        """Draw a head: any skull between the lowest and highest, a cap displaced by any amount.

        Returns
        -------
        lead_field : ndarray, shape (n_electrodes, n_dipoles)
            V/(A·m), average-referenced. The family's first place is that of the undisplaced cap.
        """
        _, n_places, n_electrodes, _ = self.lead_fields.shape
        weights = skull_weights(self.log_skull, rng.uniform(*self.log_skull[[0, -1]]))
        moved = rng.uniform(0.0, MOST_MOVED)
        places, electrodes = rng.integers(1, n_places, n_electrodes), np.arange(n_electrodes)
        drawn = np.zeros(self.lead_fields.shape[2:], np.float32)
        for weight, places_of_skull in zip(
            weights.astype(np.float32), self.lead_fields, strict=True
        ):
            unmoved, there = places_of_skull[0], places_of_skull[places, electrodes]
            drawn += weight * (unmoved + np.float32(moved) * (there - unmoved))
        return np.asarray(drawn - drawn.mean(axis=0))


class TrainingFamily(NamedTuple):
    """What a training simulates on: a fine cortex, and a family of lead fields for it.

    Attributes
    ----------
    cortex : Head
        Where sources lie, with one of the family's lead fields.
    family : Family
        Of the cortex's dipoles.
    """

    cortex: Head
    family: Family


@dataclass(frozen=True)
class ScalpFamily:
    """Heads that differ in skull and shape, each with what is measured all over the scalp.

    Attributes
    ----------
    cortex : Head
        The fine cortex that sources lie on.
    lead_fields : ndarray, shape (n_members, n_places, n_fine_dipoles)
        V/(A·m), not referenced: of the skulls, then of the shapes.
    log_skull : ndarray, shape (n_skulls,)
    places_m : ndarray, shape (n_places, 3)
        Of the head that is not stretched, in its MRI frame.
    """

    cortex: Head
    lead_fields: Float
    log_skull: NDArray[np.float64]
    places_m: NDArray[np.float64]

    @property
    def n_shapes(self) -> int:
        """Number of members of another shape."""
        return len(self.lead_fields) - len(self.log_skull)

    def of_skull(self, log_skull: float) -> NDArray[np.float64]:
        """Return the weights of the members in a head of a skull's conductivity."""
        return np.append(skull_weights(self.log_skull, log_skull), np.zeros(self.n_shapes))

    def of_shape(self, i: int) -> NDArray[np.float64]:
        """Return the weights that change a head of any skull to another shape."""
        middle = self.log_skull[len(self.log_skull) // 2]
        weights = -self.of_skull(middle)
        weights[len(self.log_skull) + i] = 1.0
        return weights

    def at_dipoles(self, head: Head) -> Float:
        """Return the lead fields of a coarser head's dipoles, which lie on the same cortex."""
        return self.lead_fields[:, :, KDTree(self.cortex.dipoles_m).query(head.dipoles_m)[1]]


def skull_weights(nodes: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """Return the weights of values at the nodes in the polynomial through them, at x."""
    others = ~np.eye(nodes.size, dtype=bool)
    return np.array([np.prod((x - nodes[o]) / (nodes[i] - nodes[o])) for i, o in enumerate(others)])
