"""The report's picture: which region is taken for which, how often, how late."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convdip.prove.outcome import PULSES, SNR_WORDS, Judgement
from convdip.prove.session import BANDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The Desikan–Killiany atlas, from front to back in each lobe.
LOBES = {
    "frontal": (
        "frontalpole", "medialorbitofrontal", "lateralorbitofrontal", "parsorbitalis",
        "parstriangularis", "parsopercularis", "rostralmiddlefrontal", "caudalmiddlefrontal",
        "superiorfrontal", "precentral", "paracentral",
    ),
    "insula": ("insula",),
    "cingulate": (
        "rostralanteriorcingulate", "caudalanteriorcingulate", "posteriorcingulate",
        "isthmuscingulate",
    ),
    "temporal": (
        "temporalpole", "entorhinal", "parahippocampal", "fusiform", "inferiortemporal",
        "middletemporal", "superiortemporal", "transversetemporal", "bankssts",
    ),
    "parietal": (
        "postcentral", "supramarginal", "superiorparietal", "inferiorparietal", "precuneus",
    ),
    "occipital": ("cuneus", "pericalcarine", "lingual", "lateraloccipital"),
}  # fmt: skip
COLOURS = {PULSES: "#4d4d4d", "theta": "#7a4fb0", "alpha": "#2f73b5", "beta": "#c8661d"}
FONT, SMALL_FONT = 9.5, 6.5


def lobe_of(region: str) -> str:
    """Return the lobe of a region of the atlas and its hemisphere, ``lh frontal``.

    Examples
    --------
    >>> lobe_of("cuneus-rh")
    'rh occipital'
    """
    stem, _, hemisphere = region.rpartition("-")
    lobes = (lobe for lobe, names in LOBES.items() if stem in names)
    return f"{hemisphere} {next(lobes, 'other')}"


def in_order(regions: tuple[str, ...]) -> list[int]:
    """Return the places of regions by hemisphere, by lobe, from front to back."""
    order = [name for names in LOBES.values() for name in names]

    def key(place: int) -> tuple[str, int]:
        stem, _, hemisphere = regions[place].rpartition("-")
        return hemisphere, order.index(stem) if stem in order else len(order)

    return sorted(range(len(regions)), key=key)


def draw(judged: Judgement, title: str, path: Path) -> None:
    """Draw everything into a PNG file.

    Parameters
    ----------
    judged : Judgement
    title : str
        Model and date.
    path : Path
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(17, 11), layout="constrained")
    figure.suptitle(f"convdip prove: {title}", fontsize=13)
    grid = figure.add_gridspec(3, 2, width_ratios=(2.35, 1))
    _draw_confusion(judged, figure.add_subplot(grid[:, 0]))
    _draw_hits(judged, figure.add_subplot(grid[0, 1]))
    _draw_distances(judged, figure.add_subplot(grid[1, 1]))
    _draw_courses(judged, figure.add_subplot(grid[2, 1]))
    figure.savefig(path, dpi=130)


def _draw_confusion(judged: Judgement, axes: Axes) -> None:
    """Draw the matrix, in shares of a true region's sources."""
    order = in_order(judged.regions)
    counts = judged.confusion[np.ix_(order, order)]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    image = axes.imshow(np.where(counts, shares, np.nan), cmap="viridis_r", vmin=0, vmax=1)
    names = [judged.regions[place] for place in order]
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=SMALL_FONT)
    axes.set_yticks(range(len(names)), names, fontsize=SMALL_FONT)
    axes.tick_params(length=2, pad=1)
    lobes = [lobe_of(name) for name in names]
    for place in range(1, len(names)):
        if lobes[place] != lobes[place - 1]:
            other = lobes[place].split()[0] != lobes[place - 1].split()[0]
            for line in (axes.axhline, axes.axvline):
                line(
                    place - 0.5, color="black" if other else "0.75", linewidth=1.0 if other else 0.5
                )
    for lobe in dict.fromkeys(lobes):
        middle = float(np.mean([place for place, other in enumerate(lobes) if other == lobe]))
        axes.text(len(names) - 0.2, middle, lobe, fontsize=SMALL_FONT, va="center")
    axes.set_xlabel("strongest region", fontsize=FONT)
    axes.set_ylabel("region of the source", fontsize=FONT)
    axes.set_title(
        "which region is taken for which (pulses and rhythms; lines: lobes and hemispheres)",
        fontsize=FONT,
    )
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.35, aspect=30, pad=0.01, anchor=(0, 0))
    bar.set_label("share of the region's sources", fontsize=FONT)
    bar.ax.tick_params(labelsize=FONT - 1)


def _draw_hits(judged: Judgement, axes: Axes) -> None:
    kinds = sorted(judged.found, key=lambda kind: kind in BANDS)
    for place, kind in enumerate(kinds):
        found = judged.found[kind]
        for share, offset, filled in (
            (found.strongest, -0.17, True),
            (found.among_three, 0.17, False),
        ):
            colour = COLOURS.get(kind, "0.6")
            axes.barh(
                place + offset,
                share.share,
                0.3,
                color=colour if filled else "white",
                edgecolor=colour,
            )
            axes.plot([share.low, share.high], [place + offset] * 2, color="black", linewidth=1)
            axes.plot([share.chance] * 2, place + offset + np.array([-0.17, 0.17]), color="red")
    axes.set_yticks(range(len(kinds)), [_label(kind) for kind in kinds])
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.tick_params(labelsize=FONT)
    axes.set_title(
        "region right: strongest (filled), among three (red: chance)",
        fontsize=FONT,
    )
    axes.spines[["top", "right"]].set_visible(False)


def _label(kind: str) -> str:
    if kind in SNR_WORDS:
        return f"pulses, SNR {SNR_WORDS[kind]}"
    return kind if kind in COLOURS else f"{kind} pulses"


def _draw_distances(judged: Judgement, axes: Axes) -> None:
    rows = {"strongest dipole, pulses": (judged.dipole_mm, COLOURS[PULSES])}
    for kind in (PULSES, *BANDS):
        rows[f"middle of region, {kind}"] = (judged.found[kind].centre_mm, COLOURS[kind])
    for place, (middle, colour) in enumerate(rows.values()):
        axes.plot([middle.low, middle.high], [place] * 2, color=colour, linewidth=2)
        axes.plot(middle.median, place, "o", color=colour)
        axes.plot(middle.chance, place, "|", color="red", markersize=12, markeredgewidth=2)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.tick_params(labelsize=FONT)
    axes.set_xlabel("distance from the source (mm)", fontsize=FONT)
    axes.set_title("median distance and its 95 % interval (red: chance)", fontsize=FONT)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_courses(judged: Judgement, axes: Axes) -> None:
    for band, delay in judged.delays.items():
        courses = judged.courses[band]
        if not len(courses):
            continue
        times_s = np.arange(courses.shape[1]) / judged.sfreq_hz
        low, middle, high = np.percentile(courses, (25, 50, 75), axis=0)
        axes.fill_between(times_s, low, high, color=COLOURS[band], alpha=0.15, linewidth=0)
        axes.plot(times_s, middle, color=COLOURS[band], label=band)
        axes.plot(delay.stated, 0.5, "x", color=COLOURS[band], markersize=8, markeredgewidth=2)
    axes.axhline(1, color="0.8", linewidth=0.8, zorder=0)
    axes.set_ylim(-0.1, 1.5)
    axes.legend(frameon=False, fontsize=FONT, loc="lower right")
    axes.tick_params(labelsize=FONT)
    axes.set_xlabel("time since a rhythm's first sample (s)", fontsize=FONT)
    axes.set_title("power of its region: median, quartiles (×: stated delay)", fontsize=FONT)
    axes.spines[["top", "right"]].set_visible(False)
