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
        weights = _lagrange(self.log_skull, np.log(skull_s_m))
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


def _lagrange(nodes: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """Return the weights of values at the nodes in the polynomial through them, at x."""
    others = ~np.eye(nodes.size, dtype=bool)
    return np.array([np.prod((x - nodes[o]) / (nodes[i] - nodes[o])) for i, o in enumerate(others)])
