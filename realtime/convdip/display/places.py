"""The coordinate system in which the display gives a dipole's place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.bundle import Bundle
from convdip.mni import MNI152_FROM_MNI305


def coordinate_system(bundle: Bundle) -> tuple[str, NDArray[np.float64]]:
    """Return the coordinate system for a bundle's head, and the transform to it.

    Returns
    -------
    name : str
        ``MNI`` (MNI152) for the template head, ``MRI`` for a subject's own.
    to_space : ndarray, shape (4, 4)
        Affine transform from the head model's millimetres.
    """
    if bundle.is_template:
        return "MNI", MNI152_FROM_MNI305
    return "MRI", np.eye(4)
