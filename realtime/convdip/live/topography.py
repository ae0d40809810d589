"""Step 6: interpolate missing electrodes, re-reference, map to 7×11: one precomputed matrix.

Everything between the stream and the network is linear, so a sample costs one product of a
small matrix with a vector, whatever the stream's channels, units and missing electrodes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from convdip.head import Head
from convdip.live.montage import Montage
from convdip.live.spline import Matrix, Places, sphere_centre, spherical_spline, spline_matrix


def average_reference(n_electrodes: int) -> Matrix:
    """Return the matrix that subtracts the mean over all electrodes."""
    return np.eye(n_electrodes) - 1.0 / max(n_electrodes, 1)


def repair_matrix(electrodes_m: Places, missing: Sequence[int]) -> Matrix:
    """Return the matrix that interpolates missing electrodes, then re-references to the average.

    Parameters
    ----------
    electrodes_m : ndarray, shape (n_electrodes, 3)
    missing : sequence of int
    """
    return average_reference(len(electrodes_m)) @ spherical_spline(electrodes_m, missing)


def input_matrices(
    head: Head, montage: Montage, bad: Collection[str] = ()
) -> tuple[Matrix, Matrix]:
    """Return the matrices from the electrodes of a stream to EEG and topography.

    Parameters
    ----------
    head : Head
    montage : Montage
    bad : collection of str
        Electrodes of the montage that are not to be used: filled from the others where the model
        has them, like missing ones.

    Returns
    -------
    to_eeg : ndarray, shape (n_electrodes, n_used)
        From volts at the montage's electrodes to volts at the model's, average-referenced; those
        that are missing or bad are interpolated from all electrodes that are there. Columns of
        bad electrodes are zero.
    to_topography : ndarray, shape (77, n_used)
        The same, interpolated to the 7×11 image, row by row.
    """
    good = [i for i, name in enumerate(montage.names) if name not in bad]
    column = {montage.names[i]: i for i in good}
    fill = [row for row, name in enumerate(head.channels) if name not in column]
    to_eeg = np.zeros((head.n_electrodes, len(montage.names)))
    for row, name in enumerate(head.channels):
        if name in column:
            to_eeg[row, column[name]] = 1.0
    if fill:
        centre = sphere_centre(head.electrodes_m)
        places_m, wanted_m = montage.places_m[good], head.electrodes_m[fill]
        to_eeg[np.ix_(fill, good)] = spline_matrix(places_m, wanted_m, centre)
    to_eeg = average_reference(head.n_electrodes) @ to_eeg
    return to_eeg, head.interpolation @ to_eeg


def one_matrix(
    head: Head, montage: Montage, bad: Collection[str] = (), *, takes_topography: bool
) -> Matrix:
    """Return the product that prepares a sample for the network and for the scale.

    Parameters
    ----------
    head, montage, bad
        As for `input_matrices`.
    takes_topography : bool
        Whether the network's input is the 7×11 image.

    Returns
    -------
    matrix : ndarray, shape (n_used, n_inputs + n_electrodes)
        From volts at the montage's electrodes to the network's input and the model's EEG.
    """
    to_eeg, to_topography = input_matrices(head, montage, bad)
    both = np.vstack([to_topography if takes_topography else to_eeg, to_eeg])
    return np.ascontiguousarray(both.T)
