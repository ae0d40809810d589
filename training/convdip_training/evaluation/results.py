"""The evaluation for people: the tables of ``evaluation.md``, from the numbers of the JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from convdip_training.evaluation.evaluate import NOTHING, POWERS
from convdip_training.evaluation.methods import FREE_LCMV
from convdip_training.evaluation.metrics import METRICS
from convdip_training.evaluation.summary import CALIBRATED, COLUMNS, GROUP_TITLES

Table = dict[str, Any]

MODEL = "model"
PAPERS_METRICS = (
    "auc_close", "auc_far", "auc", "peak_error", "maxima_error", "found", "missed", "ghosts",
    "nmse", "mse",
)  # fmt: skip
FURTHER_METRICS = (
    "average_precision", "emd", "relative_nmse", CALIBRATED, "dispersion", "n_maxima",
)  # fmt: skip
# Digits after the point; 3 where nothing else is said.
DIGITS = {
    **{name: 1 for name, metric in METRICS.items() if metric.unit in ("mm", "%")},
    **{name: 2 for name, metric in METRICS.items() if metric.unit == "a sample"},
    "nmse": 4, "relative_nmse": 2, CALIBRATED: 2,
}  # fmt: skip
# What the model is held against its rivals by.
COMPARED = (
    "auc", "average_precision", "peak_error", "maxima_error", "found", "ghosts", "nmse", "emd",
)  # fmt: skip
# What the paper's text says (its two tables are not to be had): set, group or none, metric,
# and the value of each method. ≈ marks what follows from a difference or a ratio in the text.
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

- **The data are rebuilt from the paper's text.** Its code for the alternative head is not
  public, its noise is not either; here noise is as named under each set. Orders count growth
  iterations, the only reading that gives the paper's 19–91 dipoles.
- **The paper does not say whether its values are means or medians**, except where it gives a
  median. Both stand below.
- **AUC** here takes all negatives of a pool, the paper as many as there are positives, by chance:
  on average the same.
- **LCMV free** (not in quick evaluations) is the same call of MNE with free orientations, whose
  norm is taken. Maps are compared by their absolute values; signed or clipped at zero, the AUC
  of LCMV with fixed orientations is lower.
- **Correlations with the number of sources** stand in the paper without their sign.
- **nMSE says little.** A patch is some 1–2 % of the cortex, so that a map of zeros has almost
  the nMSE of the paper's best method. *Relative nMSE* divides by that of the zero map; its mean
  is ruled by the smallest patches, so look at the median. *Calibrated*: each map is raised to
  one power for each method, chosen on a validation set, which changes no rank of any dipole.
- **Localisation error over all maxima, and found**, count only what was found: many maxima
  everywhere win. Look at ghosts and the earth mover's distance beside them.
- **⚠** marks a column in which no method is better than a map of zeros or of random numbers.
- **(n = …)**: so many samples have a value: the distance of the strongest dipoles is taken where
  there is one source, and a map of zeros has no maximum, no dispersion and no earth to move.
- **Earth mover's distance**: how far, on average, a map's earth must be moved to become the truth.
  Dipoles are gathered at 400 places some 12 mm apart first, so that it is no finer than that.
- **Rivals know more than the model**: the noise covariance of each sample's first 400 ms and,
  LCMV, cMEM and γ-MAP, other time points. The model sees one sample of EEG. It knows what the
  others do not: that sources are positive and patches round (γ-MAP knows the patches too).
- **MSE** of LCMV, sLORETA and dSPM is left out (the paper leaves out LCMV): they give no moments.
  The paper's MSE of cMEM and eLORETA is larger by six and eleven orders of magnitude than that
  of a map of zeros, so its moments cannot have been in A·m.
"""


def to_markdown(table: Table) -> str:
    """Return the report.

    Parameters
    ----------
    table : dict
        From `convdip_training.evaluation.summary.summarise`, with ``real`` added.
    """
    name = table["model"]["name"]
    extent = " (quick: 100 samples of two sets)" if table["quick"] else ""
    sections = [
        f"# Evaluation of {name}{extent}",
        f"By `convdip-train evaluate{' --quick' if table['quick'] else ''}`, seed {table['seed']}, "
        f"model {table['model']['sha256'][:12]}. All numbers, with intervals and every test, are "
        "in the JSON beside this file; `convdip-train figures` draws the pictures beside it.",
        "Simulated EEG comes from an alternative head that no method sees: other electrode places, "
        "conductivities and dipoles (section 2.1 of Hecker et al. 2021); that of the robust and "
        "the stricter set, which quick evaluations leave out, from another head for each sample.",
        "## Against the paper's numbers",
        "Mean (median) here, then *in italics what the paper's text says*.",
        _against_the_paper(table),
        _ranks(table),
        _beamformer(table),
        WORDS,
    ]
    sections += ["## Where a rival is ahead", where_behind(table)]
    for key, entry in table["sets"].items():
        sections += _set_sections(table, key, entry)
    sections += _real_sections(table["real"])
    if table["real_left_out"]:
        sections.append(f"Left out, as not at hand: {', '.join(table['real_left_out'])}.")
    sections.append(
        "## Calibration\n\nPower that each method's maps are raised to for the calibrated "
        "relative nMSE: "
        + ", ".join(f"{method} {power:g}" for method, power in table["calibration"].items())
        + f". {POWERS[-1]:g} is the largest that was tried: more would be better still, as "
        "the zero map would."
    )
    versions = ", ".join(f"{package} {number}" for package, number in table["versions"].items())
    sections.append(f"Made with {versions}.")
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _grid(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = list(header)
    lines = [header, ["---"] * len(header), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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
    return _grid(["", *(column for _, column in methods)], rows)


def _ranks(table: Table) -> str:
    """Say whether the rivals rank as in the paper."""
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
    """Say which of the two beamformers the paper's values look like."""
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
        "The paper's text gives LCMV an AUC of 0.95 for one source and about 0.72 for 1–10, and an "
        "error of 29.41 mm where there are five or more, with fixed orientations. MNE's LCMV with "
        f"fixed orientations has {words['LCMV']} here, with free ones {words[FREE_LCMV]}"
        + (": the paper's seems to have had free orientations." if nearer else ".")
    )


def where_behind(table: Table) -> str:
    """List every set and group in which a rival's mean is better than the model's."""
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
        f"In how many means, of all samples of each set and of each group below, no rival is "
        f"better than {model}: {counts}. Where one is:"
    )
    header = ["set", "group", "n", "mean (median): the model, the best rival"]
    return f"{said}\n\n{_grid(header, rows)}"


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
            sections.append(_grid(header, rows))
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
        parts.append(_grid(header, rows))
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
    """Return the model's tests against each rival; d > 0 where its value is larger."""
    metrics = ("auc", "peak_error", "maxima_error", "nmse", "emd", "average_precision")
    parts = [
        f"### Tests of {model}\n\nUnpaired permutation test of means, "
        f"{entry['tests']['permutations']:,} permutations (p is never below 1e−6): p, and in "
        f"brackets Cohen's d, positive where {model} has the larger value. Unpaired as in the "
        "paper, although all methods see the same samples; not corrected for the number of "
        "tests. –: a method that has no value in some sample is not tested."
    ]
    groups = sorted(set(entry["tests"]) - {"permutations"}, key=lambda name: name != "all")
    for where in groups:
        tests = entry["tests"][where]
        shown = [m for m in metrics if any(pair.startswith(f"{model} | ") for pair in tests[m])]
        rivals = [method for method in entry["methods"] if method not in (model, *NOTHING)]
        rows = []
        for rival in rivals:
            cells = []
            for metric in shown:
                test = tests[metric].get(f"{model} | {rival}")
                cells.append(f"{_p(test['p'])} ({_signed(test['d'])})" if test else "–")
            rows.append([rival, *cells])
        title = "all samples" if where == "all" else where
        parts.append(_grid([title, *(METRICS[m].title for m in shown)], rows))
    return "\n\n".join(parts)


def _real_sections(real: list[Table]) -> list[str]:
    if not real:
        return []
    sections = [
        "## Real data",
        "Where each method puts its maximum, at one sample of a real ERP. ✓: in a region where the "
        "field expects it. Coordinates are MNI152, in mm; *distance* is from the expected place. "
        "Methods that need single trials (LCMV) have only the average where no trials are "
        "published.",
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
            f"{erp['source']}. Expected: {regions}{where}.\n\n{_grid(header, rows)}"
        )
    return sections
