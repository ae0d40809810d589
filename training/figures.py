"""Figures: source maps on the cortex, and the overview of the README."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from realtime import Bundle, EegChunk, Imager, match_montage
from realtime.head import Head
from realtime.noise import background_eeg
from realtime.patches import patch_dictionary
from realtime.simulation import SNR
from training.grid import SHAPE

Float = NDArray[np.float32]

# Below this share of the maximum a dipole is not drawn, as in the paper's figures.
THRESHOLD = 0.25
ACTIVITY = mpl.colormaps["inferno"]
LIGHT = np.array([0.25, 0.3, 0.92])  # from above, a little from the front


def draw_cortex(ax: Any, head: Head, values: Float, hemisphere: str) -> None:
    """Draw a source map on one inflated hemisphere, seen from its side.

    Parameters
    ----------
    ax : matplotlib Axes
    head : Head
    values : ndarray, shape (n_dipoles,)
        Any unit; drawn where above a quarter of its maximum.
    hemisphere : 'left' or 'right'
    """
    side = -1.0 if hemisphere == "left" else 1.0
    left = np.all(head.triangles < head.n_left, axis=1)
    triangles = head.triangles[left if hemisphere == "left" else ~left]
    corners = head.inflated_m[triangles]
    # From the side: depth is x, the picture's axes are y (the front of a left hemisphere
    # points to the left) and z.
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    seen = normals[:, 0] * side > 0
    order = np.argsort(corners[seen][:, :, 0].mean(axis=1) * side)
    corners, normals = corners[seen][order], normals[seen][order]
    triangles = triangles[seen][order]

    sulci = head.sulcal_depth[triangles].mean(axis=1)
    grey = np.where(sulci > 0, 0.45, 0.68)[:, None] * np.ones(3)
    strength = np.abs(values) / max(float(np.abs(values).max()), 1e-30)
    shown = strength[triangles].mean(axis=1)
    weight = np.clip((shown - THRESHOLD) / 0.1, 0, 1)[:, None]
    colours = (1 - weight) * grey + weight * ACTIVITY(0.15 + 0.85 * shown)[:, :3]
    facing = np.abs(normals) @ LIGHT[[2, 0, 1]]
    colours *= (0.55 + 0.45 * np.clip(facing, 0, 1))[:, None]

    points = np.stack([side * corners[:, :, 1], corners[:, :, 2]], axis=2)
    surface = PolyCollection(list(points), facecolors=colours, edgecolors=colours)
    surface.set_linewidth(0.3)  # covers the seams between triangles
    ax.add_collection(surface)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.axis("off")


def overview(bundle: Bundle, path: Path, seed: int = 3) -> None:
    """Draw what the service does with three samples: EEG image, estimate, truth.

    The samples are simulated with noise as in the demo and go through the live path.

    Parameters
    ----------
    bundle : Bundle
    path : Path
        PNG file.
    seed : int
        Of the noise.
    """
    head = bundle.head
    regions = ("precentral-lh", "lateraloccipital-rh", "superiortemporal-lh")
    seeds = [_central_dipole(head, region) for region in regions]
    truth = patch_dictionary(head.triangles, head.dipoles_m, 4)[seeds].toarray() * 8e-9
    signal = truth @ head.lead_field.T
    noise = background_eeg(head, 500, 500.0, np.random.default_rng(seed))
    noise = noise[100:400:100] / noise.std(axis=0).max()
    eeg = signal + noise * np.abs(signal).max(axis=1, keepdims=True) / SNR
    montage = match_montage(head.channels, ["volts"] * len(head.channels), head.channels)
    frame = Imager(bundle, montage)(EegChunk(eeg.astype(np.float32), np.arange(3.0)))

    figure = Figure(figsize=(9, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, 3, width_ratios=(1, 1.5, 1.5))
    for row, region in enumerate(regions):
        image = (head.interpolation @ eeg[row]).reshape(SHAPE) * 1e6
        limit = np.abs(image).max()
        axes[row, 0].imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes[row, 0].set(xticks=[], yticks=[], ylabel=region)
        axes[row, 0].set_xlabel(f"±{limit:.0f} µV", fontsize=9)
        hemisphere = "left" if region.endswith("lh") else "right"
        draw_cortex(axes[row, 1], head, frame.sources[row], hemisphere)
        draw_cortex(axes[row, 2], head, truth[row].astype(np.float32), hemisphere)
        found = int(np.abs(frame.sources[row]).argmax())
        distance_mm = np.linalg.norm(head.dipoles_m[found] - head.dipoles_m[seeds[row]]) * 1e3
        fit = frame.goodness_of_fit[row]
        axes[row, 1].set_title(f"{distance_mm:.0f} mm away, fit {fit:.0%}", fontsize=9, y=-0.06)
    for ax, title in zip(
        axes[0], ("one EEG sample, 7×11", "5,124 dipoles, estimated", "truth"), strict=True
    ):
        ax.annotate(title, (0.5, 1.04), xycoords="axes fraction", ha="center", fontsize=11)
    figure.savefig(path, dpi=110)


def _central_dipole(head: Head, region: str) -> int:
    """Return the dipole of a region that lies nearest its middle."""
    inside = np.flatnonzero(head.atlas == head.atlas_names.index(region))
    offsets_m = head.dipoles_m[inside] - head.dipoles_m[inside].mean(axis=0)
    return int(inside[np.linalg.norm(offsets_m, axis=1).argmin()])
