"""Minimum norm, eLORETA, sLORETA and dSPM by MNE's own implementation."""

from __future__ import annotations

from typing import Literal

import mne
import numpy as np
from convdip.head import Head
from numpy.typing import NDArray

from convdip_training.baselines.erp import Erp
from convdip_training.baselines.mne_objects import (
    eeg_info,
    evoked,
    forward_solution,
    noise_covariance,
    rank,
    unit_potentials,
)

LAMBDA2 = 1 / 9

MinimumNormMethod = Literal["MNE", "eLORETA", "sLORETA", "dSPM"]


class MinimumNorm:
    """A weighted or noise-normalised minimum norm solution.

    With the paper's parameters (section 2.4): λ² = 1/9, orientation fixed, the noise
    covariance of the first 400 ms. None but eLORETA, which brings its own, has depth weighting:
    sLORETA and dSPM as they were published, minimum norm in its plain form.

    Parameters
    ----------
    head : Head
    method : 'MNE', 'eLORETA', 'sLORETA' or 'dSPM'
    """

    def __init__(self, head: Head, method: MinimumNormMethod) -> None:
        self._info = eeg_info(head)
        self._forward = forward_solution(head)
        self._method = method

    def operator(self, erp: Erp) -> mne.minimum_norm.InverseOperator:
        """Return MNE's inverse operator for an ERP's noise, not prepared."""
        info = self._info
        with mne.use_log_level("error"):
            return mne.minimum_norm.make_inverse_operator(
                info,
                self._forward,
                noise_covariance(erp, info),
                fixed=True,
                depth=None,
                rank=rank(erp),
            )

    def kernel(self, erp: Erp) -> NDArray[np.float64]:
        """Return the solution as a matrix, shape (n_dipoles, n_electrodes).

        From V to A·m for eLORETA, to a statistic for the others. The average reference is part
        of it: a constant gives zeros.
        """
        operator = self.operator(erp)
        with mne.use_log_level("error"):
            prepared = mne.minimum_norm.prepare_inverse_operator(operator, 1, LAMBDA2, self._method)
            estimate = mne.minimum_norm.apply_inverse(
                unit_potentials(self._info), prepared, LAMBDA2, self._method, prepared=True
            )
        return np.asarray(estimate.data)

    def __call__(self, erp: Erp) -> NDArray[np.float64]:
        """Return the source map at the peak: A·m for MNE and eLORETA, else a statistic."""
        inverse = self.operator(erp)
        with mne.use_log_level("error"):
            average = evoked(erp, self._info, erp.peak, erp.peak)
            estimate = mne.minimum_norm.apply_inverse(average, inverse, LAMBDA2, self._method)
        return np.asarray(estimate.data[:, 0])
