"""What one sample costs by MNE's ``apply_inverse_raw``: what a user would otherwise write."""

from __future__ import annotations

import time
from typing import Any

import mne
import numpy as np
from convdip.head import Head
from numpy.typing import NDArray

from convdip_training.baselines.erp import Erp
from convdip_training.baselines.minimum_norm import LAMBDA2, MinimumNorm
from convdip_training.baselines.mne_objects import eeg_info

N_UNPREPARED, N_PREPARED = 20, 200
N_WARM_UP = 3


def time_apply_inverse_raw(
    head: Head, erp: Erp, n_unprepared: int = N_UNPREPARED, n_prepared: int = N_PREPARED
) -> dict[str, float]:
    """Time eLORETA by ``apply_inverse_raw``, called anew for each sample.

    Only the call is timed: making the RawArray of one sample is not counted, nor is anything
    that MNE would log, which is off.

    BLAS has the threads that it takes by itself, as for a user. On two cores (2026-11-22) one
    thread, by OMP_NUM_THREADS=1, was better and steadier for ``unprepared``, 18 ms instead of
    41 to 152, and a little worse for ``prepared``, 0.9 ms instead of 0.8.

    Parameters
    ----------
    head : Head
    erp : Erp
        Gives the noise covariance and the samples.
    n_unprepared, n_prepared : int
        Calls.

    Returns
    -------
    median_ms : dict of float
        ``unprepared``: the operator as `make_inverse_operator` gives it, which each call
        prepares; ``prepared``: by `prepare_inverse_operator`, once and before.
    """
    operator = MinimumNorm(head, "eLORETA").operator(erp)
    with mne.use_log_level("error"):
        prepared = mne.minimum_norm.prepare_inverse_operator(operator, 1, LAMBDA2, "eLORETA")
    info = eeg_info(head)
    samples = erp.trials.reshape(-1, head.n_electrodes)
    return {
        "unprepared": _median_ms(samples[: N_WARM_UP + n_unprepared], info, operator, False),
        "prepared": _median_ms(samples[: N_WARM_UP + n_prepared], info, prepared, True),
    }


def _median_ms(
    samples: NDArray[np.float64], info: mne.Info, operator: Any, is_prepared: bool
) -> float:
    """Return the median time of a call, a call a sample; the first calls are not counted."""
    times_ms = []
    with mne.use_log_level("error"):
        for sample in samples:
            raw = mne.io.RawArray(sample[:, None], info)
            start = time.perf_counter()
            mne.minimum_norm.apply_inverse_raw(
                raw, operator, LAMBDA2, "eLORETA", prepared=is_prepared
            )
            times_ms.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times_ms[N_WARM_UP:]))
