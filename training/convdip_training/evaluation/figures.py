"""The paper's figures 2–5 and A1–A3, and figures of what the paper leaves out.

Those of simulated samples are drawn for sources of either sign, and for the paper's positive ones
in files of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mne
import numpy as np
from convdip.display.cortex import Hemispheres
from convdip.display.view import Hemisphere, View, best_view
from convdip.head import Head
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from convdip_training.anatomy.caps import place_electrodes, standard_places_m
from convdip_training.baselines.erp import Erp
from convdip_training.evaluation.aggregate import GROUP_TITLES, SMALLEST_GROUP, members
from convdip_training.evaluation.laboratory import Laboratory
from convdip_training.evaluation.methods import FREE_LCMV, RANDOM_MAP, ZERO_MAP
from convdip_training.evaluation.metrics import METRICS
from convdip_training.evaluation.real import RealErp
from convdip_training.evaluation.scores import Scores
from convdip_training.evaluation.sets import (
    MULTI,
    MULTI_SIGNED,
    NOISE,
    NOISE_SIGNED,
    SINGLE,
    SINGLE_SIGNED,
    STRICT,
    STRICT_SIGNED,
)
from convdip_training.evaluation.statistics import bootstrap_intervals

Float = NDArray[np.float64]

DPI = 110
# Distinguished by marker as well as by colour (Okabe and Ito's, for colour-blind readers).
STYLES = {
    "eLORETA": ("#D55E00", "s", "-"),
    "LCMV": ("#0072B2", "^", "-"),
    FREE_LCMV: ("#56B4E9", "v", "-"),
    "cMEM": ("#009E73", "D", "-"),
    "sLORETA": ("#CC79A7", "P", "-"),
    "dSPM": ("#E69F00", "X", "-"),
    "γ-MAP": ("#7F5F00", "*", "-"),
    RANDOM_MAP: ("#999999", ".", ":"),
}
OF_THE_MODEL = ("#000000", "o", "-")


@dataclass(frozen=True)
class Example:
    """One ERP with its maps, for a figure with time courses, scalp and cortex.

    Attributes
    ----------
    title : str
    erp : Erp
    start_ms : float
    maps : dict of ndarray, shape (n_dipoles,)
        By title, the truth first where there is one.
    views : sequence of (hemisphere, view)
        One row each.
    """

    title: str
    erp: Erp
    start_ms: float
    maps: dict[str, NDArray[np.floating[Any]]]
    views: Sequence[tuple[Hemisphere, View]]


def draw_figures(
    here: Laboratory, all_scores: list[Scores], real: list[RealErp], folder: Path
) -> list[Path]:
    """Draw all figures as PNG and return their paths.

    Parameters
    ----------
    here : Laboratory
    all_scores : list of Scores
    real : list of RealErp
    folder : Path
        Made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw_map = Hemispheres(here.head)
    drawn: dict[str, Callable[[], Figure]] = {}
    for scores in all_scores:
        drawn |= _of_set(here, draw_map, scores)
    for erp in real:
        name = "figure-A3-faces" if erp.name == "faces" else f"real-{erp.name.replace(' ', '-')}"
        drawn[name] = partial(_real, here, draw_map, erp)
    paths = []
    for name, draw in tqdm(drawn.items(), unit="figure", desc="figures"):
        figure = draw()
        paths.append(folder / f"{name}.png")
        _save(figure, paths[-1])
    return paths


def _of_set(
    here: Laboratory, draw_map: Hemispheres, scores: Scores
) -> dict[str, Callable[[], Figure]]:
    """Return what draws the figures of a set, by name; none for some sets."""
    drawn: dict[str, Callable[[], Figure]] = {}
    of = scores.set
    if of in (SINGLE_SIGNED, SINGLE):
        drawn = {
            "figure-2-extent": partial(_grouped, scores, "extent", ("auc", "peak_error")),
            "figure-3-eccentricity": partial(
                _grouped, scores, "eccentricity", ("auc", "peak_error")
            ),
            "figure-A1-one-source": partial(_simulated, here, draw_map, scores, 1),
        }
    if of in (MULTI_SIGNED, MULTI):
        drawn = {
            "figure-4-sources": partial(_grouped, scores, "sources", ("auc", "nmse")),
            "figure-5-sources": partial(_grouped, scores, "sources", ("maxima_error", "emd")),
            "figure-A2-four-sources": partial(_simulated, here, draw_map, scores, 4),
        }
    if of in (NOISE_SIGNED, NOISE, STRICT_SIGNED, STRICT):
        drawn = {f"snr-{of.draws}": partial(_grouped, scores, "snr", ("auc", "emd"))}
    if of.signs == "positive":
        drawn = {f"{name}-positive": draw for name, draw in drawn.items()}
    return drawn


def _save(figure: Figure, path: Path) -> None:
    """Write a PNG of 256 colours, a third of the size; the same numbers make the same file."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    few = picture.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def _new_figure(size: tuple[float, float]) -> Figure:
    return Figure(figsize=size, dpi=DPI, layout="constrained")


def _grouped(scores: Scores, kind: str, metrics: tuple[str, str]) -> Figure:
    """Draw means and their bootstrap intervals of two metrics, by groups of samples."""
    figure = _new_figure((10, 4.2))
    axes = figure.subplots(1, 2)
    groups = {
        name: inside
        for name, inside in members(scores)[kind].items()
        if inside.sum() >= SMALLEST_GROUP
    }
    for ax, metric in zip(axes, metrics, strict=True):
        # The random map would press the others together, except where it wins.
        hidden = {ZERO_MAP} if metric == "maxima_error" else {ZERO_MAP, RANDOM_MAP}
        shown = [i for i, name in enumerate(scores.methods) if name not in hidden]
        for line, i in enumerate(shown):
            _line(
                ax, scores.of(metric)[i], list(groups.values()), scores.methods[i], line, len(shown)
            )
        ticks = [f"{g}\nn = {inside.sum()}" for g, inside in groups.items()]
        ax.set_xticks(range(len(groups)), ticks, fontsize=9)
        unit = METRICS[metric].unit
        ax.set_ylabel(f"{METRICS[metric].title}{f' ({unit})' if unit else ''}")
        ax.set_xlabel(GROUP_TITLES[kind])
        ax.grid(axis="y", alpha=0.3)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
        if metric == "nmse":
            ax.set_yscale("log")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    figure.suptitle(f"{scores.set.title}: mean and 95 % bootstrap interval", fontsize=10)
    return figure


def _line(
    ax: Any, values: Float, groups: list[NDArray[np.bool_]], label: str, line: int, n_lines: int
) -> None:
    colour, marker, style = STYLES.get(label, OF_THE_MODEL)
    rng = np.random.default_rng(0)
    means, low, high = [], [], []
    for inside in groups:
        there = values[inside & np.isfinite(values)]
        mean = there.mean() if there.size else np.nan
        interval = bootstrap_intervals(there, rng)[0] if there.size else (np.nan, np.nan)
        means.append(mean)
        low.append(mean - interval[0])
        high.append(interval[1] - mean)
    x = np.arange(len(groups)) + (line - n_lines / 2) * 0.05
    ax.errorbar(
        x,
        means,
        yerr=[low, high],
        color=colour,
        marker=marker,
        linestyle=style,
        linewidth=2 if line == 0 else 1,
        markersize=5,
        elinewidth=0.8,
        label=label,
    )


def _simulated(here: Laboratory, draw_map: Hemispheres, scores: Scores, n_sources: int) -> Figure:
    """Draw the sample with so many sources on which the model's AUC is the median."""
    candidates = np.flatnonzero(scores.facts["n_sources"] == n_sources)
    by_auc = candidates[np.argsort(scores.of("auc")[0, candidates], kind="stable")]
    sample = here.samples(scores.set)[int(by_auc[len(by_auc) // 2])]
    maps: dict[str, NDArray[np.floating[Any]]] = {"truth": sample.truth}
    maps |= {name: method(sample.erp) for name, method in here.methods.items()}
    views: list[tuple[Hemisphere, View]] = [best_view(here.head, sample.truth)]
    if n_sources > 1:
        views = [("left", "lateral"), ("left", "medial"), ("right", "lateral"), ("right", "medial")]
    title = f"Simulated, {scores.set.title}: one with {n_sources}, of median AUC"
    return _example(here.head, draw_map, Example(title, sample.erp, 0.0, maps, views))


def _real(here: Laboratory, draw_map: Hemispheres, real: RealErp) -> Figure:
    maps = {name: method(real.erp) for name, method in here.methods.items()}
    title = f"{real.title}, {real.peak_ms:.0f} ms ({real.name})"
    return _example(
        here.head, draw_map, Example(title, real.erp, real.start_s * 1e3, maps, real.views)
    )


def _example(head: Head, draw_map: Hemispheres, example: Example) -> Figure:
    """Draw the ERP, its topography at the peak, and every map on the cortex."""
    erp = example.erp
    n_maps, n_views = len(example.maps), len(example.views)
    columns = min(5, n_maps)
    rows = -(-n_maps // columns)
    figure = _new_figure((2.2 * columns, 2.2 + 1.65 * rows * n_views))
    parts: Any = figure.subfigures(2, 1, height_ratios=(2.2, 1.6 * rows * n_views))
    above, below = parts
    figure.suptitle(f"{example.title}; each map above a quarter of its maximum", fontsize=10)
    course, scalp = above.subplots(1, 2, width_ratios=(2, 1))
    times_ms = example.start_ms + np.arange(len(erp.average)) / erp.sfreq_hz * 1e3
    course.plot(times_ms, erp.average * 1e6, color="0.3", linewidth=0.6)
    course.axvline(times_ms[erp.peak], color="#D55E00")
    course.set(xlabel="time (ms)", ylabel="µV", xlim=(times_ms[0], times_ms[-1]))
    course.set_title("A", loc="left", fontweight="bold")
    _topography(scalp, erp.average[erp.peak], head)
    scalp.set_title("B", loc="left", fontweight="bold")
    axes = below.subplots(rows * n_views, columns, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for k, (title, values) in enumerate(example.maps.items()):
        for v, (hemisphere, view) in enumerate(example.views):
            ax = axes[k // columns * n_views + v, k % columns]
            ax.imshow(draw_map(values, hemisphere, view))
            if v == 0:
                ax.set_title(title, fontsize=9)
            if k % columns == 0:
                ax.text(0, 0.02, f"{hemisphere} {view}", transform=ax.transAxes, fontsize=7)
    below.text(0.005, 1.0, "C", fontweight="bold", va="top")
    return figure


def _topography(ax: Any, eeg: Float, head: Head) -> None:
    info = place_electrodes(standard_places_m(head.channels))
    limit = float(np.abs(eeg).max())
    mne.viz.plot_topomap(
        eeg, info, axes=ax, show=False, cmap="RdBu_r", vlim=(-limit, limit), contours=4
    )
    ax.set_xlabel(f"±{limit * 1e6:.1f} µV", fontsize=9)
