"""Heads and noise of the training's tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import mne
import numpy as np
import pytest
from convdip_training.anatomy.template import package_folder, write_template_subject
from scipy.spatial import ConvexHull


@pytest.fixture(scope="session")
def noise() -> np.ndarray:
    """White segments without a reference; the largest channel SD of each is 1."""
    pool = np.random.default_rng(0).standard_normal((50, 100, 31)).astype(np.float32)
    pool -= pool.mean(axis=2, keepdims=True)
    return pool / pool.std(axis=1).max(axis=1)[:, None, None]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template as a FreeSurfer subject, read only."""
    folder = tmp_path_factory.mktemp("template")
    with mne.use_log_level("error"):
        return folder / write_template_subject(folder)


@pytest.fixture(scope="session")
def bert(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A subject of one's own: the template, larger and longer, with coarse shells."""
    return coarse(template, tmp_path_factory.mktemp("subjects") / "bert", (1.02, 1.08, 1.05))


@pytest.fixture(scope="session")
def ernie(template: Path, bert: Path) -> Path:
    """Another beside it: the template with coarse shells."""
    return coarse(template, bert.parent / "ernie", (1.0, 1.0, 1.0))


@pytest.fixture(scope="session")
def trans() -> Path:
    """Where the head of the template, and of those made of it, lies in its MRI."""
    return package_folder("mne") / "data" / "fsaverage" / "fsaverage-trans.fif"


def coarse(template: Path, folder: Path, larger: tuple[float, float, float]) -> Path:
    """Write a subject with coarse shells: a boundary element model of seconds, not a minute."""
    shutil.copytree(template, folder)
    for path in [*folder.glob("surf/?h.white"), *folder.glob("surf/?h.pial")]:
        points, triangles = mne.read_surface(path)
        mne.write_surface(path, points * larger, triangles, overwrite=True)
    for path in folder.glob("bem/*.surf"):
        points, _ = mne.read_surface(path)
        points, triangles = thinned(points * larger, 6)
        mne.write_surface(path, points, triangles, overwrite=True)
    return folder


def thinned(points: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Return every so many'th point of a star-shaped surface, with outward triangles."""
    points = points[::step]
    rays = points - points.mean(axis=0)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    triangles = ConvexHull(rays).simplices.astype(np.int32)
    a, b, c = (rays[triangles[:, i]] for i in range(3))
    inward = np.vecdot(np.cross(b - a, c - a), a + b + c) < 0
    triangles[inward] = triangles[inward][:, ::-1]
    return points, triangles
