"""Head model: anatomy → source space, BEM, electrodes → lead field (section 2.1)."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mne
import nibabel.freesurfer as freesurfer
import numpy as np
from convdip.errors import ConfigError
from convdip.head import Head
from numpy.typing import NDArray

from convdip_training.anatomy.template import chosen_triangles, write_template_subject
from convdip_training.cache import fingerprint, write_whole
from convdip_training.config import HeadConfig
from convdip_training.grid import interpolation_matrix

log = logging.getLogger(__name__)

# Changes with the code below, so that a cached head model of older code is not taken.
VERSION = 2
Places = NDArray[np.float64]
N_SHELL_TRIANGLES = 5120
# What is read of a subject of one's own.
OWN_FILES = (
    *(f"surf/{side}.{name}" for side in ("lh", "rh")
      for name in ("white", "pial", "inflated", "sphere", "sulc")),
    *(f"label/{side}.aparc.annot" for side in ("lh", "rh")),
    *(f"bem/{name}.surf" for name in ("inner_skull", "outer_skull", "outer_skin")),
)  # fmt: skip


def load_or_build_head(config: HeadConfig, cache: Path) -> Head:
    """Return the head model of a configuration, from the cache where it is there."""
    path = cache / f"head-{fingerprint(config, VERSION, own_files(config))}.npz"
    if path.is_file():
        log.info("head model: from %s", path)
        return Head.load(path)
    head = build_head(config)
    write_whole(path, head.save)
    return head


def own_files(config: HeadConfig) -> list[Path]:
    """Return the files of a subject of one's own that the head model is made from."""
    if not config.subjects_dir:
        return []
    folder = Path(config.subjects_dir) / config.subject
    files = (*(folder / name for name in OWN_FILES), Path(config.trans))
    return [file for file in files if file.is_file()]


def build_head(config: HeadConfig, progress: Callable[[str], None] = log.info) -> Head:
    """Compute a head model (about two minutes on two cores).

    Parameters
    ----------
    config : HeadConfig
    progress : callable
        Gets one line before each step.

    Raises
    ------
    ConfigError
        If the anatomy or an electrode is not there.
    """
    with tempfile.TemporaryDirectory() as scratch, mne.use_log_level("error"):
        progress(f"head model 1/3: anatomy of {config.subject!r}")
        anatomy = find_anatomy(config, Path(scratch))
        progress("head model 2/3: boundary element model and lead field (a minute or two)")
        info = place_electrodes(standard_places_m(config.electrodes))
        forward = solve_forward(config, anatomy, info)
        progress("head model 3/3: surfaces and atlas")
        return assemble_head(config, forward, anatomy)


@dataclass(frozen=True)
class Anatomy:
    """Where the surfaces are.

    Attributes
    ----------
    subject : str
    subjects_dir : Path
    trans : str
        The head↔MRI transform: a file, or ``fsaverage`` for MNE's own.
    """

    subject: str
    subjects_dir: Path
    trans: str


def free_lead_field(config: HeadConfig, cache: Path) -> NDArray[np.float32]:
    """Return the lead field of free orientations, from the cache where it is there.

    Returns
    -------
    lead_field : ndarray, shape (n_electrodes, 3 · n_dipoles)
        V/(A·m), not referenced: x, y and z of each dipole in head coordinates.
    """
    path = cache / f"free-{fingerprint(config, VERSION, own_files(config))}.npy"
    if not path.is_file():
        log.info("lead field of free orientations: a minute or two")
        with tempfile.TemporaryDirectory() as scratch, mne.use_log_level("error"):
            info = place_electrodes(standard_places_m(config.electrodes))
            anatomy = find_anatomy(config, Path(scratch))
            forward = solve_forward(config, anatomy, info, fixed=False)
        solved = forward["sol"]["data"].astype(np.float32)
        write_whole(path, lambda unfinished: np.save(unfinished, solved, allow_pickle=False))
    lead_field: NDArray[np.float32] = np.load(path)
    return lead_field


def solve_forward(
    config: HeadConfig, anatomy: Anatomy, info: mne.Info, fixed: bool = True
) -> mne.Forward:
    """Compute the lead field of a three-shell boundary element model.

    Parameters
    ----------
    config : HeadConfig
        Source space and conductivities are taken from here, electrodes are not.
    anatomy : Anatomy
    info : mne.Info
        Electrodes with their places.
    fixed : bool
        Dipoles normal to the cortex; else three at each place.
    """
    source_space = mne.setup_source_space(
        anatomy.subject,
        spacing=config.spacing,
        subjects_dir=anatomy.subjects_dir,
        add_dist="patch",
    )
    model = mne.make_bem_model(
        anatomy.subject,
        ico=_shell_grade(anatomy.subjects_dir / anatomy.subject),
        conductivity=config.conductivity_s_m,
        subjects_dir=anatomy.subjects_dir,
    )
    bem = mne.make_bem_solution(model)
    forward = mne.make_forward_solution(info, anatomy.trans, source_space, bem, meg=False, eeg=True)
    if fixed:
        forward = mne.convert_forward_solution(forward, surf_ori=True, force_fixed=True)
    n_dipoles = sum(int(hemisphere["nuse"]) for hemisphere in source_space)
    if forward["nsource"] != n_dipoles:
        raise ConfigError(
            f"{n_dipoles - forward['nsource']} of {n_dipoles} dipoles lie outside the "
            f"inner skull of {anatomy.subject!r}: check its BEM surfaces"
        )
    return forward


def find_anatomy(config: HeadConfig, scratch: Path) -> Anatomy:
    """Find a subject's surfaces; those of the template are written into ``scratch``.

    Raises
    ------
    ConfigError
        If a surface or the head↔MRI transform is not there.
    """
    if config.subject == "template":
        return Anatomy(write_template_subject(scratch), scratch, "fsaverage")
    if config.subject == "fsaverage" and not config.subjects_dir:
        folder = Path(mne.datasets.fetch_fsaverage(verbose="error"))
        return Anatomy("fsaverage", folder.parent, "fsaverage")
    subjects_dir = Path(config.subjects_dir)
    folder = subjects_dir / config.subject
    if not folder.is_dir():
        raise ConfigError(
            f"no FreeSurfer subject at {folder}: give its name and the folder of subjects, or take "
            "the subject 'template'"
        )
    absent = [name for name in OWN_FILES if not (folder / name).is_file()]
    if absent:
        raise ConfigError(
            f"the head of {config.subject!r} needs {', '.join(absent)} in {folder}: FreeSurfer's "
            "recon-all makes surfaces and atlas, mne watershed_bem the shells"
        )
    try:
        mne.read_trans(config.trans, verbose="error")
    except (OSError, ValueError, AttributeError):  # as MNE finds another file wanting
        raise ConfigError(
            f"trans is {config.trans!r}: expected the head↔MRI transform of {config.subject!r}, "
            "a -trans.fif file from mne coreg"
        ) from None
    return Anatomy(config.subject, subjects_dir, config.trans)


def _shell_grade(subject_dir: Path) -> int | None:
    """Return MNE's ``ico`` for shells of 5,120 triangles; None where they have no more."""
    _, triangles = mne.read_surface(subject_dir / "bem" / "inner_skull.surf")
    return None if len(triangles) <= N_SHELL_TRIANGLES else 4


def standard_places_m(names: tuple[str, ...]) -> dict[str, Places]:
    """Return the electrodes' 10-05 places on the template head, in head coordinates.

    Raises
    ------
    ConfigError
        If an electrode is not in the 10-05 system.
    """
    montage = mne.channels.make_standard_montage("colin27_1005")
    missing = [name for name in names if name not in montage.ch_names]
    if missing:
        raise ConfigError(f"electrodes {', '.join(missing)} are not in the 10-05 system")
    info = mne.create_info(list(names), sfreq=100.0, ch_types="eeg").set_montage(montage)
    return {ch["ch_name"]: ch["loc"][:3] for ch in info["chs"]}


def place_electrodes(places_m: dict[str, Places]) -> mne.Info:
    """Return an MNE info of electrodes at places in head coordinates."""
    info = mne.create_info(list(places_m), sfreq=100.0, ch_types="eeg")
    return info.set_montage(mne.channels.make_dig_montage(places_m, coord_frame="head"))


def assemble_head(config: HeadConfig, forward: mne.Forward, anatomy: Anatomy) -> Head:
    """Collect what a bundle carries from the forward solution and the surfaces."""
    subject_dir = anatomy.subjects_dir / anatomy.subject
    lead_field = forward["sol"]["data"]
    lead_field = lead_field - lead_field.mean(axis=0)
    head_to_mri = mne.transforms.invert_transform(forward["mri_head_t"])
    electrodes_head_m = np.array([ch["loc"][:3] for ch in forward["info"]["chs"]])
    left, right = forward["src"]
    vertices = [hemisphere["vertno"] for hemisphere in (left, right)]
    triangles = [chosen_triangles(left), chosen_triangles(right) + int(left["nuse"])]
    # A forward solution holds positions in head coordinates; the bundle's are MRI surface RAS.
    dipoles_m = mne.transforms.apply_trans(head_to_mri, forward["source_rr"])
    normals = mne.transforms.apply_trans(head_to_mri, forward["source_nn"], move=False)
    atlas, atlas_names = _atlas(subject_dir, vertices)
    return Head(
        channels=tuple(config.electrodes),
        electrodes_m=mne.transforms.apply_trans(head_to_mri, electrodes_head_m).astype(np.float32),
        interpolation=interpolation_matrix(config.electrodes),
        lead_field=lead_field.astype(np.float32),
        dipoles_m=dipoles_m.astype(np.float32),
        normals=normals.astype(np.float32),
        triangles=np.concatenate(triangles).astype(np.int32),
        pial_m=_pial(subject_dir, vertices).astype(np.float32),
        inflated_m=_inflated(subject_dir, vertices).astype(np.float32),
        sulcal_depth=_per_vertex(subject_dir, "sulc", vertices, freesurfer.read_morph_data).astype(
            np.float32
        ),
        atlas=atlas,
        atlas_names=atlas_names,
        n_left=int(left["nuse"]),
    )


def _per_vertex(
    subject_dir: Path,
    surface: str,
    vertices: list[NDArray[np.int64]],
    read: Callable[[Path], Any],
) -> NDArray[Any]:
    """Read a per-vertex file of both hemispheres at the dipoles' vertices."""
    parts = [
        np.asarray(read(subject_dir / "surf" / f"{hemisphere}.{surface}"))[chosen]
        for hemisphere, chosen in zip(("lh", "rh"), vertices, strict=True)
    ]
    return np.concatenate(parts)


def _pial(subject_dir: Path, vertices: list[NDArray[np.int64]]) -> NDArray[Any]:
    """Read the pial surfaces, in metres."""
    return _per_vertex(subject_dir, "pial", vertices, lambda path: mne.read_surface(path)[0] * 1e-3)


def _inflated(subject_dir: Path, vertices: list[NDArray[np.int64]]) -> NDArray[Any]:
    """Read the inflated surfaces, in metres, the hemispheres side by side."""
    inflated_m = _per_vertex(
        subject_dir, "inflated", vertices, lambda path: mne.read_surface(path)[0] * 1e-3
    )
    n_left = len(vertices[0])
    # Each hemisphere is inflated about its own origin: set them 5 mm apart.
    inflated_m[:n_left, 0] -= inflated_m[:n_left, 0].max() + 2.5e-3
    inflated_m[n_left:, 0] -= inflated_m[n_left:, 0].min() - 2.5e-3
    return inflated_m


def _atlas(
    subject_dir: Path, vertices: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Read the Desikan-Killiany labels (``aparc``) at the dipoles' vertices."""
    indices: list[NDArray[np.int32]] = []
    names: list[str] = []
    for hemisphere, chosen in zip(("lh", "rh"), vertices, strict=True):
        path = subject_dir / "label" / f"{hemisphere}.aparc.annot"
        labels, _, label_names = freesurfer.read_annot(path)
        # FreeSurfer marks vertices without a label by -1; its own name for them is unknown.
        known = [name.decode() for name in label_names]
        at_dipoles = np.where(labels[chosen] < 0, known.index("unknown"), labels[chosen])
        indices.append((at_dipoles + len(names)).astype(np.int32))
        names += [f"{name}-{hemisphere}" for name in known]
    return np.concatenate(indices), tuple(names)
