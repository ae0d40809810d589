"""The evaluation for people: the tables of ``evaluation.md``, made from the numbers of the JSON.

Sets with sources of either sign lead; the paper's own sets and its numbers follow.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from convdip.markdown import markdown_table

from convdip_training.evaluation.aggregate import CALIBRATED, COLUMNS, GROUP_TITLES
from convdip_training.evaluation.known_report import known_sections
from convdip_training.evaluation.metrics import METRICS
from convdip_training.evaluation.numbers import best_of, number, p_value, signed
from convdip_training.evaluation.ongoing_report import ongoing_sections
from convdip_training.evaluation.paper import against_the_paper
from convdip_training.evaluation.scores import NOTHING, POWERS
from convdip_training.evaluation.sets import MULTI_SIGNED, SINGLE_SIGNED

Table = dict[str, Any]

PAPERS_METRICS = (
    "auc_close", "auc_far", "auc", "peak_error", "maxima_error", "found", "missed", "ghosts",
    "nmse", "mse",
)  # fmt: skip
FURTHER_METRICS = (
    "average_precision", "emd", "relative_nmse", CALIBRATED, "dispersion", "n_maxima",
    "sign",
)  # fmt: skip
# What leads the report: the sets with one source and with several, of either sign.
IN_SHORT = {
    SINGLE_SIGNED: ("auc", "average_precision", "peak_error", "emd", "sign"),
    MULTI_SIGNED: ("auc", "average_precision", "found", "ghosts", "emd", "sign"),
}
# What the model is compared with the baseline methods by.
COMPARED = (
    "auc", "average_precision", "peak_error", "maxima_error", "found", "ghosts", "nmse", "emd",
)  # fmt: skip
WORDS = """\
What is comparable, and what is not:

- **The data are reconstructed from the paper's text.** Neither its code for the alternative head
  nor its noise is public; the noise used here is named under each set. Orders count growth
  iterations, the only reading that gives the paper's 19–91 dipoles.
- **The paper does not say whether its values are means or medians**, except where it gives a
  median. Both are given below.
- **AUC** is computed here with all negatives of a pool, in the paper with as many as there are
  positives, drawn at random; on average the two agree.
- **LCMV free** (not in quick evaluations) is the same call of MNE with free orientations, of which
  the norm is taken.
- **Signs**: a moment is positive out of the cortex. All that asks where sources are compares
  absolute values, also of methods whose maps have signs. *Sign right* is the share of the true
  moment whose sign a map has right, where it gives one; half is chance. In sets with positive
  sources a method that knows only these is always right.
- **The medial wall** (a tenth of the dipoles), where the surface closes without cortex, never holds
  a source, and what maps hold there is not looked at.
- **Correlations with the number of sources** are given in the paper without their sign.
- **nMSE says little.** A patch is some 1–2 % of the cortex, so a map of zeros has almost the nMSE
  of the paper's best method. *Relative nMSE* divides by that of the zero map; its mean is dominated
  by the smallest patches, so look at the median. *Calibrated*: all maps of a method are raised to
  one power, chosen on a validation set with the same kind of signs, which leaves the ranks of the
  dipoles unchanged.
- **Localisation error over all maxima, and found**, count only what was found, so many maxima
  everywhere score best. Look at ghosts and the earth mover's distance as well.
- **⚠** marks a column in which no method is better than a map of zeros or of random numbers.
- **(n = …)**: the number of samples that have a value: the distance of the strongest dipoles is
  defined for one source only; a map of zeros has no maximum, no dispersion and no earth to move.
- **Earth mover's distance**: how far, on average, a map's earth must be moved to become the truth.
  Dipoles are first gathered at 400 places some 12 mm apart, so it is no finer than that.
- **The baseline methods are given more than the model**: the noise covariance of each sample's
  first 400 ms, and LCMV, cMEM and γ-MAP other time points. The model sees one sample of EEG. It
  knows what they do not: that sources are round patches (γ-MAP knows that too).
- **MSE** is left out for LCMV, sLORETA and dSPM, which give no moments (the paper leaves out LCMV).
  The paper's MSE of cMEM and eLORETA exceeds that of a map of zeros by six and eleven orders of
  magnitude, so its moments cannot have been in A·m.
"""


def to_markdown(table: Table) -> str:
    """Return the report.

    Parameters
    ----------
    table : dict
        From `convdip_training.evaluation.aggregate.summarise`, with ``real`` and ``known`` added.
    """
    name = table["model"]["name"]
    extent = " (quick: 100 samples each of two sets)" if table["quick"] else ""
    sections = [
        f"# Evaluation of {name}{extent}",
        f"By `convdip-train evaluate{' --quick' if table['quick'] else ''}`, seed {table['seed']}, "
        f"model {table['model']['sha256'][:12]}. All numbers, with intervals and every test, are "
        "in the JSON beside this file; `convdip-train figures` draws the figures.",
        "Simulated EEG comes from an alternative head that no method sees, with other electrode "
        "positions, conductivities and dipoles (section 2.1 of Hecker et al. 2021); in the robust "
        "and the stricter sets, which quick evaluations leave out, each sample has another head. "
        "Each source points out of the cortex or into it with probability ½, as in live EEG; the "
        "same samples with positive sources, as the paper has them, follow.",
        _in_short(table),
        WORDS,
        "## Where a baseline method is ahead",
        where_behind(table),
        *_sections_of(table, "random"),
        against_the_paper(table),
        *_sections_of(table, "positive"),
        *ongoing_sections(table),
        *known_sections(table["known"]),
        *_real_sections(table["real"]),
    ]
    if table["real_left_out"]:
        sections.append(f"Not at hand, hence left out: {', '.join(table['real_left_out'])}.")
    sections.append(_calibration(table["calibration"]))
    versions = ", ".join(f"{package} {at}" for package, at in table["versions"].items())
    sections.append(f"Made with {versions}.")
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _in_short(table: Table) -> str:
    """Return the means of all methods on the two leading sets."""
    header, columns = [""], []
    for config, metrics in IN_SHORT.items():
        for i, metric in enumerate(metrics):
            columns.append((table["sets"][config.name], metric))
            title = _column(metric, "mean", columns[-1][0])
            header.append(title if i else f"{config.title}: {title}")
    methods = table["sets"][SINGLE_SIGNED.name]["methods"]
    rows = []
    for method in methods:
        cells = [entry["methods"][method][metric] for entry, metric in columns]
        values = zip(cells, columns, strict=True)
        means = [number(cell["mean"] if cell else None, metric) for cell, (_, metric) in values]
        rows.append([method, *means])
    return f"## In short\n\nMeans.\n\n{markdown_table(header, rows)}"


def _sections_of(table: Table, signs: str) -> list[str]:
    """Return the sections of all sets with one kind of signs."""
    return [
        section
        for key, entry in table["sets"].items()
        if entry["signs"] == signs
        for section in _set_sections(table, key, entry)
    ]


def _calibration(powers: Table) -> str:
    said = {"random": "sources of either sign", "positive": "positive sources"}
    lines = [
        f"- {said[signs]}: " + ", ".join(f"{method} {power:g}" for method, power in of.items())
        for signs, of in powers.items()
    ]
    return (
        "## Calibration\n\nPower to which each method's maps are raised for the calibrated "
        "relative nMSE:\n\n" + "\n".join(lines) + f"\n\n{POWERS[-1]:g} is the largest that was "
        "tried: a larger one would score better still, as would the zero map."
    )


def where_behind(table: Table) -> str:
    """List every set and group in which a baseline method's mean is better than the model's."""
    model = table["model"]["name"]
    compared, behind = Counter[str](), Counter[str]()
    rows = []
    for entry in table["sets"].values():
        groups = {"all": {"n": entry["n"], "methods": entry["methods"]}} | {
            f"{GROUP_TITLES[kind]} {level}": group
            for kind, levels in entry["groups"].items()
            for level, group in levels.items()
        }
        for where, group in groups.items():
            lost = []
            for metric in COMPARED:
                means = {
                    method: row[metric]["mean"]
                    for method, row in group["methods"].items()
                    if row[metric] and method not in NOTHING
                }
                if model not in means or len(means) < 2:
                    continue
                compared[metric] += 1
                best = best_of(means, METRICS[metric].best)
                if means[best] != means[model]:
                    ours, theirs = (
                        f"{number(row['mean'], metric)} ({number(row['median'], metric)})"
                        for row in (group["methods"][name][metric] for name in (model, best))
                    )
                    lost.append(f"{METRICS[metric].title} {ours}, {best} {theirs}")
                    behind[metric] += 1
            if lost:
                rows.append([entry["title"], where, str(group["n"]), "; ".join(lost)])
    counts = ", ".join(
        f"{METRICS[metric].title} {compared[metric] - behind[metric]} of {compared[metric]}"
        for metric in COMPARED
        if compared[metric]
    )
    said = (
        f"Number of means, over each set and each group below, in which no baseline method is "
        f"better than {model}: {counts}. Where one is:"
    )
    header = ["set", "group", "n", "mean (median): the model, the best baseline method"]
    return f"{said}\n\n{markdown_table(header, rows)}"


def _set_sections(table: Table, key: str, entry: Table) -> list[str]:
    sections = [
        f"## {entry['title'][0].upper()}{entry['title'][1:]}",
        f"{entry['n']} samples, set `{key}`. Noise: {table['noise'][key]}.",
    ]
    for which in ("mean", "median"):
        for metrics in (PAPERS_METRICS, FURTHER_METRICS):
            shown = [m for m in metrics if any(row[m] for row in entry["methods"].values())]
            header = [f"{which} [95 % interval]", *(_column(m, which, entry) for m in shown)]
            rows = [
                [method, *(_cell(row[m], which, m, entry["n"]) for m in shown)]
                for method, row in entry["methods"].items()
            ]
            sections.append(markdown_table(header, rows))
    sections += [
        _group_section(kind, groups, entry) for kind, groups in entry["groups"].items() if groups
    ]
    sections.append(_test_section(table["model"]["name"], entry))
    return sections


def _column(metric: str, which: str, entry: Table) -> str:
    title, unit = COLUMNS[metric].title, COLUMNS[metric].unit
    mark = " ⚠" if metric in entry["won_by_nothing"][which] else ""
    return f"{title}{f' ({unit})' if unit else ''}{mark}"


def _cell(row: Table | None, which: str, metric: str, n_samples: int) -> str:
    if row is None:
        return "–"
    low, high = (number(end, metric) for end in row[f"{which}_ci"])
    fewer = f" (n = {row['n']})" if row["n"] < n_samples else ""
    return f"{number(row[which], metric)} [{low}, {high}]{fewer}"


def _group_section(kind: str, groups: Table, entry: Table) -> str:
    error = "peak_error" if kind in ("extent", "eccentricity") else "maxima_error"
    metrics: tuple[str, ...] = ("auc", error, "emd")
    if kind == "sources":
        metrics = (*metrics, "nmse", "found")
    parts = [f"### By {GROUP_TITLES[kind]}"]
    for metric in metrics:
        unit = f", {METRICS[metric].unit}" if METRICS[metric].unit else ""
        header = [
            f"{METRICS[metric].title}{unit}: mean",
            *(f"{g} (n = {v['n']})" for g, v in groups.items()),
        ]
        rows = []
        for method in entry["methods"]:
            cells = [group["methods"][method][metric] for group in groups.values()]
            rows.append([method, *(number(c["mean"] if c else None, metric) for c in cells)])
        parts.append(markdown_table(header, rows))
    if kind == "eccentricity" and {"20 mm", "80 mm"} <= set(groups):
        parts.append(
            "Drop-off (how much larger the localisation error is at 20 mm than at 80 mm): "
            + _drop_off(groups)
        )
    return "\n\n".join(parts)


def _drop_off(groups: Table) -> str:
    found = []
    for method in groups["20 mm"]["methods"]:
        deep, shallow = (groups[mm]["methods"][method]["peak_error"] for mm in ("20 mm", "80 mm"))
        if deep and shallow and method not in NOTHING:
            more = deep["mean"] / shallow["mean"] - 1
            found.append(f"{method} {f'{more:.0%}'.replace('-', '−')}")
    return ", ".join(found) + ". *Paper: LCMV 18 %, cMEM 64 %, eLORETA 23 %.*"


def _test_section(model: str, entry: Table) -> str:
    """Return the model's tests against each baseline method; d > 0 if its value is larger."""
    metrics = ("auc", "peak_error", "maxima_error", "nmse", "emd", "average_precision")
    n_permutations = entry["tests"]["permutations"]
    parts = [
        f"### Tests of {model}\n\nUnpaired permutation test of means, {n_permutations:,} "
        f"permutations (p is never below 1e−{len(str(n_permutations)) - 1}): p, and in "
        f"brackets Cohen's d, positive if {model} has the larger value. Unpaired as in the paper, "
        "although all methods see the same samples; not corrected for the number of tests. "
        "–: a method without a value in some sample is not tested."
    ]
    groups = sorted(set(entry["tests"]) - {"permutations"}, key=lambda name: name != "all")
    for where in groups:
        tests = entry["tests"][where]
        shown = [m for m in metrics if any(pair.startswith(f"{model} | ") for pair in tests[m])]
        baselines = [method for method in entry["methods"] if method not in (model, *NOTHING)]
        rows = []
        for baseline in baselines:
            cells = []
            for metric in shown:
                test = tests[metric].get(f"{model} | {baseline}")
                cells.append(f"{p_value(test['p'])} ({signed(test['d'])})" if test else "–")
            rows.append([baseline, *cells])
        title = "all samples" if where == "all" else where
        parts.append(markdown_table([title, *(METRICS[m].title for m in shown)], rows))
    return "\n\n".join(parts)


def _real_sections(real: list[Table]) -> list[str]:
    if not real:
        return []
    sections = [
        "## Real data",
        "The maximum of each method's map, for one sample of a real ERP. ✓: in a region where the "
        "field expects it. Coordinates are MNI152, in mm; *distance* is to the expected position. "
        "Methods that need single trials (LCMV) have only the average where none are published.",
    ]
    for erp in real:
        place = erp["expected"]["mni_mm"]
        mni = ", ".join(f"{x:.0f}".replace("-", "−") for x in place or ())
        where = f", about ({mni})" if place else ""
        regions = ", ".join(erp["expected"]["regions"])
        rows = []
        for method, found in erp["methods"].items():
            mark = " ✓" if found["as_expected"] else ""
            there = found.get("mni_mm", ["–"])
            coordinates = ", ".join(str(x).replace("-", "−") for x in there)
            distance = f"{found['distance_mm']:.0f}" if "distance_mm" in found else "–"
            fit = found["explained_variance"]
            explained = "–" if fit is None else f"{fit:.0%}"
            rows.append([method, found["region"] + mark, coordinates, distance, explained])
        header = ["", "maximum in", "MNI (mm)", "distance (mm)", "variance explained"]
        title = f"{erp['title'][0].upper()}{erp['title'][1:]}"
        sections.append(
            f"### {title} ({erp['name']}, {erp['time_ms']:.0f} ms)\n\n"
            f"{erp['source']}. Expected: {regions}{where}.\n\n{markdown_table(header, rows)}"
        )
    return sections
