"""The model and linear inverses on ongoing EEG: samples in, maps out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from convdip.bundle import Bundle
from convdip.head import Head
from numpy.typing import NDArray

from convdip_training.baselines.erp import Erp
from convdip_training.baselines.lcmv import Lcmv
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.evaluation.as_live import imager_of

Float = NDArray[np.float64]
# (n_times, n_electrodes) in volts → (n_times, n_dipoles), signed.
Imaging = Callable[[Float], NDArray[np.floating]]

MINIMUM_NORM = "minimum norm"
# Its size changes the scale of the maps alone.
SENSOR_NOISE_V = 1e-6


def model_imaging(bundle: Bundle) -> Imaging:
    """Return a bundle as the live service runs it: signed moments in nAm."""
    imager = imager_of(bundle)
    return lambda eeg: imager(eeg).moments_nam


def linear_imaging(
    head: Head, white: Float, eeg: Float, noise: Float | None = None
) -> dict[str, Imaging]:
    """Return MNE's linear inverses by name.

    LCMV's data covariance is that of the EEG, its noise covariance that of white sensor noise: by
    the noise before a cue it would cancel the very rhythm that fades after it.

    Parameters
    ----------
    head : Head
    white : ndarray, shape (n_channels, n_electrodes)
        See `KnownRecording`.
    eeg : ndarray, shape (n_times, n_electrodes)
    noise : ndarray, shape (n_noise_times, n_electrodes), optional
        EEG for the noise covariance of all methods but LCMV; white sensor noise without it.

    Returns
    -------
    methods : dict of callable
        Minimum norm and eLORETA give A·m, the others statistics without a unit; all are signed.
    """
    # One electrode after another, with either sign: SENSOR_NOISE_V is the SD at each.
    sensors = np.concatenate([white, -white]) * SENSOR_NOISE_V * np.sqrt(len(white))
    erp = _as_erp(sensors if noise is None else noise, eeg)
    kernels = {
        MINIMUM_NORM: MinimumNorm(head, "MNE").kernel(erp),
        "eLORETA": MinimumNorm(head, "eLORETA").kernel(erp),
        "sLORETA": MinimumNorm(head, "sLORETA").kernel(erp),
        "dSPM": MinimumNorm(head, "dSPM").kernel(erp),
        "LCMV": Lcmv(head).kernel(_as_erp(sensors, eeg)),
    }
    return {name: partial(_apply, kernel) for name, kernel in kernels.items()}


def _apply(kernel: Float, eeg: Float) -> Float:
    return np.asarray(eeg @ kernel.T)


def _as_erp(noise: Float, eeg: Float) -> Erp:
    """Return one trial whose baseline is the noise; its rate and peak mean nothing."""
    return Erp(np.concatenate([noise, eeg])[None], np.nan, len(noise), len(noise), 0)
