"""Surfaces of the cortex, cameras, and the projection of one through the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from convdip.head import Head

SurfaceName = Literal["inflated", "pial", "white"]
SURFACES: tuple[SurfaceName, ...] = ("inflated", "pial", "white")
Hemisphere = Literal["left", "right"]
View = Literal["lateral", "medial", "ventral"]
VIEWS: tuple[View, ...] = ("lateral", "medial", "ventral")
Float = NDArray[np.float64]

# Between the hemispheres in the free view, so that the medial walls are visible.
GAP_M = 0.05
# Free share of a view's rectangle, on each side of the cortex.
MARGIN = 0.05
# The free camera's initial azimuth and elevation: from above, behind and the right.
HOME = (35.0, 35.0)


@dataclass(frozen=True)
class Camera:
    """An orthographic view.

    Attributes
    ----------
    name : str
        The view in words.
    hemispheres : tuple of str
        ``left``, ``right`` or both.
    right, up, towards : tuple of float
        Unit vectors of the picture in x (right), y (front), z (up); the last one points to the
        viewer.
    """

    name: str
    hemispheres: tuple[str, ...]
    right: tuple[float, float, float]
    up: tuple[float, float, float]
    towards: tuple[float, float, float]


def standard_camera(hemisphere: Hemisphere, view: View) -> Camera:
    """Return the camera of a standard view of one hemisphere.

    Parameters
    ----------
    hemisphere : 'left' or 'right'
    view : 'lateral', 'medial' or 'ventral'
        The ventral view has the front of the head on the left.
    """
    name = f"{hemisphere}, {view}"
    if view == "ventral":
        return Camera(name, (hemisphere,), (0, -1, 0), (-1, 0, 0), (0, 0, -1))
    from_right = (hemisphere == "right") == (view == "lateral")
    side = 1 if from_right else -1
    return Camera(name, (hemisphere,), (0, side, 0), (0, 0, 1), (side, 0, 0))


FOUR_VIEWS = (
    standard_camera("left", "lateral"),
    standard_camera("right", "lateral"),
    standard_camera("left", "medial"),
    standard_camera("right", "medial"),
)


def free_camera(azimuth_deg: float, elevation_deg: float) -> Camera:
    """Return a camera that looks at both hemispheres from any direction.

    Parameters
    ----------
    azimuth_deg : float
        0 from behind, 90 from the right.
    elevation_deg : float
        0 from the side, 90 from above.
    """
    azimuth, elevation = np.deg2rad((azimuth_deg, elevation_deg))
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    level = np.array([np.sin(azimuth), -np.cos(azimuth), 0.0])
    towards = np.cos(elevation) * level + np.sin(elevation) * np.array([0, 0, 1.0])
    up = np.cross(towards, right)
    return Camera("both hemispheres", ("left", "right"), *map(tuple, (right, up, towards)))


@dataclass(frozen=True)
class Surface:
    """The cortex as a mesh.

    Attributes
    ----------
    places_m : ndarray, shape (n_dipoles, 3)
    triangles : ndarray of int, shape (n_triangles, 3)
    normals : ndarray, shape (n_dipoles, 3)
        Outward unit vectors.
    is_left : ndarray of bool, shape (n_dipoles,)
    """

    places_m: Float
    triangles: NDArray[np.int32]
    normals: Float
    is_left: NDArray[np.bool_]


def surface(head: Head, name: SurfaceName) -> Surface:
    """Return one of the head's surfaces."""
    by_name = {"inflated": head.inflated_m, "pial": head.pial_m, "white": head.dipoles_m}
    places_m: Float = by_name[name].astype(np.float64)
    a, b, c = places_m[head.triangles].transpose(1, 0, 2)
    of_triangles = np.cross(b - a, c - a)
    normals: Float = np.zeros_like(places_m)
    for corner in head.triangles.T:
        np.add.at(normals, corner, of_triangles)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    is_left = np.arange(head.n_dipoles) < head.n_left
    return Surface(places_m, head.triangles, normals, is_left)


def best_view(head: Head, values: NDArray[np.floating]) -> tuple[Hemisphere, View]:
    """Return the standard view that faces a map's maximum most directly.

    Parameters
    ----------
    head : Head
    values : ndarray, shape (n_dipoles,)
        Source map in any unit; its sign is ignored.
    """
    strongest = int(head.strongest(values))
    hemisphere: Hemisphere = "left" if strongest < head.n_left else "right"
    outward = surface(head, "inflated").normals[strongest]
    facing = [float(outward @ standard_camera(hemisphere, view).towards) for view in VIEWS]
    return hemisphere, VIEWS[int(np.argmax(facing))]


@dataclass(frozen=True)
class Projection:
    """A surface as a camera sees it.

    Attributes
    ----------
    pixels : ndarray, shape (n_dipoles, 2)
        x to the right and y downwards.
    depth : ndarray, shape (n_dipoles,)
        Larger is nearer to the viewer.
    facing : ndarray, shape (n_dipoles,)
        Cosine between the surface's normal and the direction to the viewer.
    triangles : ndarray of int, shape (n_seen, 3)
        Triangles of the hemispheres shown that face the viewer, the farthest first.
    """

    pixels: Float
    depth: Float
    facing: Float
    triangles: NDArray[np.int32]


def project(
    mesh: Surface, camera: Camera, width: float, height: float, zoom: float = 1.0
) -> Projection:
    """Project a surface so that it fills a rectangle of pixels."""
    places = mesh.places_m.copy()
    shown = np.isin(np.where(mesh.is_left, "left", "right"), camera.hemispheres)
    if len(camera.hemispheres) == 2:
        # The gap replaces the distance that they have.
        places[mesh.is_left, 0] -= places[mesh.is_left, 0].max() + GAP_M / 2
        places[~mesh.is_left, 0] -= places[~mesh.is_left, 0].min() - GAP_M / 2
    seen = places @ np.array([camera.right, camera.up, camera.towards]).T
    centre = (seen[shown].max(axis=0) + seen[shown].min(axis=0)) / 2
    extent = np.ptp(seen[shown, :2], axis=0)
    if len(camera.hemispheres) == 2:  # a turning head keeps its size
        extent = np.full(2, 2 * np.linalg.norm(seen[shown] - centre, axis=1).max())
    scale = zoom * (1 - 2 * MARGIN) * min(width / extent[0], height / extent[1])
    x = width / 2 + (seen[:, 0] - centre[0]) * scale
    y = height / 2 - (seen[:, 1] - centre[1]) * scale
    pixels = np.column_stack([x, y])

    triangles = mesh.triangles[shown[mesh.triangles].all(axis=1)]
    a, b, c = pixels[triangles].transpose(1, 0, 2)
    # y points downwards: triangles that turn clockwise on the picture face the viewer.
    turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    triangles = triangles[turn < 0]
    order = np.argsort(seen[triangles, 2].mean(axis=1))
    facing = mesh.normals @ np.array(camera.towards)
    return Projection(pixels, seen[:, 2], facing, triangles[order])
