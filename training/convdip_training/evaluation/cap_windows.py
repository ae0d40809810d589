"""Windows of EEG with independent sources, seen by caps of any size.

Fifty samples, an SNR of 2 in each, one to ten patches whose courses are independent white noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from convdip.head import Head
from convdip.live.gains import Gains
from convdip.live.network import Network
from convdip.live.operator import Operator, unlikeness_of
from convdip.live.topography import average_reference
from convdip.live.window import power_of
from convdip.patches import cortex_only, patch_dictionary
from numpy.typing import NDArray

from convdip_training.anatomy.resample import carry_to, to_model
from convdip_training.baselines.erp import Erp
from convdip_training.baselines.lcmv import Lcmv
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.evaluation.alternative import N_NEIGHBOURS
from convdip_training.evaluation.ongoing_methods import LCMV_REGULARISATION, Filtered

Float = NDArray[np.float64]
Method = Callable[[Filtered], NDArray[np.floating]]

N_TIMES, N_QUIET, SFREQ_HZ = 50, 500, 100.0
SNR, N_SOURCES, ORDERS, MOMENT_NAM = 2.0, (1, 10), (2, 7), (5.0, 10.0)
NAM = 1e-9


class WindowSet:
    """Draws windows; each depends only on the seed and its number.

    Parameters
    ----------
    seed : int
    model : Head
    alternative : Head
        Its electrodes everywhere.
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
    """

    def __init__(
        self, seed: int, model: Head, alternative: Head, noise: NDArray[np.float32]
    ) -> None:
        self._seed = seed
        self._noise = noise.reshape(-1, noise.shape[-1])
        cortex, triangles = cortex_only(alternative)
        self._field = alternative.lead_field[:, cortex].T.astype(float)
        self._transform = carry_to(model, alternative, N_NEIGHBOURS)[:, cortex]
        self._patches = [
            patch_dictionary(triangles, alternative.dipoles_m[cortex], order)
            for order in range(ORDERS[0], ORDERS[1] + 1)
        ]

    def __getitem__(self, i: int) -> tuple[Float, NDArray[np.float32], int]:
        """Return noise and window, shape (N_QUIET + N_TIMES, n_electrodes), and their truth.

        The truth is root mean square moments on the model's dipoles, and the number of sources.
        """
        rng = np.random.default_rng([self._seed, *b"windows", i])
        n_sources = int(rng.integers(N_SOURCES[0], N_SOURCES[1] + 1))
        seeds = rng.integers(self._patches[0].shape[0], size=n_sources)
        orders = rng.integers(len(self._patches), size=n_sources)
        moments = rng.uniform(*MOMENT_NAM, n_sources) * NAM
        maps = np.array(
            [
                moment * self._patches[order][[seed]].toarray()[0]
                for seed, order, moment in zip(seeds, orders, moments, strict=True)
            ]
        )
        courses = rng.standard_normal((N_TIMES, n_sources))
        signal = courses @ (maps @ self._field)
        level = np.sqrt(np.square(signal).mean(axis=0).max()) / SNR
        eeg = level * self._noise[rng.integers(len(self._noise), size=N_QUIET + N_TIMES)]
        eeg[N_QUIET:] += signal
        truth = np.sqrt(np.square(courses @ maps).mean(axis=0))
        return eeg, to_model(truth[None], self._transform)[0], n_sources


def window_of(eeg: Float, rows: list[int]) -> Filtered:
    """Return what a cap sees of a window."""
    referenced = eeg[:, rows] @ average_reference(len(rows))
    return Filtered(referenced[None], SFREQ_HZ, N_QUIET, N_QUIET, 0)


def window_methods(
    model: str, names: tuple[str, ...], head: Head, network: Network
) -> dict[str, Method]:
    """Return the model and its rivals for a cap.

    Parameters
    ----------
    model : str
        What it is called.
    names : tuple of str
    head : Head
        With the cap's electrodes.
    network : Network
    """
    cortex = network.cortex
    assert cortex is not None
    places_m = head.electrodes_m.astype(float)
    model_noise = Gains(cortex, names, places_m).noise

    def look(window: Filtered) -> NDArray[np.floating]:
        gains = Gains(cortex, names, places_m, window.rest_covariance(model_noise))
        matrix, lead_field, given = gains.without(np.zeros(len(names), bool))
        operator = Operator(matrix, lead_field, unlikeness_of(lead_field), given=given)
        rms_nam, _ = power_of(window.active.astype(np.float32), operator, network)
        return rms_nam

    def power(kernel: Callable[[Erp], Float]) -> Method:
        return lambda window: np.sqrt(np.square(window.active @ kernel(window).T).mean(axis=0))

    return {
        model: look,
        "eLORETA": power(MinimumNorm(head, "eLORETA").kernel),
        "sLORETA": power(MinimumNorm(head, "sLORETA").kernel),
        "LCMV": power(Lcmv(head, regularisation=LCMV_REGULARISATION).kernel),
    }
