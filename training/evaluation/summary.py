"""From scores to the numbers of the report: means, intervals, groups, correlations, tests."""

from __future__ import annotations

import platform
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr
from tqdm import tqdm

from training.evaluation.evaluate import NOTHING, POWERS, Laboratory, Plan, Scores
from training.evaluation.metrics import METRICS
from training.evaluation.sets import MULTI, NOISE, SINGLE, STRICT, VALIDATION
from training.evaluation.statistics import (
    N_PERMUTATIONS,
    bootstrap_intervals,
    cohens_d,
    permutation_test,
)

Float = NDArray[np.float64]
Table = dict[str, Any]

CALIBRATED = "calibrated_nmse"
# Bins of eccentricity, as the paper's: ±5 mm around each.
ECCENTRICITIES_MM = (20, 30, 40, 50, 60, 70, 80)
SNR_EDGES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
FEW_SOURCES = (1, 2, 3, 4)
GROUPED = (
    "auc",
    "peak_error",
    "maxima_error",
    "found",
    "ghosts",
    "nmse",
    "relative_nmse",
    "emd",
    "average_precision",
)
SMALLEST_GROUP = 5


def summarise(plan: Plan, here: Laboratory, all_scores: list[Scores]) -> Table:
    """Return all numbers of the report, as plain data with five significant digits.

    Parameters
    ----------
    plan : Plan
    here : Laboratory
    all_scores : list of Scores
        One for each set, the validation set among them.
    """
    by_name = {scores.set.name: scores for scores in all_scores}
    chosen = best_powers(by_name[VALIDATION.name])
    table: Table = {
        "model": {"name": here.bundle.name, "sha256": here.bundle.sha256},
        "seed": plan.seed,
        "quick": plan.quick,
        "calibration": dict(zip(by_name[VALIDATION.name].methods, chosen, strict=True)),
        "noise": {s.set.name: _noise_words(here, s) for s in all_scores},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("mne", "numpy", "scipy", "onnxruntime-gpu", "pot")},
        },
        "sets": {},
    }
    for scores in all_scores:
        if scores.set is not VALIDATION:
            table["sets"][scores.set.name] = _set_table(plan, scores, chosen)
    plain: Table = rounded(table)
    return plain


def best_powers(validation: Scores) -> list[float]:
    """Return the power for each method that gives its maps the least relative nMSE."""
    means = validation.powers.mean(axis=1)
    return [POWERS[i] for i in means.argmin(axis=1)]


def _noise_words(here: Laboratory, scores: Scores) -> str:
    recordings = here.noise_config(scores.set).recordings
    if not recordings:
        return "synthetic, of the alternative head"
    return "recorded: " + ", ".join(name.rsplit("/", 1)[-1] for name in recordings)


def _set_table(plan: Plan, scores: Scores, powers: list[float]) -> Table:
    rng = np.random.default_rng([plan.seed, 3])
    calibrated = np.array(
        [scores.powers[i, :, POWERS.index(power)] for i, power in enumerate(powers)]
    )
    columns = {name: scores.of(name) for name in METRICS} | {CALIBRATED: calibrated}
    methods = {
        method: {name: _statistics(values[i], rng) for name, values in columns.items()}
        for i, method in enumerate(scores.methods)
    }
    n_samples = scores.values.shape[1]
    return {
        "title": scores.set.title,
        "n": n_samples,
        "methods": methods,
        "won_by_nothing": won_by_nothing(methods),
        "groups": _groups(scores),
        "correlations": _correlations(scores),
        "tests": _tests(scores, rng),
    }


def _statistics(values: Float, rng: np.random.Generator) -> Table | None:
    """Return mean and median with their intervals; None where there is no value."""
    there = values[np.isfinite(values)]
    if not there.size:
        return None
    of_mean, of_median = bootstrap_intervals(there, rng)
    return {
        "n": there.size,
        "mean": there.mean(),
        "mean_ci": list(of_mean),
        "median": np.median(there),
        "median_ci": list(of_median),
        "sd": there.std(ddof=1) if there.size > 1 else 0.0,
    }


def won_by_nothing(methods: Table) -> list[str]:
    """Return the metrics whose best mean belongs to a map that knows nothing."""
    won = []
    for name, metric in METRICS.items():
        means = {method: row[name]["mean"] for method, row in methods.items() if row[name]}
        if metric.best and means:
            pick = max if metric.best == "high" else min
            if pick(means, key=lambda method: means[method]) in NOTHING:
                won.append(name)
    return won


def members(scores: Scores) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Return which samples belong to which group, by kind of group."""
    facts = scores.facts
    groups: dict[str, dict[str, NDArray[np.bool_]]] = {}
    if scores.set is SINGLE:
        low, high = SINGLE.orders
        groups["extent"] = {f"s{s}": facts["order"] == s for s in range(low, high + 1)}
        groups["eccentricity"] = {
            f"{mm} mm": np.abs(facts["eccentricity"] - mm) <= 5 for mm in ECCENTRICITIES_MM
        }
    else:
        groups["sources"] = {f"{n}": facts["n_sources"] == n for n in FEW_SOURCES}
        groups["sources"]["≥ 5"] = facts["n_sources"] > FEW_SOURCES[-1]
    if scores.set in (NOISE, STRICT):
        groups["snr"] = {
            f"{low:g}–{high:g}": (facts["snr"] >= low) & (facts["snr"] < high)
            for low, high in pairwise(SNR_EDGES)
        }
    return groups


def _groups(scores: Scores) -> Table:
    """Return means and medians by what the samples are like."""
    return {
        kind: {
            name: _group(scores, inside)
            for name, inside in groups.items()
            if inside.sum() >= SMALLEST_GROUP
        }
        for kind, groups in members(scores).items()
    }


def _group(scores: Scores, inside: NDArray[np.bool_]) -> Table:
    table: Table = {"n": int(inside.sum()), "methods": {}}
    for i, method in enumerate(scores.methods):
        row: Table = {}
        for name in GROUPED:
            values = scores.of(name)[i, inside]
            values = values[np.isfinite(values)]
            known = values.size > 0
            row[name] = {"mean": values.mean(), "median": np.median(values)} if known else None
        table["methods"][method] = row
    return table


def _correlations(scores: Scores) -> Table:
    """Return Pearson's r of AUC and localisation error with what the samples are like."""
    if scores.set is SINGLE:
        pairs = [("auc", "eccentricity"), ("peak_error", "eccentricity")]
    elif scores.set is MULTI:
        pairs = [("auc", "n_sources"), ("maxima_error", "n_sources")]
    else:
        pairs = [("auc", "snr")]
    table: Table = {}
    for metric, fact in pairs:
        table[f"{metric} ~ {fact}"] = {}
        for i, method in enumerate(scores.methods):
            values = scores.of(metric)[i]
            known = np.isfinite(values)
            if known.sum() > 2 and values[known].std() > 0:
                r, p = pearsonr(values[known], scores.facts[fact][known])
                table[f"{metric} ~ {fact}"][method] = {"r": r, "p": p}
    return table


def _tests(scores: Scores, rng: np.random.Generator) -> Table:
    """Return the permutation test and Cohen's d of every pair and metric."""
    table: Table = {"permutations": N_PERMUTATIONS, "all": _tested(scores, None, rng)}
    # The two groups that the paper tests too.
    if scores.set is SINGLE:
        deepest = np.abs(scores.facts["eccentricity"] - ECCENTRICITIES_MM[0]) <= 5
        table["eccentricity 20 mm"] = _tested(scores, deepest, rng)
    if scores.set is MULTI:
        many = scores.facts["n_sources"] > FEW_SOURCES[-1]
        table["5 sources or more"] = _tested(scores, many, rng)
    return table


def _tested(
    scores: Scores, inside: NDArray[np.bool_] | None, rng: np.random.Generator
) -> Table | None:
    values = scores.values if inside is None else scores.values[:, inside]
    if values.shape[1] < SMALLEST_GROUP:
        return None
    with tqdm(
        total=N_PERMUTATIONS, unit="perm", desc=f"tests, {scores.set.name}", mininterval=1
    ) as bar:
        p = permutation_test(values, rng, N_PERMUTATIONS, bar.update)
    table: Table = {}
    for k, metric in enumerate(METRICS):
        table[metric] = {}
        for i, first in enumerate(scores.methods):
            for j in range(i + 1, len(scores.methods)):
                if np.isfinite(p[i, j, k]):
                    d = cohens_d(values[i, :, k], values[j, :, k])
                    pair = f"{first} | {scores.methods[j]}"
                    table[metric][pair] = {"p": p[i, j, k], "d": float(d)}
    return table


def rounded(value: Any) -> Any:
    """Return plain data with five significant digits; what is not finite becomes None."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
