"""The LCMV beamformer by MNE's own implementation."""

from __future__ import annotations

import mne
import numpy as np
from convdip.head import Head
from numpy.typing import NDArray

from convdip_training.baselines.erp import Erp
from convdip_training.baselines.mne_objects import (
    data_covariance,
    eeg_info,
    evoked,
    forward_solution,
    noise_covariance,
    rank,
    unit_potentials,
)

REGULARISATION = 0.05


class Lcmv:
    """LCMV with the paper's parameters (section 2.4) and, as in its code, neural activity index.

    Parameters
    ----------
    head : Head
    free_lead_field : ndarray, shape (n_electrodes, 3 · n_dipoles), optional
        From `free_lead_field`: image all orientations and take their norm,
        instead of dipoles normal to the cortex.
    regularisation : float
        Of the data covariance, MNE's ``reg``.
    """

    def __init__(
        self,
        head: Head,
        free_lead_field: NDArray[np.float32] | None = None,
        regularisation: float = REGULARISATION,
    ) -> None:
        self._regularisation = regularisation
        self._info = eeg_info(head)
        self._forward = forward_solution(head, free_lead_field)

    def filters(self, erp: Erp) -> mne.beamformer.Beamformer:
        """Return MNE's spatial filters for an ERP's covariances of noise and data."""
        info = self._info
        with mne.use_log_level("error"):
            return mne.beamformer.make_lcmv(
                info,
                self._forward,
                data_covariance(erp, info),
                reg=self._regularisation,
                noise_cov=noise_covariance(erp, info),
                weight_norm="nai",
                rank=rank(erp),
            )

    def kernel(self, erp: Erp) -> NDArray[np.float64]:
        """Return the filters as a matrix, shape (n_dipoles, n_electrodes).

        From V to neural activity indices. The average reference is part of it.
        """
        filters = self.filters(erp)
        with mne.use_log_level("error"):
            estimate = mne.beamformer.apply_lcmv(unit_potentials(self._info), filters)
        return np.asarray(estimate.data)

    def __call__(self, erp: Erp) -> NDArray[np.float64]:
        """Return the source map at the peak, in units of the noise."""
        filters = self.filters(erp)
        with mne.use_log_level("error"):
            average = evoked(erp, self._info, erp.peak, erp.peak)
            estimate = mne.beamformer.apply_lcmv(average, filters)
        return np.asarray(estimate.data[:, 0])
