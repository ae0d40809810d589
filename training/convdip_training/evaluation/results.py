"""The evaluation for people: the tables of ``evaluation.md``, made from the numbers of the JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from convdip.markdown import markdown_table

from convdip_training.evaluation.aggregate import CALIBRATED, COLUMNS, GROUP_TITLES
from convdip_training.evaluation.methods import FREE_LCMV
from convdip_training.evaluation.metrics import METRICS
from convdip_training.evaluation.ongoing_report import ongoing_sections
from convdip_training.evaluation.scores import NOTHING, POWERS

Table = dict[str, Any]

MODEL = "model"
PAPERS_METRICS = (
    "auc_close", "auc_far", "auc", "peak_error", "maxima_error", "found", "missed", "ghosts",
    "nmse", "mse",
)  # fmt: skip
FURTHER_METRICS = (
    "average_precision", "emd", "relative_nmse", CALIBRATED, "dispersion", "n_maxima",
)  # fmt: skip
# Digits after the point; 3 for all other metrics.
DIGITS = {
    **{name: 1 for name, metric in METRICS.items() if metric.unit in ("mm", "%")},
    **{name: 2 for name, metric in METRICS.items() if metric.unit == "a sample"},
    "nmse": 4, "relative_nmse": 2, CALIBRATED: 2,
}  # fmt: skip
# What the model is compared with the baseline methods by.
COMPARED = (
    "auc", "average_precision", "peak_error", "maxima_error", "found", "ghosts", "nmse", "emd",
)  # fmt: skip
# What the paper's text says (its two tables are not available): set, group or none, metric, and
# the value of each method. ≈ marks what follows from a difference or a ratio in the text.
PAPER = (
    ("single", None, "auc", {MODEL: "0.98", "eLORETA": "≥ 0.80", "LCMV": "0.95", "cMEM": "0.91"}),
    ("single", None, "peak_error", {MODEL: "11.05", "eLORETA": "≈ 13.3"}),
    ("single", None, "nmse", {MODEL: "0.0033", "cMEM": "> 0.0066"}),
    ("single", None, "mse", {MODEL: "3.93e−19", "eLORETA": "6.40e−8", "cMEM": "4.32e−13"}),
    ("single", ("extent", "s2"), "auc", {"cMEM": "0.93"}),
    ("single", ("extent", "s3"), "auc", {MODEL: "0.99"}),
    ("single", ("extent", "s4"), "auc", {MODEL: "0.99"}),
    ("single", ("extent", "s7"), "auc", {MODEL: "0.94"}),
    ("single", ("extent", "s2"), "peak_error", {"eLORETA": "10.34"}),
    ("single", ("eccentricity", "20 mm"), "auc", {MODEL: "median 0.934", "LCMV": "median 0.934"}),
    ("multi", None, "auc", {MODEL: "0.78", "LCMV": "≈ 0.71–0.73"}),
    ("multi", ("sources", "1"), "auc", {MODEL: "≈ 0.99"}),
    ("multi", ("sources", "≥ 5"), "auc", {MODEL: "≈ 0.73"}),
    ("multi", ("sources", "≥ 5"), "maxima_error", {MODEL: "33.65", "LCMV": "29.41"}),
)
PAPER_CORRELATIONS = (
    (
        "single",
        "auc ~ eccentricity",
        {MODEL: "0.27", "eLORETA": "0", "LCMV": "0.07", "cMEM": "0.31"},
    ),
    (
        "single",
        "peak_error ~ eccentricity",
        {MODEL: "−0.02", "eLORETA": "−0.15", "LCMV": "−0.09", "cMEM": "−0.30"},
    ),
    (
        "multi",
        "auc ~ n_sources",
        {MODEL: "0.70", "eLORETA": "0.73", "LCMV": "0.73", "cMEM": "0.60"},
    ),
)
PAPERS_METHODS = (MODEL, "eLORETA", "LCMV", FREE_LCMV, "cMEM")
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
  the norm is taken. Maps are compared by their absolute values; signed or clipped at zero, the AUC
  of LCMV with fixed orientations is lower.
- **Correlations with the number of sources** are given in the paper without their sign.
- **nMSE says little.** A patch is some 1–2 % of the cortex, so a map of zeros has almost the nMSE
  of the paper's best method. *Relative nMSE* divides by that of the zero map; its mean is dominated
  by the smallest patches, so look at the median. *Calibrated*: all maps of a method are raised to
  one power, chosen on a validation set, which leaves the ranks of the dipoles unchanged.
- **Localisation error over all maxima, and found**, count only what was found, so many maxima
  everywhere score best. Look at ghosts and the earth mover's distance as well.
- **⚠** marks a column in which no method is better than a map of zeros or of random numbers.
- **(n = …)**: the number of samples that have a value: the distance of the strongest dipoles is
  defined for one source only; a map of zeros has no maximum, no dispersion and no earth to move.
- **Earth mover's distance**: how far, on average, a map's earth must be moved to become the truth.
  Dipoles are first gathered at 400 places some 12 mm apart, so it is no finer than that.
- **The baseline methods are given more than the model**: the noise covariance of each sample's
  first 400 ms, and LCMV, cMEM and γ-MAP other time points. The model sees one sample of EEG. It
  knows what they do not: that sources are positive and patches round (γ-MAP knows the patches too).
- **MSE** is left out for LCMV, sLORETA and dSPM, which give no moments (the paper leaves out LCMV).
  The paper's MSE of cMEM and eLORETA exceeds that of a map of zeros by six and eleven orders of
  magnitude, so its moments cannot have been in A·m.
"""


def to_markdown(table: Table) -> str:
    """Return the report.

    Parameters
    ----------
    table : dict
        From `convdip_training.evaluation.aggregate.summarise`, with ``real`` added.
    """
    name = table["model"]["name"]
    extent = " (quick: 100 samples of two sets)" if table["quick"] else ""
    sections = [
        f"# Evaluation of {name}{extent}",
        f"By `convdip-train evaluate{' --quick' if table['quick'] else ''}`, seed {table['seed']}, "
        f"model {table['model']['sha256'][:12]}. All numbers, with intervals and every test, are "
        "in the JSON beside this file; `convdip-train figures` draws the figures.",
        "Simulated EEG comes from an alternative head that no method sees, with other electrode "
        "positions, conductivities and dipoles (section 2.1 of Hecker et al. 2021); in the robust "
        "and the stricter set, which quick evaluations leave out, each sample has another head.",
        "## Compared with the paper's numbers",
        "Mean (median) here, followed by *the value in the paper's text*.",
        _against_the_paper(table),
        _ranks(table),
        _beamformer(table),
        WORDS,
    ]
    sections += ["## Where a baseline method is ahead", where_behind(table)]
    for key, entry in table["sets"].items():
        sections += _set_sections(table, key, entry)
    sections += ongoing_sections(table)
    sections += _real_sections(table["real"])
    if table["real_left_out"]:
        sections.append(f"Not at hand, hence left out: {', '.join(table['real_left_out'])}.")
    sections.append(
        "## Calibration\n\nPower to which each method's maps are raised for the calibrated "
        "relative nMSE: "
        + ", ".join(f"{method} {power:g}" for method, power in table["calibration"].items())
        + f". {POWERS[-1]:g} is the largest that was tried: a larger one would score better still, "
        "as would the zero map."
    )
    versions = ", ".join(f"{package} {number}" for package, number in table["versions"].items())
    sections.append(f"Made with {versions}.")
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _number(value: float | None, metric: str) -> str:
    if value is None:
        return "–"
    if metric == "mse":
        return f"{value:.2e}".replace("e-", "e−")
    return f"{value:.{DIGITS.get(metric, 3)}f}"


def _signed(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _p(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else f"{value:.0e}".replace("e-0", "e−")


def _methods(table: Table, entry: Table, wanted: Iterable[str]) -> list[tuple[str, str]]:
    """Return (name in the paper's lists, name in the table) of those that are there."""
    name = table["model"]["name"]
    pairs = [(method, name if method == MODEL else method) for method in wanted]
    return [pair for pair in pairs if pair[1] in entry["methods"]]


def _against_the_paper(table: Table) -> str:
    some = next(iter(table["sets"].values()))
    methods = _methods(table, some, PAPERS_METHODS)
    rows = []
    for key, group, metric, said in PAPER:
        if key not in table["sets"]:
            continue
        entry = table["sets"][key]
        if group is not None:
            entry = entry["groups"][group[0]].get(group[1])
        if entry is None:
            continue
        where = "" if group is None else f", {group[0]} {group[1]}"
        cells = []
        for method, column in methods:
            row = entry["methods"][column][metric]
            ours = "–"
            if row:
                ours = f"{_number(row['mean'], metric)} ({_number(row['median'], metric)})"
            cells.append(ours + (f" *{said[method]}*" if method in said else ""))
        unit = f" ({METRICS[metric].unit})" if METRICS[metric].unit else ""
        rows.append(
            [f"{table['sets'][key]['title']}{where}: {METRICS[metric].title}{unit}", *cells]
        )
    for key, name, said in PAPER_CORRELATIONS:
        found = table["sets"][key]["correlations"][name]
        cells = [
            (_signed(found[column]["r"]) if column in found else "–")
            + (f" *{said[method]}*" if method in said else "")
            for method, column in methods
        ]
        metric, fact = name.split(" ~ ")
        title = f"{METRICS[metric].title} with {fact.replace('n_', 'number of ')}"
        rows.append([f"{table['sets'][key]['title']}: r of {title}", *cells])
    return markdown_table(["", *(column for _, column in methods)], rows)


def _ranks(table: Table) -> str:
    """Say whether the methods rank as in the paper."""
    single = table["sets"]["single"]["methods"]
    model = table["model"]["name"]
    auc, nmse_of = ({m: single[m][k]["mean"] for m in single} for k in ("auc", "nmse"))
    between = nmse_of[model] < nmse_of["cMEM"] < nmse_of["LCMV"]
    below = auc["cMEM"] < auc[model]
    error = single["eLORETA"]["peak_error"]
    return (
        f"In the paper cMEM lies between LCMV and ConvDip in nMSE: here "
        f"{nmse_of['cMEM']:.4f} {'lies' if between else 'does not lie'} between "
        f"{nmse_of['LCMV']:.4f} and {nmse_of[model]:.4f}. In AUC it lies below ConvDip: here "
        f"{auc['cMEM']:.3f} is {'' if below else 'not '}below {auc[model]:.3f}. eLORETA's AUC is "
        f"{'at least' if auc['eLORETA'] >= 0.8 else 'below'} 0.8 and its localisation error "
        f"{error['mean']:.1f} mm (median {error['median']:.1f}); the paper's follows from a "
        "difference of medians to be about 13 mm."
    )


def _beamformer(table: Table) -> str:
    """Say which of the two beamformers the paper's values resemble."""
    single, multi = (table["sets"][key] for key in ("single", "multi"))
    many = multi["groups"]["sources"].get("≥ 5")
    if FREE_LCMV not in single["methods"] or many is None:
        return ""
    paper = (0.95, 0.72, 29.41)
    here = {
        method: (
            single["methods"][method]["auc"]["mean"],
            multi["methods"][method]["auc"]["mean"],
            many["methods"][method]["maxima_error"]["mean"],
        )
        for method in ("LCMV", FREE_LCMV)
    }
    words = {method: f"{a:.3f}, {b:.3f} and {e:.1f} mm" for method, (a, b, e) in here.items()}
    off = zip(here["LCMV"], here[FREE_LCMV], paper, strict=True)
    nearer = all(abs(free - said) < abs(fixed - said) for fixed, free, said in off)
    return (
        "The paper's text gives LCMV, with fixed orientations, an AUC of 0.95 for one source and "
        "about 0.72 for 1–10, and an error of 29.41 mm for five or more. MNE's LCMV with "
        f"fixed orientations has {words['LCMV']} here, with free ones {words[FREE_LCMV]}"
        + (": the paper's appears to have had free orientations." if nearer else ".")
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
                pick = max if METRICS[metric].best == "high" else min
                best = pick(means, key=lambda method: means[method])
                if best != model and means[best] != means[model]:
                    ours, theirs = (
                        f"{_number(row['mean'], metric)} ({_number(row['median'], metric)})"
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
    low, high = (_number(end, metric) for end in row[f"{which}_ci"])
    fewer = f" (n = {row['n']})" if row["n"] < n_samples else ""
    return f"{_number(row[which], metric)} [{low}, {high}]{fewer}"


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
            rows.append([method, *(_number(c["mean"] if c else None, metric) for c in cells)])
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
    parts = [
        f"### Tests of {model}\n\nUnpaired permutation test of means, "
        f"{entry['tests']['permutations']:,} permutations (p is never below 1e−6): p, and in "
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
                cells.append(f"{_p(test['p'])} ({_signed(test['d'])})" if test else "–")
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
