"""Step 6: from the electrodes that can be believed to what the network takes.

Networks differ in what they are given. Some take one head's EEG, in which missing and bad
electrodes are interpolated (`topography`); others take the EEG of any electrodes, and with it the
gains between those and the cortex (`gains`). Either way it is one matrix for the samples, and a
lead field for the scale.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from convdip.head import Head
from convdip.live.gains import Cortex, Gains
from convdip.live.montage import Montage
from convdip.live.products import gram
from convdip.live.topography import one_matrix

Float = NDArray[np.float32]

# Of topographies, which are smooth along the cortex, one in so many says it all.
EVERY = 4
# Where the cortex adds nothing, EEG is taken to have this share of the mean variance.
LEAST_SHARE = 0.01
TINY = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Operator:
    """How samples of some electrodes are imaged.

    Attributes
    ----------
    matrix : ndarray of float32, shape (n_used, n_inputs + n_eeg)
        From volts at the montage's electrodes to the network's input and the EEG that the map is
        scaled to, side by side.
    lead_field : ndarray of float32, shape (n_eeg, n_dipoles)
        Of that EEG, V/(A·m), average-referenced.
    unlikeness : ndarray of float32, shape (n_eeg, n_eeg)
        From `unlikeness_of`.
    interpolated : tuple of str
        Electrodes of the model's cap that are filled from others.
    left_out : tuple of str
        Electrodes of the montage that nothing is taken from.
    given : mapping of str to ndarray
        What the network is given beside the EEG.
    """

    matrix: Float
    lead_field: Float
    unlikeness: Float
    interpolated: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    given: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Electrodes that are interpolated, or where none ever are, those that are left out."""
        return self.left_out if self.given else self.interpolated


class Operators(Protocol):
    """Makes the operator of a montage without some of its electrodes."""

    def __call__(self, bad: Collection[str] = ()) -> Operator:
        """Return the operator, without the electrodes that are named."""


def operators(head: Head, montage: Montage, takes: str, cortex: Cortex | None) -> Operators:
    """Return what makes the operators of a montage for a network.

    Parameters
    ----------
    head : Head
    montage : Montage
    takes : 'topography', 'eeg' or 'factor'
        The network's input.
    cortex : Cortex, optional
        What a network that is given gains looks at.
    """
    if cortex is not None:
        return AnyCap(cortex, montage)
    return OneCap(head, montage, takes_topography=takes == "topography")


class OneCap:
    """Fills the electrodes of the model's cap that are missing or bad."""

    def __init__(self, head: Head, montage: Montage, *, takes_topography: bool = True) -> None:
        self._head, self._montage, self._takes_topography = head, montage, takes_topography
        self._unlikeness = unlikeness_of(head.lead_field)

    def __call__(self, bad: Collection[str] = ()) -> Operator:
        """Return the operator, the electrodes that are named being filled from the others."""
        head, names = self._head, self._montage.names
        matrix = one_matrix(head, self._montage, bad, takes_topography=self._takes_topography)
        there = {name for name in names if name not in bad}
        interpolated = tuple(name for name in head.channels if name not in there)
        left_out = tuple(name for name in names if name in bad)
        return Operator(
            matrix.astype(np.float32), head.lead_field, self._unlikeness, interpolated, left_out
        )


class AnyCap:
    """Leaves electrodes out.

    Parameters
    ----------
    cortex : Cortex
    montage : Montage
    noise : ndarray, shape (n_electrodes, n_electrodes), optional
        Covariance; without it, the head's own.

    Attributes
    ----------
    noise : ndarray, shape (n_electrodes, n_electrodes)
        What is thought to be noise, average-referenced.
    cortex : Cortex
    montage : Montage
    """

    def __init__(
        self, cortex: Cortex, montage: Montage, noise: NDArray[np.floating] | None = None
    ) -> None:
        self.cortex, self.montage = cortex, montage
        self._gains = Gains(cortex, montage.names, montage.places_m, noise)
        self.noise = self._gains.noise

    def __call__(self, bad: Collection[str] = ()) -> Operator:
        """Return the operator, without the electrodes that are named."""
        names = self.montage.names
        is_bad = np.array([name in bad for name in names])
        matrix, lead_field, given = self._gains.without(is_bad)
        left_out = tuple(name for name in names if name in bad)
        unlikeness = unlikeness_of(lead_field)
        return Operator(matrix, lead_field, unlikeness, left_out=left_out, given=given)


def unlikeness_of(lead_field: Float) -> Float:
    """Return the matrix P by which xᵀ P x / xᵀ x says how little EEG looks like that of a brain.

    The inverse covariance of the topographies of single dipoles, each of unit length: around 1
    for what the cortex shows most, 10 and more for EEG whose electrodes have nothing to do with
    one another. Electrodes that are left out have rows of zeros in the lead field, and say nothing.

    Parameters
    ----------
    lead_field : ndarray, shape (n_eeg, n_dipoles)
        Average-referenced.

    Returns
    -------
    unlikeness : ndarray of float32, shape (n_eeg, n_eeg)
    """
    topographies = lead_field[:, ::EVERY].T
    lengths = np.sqrt(np.vecdot(topographies, topographies))[:, None]
    covariance = gram(topographies / (lengths + TINY)).astype(float)
    # The average reference leaves one direction of those that are measured empty.
    n_directions = max(1, int(np.count_nonzero(covariance.diagonal())) - 1)
    covariance *= n_directions / (float(np.trace(covariance)) + TINY)
    inverse = np.linalg.inv(covariance + LEAST_SHARE * np.eye(len(covariance)))
    return np.asarray(inverse, np.float32)
