"""From a forward solution and a subject's surfaces to what a bundle carries of a head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mne
import nibabel.freesurfer as freesurfer
import numpy as np
from convdip.head import Head
from numpy.typing import NDArray

from convdip_training.anatomy.subject import Subject
from convdip_training.anatomy.template import chosen_triangles
from convdip_training.config import HeadConfig
from convdip_training.grid import interpolation_matrix


def assemble_head(config: HeadConfig, forward: mne.Forward, subject: Subject) -> Head:
    """Collect what a bundle carries from the forward solution and the surfaces."""
    folder = subject.folder
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
    atlas, atlas_names = _atlas(folder, vertices)
    return Head(
        channels=tuple(config.electrodes),
        electrodes_m=mne.transforms.apply_trans(head_to_mri, electrodes_head_m).astype(np.float32),
        interpolation=interpolation_matrix(config.electrodes),
        lead_field=lead_field.astype(np.float32),
        dipoles_m=dipoles_m.astype(np.float32),
        normals=normals.astype(np.float32),
        triangles=np.concatenate(triangles).astype(np.int32),
        pial_m=_pial(folder, vertices).astype(np.float32),
        inflated_m=_inflated(folder, vertices).astype(np.float32),
        sulcal_depth=_per_vertex(folder, "sulc", vertices, freesurfer.read_morph_data).astype(
            np.float32
        ),
        atlas=atlas,
        atlas_names=atlas_names,
        n_left=int(left["nuse"]),
    )


def _per_vertex(
    folder: Path,
    surface: str,
    vertices: list[NDArray[np.int64]],
    read: Callable[[Path], Any],
) -> NDArray[Any]:
    """Read a per-vertex file of both hemispheres at the dipoles' vertices."""
    parts = [
        np.asarray(read(folder / "surf" / f"{hemisphere}.{surface}"))[chosen]
        for hemisphere, chosen in zip(("lh", "rh"), vertices, strict=True)
    ]
    return np.concatenate(parts)


def _pial(folder: Path, vertices: list[NDArray[np.int64]]) -> NDArray[Any]:
    """Read the pial surfaces, in metres."""
    return _per_vertex(folder, "pial", vertices, lambda path: mne.read_surface(path)[0] * 1e-3)


def _inflated(folder: Path, vertices: list[NDArray[np.int64]]) -> NDArray[Any]:
    """Read the inflated surfaces, in metres, the hemispheres side by side."""
    inflated_m = _per_vertex(
        folder, "inflated", vertices, lambda path: mne.read_surface(path)[0] * 1e-3
    )
    n_left = len(vertices[0])
    # Each hemisphere is inflated around its own origin: move them 5 mm apart.
    inflated_m[:n_left, 0] -= inflated_m[:n_left, 0].max() + 2.5e-3
    inflated_m[n_left:, 0] -= inflated_m[n_left:, 0].min() - 2.5e-3
    return inflated_m


def _atlas(
    folder: Path, vertices: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Read the Desikan-Killiany labels (``aparc``) at the dipoles' vertices."""
    indices: list[NDArray[np.int32]] = []
    names: list[str] = []
    for hemisphere, chosen in zip(("lh", "rh"), vertices, strict=True):
        path = folder / "label" / f"{hemisphere}.aparc.annot"
        labels, _, label_names = freesurfer.read_annot(path)
        # FreeSurfer marks vertices without a label by -1; its own name for them is unknown.
        known = [name.decode() for name in label_names]
        at_dipoles = np.where(labels[chosen] < 0, known.index("unknown"), labels[chosen])
        indices.append((at_dipoles + len(names)).astype(np.int32))
        names += [f"{name}-{hemisphere}" for name in known]
    return np.concatenate(indices), tuple(names)
