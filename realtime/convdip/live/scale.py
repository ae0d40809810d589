"""Step 8: from a map without a scale to dipole moments (the paper's equation 5, in closed form)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

TINY = np.finfo(np.float32).tiny
# OpenBLAS uses several threads from a product of some 260,000 multiplications on.
ROWS, DIPOLES = 64, 128
# So few maps are quicker one by one.
FEW = 12
NAM = np.float32(1e9)  # nAm in an A·m


def scale_to_eeg(maps: Float, eeg: Float, lead_field: Float) -> tuple[Float, Float]:
    """Scale each map so that its forward projection fits the EEG best.

    The paper searches ŝ = argmin Σ (ŝ·x̂ − x)² with Brent's method, x̂ = K ĵ being the
    projection of the map. The minimum has a closed form, ŝ = ⟨x, x̂⟩ / ⟨x̂, x̂⟩. It is negative
    where the EEG has the opposite polarity of the map.

    Parameters
    ----------
    maps : ndarray, shape (n_times, n_dipoles)
        Network output ĵ, any scale.
    eeg : ndarray, shape (n_times, n_electrodes)
        Average-referenced, in volts.
    lead_field : ndarray, shape (n_electrodes, n_dipoles)
        Average-referenced, V/(A·m).

    Returns
    -------
    moments_nam : ndarray, shape (n_times, n_dipoles)
        Nanoampere-metres. Written over ``maps``.
    goodness_of_fit : ndarray, shape (n_times,)
        1 − |x − ŝ·x̂|² / |x|², the share of the EEG's variance explained; 0 for zero EEG.
    """
    projected = _project(maps, lead_field)
    overlap = np.vecdot(eeg, projected)
    power = np.vecdot(projected, projected)
    eeg_power = np.vecdot(eeg, eeg)
    # Where a power is zero the overlap is zero too, and so is what is divided.
    scale = overlap / np.maximum(power, TINY)
    fit = overlap * scale / np.maximum(eeg_power, TINY)
    maps *= (scale * NAM)[:, None]
    return maps, fit


def _project(maps: Float, lead_field: Float) -> Float:
    """Return ``maps @ lead_field.T``, in products too small for BLAS to wake its threads.

    They would delay a sample, take cores from a host program, and get in each other's way where
    several batches are imaged at once.
    """
    n, n_dipoles = maps.shape
    projected = np.zeros((n, len(lead_field)), np.float32)
    if n <= FEW:
        for i in range(n):
            projected[i] = maps[i] @ lead_field.T
        return projected
    for row in range(0, n, ROWS):
        rows = slice(row, row + ROWS)
        for dipole in range(0, n_dipoles, DIPOLES):
            some = slice(dipole, dipole + DIPOLES)
            projected[rows] += maps[rows, some] @ lead_field[:, some].T
    return projected
