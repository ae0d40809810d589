"""The part of a head's surface that is cortex: all but the medial wall, where no source can lie."""

from __future__ import annotations

import numpy as np
from convdip.head import Head
from numpy.typing import NDArray


def cortex_only(head: Head) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the dipoles of a head that are not on the medial wall, and the mesh they span.

    Returns
    -------
    dipoles : ndarray of int, shape (n_on_cortex,)
        Ascending. A dipole all of whose triangles touch the medial wall is left out.
    triangles : ndarray of int, shape (n_triangles, 3)
        Index into ``dipoles``.
    """
    triangles = head.triangles[head.is_cortex[head.triangles].all(axis=1)]
    dipoles, numbered = np.unique(triangles, return_inverse=True)
    return dipoles.astype(np.intp), np.reshape(numbered, triangles.shape).astype(np.int32)
