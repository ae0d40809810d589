"""Step 3: interpolate missing electrodes, re-reference, map to 7×11: one precomputed matrix.

Everything between the stream and the network is linear, so a sample costs one product of a
small matrix with a vector, whatever the stream's channels, units and missing electrodes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from convdip.head import Head
from convdip.live.montage import Montage

# Order of the spline and terms of its series: the values of Perrin et al. 1989, and MNE's.
SPLINE_STIFFNESS = 4
SPLINE_TERMS = 50
SPLINE_REGULARISATION = 1e-5

Matrix = NDArray[np.float64]


def average_reference(n_electrodes: int) -> Matrix:
    """Return the matrix that subtracts the mean over all electrodes."""
    return np.eye(n_electrodes) - 1.0 / n_electrodes


def sphere_centre(points_m: NDArray[np.float32]) -> Matrix:
    """Return the centre of the sphere that fits points best (linear least squares)."""
    points = points_m.astype(float)
    system = np.column_stack([2 * points, np.ones(len(points))])
    solution: Matrix = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return solution[:3]


def _spline_kernel(cosines: Matrix) -> Matrix:
    """Return g(cos γ) = 1/4π Σ_n (2n + 1) / (n (n + 1))^m P_n(cos γ) (Perrin et al. 1989)."""
    n = np.arange(1, SPLINE_TERMS + 1)
    factors = np.append(0.0, (2 * n + 1) / (n * (n + 1.0)) ** SPLINE_STIFFNESS / (4 * np.pi))
    kernel: Matrix = legendre.legval(cosines, factors)
    return kernel


def spherical_spline(electrodes_m: NDArray[np.float32], missing: Sequence[int]) -> Matrix:
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
    places = electrodes_m - sphere_centre(electrodes_m)
    places /= np.linalg.norm(places, axis=1, keepdims=True)
    kernel = _spline_kernel(np.clip(places @ places.T, -1, 1).astype(float))

    # [G 1; 1' 0] [weights; constant] = [potentials; 0]
    system = np.ones((good.size + 1, good.size + 1))
    system[:-1, :-1] = kernel[np.ix_(good, good)] + SPLINE_REGULARISATION * np.eye(good.size)
    system[-1, -1] = 0.0
    weights = np.linalg.pinv(system)[:, :-1]
    at_missing = np.column_stack([kernel[np.ix_(bad, good)], np.ones(bad.size)])
    repair[bad] = 0.0
    repair[np.ix_(bad, good)] = at_missing @ weights
    return repair


def repair_matrix(electrodes_m: NDArray[np.float32], missing: Sequence[int]) -> Matrix:
    """Return the matrix that interpolates missing electrodes, then re-references to the average.

    Parameters
    ----------
    electrodes_m : ndarray, shape (n_electrodes, 3)
    missing : sequence of int
    """
    return average_reference(len(electrodes_m)) @ spherical_spline(electrodes_m, missing)


def input_matrices(head: Head, montage: Montage) -> tuple[Matrix, Matrix]:
    """Return the matrices from a stream's channels to EEG and topography.

    Parameters
    ----------
    head : Head
    montage : Montage

    Returns
    -------
    to_eeg : ndarray, shape (n_electrodes, n_stream_channels)
        To volts at the model's electrodes, missing ones interpolated, average-referenced.
    to_topography : ndarray, shape (77, n_stream_channels)
        The same, interpolated to the 7×11 image, row by row.
    """
    missing = [head.channels.index(name) for name in montage.missing]
    to_eeg = repair_matrix(head.electrodes_m, missing) @ montage.to_volts
    return to_eeg, head.interpolation @ to_eeg
