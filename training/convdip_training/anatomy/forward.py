"""From source space, shells and electrodes to the lead field: a boundary element model."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import mne
import numpy as np
from convdip.errors import ConfigError
from numpy.typing import NDArray

from convdip_training.anatomy.caps import place_electrodes, standard_places_m
from convdip_training.anatomy.subject import Subject, find_subject, own_files
from convdip_training.cache import fingerprint, write_whole
from convdip_training.config import HeadConfig

log = logging.getLogger(__name__)

# Increase with any change of a head model's numbers, so that no older one is taken from the cache.
HEAD_VERSION = 2
N_SHELL_TRIANGLES = 5120


def solve_forward(
    config: HeadConfig, subject: Subject, info: mne.Info, fixed: bool = True
) -> mne.Forward:
    """Compute the lead field of a three-shell boundary element model.

    Parameters
    ----------
    config : HeadConfig
        Gives source space and conductivities, not the electrodes.
    subject : Subject
    info : mne.Info
        Electrodes with their positions.
    fixed : bool
        Dipoles normal to the cortex; else three at each vertex.

    Raises
    ------
    ConfigError
        If dipoles lie outside the inner skull.
    """
    source_space = mne.setup_source_space(
        subject.name,
        spacing=config.spacing,
        subjects_dir=subject.subjects_dir,
        add_dist="patch",
    )
    model = mne.make_bem_model(
        subject.name,
        ico=_shell_grade(subject.folder),
        conductivity=config.conductivity_s_m,
        subjects_dir=subject.subjects_dir,
    )
    bem = mne.make_bem_solution(model)
    forward = mne.make_forward_solution(info, subject.trans, source_space, bem, meg=False, eeg=True)
    if fixed:
        forward = mne.convert_forward_solution(forward, surf_ori=True, force_fixed=True)
    n_dipoles = sum(int(hemisphere["nuse"]) for hemisphere in source_space)
    if forward["nsource"] != n_dipoles:
        raise ConfigError(
            f"{n_dipoles - forward['nsource']} of {n_dipoles} dipoles lie outside the "
            f"inner skull of {subject.name!r}: check its BEM surfaces"
        )
    return forward


def free_lead_field(config: HeadConfig, cache: Path) -> NDArray[np.float32]:
    """Return the lead field of free orientations, from the cache if it is there.

    Returns
    -------
    lead_field : ndarray, shape (n_electrodes, 3 · n_dipoles)
        V/(A·m), not referenced: x, y and z of each dipole in head coordinates.
    """
    path = cache / f"free-{fingerprint(config, HEAD_VERSION, own_files(config))}.npy"
    if not path.is_file():
        log.info("lead field of free orientations: a minute or two")
        with tempfile.TemporaryDirectory() as scratch, mne.use_log_level("error"):
            info = place_electrodes(standard_places_m(config.electrodes))
            subject = find_subject(config, Path(scratch))
            forward = solve_forward(config, subject, info, fixed=False)
        solved = forward["sol"]["data"].astype(np.float32)
        write_whole(path, lambda unfinished: np.save(unfinished, solved, allow_pickle=False))
    lead_field: NDArray[np.float32] = np.load(path)
    return lead_field


def _shell_grade(subject_dir: Path) -> int | None:
    """Return MNE's ``ico`` for shells of 5,120 triangles; None if they have no more than that."""
    _, triangles = mne.read_surface(subject_dir / "bem" / "inner_skull.surf")
    return None if len(triangles) <= N_SHELL_TRIANGLES else 4
