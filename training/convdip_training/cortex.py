"""Source maps drawn on the inflated cortex, with its sulci."""

from __future__ import annotations

from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from convdip.head import Head
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

View = Literal["lateral", "medial", "ventral"]
VIEWS: tuple[View, ...] = ("lateral", "medial", "ventral")

# Below this share of the maximum a dipole is not drawn, as in the paper's figures.
THRESHOLD = 0.25
ACTIVITY = mpl.colormaps["inferno"]
LIGHT = np.array([0.3, 0.25, 0.92])  # right, up, towards the viewer: a little from above


def draw_cortex(
    ax: Any,
    head: Head,
    values: NDArray[np.floating[Any]],
    hemisphere: str,
    view: View = "lateral",
) -> None:
    """Draw a source map on one inflated hemisphere.

    Parameters
    ----------
    ax : matplotlib Axes
    head : Head
    values : ndarray, shape (n_dipoles,)
        Any unit; drawn where above a quarter of its maximum.
    hemisphere : 'left' or 'right'
    view : 'lateral', 'medial' or 'ventral'
    """
    left = np.all(head.triangles < head.n_left, axis=1)
    triangles = head.triangles[left if hemisphere == "left" else ~left]
    # Right, up and towards the viewer, of each corner.
    corners = (head.inflated_m @ _axes(hemisphere, view).T)[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    seen = normals[:, 2] > 0
    order = np.argsort(corners[seen][:, :, 2].mean(axis=1))
    corners, normals = corners[seen][order], normals[seen][order]
    triangles = triangles[seen][order]

    sulci = head.sulcal_depth[triangles].mean(axis=1)
    grey = np.where(sulci > 0, 0.45, 0.68)[:, None] * np.ones(3)
    strength = np.abs(values) / max(float(np.abs(values).max()), 1e-30)
    shown = strength[triangles].mean(axis=1)
    weight = np.clip((shown - THRESHOLD) / 0.1, 0, 1)[:, None]
    colours = (1 - weight) * grey + weight * ACTIVITY(0.15 + 0.85 * shown)[:, :3]
    colours *= (0.55 + 0.45 * np.clip(normals @ LIGHT, 0, 1))[:, None]

    surface = PolyCollection(list(corners[:, :, :2]), facecolors=colours, edgecolors=colours)
    surface.set_linewidth(0.3)  # covers the seams between triangles
    ax.add_collection(surface)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.axis("off")


def best_view(head: Head, values: NDArray[np.floating[Any]]) -> tuple[str, View]:
    """Return the hemisphere and the view from which a map's maximum is seen best."""
    strongest = int(np.abs(values).argmax())
    hemisphere = "left" if strongest < head.n_left else "right"
    around = head.triangles[(head.triangles == strongest).any(axis=1)]
    a, b, c = head.inflated_m[around].transpose(1, 0, 2)
    outward = np.cross(b - a, c - a).sum(axis=0)
    towards = [float(_axes(hemisphere, view)[2] @ outward) for view in VIEWS]
    return hemisphere, VIEWS[int(np.argmax(towards))]


def _axes(hemisphere: str, view: View) -> NDArray[np.float64]:
    """Return the picture's right, up and towards-the-viewer, in x (right), y (front), z (up)."""
    side = -1.0 if hemisphere == "left" else 1.0
    if view == "ventral":  # from below, the front to the left
        return np.array([[0, -1.0, 0], [-1, 0, 0], [0, 0, -1]])
    outward = side if view == "lateral" else -side
    return np.array([[0, outward, 0], [0, 0, 1], [outward, 0, 0]])
