"""The template anatomy, built without a download.

nilearn carries fsaverage5 (white, pial, inflated, sphere, sulcal depth), MNE the inner skull and
scalp of fsaverage and its head↔MRI transform; the Desikan–Killiany atlas lies beside this file.
No package carries fsaverage's outer skull: it is put halfway between inner skull and scalp.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mne
import nibabel
import nibabel.freesurfer as freesurfer
import numpy as np
from convdip.errors import ConfigError
from convdip.patches import mesh_adjacency
from numpy.typing import NDArray
from scipy import sparse

SUBJECT = "fsaverage5"
# Regions of its vertices; desikan_killiany.md has source and licence.
ATLAS = Path(__file__).with_name("desikan_killiany.npz")
# The scalp lies 6–22 mm outside the inner skull over the upper head (median 12 mm). Below,
# where the head surface turns into face and neck, the distance is capped at the upper value:
# no electrode sits there, and a closed shell with sound triangles is what the BEM needs.
SCALP_DISTANCE_M = (0.006, 0.022)
SMOOTHING_STEPS = 10

Vertices = NDArray[np.float64]
Triangles = NDArray[np.int32]


def write_template_subject(subjects_dir: Path) -> str:
    """Write the template as a FreeSurfer subject and return its name.

    Parameters
    ----------
    subjects_dir : Path
        An existing folder; gets ``fsaverage5/{surf,label,bem}``.
    """
    folder = subjects_dir / SUBJECT
    for name in ("surf", "label", "bem"):
        (folder / name).mkdir(parents=True)
    _write_surfaces(folder / "surf")
    _write_atlas(folder / "label")
    _write_shells(subjects_dir)
    return SUBJECT


def _write_surfaces(folder: Path) -> None:
    carried = package_folder("nilearn") / "datasets" / "data" / "fsaverage5"
    for side, hemisphere in (("left", "lh"), ("right", "rh")):
        for name, surface in (
            ("white", "white"),
            ("pial", "pial"),
            ("infl", "inflated"),
            ("sphere", "sphere"),
        ):
            points, faces = nibabel.load(carried / f"{name}_{side}.gii.gz").agg_data()
            mne.write_surface(folder / f"{hemisphere}.{surface}", points, faces)
        depth = nibabel.load(carried / f"sulc_{side}.gii.gz").agg_data()
        freesurfer.write_morph_data(folder / f"{hemisphere}.sulc", depth)


def _write_atlas(folder: Path) -> None:
    with np.load(ATLAS, allow_pickle=False) as atlas:
        names = atlas["names"].tolist()
        # An annotation tells labels apart by colour alone: any distinct colours do.
        colours = np.array([[i % 256, 255 - i % 256, 128, 0] for i in range(len(names))])
        for hemisphere in ("lh", "rh"):
            path = folder / f"{hemisphere}.aparc.annot"
            labels = atlas[hemisphere].astype(int)
            freesurfer.write_annot(path, labels, colours, names, fill_ctab=True)


def _write_shells(subjects_dir: Path) -> None:
    """Write inner skull, outer skull and scalp as nested shells of 5,120 triangles."""
    carried = package_folder("mne") / "data" / "fsaverage"
    inner = mne.read_bem_surfaces(carried / "fsaverage-inner_skull-bem.fif")[0]
    head = mne.read_bem_surfaces(carried / "fsaverage-head.fif")[0]
    centre_m = (inner["rr"].min(axis=0) + inner["rr"].max(axis=0)) / 2
    directions, triangles = _icosphere(subjects_dir)

    crossings = _crossings(directions, inner["rr"] - centre_m, inner["tris"])
    inner_m = np.array([distances[0] for distances in crossings])
    # The head surface is open at the neck: a ray that leaves there counts as far away.
    crossings = _crossings(directions, head["rr"] - centre_m, head["tris"])
    scalp_m = np.array([distances[-1] if distances.size else np.inf for distances in crossings])
    distance_m = np.clip(scalp_m - inner_m, *SCALP_DISTANCE_M)
    distance_m = _smooth(distance_m, triangles)
    for name, radius_m in (
        ("inner_skull", inner_m),
        ("outer_skull", inner_m + distance_m / 2),
        ("outer_skin", inner_m + distance_m),
    ):
        points_mm = (centre_m + directions * radius_m[:, None]) * 1e3
        mne.write_surface(subjects_dir / SUBJECT / "bem" / f"{name}.surf", points_mm, triangles)


def _icosphere(subjects_dir: Path) -> tuple[Vertices, Triangles]:
    """Return 2,562 directions and 5,120 triangles: FreeSurfer's sphere at ico4."""
    sphere = mne.setup_source_space(
        SUBJECT, spacing="ico4", surface="sphere", subjects_dir=subjects_dir, add_dist=False
    )[0]
    return _unit(sphere["rr"][sphere["vertno"]]), chosen_triangles(sphere)


def _crossings(directions: Vertices, points: Vertices, triangles: Triangles) -> list[Vertices]:
    """Return the distances, in order, at which rays from the origin cross a mesh.

    A triangle (a, b, c) is crossed where t·direction = a + u(b − a) + v(c − a) with u, v ≥ 0
    and u + v ≤ 1 (Cramer's rule for the 3×3 system).
    """
    a, b, c = (points[triangles[:, i]] for i in range(3))
    edge1, edge2 = b - a, c - a
    normal = np.cross(edge1, edge2)
    area = np.einsum("ij,ij->i", normal, normal)

    # As seen from the origin a triangle lies inside a cone: few of them need a closer look.
    middle = _unit(a + b + c)
    widest = np.min([np.einsum("ij,ij->i", middle, _unit(p)) for p in (a, b, c)], axis=0)
    in_cone = directions @ middle.T >= widest - 1e-6

    crossings = []
    for direction, near in zip(directions, in_cone, strict=True):
        i = np.flatnonzero(near)
        t = np.einsum("ij,ij->i", normal[i], a[i]) / (normal[i] @ direction)
        offset = t[:, None] * direction - a[i]
        u = np.einsum("ij,ij->i", np.cross(offset, edge2[i]), normal[i])
        v = np.einsum("ij,ij->i", np.cross(edge1[i], offset), normal[i])
        slack = 1e-9 * area[i]  # a ray through an edge must not slip between two triangles
        crossed = (u >= -slack) & (v >= -slack) & (u + v <= area[i] + slack) & (t > 0)
        crossings.append(np.sort(t[crossed]))
    return crossings


def _unit(vectors: Vertices) -> Vertices:
    unit: Vertices = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _smooth(values: Vertices, triangles: Triangles) -> Vertices:
    """Average each value with its neighbours on the mesh, a few times."""
    adjacency = mesh_adjacency(triangles, values.size).astype(float)
    step = adjacency + sparse.eye_array(values.size)
    weights = step.sum(axis=1)
    for _ in range(SMOOTHING_STEPS):
        values = (step @ values) / weights
    return values


def chosen_triangles(hemisphere: dict[str, Any]) -> Triangles:
    """Return the triangles between the chosen vertices of a source space, by their number."""
    number = np.full(hemisphere["np"], -1)
    number[hemisphere["vertno"]] = np.arange(hemisphere["nuse"])
    triangles: Triangles = number[hemisphere["use_tris"]].astype(np.int32)
    return triangles


def package_folder(package: str) -> Path:
    """Return where a package lies, without importing it.

    Raises
    ------
    ConfigError
        If it is not installed.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ConfigError(f"package {package!r} is not installed: scripts/install training")
    return Path(spec.origin).parent
