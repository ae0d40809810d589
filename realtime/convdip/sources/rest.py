"""A person at rest, simulated: alpha of the occipital cortex while the eyes are closed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convdip.head import Head
from convdip.patches import patch_dictionary
from convdip.sources.background import PATCH_ORDER, background_eeg, coloured_noise

ALPHA_HZ = (9.0, 11.0)
REGIONS = ("cuneus", "pericalcarine", "lateraloccipital")
# Root mean square over electrodes: what is there all the time, and what closed eyes add to it.
BACKGROUND_UV, ALPHA_UV = 6.0, 5.0
N_PATCHES = 4
# In which alpha comes and goes.
RAMP_S = 0.5


def resting_eeg(
    head: Head, spans_s: Sequence[tuple[float, bool]], sfreq_hz: float = 500.0, seed: int = 0
) -> NDArray[np.float32]:
    """Return the EEG of a person at rest.

    Parameters
    ----------
    head : Head
    spans_s : sequence of (float, bool)
        One after the other: how long, and whether the eyes are closed.
    sfreq_hz : float
    seed : int

    Returns
    -------
    eeg_uv : ndarray of float32, shape (n_times, n_electrodes)
    """
    rng = np.random.default_rng(seed)
    is_closed = np.concatenate([np.full(round(s * sfreq_hz), closed) for s, closed in spans_s])
    n_times, n_ramp = len(is_closed), round(RAMP_S * sfreq_hz)
    envelope = np.convolve(is_closed, np.ones(n_ramp) / n_ramp, "same")
    seeds = rng.choice(np.flatnonzero(head.in_regions(REGIONS) & head.is_cortex), N_PATCHES, False)
    patches = patch_dictionary(head.triangles, head.dipoles_m, PATCH_ORDER)[seeds]
    courses = coloured_noise(N_PATCHES, n_times, sfreq_hz, np.zeros(N_PATCHES), rng, ALPHA_HZ)
    alpha = courses @ (head.lead_field @ patches.T).T
    background = background_eeg(head, n_times, sfreq_hz, rng, alpha_share=0.0)
    eeg_uv = BACKGROUND_UV * background
    eeg_uv += ALPHA_UV * envelope[:, None] * alpha / np.sqrt(np.mean(np.square(alpha)))
    return eeg_uv.astype(np.float32)
