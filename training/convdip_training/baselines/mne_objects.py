"""A head model and an ERP as MNE's own objects, for MNE's own inverse methods.

MNE is told that MRI coordinates are head coordinates: none of the methods used here looks at
where anything is, only at the lead field.
"""

from __future__ import annotations

from typing import Any

import mne
import numpy as np
from convdip.head import Head
from mne.io.constants import FIFF
from numpy.typing import NDArray

from convdip_training.baselines.erp import Erp

Float = NDArray[np.float64]

# Of the strongest direction's power: below this a direction holds nothing but rounding.
SMALLEST_POWER = 1e-10


def forward_solution(
    head: Head, lead_field: NDArray[np.floating[Any]] | None = None
) -> mne.Forward:
    """Return a head model as MNE's forward solution.

    Parameters
    ----------
    head : Head
    lead_field : ndarray, shape (n_electrodes, n_dipoles or 3 · n_dipoles), optional
        Instead of the head's own: what one unit at each dipole's place gives at the electrodes,
        normal to the cortex or in x, y and z.
    """
    gain = np.asarray(head.lead_field if lead_field is None else lead_field, float)
    fixed = gain.shape[1] == head.n_dipoles
    orientation = FIFF.FIFFV_MNE_FIXED_ORI if fixed else FIFF.FIFFV_MNE_FREE_ORI
    normals = head.normals.astype(float)
    hemispheres = []
    for name, chosen in (
        ("LEFT", slice(None, head.n_left)),
        ("RIGHT", slice(head.n_left, None)),
    ):
        points = head.dipoles_m[chosen].astype(float)
        n = len(points)
        hemispheres.append(
            {
                "id": getattr(FIFF, f"FIFFV_MNE_SURF_{name}_HEMI"),
                "type": "surf",
                "coord_frame": FIFF.FIFFV_COORD_HEAD,
                "rr": points,
                "nn": head.normals[chosen].astype(float),
                "np": n,
                "nuse": n,
                "vertno": np.arange(n),
                "inuse": np.ones(n, int),
                "ntri": 0,
                "nuse_tri": 0,
                "tris": np.zeros((0, 3), int),
                "use_tris": np.zeros((0, 3), int),
                "nearest": None,
                "nearest_dist": None,
                "pinfo": None,
                "patch_inds": None,
                "dist": None,
                "dist_limit": None,
                "subject_his_id": "head",
            }
        )
    solution = {
        "data": gain,
        "row_names": list(head.channels),
        "col_names": [],
        "nrow": gain.shape[0],
        "ncol": gain.shape[1],
    }
    info = eeg_info(head)
    with info._unlock():
        info["mri_head_t"] = mne.transforms.Transform("mri", "head")
    return mne.Forward(
        sol=solution,
        sol_grad=None,
        _orig_sol=gain.copy(),
        _orig_source_ori=orientation,
        _orig_sol_grad=None,
        source_ori=orientation,
        surf_ori=fixed,
        coord_frame=FIFF.FIFFV_COORD_HEAD,
        mri_head_t=mne.transforms.Transform("mri", "head"),
        nsource=head.n_dipoles,
        nchan=gain.shape[0],
        source_rr=head.dipoles_m.astype(float),
        source_nn=normals if fixed else np.tile(np.eye(3), (head.n_dipoles, 1)),
        src=mne.SourceSpaces(hemispheres),
        info=info,
    )


def eeg_info(head: Head) -> mne.Info:
    """Return an MNE info of the head's electrodes, with the average reference as a projector.

    Its sampling rate means nothing: no method used here looks at it.
    """
    info = mne.create_info(list(head.channels), 100.0, "eeg")
    places_m = dict(zip(head.channels, head.electrodes_m.astype(float), strict=True))
    info.set_montage(mne.channels.make_dig_montage(places_m, coord_frame="head"))
    with mne.use_log_level("error"):
        silent = mne.EvokedArray(np.zeros((len(head.channels), 1)), info)
        return silent.set_eeg_reference(projection=True).apply_proj().info


def evoked(erp: Erp, info: mne.Info, first: int, last: int) -> mne.EvokedArray:
    """Return the samples ``first`` to ``last`` of an ERP's average."""
    return mne.EvokedArray(erp.average[first : last + 1].T, info, nave=len(erp.trials))


def unit_potentials(info: mne.Info) -> mne.EvokedArray:
    """Return one volt at each electrode in turn: what a linear method makes of it is its kernel."""
    return mne.EvokedArray(np.eye(len(info["ch_names"])), info, nave=1)


def rank(erp: Erp) -> dict[str, int]:
    """Return how many electrodes are independent, as MNE's ``rank``.

    The average reference takes one away, and so does each electrode that was interpolated.
    """
    power = np.linalg.eigvalsh(erp.data_covariance)
    return {"eeg": int(np.sum(power > SMALLEST_POWER * power.max()))}


def noise_covariance(erp: Erp, info: mne.Info) -> mne.Covariance:
    """Return the noise covariance of single trials, regularised as MNE does by default."""
    n_samples = len(erp.trials) * erp.n_baseline
    covariance = _covariance(erp.noise_covariance, info, n_samples)
    return mne.cov.regularize(covariance, info, rank=rank(erp))


def data_covariance(erp: Erp, info: mne.Info) -> mne.Covariance:
    """Return the covariance of whole single trials."""
    n_trials, n_times, _ = erp.trials.shape
    return _covariance(erp.data_covariance, info, n_trials * n_times)


def _covariance(covariance: Float, info: mne.Info, n_samples: int) -> mne.Covariance:
    return mne.Covariance(covariance, info["ch_names"], [], info["projs"], n_samples)
