"""The section on ongoing EEG of ``evaluation.md``, made from the numbers of the JSON."""

from __future__ import annotations

from typing import Any

from convdip.markdown import markdown_table

from convdip_training.evaluation.numbers import best_of
from convdip_training.evaluation.ongoing_methods import LCMV_REGULARISATION
from convdip_training.evaluation.ongoing_metrics import (
    COLUMNS,
    COURSE_METRICS,
    FAR_M,
    MAP_METRICS,
    RESTING,
    STARTS_S,
    WINDOWS_S,
    map_column,
)
from convdip_training.evaluation.scores import NOTHING

Table = dict[str, Any]

GROUPED = ("auc_1s", "average_precision_1s", "region_1s", "envelope", "leakage")
DIGITS = {"mm": 1, "%": 0}


def ongoing_sections(table: Table) -> list[str]:
    """Return the sections of the report.

    Parameters
    ----------
    table : dict
        The whole evaluation's; what `ongoing_table` returned is at ``ongoing``.
    """
    found, model = table["ongoing"], table["model"]["name"]
    methods = found["methods"]
    sections = ["## Ongoing EEG", _behind(methods, model), _words(found)]
    for window_s in WINDOWS_S:
        columns = [map_column(name, window_s) for name in MAP_METRICS]
        title = f"Maps over {window_s:g} s: mean [95 % interval]"
        sections.append(_means_table(title, columns, methods, found["n"]))
    title = "Courses over the whole recording: mean [95 % interval]"
    sections += [_means_table(title, list(COURSE_METRICS), methods, found["n"])]
    sections.append(_groups_section(found["groups"], list(methods)))
    return sections


def _behind(methods: Table, model: str) -> str:
    """Say in which metrics a rival's mean is better than the model's."""
    ahead = []
    for column, metric in COLUMNS.items():
        means = {
            name: row[column]["mean"]
            for name, row in methods.items()
            if row[column] and name not in NOTHING
        }
        if model not in means:
            continue
        best = best_of(means, metric.best)
        if means[best] != means[model]:
            ours, theirs = (_number(means[name], column) for name in (model, best))
            ahead.append(f"{_title(column)}: {best} {theirs}, {model} {ours}")
    if not ahead:
        return f"No rival's mean is better than {model}'s in any of {len(COLUMNS)} columns."
    listed = "\n".join(f"- {line}" for line in ahead)
    return (
        f"**A rival is ahead of {model} in {len(ahead)} of {len(COLUMNS)} columns** (means; the "
        f"best rival of each):\n\n{listed}"
    )


def _words(found: Table) -> str:
    low, high = found["snr"]
    starts = " and ".join(f"{start_s:g}" for start_s in STARTS_S)
    return f"""\
{found["n"]} recordings of {found["seconds"]:g} s at {found["sfreq_hz"]:g} Hz, after
{found["quiet_s"]:g} s of background alone, on the alternative head. One to four patches of either
sign oscillate in one band: alpha (8–12 Hz, anywhere), mu (9–13 Hz, precentral, postcentral and
paracentral) or beta (15–25 Hz, anywhere), with slow random envelopes, some of them in step. The
background is synthetic, 1/f with an alpha rhythm of its own. SNR: in the band, after the filter,
power of the sources' EEG over that of the background, {low:g} to {high:g}. A causal band-pass
comes before every method. The rivals' noise covariance is that of the stretch without sources;
LCMV's data covariance, and for courses γ-MAP's, that of the whole stretch with them; for maps
γ-MAP is solved for each window by itself. LCMV's loading is {LCMV_REGULARISATION:g} times the mean
eigenvalue, chosen on recordings of another seed: with MNE's default, 0.05, it cancels what it
looks for, as a patch's EEG is no single dipole's. The model sees one sample at a time.

- **Maps** are the mean square of each dipole's moment over a window, as is the truth. Of each
  length two windows a recording, from {starts} s on, are scored, and the recordings' means are
  resampled for the intervals. A source with less than {RESTING:.0%} of the strongest one's power
  in a window is none there. Localisation error: from the strongest dipole to the nearest source's
  centre. The medial wall is left out of all scores.
- **Regions** are scored by the mean power of their dipoles; one with fewer dipoles than the median
  region counts as if it had as many, the rest silent, so that none wins for being small.
- **Correlation of envelopes**: of each source's region, estimated with true, over the recording
  (root of the region's power, smoothed over a quarter of a second; 0 where a method shows nothing).
- **Leakage**: power that follows the source (power times squared correlation with the true
  envelope) in regions at least {FAR_M * 1e3:.0f} mm from all sources, on average, over the sum of
  that and of the own region's: 0 is none, 0.5 as much far away as at home.
- A map of random numbers has a new number for each dipole and sample."""


def _title(column: str) -> str:
    """Return a column's title, with the length of its window."""
    _, _, window = column.rpartition("_")
    unit = f" ({COLUMNS[column].unit})" if COLUMNS[column].unit else ""
    over = f", {window[:-1]} s" if column not in COURSE_METRICS else ""
    return f"{COLUMNS[column].title}{over}{unit}"


def _number(value: float | None, column: str) -> str:
    if value is None:
        return "–"
    return f"{value:.{DIGITS.get(COLUMNS[column].unit, 3)}f}".replace("-", "−")


def _means_table(title: str, columns: list[str], methods: Table, n: int) -> str:
    rows = []
    for name, row in methods.items():
        cells = []
        for column in columns:
            cell = row[column]
            if cell is None:
                cells.append("–")
                continue
            low, high = (_number(end, column) for end in cell["mean_ci"])
            fewer = f" (n = {cell['n']})" if cell["n"] < n else ""
            cells.append(f"{_number(cell['mean'], column)} [{low}, {high}]{fewer}")
        rows.append([name, *cells])
    heads = [
        f"{COLUMNS[c].title}{f' ({COLUMNS[c].unit})' if COLUMNS[c].unit else ''}" for c in columns
    ]
    return markdown_table([title, *heads], rows)


def _groups_section(groups: Table, methods: list[str]) -> str:
    """Return the means by what recordings are like."""
    if not groups:
        return ""
    parts = ["### By kind of recording"]
    for column in GROUPED:
        header = [f"{_title(column)}: mean", *(f"{g} (n = {v['n']})" for g, v in groups.items())]
        rows = [
            [name, *(_number(v["methods"][name][column], column) for v in groups.values())]
            for name in methods
        ]
        parts.append(markdown_table(header, rows))
    return "\n\n".join(parts)
