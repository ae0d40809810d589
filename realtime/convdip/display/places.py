"""Where a dipole is, in the coordinates of an atlas."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from convdip.bundle import Bundle

# fsaverage's surfaces lie in MNI305; to MNI152 (FreeSurfer wiki, "CoordinateSystems", case 8).
MNI152_FROM_MNI305 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
        [0, 0, 0, 1],
    ]
)
TEMPLATES = ("template", "fsaverage")


def told_space(bundle: Bundle) -> tuple[str, NDArray[np.float64]]:
    """Return the coordinates that a head's places are told in, and the way there.

    Returns
    -------
    name : str
        MNI152 for the template head; a subject's own MRI has no such place.
    to_space : ndarray, shape (4, 4)
        From millimetres of the head model.
    """
    try:
        subject = bundle.card["config"]["head"]["subject"]
    except (KeyError, TypeError):
        subject = None
    if subject in TEMPLATES:
        return "MNI", MNI152_FROM_MNI305
    return "MRI", np.eye(4)
