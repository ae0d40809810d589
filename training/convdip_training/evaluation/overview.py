"""The README's picture: what the service does with three samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from convdip import Bundle
from convdip.display.cortex import Hemispheres
from convdip.display.view import Hemisphere
from convdip.head import Head
from convdip.patches import patch_dictionary
from convdip.sources.background import background_eeg
from convdip.sources.simulator import SNR
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from convdip_training.evaluation.as_live import imager_of
from convdip_training.grid import SHAPE


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
    frame = imager_of(bundle)(eeg)

    draw = Hemispheres(head)
    figure = Figure(figsize=(9, 6.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, 3, width_ratios=(1, 1.5, 1.5))
    for row, region in enumerate(regions):
        image = (head.interpolation @ eeg[row]).reshape(SHAPE) * 1e6
        limit = np.abs(image).max()
        axes[row, 0].imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes[row, 0].set(xticks=[], yticks=[], ylabel=region)
        axes[row, 0].set_xlabel(f"±{limit:.0f} µV", fontsize=9)
        hemisphere: Hemisphere = "left" if region.endswith("lh") else "right"
        for ax, values in zip(axes[row, 1:], (frame.moments_nam[row], truth[row]), strict=True):
            ax.imshow(draw(values, hemisphere))
            ax.axis("off")
        found = int(head.strongest(frame.moments_nam[row]))
        distance_mm = np.linalg.norm(head.dipoles_m[found] - head.dipoles_m[seeds[row]]) * 1e3
        fit = frame.goodness_of_fit[row]
        axes[row, 1].set_title(
            f"localisation error {distance_mm:.0f} mm, fit {fit:.0%}", fontsize=9, y=-0.06
        )
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
