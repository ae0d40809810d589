"""Whitened gains: what a network is given of the head, the cap and the noise.

With K the lead field of the electrodes, N the covariance of their noise and p a patch of cortex, a
source there adds K p to the EEG. In directions in which the noise is white that is g = W K p, with
W N Wᵀ = 1; what a source of either sign and any strength looks like is g's direction, and how well
the cap sees it is g's length. The network takes both, for patches of a few sizes at each dipole.

An electrode that cannot be believed is one direction that says nothing, W e, for whatever it
measures adds along it: projected out of gains and EEG, it is as if the electrode had not been
there. That takes a millisecond or two, so that it can be done between two samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convdip.errors import BundleError
from convdip.head import Head, Scalp
from convdip.live.products import product
from convdip.live.spline import EXACT, Places, sphere_centre, spline_matrix
from convdip.live.topography import average_reference
from convdip.patches import patch_dictionary

Float = NDArray[np.float32]

# Of all directions in which the EEG of a large cap may vary, those in which the cortex is seen
# best: with more, nothing is found any better.
N_DIRECTIONS = 32
# Share of the largest variance of the noise that is added everywhere: no lead field is exact, and
# it is least so where there is hardly any noise.
LEAST_VARIANCE = 0.01
# Dipoles around one that the network asks about in its first stages, and around any other.
N_NEIGHBOURS, N_NEAR = 6, 2
# What a dipole is told of the coarse ones near it.
N_TOLD = 8
# An electrode is the one of that name if it lies no further off; the table's places are rounded.
SAME_PLACE_M = 1e-4
# Weights are the inverse of distances beyond this.
NO_DISTANCE_M = 1e-3
# No patch of cortex is so hard to see: the logarithm of its length over the median.
INVISIBLE = -50.0
TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Looks:
    """How a network looks at a head.

    Attributes
    ----------
    orders : tuple of int
        Neighbourhood orders of the patches.
    n_coarse : int
        Dipoles that it looks at first.
    """

    orders: tuple[int, ...]
    n_coarse: int


class Cortex:
    """What a network looks at of a head, whatever the cap: made once, it takes half a second.

    Parameters
    ----------
    head : Head
    looks : Looks

    Attributes
    ----------
    head : Head
    looks : Looks
    scalp : Scalp
    patches : list of sparse array, shape (n_dipoles, n_dipoles)
        Of each order.
    coarse : ndarray of int, shape (n_coarse,)
        The dipoles that the network looks at first.
    given : dict of ndarray
        What the network is given of it.

    Raises
    ------
    BundleError
        If the head knows no electrodes but its own.
    """

    def __init__(self, head: Head, looks: Looks) -> None:
        if head.scalp is None:
            raise BundleError(
                "the model takes the EEG of any cap, but its head holds none but its own: expected "
                "a head model with the arrays scalp_…; export the bundle anew"
            )
        self.head, self.looks, self.scalp = head, looks, head.scalp
        self.patches = [
            patch_dictionary(head.triangles, head.dipoles_m, order) for order in looks.orders
        ]
        points = head.inflated_m.astype(float)
        cortex = np.flatnonzero(head.is_cortex)
        coarse = cortex[spread_out(points[cortex], min(looks.n_coarse, cortex.size))]
        self.coarse = coarse
        is_cortex = head.is_cortex.astype(np.float32)
        self.given = {"is_cortex": is_cortex, **neighbours(points[coarse], points)}


class Gains:
    """The gains of a cap's electrodes, and of fewer of them.

    Parameters
    ----------
    cortex : Cortex
    names : sequence of str, length n_electrodes
    places_m : ndarray, shape (n_electrodes, 3)
        In the head's frame.
    noise : ndarray, shape (n_electrodes, n_electrodes), optional
        Covariance of the noise, in any unit and reference; without it, the head's own.

    Attributes
    ----------
    noise : ndarray, shape (n_electrodes, n_electrodes)
        Average-referenced.
    """

    def __init__(
        self,
        cortex: Cortex,
        names: Sequence[str],
        places_m: Places,
        noise: NDArray[np.floating] | None = None,
    ) -> None:
        scalp = cortex.scalp
        onto = scalp_weights(scalp, names, places_m)
        self._lead_field: Float = product(onto.astype(np.float32), scalp.lead_field)
        n = len(names)
        reference = average_reference(n)
        if noise is None:
            noise = onto @ scalp.noise.astype(float) @ onto.T
        self.noise = reference @ noise @ reference
        fields = product(reference.astype(np.float32), self._lead_field)
        topographies = np.stack([patch @ fields.T for patch in cortex.patches], axis=1)
        self._whitener = whitening(self.noise, topographies[:, 0], LEAST_VARIANCE) @ reference
        whitener = self._whitener.T.astype(np.float32)
        self._gains = _each(topographies, whitener)
        self._cortex = cortex

    def without(self, is_bad: NDArray[np.bool_]) -> tuple[Float, Float, dict[str, NDArray[Any]]]:
        """Return how the other electrodes are imaged.

        Parameters
        ----------
        is_bad : ndarray of bool, shape (n_electrodes,)

        Returns
        -------
        matrix : ndarray, shape (n_electrodes, N_DIRECTIONS + n_electrodes)
            From potentials to whitened EEG, and to EEG against the average of the electrodes that
            are left. Rows of bad electrodes are zero.
        lead_field : ndarray, shape (n_electrodes, n_dipoles)
            Of that EEG; zero in the bad ones.
        given : dict of ndarray
            What the network is given beside the EEG.
        """
        n, r = len(is_bad), len(self._whitener)
        out = _basis(self._whitener[:, is_bad])
        whitener = self._whitener - out @ (out.T @ self._whitener)
        rank = r - out.shape[1]
        good = np.flatnonzero(~is_bad)
        matrix = np.zeros((n, N_DIRECTIONS + n), np.float32)
        matrix[good, :r] = whitener[:, good].T
        matrix[np.ix_(good, N_DIRECTIONS + good)] = average_reference(len(good))
        lead_field = np.zeros_like(self._lead_field)
        own = self._lead_field[good]
        lead_field[good] = own - own.sum(axis=0) / max(len(good), 1)

        basis = out.astype(np.float32)
        left = self._gains - _each(_each(self._gains, basis), basis.T)
        cortex = self._cortex
        gains = given_of(left, cortex.head.is_cortex, rank, cortex.coarse)
        return matrix, lead_field, {**gains, **cortex.given}


def scalp_weights(scalp: Scalp, names: Sequence[str], places_m: Places) -> NDArray[np.float64]:
    """Return the matrix from potentials at the scalp's places to those at electrodes.

    Parameters
    ----------
    scalp : Scalp
    names : sequence of str, length n_electrodes
    places_m : ndarray, shape (n_electrodes, 3)

    Returns
    -------
    weights : ndarray, shape (n_electrodes, n_places)
        An electrode that is one of the scalp's is taken as it is; others are interpolated by
        spherical splines.
    """
    weights = np.zeros((len(names), len(scalp.names)))
    column = {name: i for i, name in enumerate(scalp.names)}
    between = []
    for row, (name, at_m) in enumerate(zip(names, places_m, strict=True)):
        i = column.get(name)
        if i is not None and np.linalg.norm(scalp.places_m[i] - at_m) < SAME_PLACE_M:
            weights[row, i] = 1.0
        else:
            between.append(row)
    if between:
        centre = sphere_centre(scalp.places_m)
        wanted = np.asarray(places_m)[between]
        weights[between] = spline_matrix(scalp.places_m, wanted, centre, EXACT)
    return weights


def whitening(
    noise: NDArray[np.floating], topographies: Float, least_variance: float
) -> NDArray[np.float64]:
    """Return the matrix that makes noise white, in those directions that see the cortex best.

    Parameters
    ----------
    noise : ndarray, shape (n_electrodes, n_electrodes)
        Average-referenced.
    topographies : ndarray, shape (n_dipoles, n_electrodes)
    least_variance : float
        Share of the largest variance that is added to each.

    Returns
    -------
    whitener : ndarray, shape (n_directions, n_electrodes)
    """
    variances, directions = np.linalg.eigh(noise)
    # The average reference leaves one direction empty.
    scale = np.sqrt(variances[1:].clip(0.0) + least_variance * variances[-1])
    whitener = np.asarray((directions[:, 1:] / scale).T)
    if len(whitener) <= N_DIRECTIONS:
        return whitener
    seen = product(topographies, whitener.T.astype(np.float32)).astype(float)
    _, leading = np.linalg.eigh(seen.T @ seen)
    return np.asarray(leading[:, -N_DIRECTIONS:].T @ whitener)


def given_of(
    whitened: Float, is_cortex: NDArray[np.bool_], rank: int, coarse: NDArray[np.intp]
) -> dict[str, NDArray[Any]]:
    """Return what a network is given of electrodes.

    Parameters
    ----------
    whitened : ndarray, shape (n_dipoles, n_orders, n_directions)
    is_cortex : ndarray of bool, shape (n_dipoles,)
        Where there is none, the gains are 0.
    rank : int
        Directions that are used.
    coarse : ndarray of int, shape (n_coarse,)

    Returns
    -------
    given : dict of ndarray
        ``gains``, shape (n_dipoles, n_orders, N_DIRECTIONS): of unit length, what is beyond the
        directions being 0. ``middle``, shape (n_dipoles, N_DIRECTIONS): of the patches of middle
        size. ``seen``, shape (n_dipoles, n_orders + 1): the logarithm of their length over the
        median of the order, below ``INVISIBLE`` where there is no cortex; and a 1. All three again
        of the coarse dipoles, as ``coarse_…``. ``uniform``, shape (N_DIRECTIONS, N_DIRECTIONS): the
        covariance of whitened EEG if the coarse patches were equally active, its trace 1. ``rank``,
        shape (1,).
    """
    n_dipoles, n_orders, n = whitened.shape
    lengths = np.sqrt(np.vecdot(whitened, whitened)) + TINY
    gains = np.zeros((n_dipoles, n_orders, N_DIRECTIONS), np.float32)
    np.multiply(whitened, (is_cortex[:, None] / lengths)[..., None], out=gains[..., :n])
    seen = np.ones((n_dipoles, n_orders + 1), np.float32)
    logs = np.log(lengths)
    seen[:, :-1] = logs - np.median(logs[is_cortex], axis=0)
    seen[~is_cortex, :-1] = 2 * INVISIBLE
    given = {"gains": gains, "middle": np.ascontiguousarray(gains[:, n_orders // 2]), "seen": seen}
    given |= {f"coarse_{name}": array[coarse] for name, array in given.items()}
    few = given["coarse_gains"].reshape(-1, N_DIRECTIONS)
    uniform = product(few.T, few)
    rank_of = np.array([rank], np.float32)
    uniform /= max(np.trace(uniform), TINY)  # of no electrode, nothing
    return {**given, "uniform": uniform, "rank": rank_of}


def _each(vectors: Float, matrix: Float) -> Float:
    """Return vectors times a matrix, shape (n_dipoles, n_orders, n_columns)."""
    n_dipoles, n_orders, n_rows = vectors.shape
    flat = product(vectors.reshape(n_dipoles * n_orders, n_rows), matrix)
    return np.asarray(flat.reshape(n_dipoles, n_orders, matrix.shape[1]))


def _basis(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an orthonormal basis of what columns span, shape (n_rows, rank)."""
    left, sizes, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * sizes.max(initial=TINY)])


def neighbours(coarse: NDArray[np.float64], points: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return which coarse dipoles lie around each other, and around any dipole.

    Parameters
    ----------
    coarse : ndarray, shape (n_coarse, 3)
        On the inflated cortex, where what is near lies near along the cortex.
    points : ndarray, shape (n_dipoles, 3)

    Returns
    -------
    neighbours : dict
        ``neighbours``, shape (N_NEIGHBOURS, n_coarse); ``near``, shape (N_NEAR, n_dipoles);
        ``near_weights``, shape (N_NEAR, n_dipoles, N_TOLD), the same for all that is told.
    """
    from scipy.spatial import KDTree  # half a second, which only such a network waits for

    tree = KDTree(coarse)
    _, around = tree.query(coarse, k=N_NEIGHBOURS + 1)
    far_m, near = tree.query(points, k=N_NEAR)
    weights = (1 / (far_m + NO_DISTANCE_M)).T
    weights /= weights.sum(axis=0)
    return {
        "neighbours": np.ascontiguousarray(around[:, 1:].T, np.int32),
        "near": np.ascontiguousarray(near.T, np.int32),
        "near_weights": np.repeat(weights[..., None].astype(np.float32), N_TOLD, axis=2),
    }


def spread_out(points: NDArray[np.float64], n: int, first: int = 0) -> NDArray[np.intp]:
    """Return points that are spread evenly: each is the one farthest from those before it.

    Parameters
    ----------
    points : ndarray, shape (n_points, 3)
    n : int
    first : int
        To begin with.
    """
    chosen = np.empty(n, np.intp)
    chosen[0] = first
    nearest = np.linalg.norm(points - points[first], axis=1)
    for i in range(1, n):
        chosen[i] = nearest.argmax()
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[i]], axis=1))
    return chosen
