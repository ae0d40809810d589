"""Interpolation between places on the head, by spherical splines (Perrin et al. 1989)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

# Order of the spline and terms of its series: the values of Perrin et al. 1989, and MNE's.
SPLINE_STIFFNESS = 4
SPLINE_TERMS = 50
SPLINE_REGULARISATION = 1e-5
# Of lead fields, which have no noise. Between every second place of the 10-05 system, the upper
# head: 2.2 % off in the median; with the other one 9.9 %.
EXACT = 1e-9

Matrix = NDArray[np.float64]
Places = NDArray[np.floating]


def sphere_centre(points_m: Places) -> Matrix:
    """Return the centre of the sphere that fits points best (linear least squares)."""
    points = points_m.astype(float)
    system = np.column_stack([2 * points, np.ones(len(points))])
    solution: Matrix = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return solution[:3]


def spline_kernel(cosines: Matrix, stiffness: int = SPLINE_STIFFNESS) -> Matrix:
    """Return g(cos γ) = 1/4π Σ_n (2n + 1) / (n (n + 1))^m P_n(cos γ) (Perrin et al. 1989)."""
    n = np.arange(1, SPLINE_TERMS + 1)
    factors = np.append(0.0, (2 * n + 1) / (n * (n + 1.0)) ** stiffness / (4 * np.pi))
    kernel: Matrix = legendre.legval(np.clip(cosines, -1.0, 1.0).astype(float), factors)
    return kernel


def spline_matrix(
    from_m: Places,
    to_m: Places,
    centre: Places,
    regularisation: float = SPLINE_REGULARISATION,
) -> Matrix:
    """Return the matrix that interpolates potentials from some places to others.

    Parameters
    ----------
    from_m : ndarray, shape (n_from, 3)
    to_m : ndarray, shape (n_to, 3)
    centre : ndarray, shape (3,)
        Of the head: only directions from it count.
    regularisation : float
        The more, the smoother: for what has noise.

    Returns
    -------
    weights : ndarray, shape (n_to, n_from)
        Zero where there is nothing to interpolate from. A constant passes unchanged.
    """
    if not len(from_m):
        return np.zeros((len(to_m), 0))
    start, end = directions(from_m, centre), directions(to_m, centre)
    n = len(start)
    # [G 1; 1' 0] [weights; constant] = [potentials; 0]
    system = np.ones((n + 1, n + 1))
    system[:-1, :-1] = spline_kernel(start @ start.T) + regularisation * np.eye(n)
    system[-1, -1] = 0.0
    at_end = np.column_stack([spline_kernel(end @ start.T), np.ones(len(end))])
    weights = np.linalg.solve(system, at_end.T)[:-1].T  # the system is symmetric
    return np.asarray(weights, np.float64)


def directions(places_m: Places, centre: Places) -> Matrix:
    """Return unit vectors from the head's centre."""
    offsets: Matrix = np.asarray(places_m - centre, np.float64)
    lengths: Matrix = np.linalg.norm(offsets, axis=1, keepdims=True)
    return offsets / lengths


def spherical_spline(electrodes_m: Places, missing: Sequence[int]) -> Matrix:
    """Return the matrix that interpolates missing electrodes from the others.

    Parameters
    ----------
    electrodes_m : ndarray, shape (n_electrodes, 3)
    missing : sequence of int

    Returns
    -------
    repair : ndarray, shape (n_electrodes, n_electrodes)
        Identity for the electrodes that are there; columns of missing ones are zero. It
        passes a constant unchanged, so it may come before or after a new reference.
    """
    n = len(electrodes_m)
    repair = np.eye(n)
    if not len(missing):
        return repair
    bad = np.array(missing)
    good = np.setdiff1d(np.arange(n), bad)
    repair[bad] = 0.0
    centre = sphere_centre(electrodes_m)
    repair[np.ix_(bad, good)] = spline_matrix(electrodes_m[good], electrodes_m[bad], centre)
    return repair
