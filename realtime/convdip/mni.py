"""From fsaverage's surface coordinates to MNI152."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Subjects whose surface coordinates are MNI305.
TEMPLATES = ("template", "fsaverage")
# FreeSurfer wiki, "CoordinateSystems", case 8.
MNI152_FROM_MNI305 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
        [0, 0, 0, 1],
    ]
)


def mni_mm(place_m: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the MNI152 coordinates of places on fsaverage's surfaces.

    Parameters
    ----------
    place_m : ndarray, shape (…, 3)
        Surface RAS (MNI305), in metres.

    Returns
    -------
    place_mm : ndarray, shape (…, 3)
    """
    turn, shift_mm = MNI152_FROM_MNI305[:3, :3], MNI152_FROM_MNI305[:3, 3]
    moved: NDArray[np.float64] = place_m.astype(float) * 1e3 @ turn.T + shift_mm
    return moved
