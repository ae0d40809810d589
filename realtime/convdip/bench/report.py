"""The benchmark's results as table, JSON and figure."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from convdip.bench.measure import Line
from convdip.bench.trial import Trial
from convdip.errors import ConfigError
from convdip.machine import commit, gpu_name, n_cores, processor_name
from convdip.markdown import markdown_table

MET = {True: "yes", False: "NO", None: "–"}


def machine() -> dict[str, str]:
    """Return hardware and software versions of this measurement."""
    return {
        "date": date.today().isoformat(),
        "commit": commit(),
        "processor": f"{processor_name()}, {n_cores()} cores",
        "gpu": gpu_name(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "onnxruntime": ort.__version__,
        **{name: version(name) for name in ("numpy", "pylsl")},
    }


def to_table(lines: Sequence[Line]) -> str:
    """Return the table, as Markdown that also reads well in a terminal."""
    rows = [(line.what, line.found, line.bar or "–", MET[line.met]) for line in lines]
    return markdown_table(("", "measured", "target", "met"), rows, padded=True)


def to_json(lines: Sequence[Line], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return all results as one JSON object."""
    return {
        "machine": machine(),
        "arguments": dict(arguments),
        "lines": [asdict(line) for line in lines],
        "ok": all(line.met is not False for line in lines),
    }


def check_can_draw(path: Path) -> None:
    """Check that the figure can be drawn, before minutes of measuring.

    Raises
    ------
    ConfigError
        If the folder cannot be written to, or matplotlib is not installed.
    """
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ConfigError(f"`png` is {path}: expected a file in a writable folder")
    check_matplotlib("`png`")


def check_matplotlib(what: str) -> None:
    """Raise a ConfigError if matplotlib is not installed, which something needs."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ConfigError(f"{what} needs matplotlib: pip install matplotlib") from None


def tally(values: NDArray[np.float64], bins: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count values in bins; values outside count in the first or the last."""
    return np.histogram(np.clip(values, bins[0], bins[-1]), bins)[0]


def draw(trials: Mapping[str, Trial], path: Path) -> None:
    """Draw histograms of the samples' ages and of the jitter of their arrival.

    Parameters
    ----------
    trials : dict of Trial
        Those of the bare relay are left out.
    path : Path
        PNG file.
    """
    from matplotlib.figure import Figure

    shown = {name: trial for name, trial in trials.items() if trial.service}
    figure = Figure(figsize=(11, 0.55 * len(shown) + 2.0), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    ages = np.geomspace(0.2, 1000, 141)
    jitters = np.linspace(-2.5, 2.5, 121)
    for row, trial in enumerate(shown.values()):
        for axes, values, bins in ((left, trial.ages_ms, ages), (right, trial.jitter_ms, jitters)):
            counts = tally(values, bins)
            # Logarithmic from one sample up, since the tail matters.
            heights = 0.85 * np.log1p(counts) / np.log1p(max(1, counts.max()))
            floor = row + 0.95
            axes.stairs(floor - heights, bins, baseline=floor, fill=True, color="#3b6fb6")
        marks = np.percentile(trial.ages_ms, (50, 99))
        left.plot(marks, [row + 0.55] * 2, "|", color="#c8461d", markersize=14, markeredgewidth=2)
    left.set(xscale="log", xlabel="age of a sample at the client (ms)")
    ticks = [0.5, 1, 2, 5, 10, 100, 1000]
    left.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    left.minorticks_off()
    left.set_yticks(np.arange(len(shown)) + 0.6, list(shown))
    left.set_title("red: median and 99th percentile", fontsize=10)
    right.set_xlabel("jitter: interval between arrivals − 1/rate (ms)")
    right.set_title("logarithmic counts", fontsize=10)
    for axes in (left, right):
        axes.set_ylim(len(shown), 0)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
