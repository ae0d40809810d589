"""The 7×11 image of the scalp: a fixed electrode layout, filled in between.

The layout is the published one (31 electrodes of the 10-05 system, Fz being the reference).
Empty pixels are filled by biharmonic interpolation: the thin-plate spline, which is the
fundamental solution of the biharmonic equation in two dimensions. It is linear in the
potentials, hence one matrix.
"""

from __future__ import annotations

import numpy as np
from convdip.errors import ConfigError
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

SHAPE = (7, 11)
N_PIXELS = SHAPE[0] * SHAPE[1]

LAYOUT = {  # electrode: (row from the front, column from the left)
    "Fp1": (0, 4), "Fp2": (0, 6),
    "F7": (1, 2), "F3": (1, 3), "F4": (1, 7), "F8": (1, 8),
    "FT9": (2, 0), "FC5": (2, 2), "FC1": (2, 4), "FC2": (2, 6), "FC6": (2, 8), "FT10": (2, 10),
    "T7": (3, 1), "C3": (3, 3), "Cz": (3, 5), "C4": (3, 7), "T8": (3, 9),
    "TP9": (4, 0), "CP5": (4, 2), "CP1": (4, 4), "CP2": (4, 6), "CP6": (4, 8), "TP10": (4, 10),
    "P7": (5, 2), "P3": (5, 3), "Pz": (5, 5), "P4": (5, 7), "P8": (5, 8),
    "O1": (6, 4), "Oz": (6, 5), "O2": (6, 6),
}  # fmt: skip


def interpolation_matrix(electrodes: tuple[str, ...]) -> NDArray[np.float32]:
    """Return the matrix from electrode potentials to the 77 pixels, row by row.

    Parameters
    ----------
    electrodes : tuple of str
        Labels, all in `LAYOUT`.

    Returns
    -------
    interpolation : ndarray, shape (77, n_electrodes)
    """
    unknown = [name for name in electrodes if name not in LAYOUT]
    if unknown:
        raise ConfigError(
            f"electrodes {', '.join(unknown)} have no place in the 7×11 layout: "
            f"expected names out of {', '.join(LAYOUT)}"
        )
    places = np.array([LAYOUT[name] for name in electrodes], float)
    pixels = np.argwhere(np.ones(SHAPE)).astype(float)
    fill = RBFInterpolator(places, np.eye(len(electrodes)), kernel="thin_plate_spline")
    matrix: NDArray[np.float32] = fill(pixels).astype(np.float32)
    return matrix
