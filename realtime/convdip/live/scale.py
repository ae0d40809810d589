"""Step 5: from a map without a scale to dipole moments (the paper's equation 5, in closed form)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

TINY = np.finfo(np.float32).tiny
# Larger batches than this are pieces of a recording.
LIVE_BATCH = 64
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
    if len(maps) <= LIVE_BATCH:
        projected = maps @ lead_field.T
    else:  # a recording, in several threads: there, BLAS' own threads would get in the way
        projected = np.vecdot(maps[:, None], lead_field)
    overlap = np.vecdot(eeg, projected)
    power = np.vecdot(projected, projected)
    eeg_power = np.vecdot(eeg, eeg)
    # Where a power is zero the overlap is zero too, and so is what is divided.
    scale = overlap / np.maximum(power, TINY)
    fit = overlap * scale / np.maximum(eeg_power, TINY)
    maps *= (scale * NAM)[:, None]
    return maps, fit
