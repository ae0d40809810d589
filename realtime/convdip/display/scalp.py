"""The scalp map, seen from above: one matrix from electrodes to pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

from convdip.live.spline import sphere_centre

N_PIXELS = 96
# The circle of the head passes the electrodes at the level of Fp1 and O1; some lie lower.
EDGE = 1.12


def flatten(electrodes_m: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the electrodes' places on a map from above (azimuthal equidistant projection).

    Returns
    -------
    places : ndarray, shape (n_electrodes, 2)
        To the right and to the front; 1 is a quarter of a circle from the vertex.
    """
    offsets = electrodes_m - sphere_centre(electrodes_m)
    offsets /= np.linalg.norm(offsets, axis=1, keepdims=True)
    from_vertex = np.arccos(np.clip(offsets[:, 2], -1, 1)) / (np.pi / 2)
    direction = np.arctan2(offsets[:, 1], offsets[:, 0])
    places: NDArray[np.float64] = from_vertex[:, None] * np.column_stack(
        [np.cos(direction), np.sin(direction)]
    )
    return places


class ScalpMap:
    """Interpolates potentials between electrodes (thin-plate spline).

    Parameters
    ----------
    electrodes_m : ndarray, shape (n_electrodes, 3)

    Attributes
    ----------
    places : ndarray, shape (n_electrodes, 2)
        In the picture, 0–1 to the right and downwards.
    """

    def __init__(self, electrodes_m: NDArray[np.float32]) -> None:
        flat = flatten(electrodes_m)
        edge = float(np.linalg.norm(flat, axis=1).max()) * EDGE
        axis = (np.arange(N_PIXELS) + 0.5) / N_PIXELS * 2 - 1
        right, front = np.meshgrid(axis * edge, -axis * edge)
        grid = np.column_stack([right.ravel(), front.ravel()])
        self.inside = np.linalg.norm(grid, axis=1) <= edge
        spline = RBFInterpolator(flat, np.eye(len(flat)), kernel="thin_plate_spline")
        self._to_pixels = spline(grid[self.inside]).astype(np.float32)
        self.places = 0.5 + np.column_stack([flat[:, 0], -flat[:, 1]]) / edge / 2

    def values(self, eeg: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the map's pixels, NaN outside the head.

        Parameters
        ----------
        eeg : ndarray, shape (n_electrodes,)

        Returns
        -------
        values : ndarray, shape (96, 96)
            In the unit of the EEG, the front in the first row.
        """
        pixels = np.full(N_PIXELS * N_PIXELS, np.nan, np.float32)
        pixels[self.inside] = self._to_pixels @ eeg
        return pixels.reshape(N_PIXELS, N_PIXELS)
