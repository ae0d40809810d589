"""Fill the tables of the documentation from the JSON files that hold their numbers.

Run by ``scripts/tables``. The numbers come from ``convdip-train evaluate`` and ``convdip bench``;
what is constant here (targets, the paper's values) is not in those files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from convdip.bench.measure import Line
from convdip.bench.report import to_table
from convdip.bundle import DEFAULT_MODEL
from convdip.markdown import markdown_table
from convdip_training.evaluation.known_report import HALF_CYCLES, MOVEMENT, Measure
from convdip_training.evaluation.known_report import TARGETS as ALPHA_TARGETS
from convdip_training.evaluation.metrics import METRICS
from convdip_training.evaluation.numbers import best_of
from convdip_training.evaluation.ongoing_metrics import COLUMNS
from convdip_training.evaluation.paper import MODEL, PAPER
from convdip_training.evaluation.reliability import reliability_table, spread_table
from convdip_training.evaluation.scores import NOTHING

ROOT = Path(__file__).parent.parent
# One folder a model, with its evaluation.json.
EVALUATIONS = ROOT / "docs" / "evaluations"
BENCH = ROOT / "docs" / "bench.json"
BENCH_GPU = ROOT / "docs" / "bench-gpu.json"
PAPERS_MODEL = "convdip-paper"
USUAL_HZ = 500.0

BLOCK = re.compile(r"(<!-- table: (?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

Json = dict[str, Any]

# Digits after the point, and what a table's head calls the metric.
SHOWN = {
    "auc": (3, "AUC"),
    "average_precision": (2, "average precision"),
    "peak_error": (1, "error of the maximum, mm"),
    "maxima_error": (1, "error of all maxima, mm"),
    "found": (0, "found, %"),
    "ghosts": (2, "ghosts a sample"),
    "emd": (1, "EMD, mm"),
    "nmse": (4, "nMSE"),
    "relative_nmse": (2, "relative nMSE"),
    "sign": (2, "sign right"),
}
SET_TITLES = {
    "single": "one source",
    "multi": "1–10 sources",
    "noise": "1–5 sources, SNR 0.5–20",
    "robust": "robustness: another skull and cap for each sample",
    "strict": "stricter: other shapes, unequal strengths, recorded noise",
    "brain-noise-single": "one source in brain noise of another kind",
    "brain-noise-multi": "1–10 sources in brain noise of another kind",
    "recorded-noise-single": "one source in recorded noise",
    "recorded-noise-multi": "1–10 sources in recorded noise",
}
SIGNED = "-signed"
# Set, metric and what was aimed at, of means; None: no baseline method is better.
TARGETS = (
    ("single-signed", "auc", 0.988),
    ("single-signed", "average_precision", 0.78),
    ("single-signed", "peak_error", 8.6),
    ("single-signed", "emd", None),
    ("multi-signed", "auc", 0.847),
    ("multi-signed", "average_precision", 0.54),
    ("multi-signed", "found", 60.0),
    ("multi-signed", "ghosts", 0.6),
    ("multi-signed", "emd", None),
    ("single", "auc", 0.985),
    ("multi", "auc", 0.83),
)
# Columns of ongoing EEG that are shown here: maps of a second, courses of the whole recording.
ONGOING = {
    "auc_1s": (3, "AUC"),
    "average_precision_1s": (2, "average precision"),
    "peak_error_1s": (1, "error of the maximum, mm"),
    "emd_1s": (1, "EMD, mm"),
    "region_1s": (0, "strongest region right, %"),
    "envelope": (2, "correlation of envelopes"),
    "leakage": (2, "leakage"),
}
ALPHA = "S001R02"
# What benchmarks/reliability.py has beside the sets: all of them together, and ongoing EEG.
OTHERS = ("all", "ongoing")


@cache
def evaluation(model: str) -> Json:
    """Return what ``convdip-train evaluate`` found."""
    path = EVALUATIONS / model / "evaluation.json"
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    return found


def of_set(model: str, key: str) -> Json:
    """Return what was found on a set."""
    sets = evaluation(model)["sets"]
    if key not in sets:
        raise SystemExit(
            f"docs/evaluations/{model}/evaluation.json has no set {key}: evaluate {model} anew, "
            f"with 'convdip-train evaluate --model {model} --out docs/evaluations/{model}', then "
            "fill the tables"
        )
    found: Json = sets[key]
    return found


def set_title(key: str) -> str:
    """Return what the tables call a set."""
    title = SET_TITLES[key.removesuffix(SIGNED)]
    is_positive = of_set(DEFAULT_MODEL, key)["signs"] == "positive"
    return f"{title}, {'positive' if is_positive else 'either sign'}"


@cache
def bench(path: Path = BENCH) -> Json:
    """Return what ``convdip bench --json`` found."""
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    return found


def number(value: float | None, metric: str) -> str:
    """Return a number as the tables show it."""
    return "–" if value is None else f"{value:.{SHOWN[metric][0]}f}"


def means(group: Json, metric: str) -> dict[str, float]:
    """Return each method's mean, of those that have one."""
    found = {}
    for method, row in group["methods"].items():
        if row.get(metric) and row[metric]["mean"] is not None:
            found[method] = row[metric]["mean"]
    return found


def best_baseline(group: Json, metric: str) -> tuple[str, float]:
    """Return the best method but ours and the empty maps."""
    found = {
        method: mean
        for method, mean in means(group, metric).items()
        if method not in (DEFAULT_MODEL, PAPERS_MODEL, *NOTHING)
    }
    best = best_of(found, METRICS[metric].best)
    return best, found[best]


def bench_command(path: Path = BENCH) -> str:
    """Return the command that the benchmark was run with."""
    return f"convdip bench{' --quick' if bench(path)['arguments']['quick'] else ''}"


def machine(path: Path = BENCH) -> str:
    """Say where and when the benchmark ran."""
    stated = bench(path)["machine"]
    gpu = "no GPU" if stated["gpu"] == "none" else stated["gpu"]
    return f"{stated['date']}, {stated['processor']}, {gpu}, commit {stated['commit']}"


def headlines() -> str:
    """Return five numbers for the README."""
    ours = evaluation(DEFAULT_MODEL)
    lines = bench()["lines"]
    age = next(line for line in lines if line["numbers"].get("rate_hz") == USUAL_HZ)
    ratio = next(
        line["numbers"]
        for line in lines
        if isinstance(bare := line["numbers"].get("bare"), dict) and bare["rate_hz"] == USUAL_HZ
    )
    median_ms, p99_ms = age["numbers"]["age_ms_median"], age["numbers"]["age_ms_p99"]
    target = age["bar"].replace("99 %", "p99") + ("" if age["met"] else ": **missed**")
    timed = f"`{bench_command()}`, {machine()}"
    card = json.loads((ROOT / "models" / DEFAULT_MODEL / "card.json").read_text(encoding="utf-8"))
    if card["sha256"]["model.onnx"] != ours["model"]["sha256"]:
        raise SystemExit(f"{DEFAULT_MODEL} was trained again: evaluate it, then fill the tables")
    n = of_set(DEFAULT_MODEL, f"single{SIGNED}")["n"]
    scored = f"`convdip-train evaluate`, {n:,} samples, model of {card['date']}"
    rows = [
        [
            "age at 500 Hz: EEG time stamp → a client has all 5,124 moments",
            f"median {median_ms:.2f} ms, p99 {p99_ms:.2f} ms (target: {target})",
            timed,
        ],
        [
            "the same, over a bare relay (two LSL hops, one network run)",
            f"{ratio['ratio']:.2f} × the median",
            "the same run",
        ],
    ]
    for key, metric, what in (
        ("single", "auc", "AUC, one source"),
        ("multi", "auc", "AUC, 1–10 sources"),
        ("single", "peak_error", "localisation error, one source"),
    ):
        entry = of_set(DEFAULT_MODEL, f"{key}{SIGNED}")
        row, unit = entry["methods"][DEFAULT_MODEL][metric], METRICS[metric].unit
        unit = unit and f" {unit}"
        best, theirs = best_baseline(entry, metric)
        rows.append(
            [
                what,
                f"{number(row['mean'], metric)}{unit} (best baseline method: {best}, "
                f"{number(theirs, metric)}{unit})",
                scored,
            ]
        )
        scored = "the same run"
    return markdown_table(["", "measured", "by"], rows) + (
        "\n\nThe last three are for simulated sources of either sign."
    )


def performance(path: Path = BENCH) -> str:
    """Return the benchmark's own table."""
    lines = [Line(**line) for line in bench(path)["lines"]]
    rows = [re.sub(r" +", " ", row) for row in to_table(lines).splitlines()]
    rows[1] = "| --- | --- | --- | --- |"
    return "\n".join(rows).replace("| NO |", "| **no** |") + (
        f"\n\n(`{bench_command(path)} --json`, {machine(path)}.)"
    )


def accuracy() -> str:
    """Compare all methods on sources of either sign, then on the paper's, with its values."""
    of_one = ("auc", "average_precision", "peak_error", "emd")
    of_several = ("auc", "average_precision", "maxima_error", "found", "ghosts", "emd")
    papers = compare({"single": (*of_one, "nmse"), "multi": of_several})
    signed = compare(
        {f"single{SIGNED}": (*of_one, "sign"), f"multi{SIGNED}": (*of_several, "sign")}
    )
    return f"{signed}\n\nPositive sources, as in the paper:\n\n{papers}"


def compare(metrics: dict[str, Iterable[str]]) -> str:
    """Compare all methods on some sets.

    Parameters
    ----------
    metrics : dict
        By set; the last set decides the order of the methods.
    """
    columns = [(key, metric) for key, shown in metrics.items() for metric in shown]
    said = {(key, metric): values for key, group, metric, values in PAPER if group is None}
    # The baseline methods' numbers are the same in both files, but for the model's own row.
    entries = {key: dict(of_set(DEFAULT_MODEL, key)["methods"]) for key in metrics}
    for key, entry in entries.items():
        entry[PAPERS_MODEL] = of_set(PAPERS_MODEL, key)["methods"][PAPERS_MODEL]
    methods = [DEFAULT_MODEL, PAPERS_MODEL]
    by_auc = means({"methods": [*entries.values()][-1]}, "auc")
    methods += sorted(by_auc.keys() - {*methods, *NOTHING}, key=lambda m: -by_auc[m])
    methods += NOTHING
    header, best = [""], {}
    previous = ""
    for key, metric in columns:
        is_void = metric in of_set(DEFAULT_MODEL, key)["won_by_nothing"]["mean"]
        title = SHOWN[metric][1] + (" ⚠" if is_void else "")
        header.append(title if key == previous else f"{set_title(key)}: {title}")
        previous = key
        if not is_void:
            found = means({"methods": entries[key]}, metric)
            best[key, metric] = best_of(found, METRICS[metric].best)
    rows = []
    for method in methods:
        cells = [f"[{method}](../models/{method}/card.md)" if method in methods[:2] else method]
        for key, metric in columns:
            row = entries[key][method][metric]
            cell = number(row["mean"] if row else None, metric)
            if best.get((key, metric)) == method:
                cell = f"**{cell}**"
            name = {PAPERS_MODEL: MODEL}.get(method, method)
            paper = said.get((key, metric), {}).get(name)
            cells.append(f"{cell} *{paper}*" if paper else cell)
        rows.append(cells)
    return markdown_table(header, rows)


def sets() -> str:
    """Compare the shipped model with the best baseline method on each set."""
    metrics = ("auc", "average_precision", "peak_error", "maxima_error", "ghosts", "emd")
    rows = []
    for key, entry in evaluation(DEFAULT_MODEL)["sets"].items():
        cells = [set_title(key), f"{entry['n']:,}"]
        for metric in metrics:
            row = entry["methods"][DEFAULT_MODEL][metric]
            best, theirs = best_baseline(entry, metric)
            cells.append(f"{number(row['mean'], metric)} / {number(theirs, metric)} ({best})")
        rows.append(cells)
    return markdown_table(["set", "samples", *(SHOWN[metric][1] for metric in metrics)], rows)


def with_interval(row: Json, statistic: str, digits: int) -> str:
    """Return a value with its 95 % interval."""
    low, high = (f"{end:.{digits}f}" for end in row[f"{statistic}_ci"])
    return f"{row[statistic]:.{digits}f} [{low}, {high}]"


def targets() -> str:
    """Compare what was aimed at with what came of it."""
    rows = []
    for key, metric, target in TARGETS:
        methods = of_set(DEFAULT_MODEL, key)["methods"]
        best, theirs = best_baseline(of_set(DEFAULT_MODEL, key), metric)
        high = METRICS[metric].best == "high"
        bar = theirs if target is None else target
        value, digits = methods[DEFAULT_MODEL][metric]["mean"], SHOWN[metric][0]
        sign = "≥" if high else "≤"
        rows.append(
            [
                set_title(key),
                SHOWN[metric][1],
                "the best of all" if target is None else f"{sign} {target:g}",
                with_interval(methods[DEFAULT_MODEL][metric], "mean", digits),
                f"{with_interval(methods[best][metric], 'mean', digits)} ({best})",
                "yes" if (value >= bar if high else value <= bar) else "**no**",
            ]
        )
    rows += [*group_targets(), *alpha_targets()]
    header = ["set", "", "target", "model [95 % interval]", "best baseline method", "met"]
    return markdown_table(header, rows)


def group_targets() -> Iterator[list[str]]:
    """Yield the targets that hold for each group of samples: no baseline method is ahead."""
    for key in (f"single{SIGNED}", f"multi{SIGNED}"):
        groups = [
            (level, group)
            for levels in of_set(DEFAULT_MODEL, key)["groups"].values()
            for level, group in levels.items()
        ]
        for metric in ("auc", "average_precision", "emd"):
            behind = []
            for level, group in groups:
                best, theirs = best_baseline(group, metric)
                ours = means(group, metric)[DEFAULT_MODEL]
                if theirs > ours if METRICS[metric].best == "high" else theirs < ours:
                    behind.append(f"{level}: {best} {number(theirs, metric)}")
            yield [
                set_title(key),
                f"{SHOWN[metric][1]}, by groups",
                "the best in each group",
                f"in {len(groups) - len(behind)} of {len(groups)}",
                "; ".join(behind) or "–",
                "**no**" if behind else "yes",
            ]


def alpha_targets() -> Iterator[list[str]]:
    """Yield the targets for a peak of eyes-closed alpha and the trough after it."""
    methods = evaluation(DEFAULT_MODEL)["known"]["alpha"][ALPHA]["methods"]
    measures = {measure.key: measure for measure in HALF_CYCLES}
    for key, target, may_be_more, _ in ALPHA_TARGETS:
        measure = measures[key]
        value = measure.value(methods[DEFAULT_MODEL])
        if value is None:
            raise SystemExit(f"docs/evaluations/{DEFAULT_MODEL}: no {key} for {ALPHA}")
        best = best_known(methods, measure)
        yield [
            f"eyes-closed alpha, {ALPHA}",
            f"{measure.title}, median",
            f"{'≥' if may_be_more else '≤'} {target:g}",
            measure.cell(methods[DEFAULT_MODEL]),
            f"{measure.cell(methods[best])} ({best})",
            "yes" if (value >= target if may_be_more else value <= target) else "**no**",
        ]


def best_known(methods: Json, measure: Measure) -> str:
    """Return the best method but ours by a measure of a recording with a known answer."""
    found = {
        name: value
        for name, row in methods.items()
        if name != DEFAULT_MODEL and (value := measure.value(row)) is not None
    }
    return best_of(found, measure.best)


def ongoing() -> str:
    """Compare all methods on ongoing EEG, with intervals."""
    methods = evaluation(DEFAULT_MODEL)["ongoing"]["methods"]
    best = {
        column: best_of(
            {m: row[column]["mean"] for m, row in methods.items() if row[column]},
            COLUMNS[column].best,
        )
        for column in ONGOING
    }
    rows = []
    for method, row in methods.items():
        cells = []
        for column, (digits, _) in ONGOING.items():
            cell = with_interval(row[column], "mean", digits) if row[column] else "–"
            cells.append(f"**{cell}**" if best[column] == method else cell)
        rows.append([method, *cells])
    return markdown_table(["", *(title for _, title in ONGOING.values())], rows)


def known() -> str:
    """Compare all methods on recordings with a known answer, with intervals."""
    found = evaluation(DEFAULT_MODEL)["known"]
    parts = []
    for title, entry, measures in (
        (f"alpha, {ALPHA}", found["alpha"][ALPHA], HALF_CYCLES),
        *((entry["title"], entry, MOVEMENT) for entry in found["movement"].values()),
    ):
        rows = [[name, *(m.cell(row) for m in measures)] for name, row in entry["methods"].items()]
        parts.append(markdown_table([title, *(m.title for m in measures)], rows))
    return "\n\n".join(parts)


def confidence() -> str:
    """Say what confidence says and what is found, then what it says where there is no source."""
    path = EVALUATIONS / DEFAULT_MODEL / "confidence.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    sets = {
        name: entry if name in OTHERS else {**entry, "title": set_title(name)}
        for name, entry in found["sets"].items()
    }
    return f"{reliability_table(sets)}\n\n{spread_table(found['without'])}"


TABLES: dict[str, Callable[[], str]] = {
    "headlines": headlines,
    "performance": performance,
    "performance-gpu": partial(performance, BENCH_GPU),
    "accuracy": accuracy,
    "sets": sets,
    "targets": targets,
    "ongoing": ongoing,
    "known": known,
    "confidence": confidence,
}


def fill(text: str) -> str:
    """Return a page with its tables made anew."""
    return BLOCK.sub(lambda block: f"{block[1]}{TABLES[block['name']]()}\n{block[3]}", text)


def main() -> int:
    """Fill all pages, or say which are stale."""
    is_check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not is_check:
        print("usage: scripts/tables [--check]", file=sys.stderr)
        return 2
    stale = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        before = page.read_text(encoding="utf-8")
        after = fill(before)
        if after != before:
            stale.append(page.relative_to(ROOT))
            if not is_check:
                page.write_text(after, encoding="utf-8")
    for page in stale:
        print(f"{page}: {'stale; run scripts/tables' if is_check else 'tables written'}")
    return 1 if stale and is_check else 0


if __name__ == "__main__":
    sys.exit(main())
