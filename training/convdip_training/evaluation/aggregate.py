"""From scores to the numbers of the report: means, intervals, groups, correlations, tests."""

from __future__ import annotations

from itertools import combinations, groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from convdip_training.evaluation.laboratory import Laboratory
from convdip_training.evaluation.metrics import METRICS, Metric
from convdip_training.evaluation.pieces import package_versions
from convdip_training.evaluation.rounding import rounded
from convdip_training.evaluation.scores import NOTHING, POWERS, Scores
from convdip_training.evaluation.sets import (
    MULTI,
    ROBUST,
    SINGLE,
    VALIDATION,
    VALIDATION_SIGNED,
)
from convdip_training.evaluation.statistics import (
    N_PERMUTATIONS,
    N_PERMUTATIONS_QUICK,
    bootstrap_intervals,
    cohens_d,
    permutation_test,
)

Float = NDArray[np.float64]
Table = dict[str, Any]

CALIBRATED = "calibrated_nmse"
COLUMNS = METRICS | {CALIBRATED: Metric("relative nMSE, calibrated", "zero map = 1", "low")}
# Bins of eccentricity, as the paper's: ±5 mm around each.
ECCENTRICITIES_MM = (20, 30, 40, 50, 60, 70, 80)
SNR_EDGES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
SKULL_EDGES_S_M = (0.004, 0.007, 0.012, 0.02)
FEW_SOURCES = (1, 2, 3, 4)
GROUP_TITLES = {
    "extent": "extent (neighbourhood order)",
    "eccentricity": "eccentricity (distance from the centre of the head)",
    "sources": "number of sources",
    "snr": "SNR of the average",
    "skull": "conductivity of the skull, S/m",
    "repaired": "number of interpolated electrodes",
}
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
FOR_CHOICES = (VALIDATION_SIGNED, VALIDATION)


def summarise(here: Laboratory, all_scores: list[Scores]) -> Table:
    """Return all numbers of the report, as plain data with five significant digits.

    Parameters
    ----------
    here : Laboratory
    all_scores : list of Scores
        One for each set, a validation set for each kind of signs among them.
    """
    chosen = {s.set.signs: best_powers(s) for s in all_scores if s.set in FOR_CHOICES}
    methods = all_scores[0].methods
    table: Table = {
        "model": {"name": methods[0], "sha256": here.bundle.sha256},
        "seed": here.plan.seed,
        "quick": here.plan.quick,
        "calibration": {
            signs: dict(zip(methods, powers, strict=True)) for signs, powers in chosen.items()
        },
        "noise": {s.set.name: _noise_words(here, s) for s in all_scores},
        "versions": package_versions(),
        "sets": {},
    }
    shown = [scores for scores in all_scores if scores.set not in FOR_CHOICES]
    n_permutations = N_PERMUTATIONS_QUICK if here.plan.quick else N_PERMUTATIONS
    tests = _tests(here.plan.seed, shown, n_permutations)
    for scores in shown:
        entry = _set_table(here.plan.seed, scores, chosen[scores.set.signs])
        table["sets"][scores.set.name] = entry | {"tests": tests[scores.set.name]}
    plain: Table = rounded(table)
    return plain


def best_powers(validation: Scores) -> list[float]:
    """Return the power for each method that gives its maps the least relative nMSE."""
    means = validation.powers.mean(axis=1)
    return [POWERS[i] for i in means.argmin(axis=1)]


def _noise_words(here: Laboratory, scores: Scores) -> str:
    if scores.set.noise == "brain":
        return (
            "brain noise: every dipole of the alternative head active, with a strength that each "
            "parcel of the Desikan-Killiany atlas draws for each sample; 20 % of the power white"
        )
    recordings = here.noise_config(scores.set).recordings
    if not recordings:
        return "synthetic, of the alternative head"
    names = ", ".join(Path(name).name for name in recordings)
    known = recordings == here.experiment.config.noise.recordings
    return f"recorded: {names}{' (which the model was trained on, too)' if known else ''}"


def _set_table(seed: int, scores: Scores, powers: list[float]) -> Table:
    rng = np.random.default_rng([seed, 3])
    calibrated = np.array(
        [scores.powers[i, :, POWERS.index(power)] for i, power in enumerate(powers)]
    )
    columns = {name: scores.of(name) for name in METRICS} | {CALIBRATED: calibrated}
    methods = {
        method: {name: statistics_of(values[i], rng) for name, values in columns.items()}
        for i, method in enumerate(scores.methods)
    }
    n_samples = scores.values.shape[1]
    return {
        "title": scores.set.title,
        "signs": scores.set.signs,
        "n": n_samples,
        "methods": methods,
        "won_by_nothing": {which: won_by_nothing(methods, which) for which in ("mean", "median")},
        "groups": _groups(scores),
        "correlations": _correlations(scores),
    }


def statistics_of(values: Float, rng: np.random.Generator) -> Table | None:
    """Return mean and median with their intervals; None if there is no value."""
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


def won_by_nothing(methods: Table, which: str) -> list[str]:
    """Return the metrics in which no method is better than an uninformed map.

    Parameters
    ----------
    methods : dict
        Statistics by method and metric.
    which : 'mean' or 'median'
    """
    won = []
    for name, metric in COLUMNS.items():
        sign = {"high": 1.0, "low": -1.0}.get(metric.best)
        values = {m: sign * row[name][which] for m, row in methods.items() if sign and row[name]}
        of_nothing = [value for method, value in values.items() if method in NOTHING]
        if of_nothing and max(of_nothing) >= max(values.values()):
            won.append(name)
    return won


def members(scores: Scores) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Return which samples belong to which group, by kind of group."""
    facts = scores.facts
    groups: dict[str, dict[str, NDArray[np.bool_]]] = {}
    of = scores.set
    if of.draws == SINGLE.name:
        low, high = of.orders
        groups["extent"] = {f"s{s}": facts["order"] == s for s in range(low, high + 1)}
        groups["eccentricity"] = {
            f"{mm} mm": np.abs(facts["eccentricity"] - mm) <= 5 for mm in ECCENTRICITIES_MM
        }
    else:
        groups["sources"] = {f"{n}": facts["n_sources"] == n for n in FEW_SOURCES}
        groups["sources"]["≥ 5"] = facts["n_sources"] > FEW_SOURCES[-1]
    if of.snr[0] < of.snr[1]:
        groups["snr"] = _bins(facts["snr"], SNR_EDGES)
    if of.draws == ROBUST.name:
        groups["skull"] = _bins(facts["skull_s_m"], SKULL_EDGES_S_M)
        fewest, most = of.repaired
        groups["repaired"] = {f"{n}": facts["n_repaired"] == n for n in range(fewest, most + 1)}
    return groups


def _bins(values: Float, edges: tuple[float, ...]) -> dict[str, NDArray[np.bool_]]:
    return {f"{low:g}–{high:g}": (values >= low) & (values < high) for low, high in pairwise(edges)}


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
    if scores.set.draws == SINGLE.name:
        pairs = [("auc", "eccentricity"), ("peak_error", "eccentricity")]
    elif scores.set.draws == MULTI.name:
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


def _tests(seed: int, all_scores: list[Scores], n_permutations: int) -> dict[str, Table]:
    """Return the permutation test and Cohen's d of every pair and metric, by set and group."""
    rng = np.random.default_rng([seed, 4])
    groups: list[tuple[Scores, str, Float]] = []
    for scores in all_scores:
        groups.append((scores, "all", scores.values))
        # The two groups that the paper tests too.
        if scores.set.noise != "pool":
            continue
        if scores.set.draws == SINGLE.name:
            deepest = np.abs(scores.facts["eccentricity"] - ECCENTRICITIES_MM[0]) <= 5
            groups.append((scores, "eccentricity 20 mm", scores.values[:, deepest]))
        if scores.set.draws == MULTI.name:
            many = scores.facts["n_sources"] > FEW_SOURCES[-1]
            groups.append((scores, "5 sources or more", scores.values[:, many]))
    tables: dict[str, Table] = {s.set.name: {"permutations": n_permutations} for s in all_scores}
    groups = [group for group in groups if group[2].shape[1] >= SMALLEST_GROUP]
    # Groups of one size share the permutations, which cost more than the tests.
    groups.sort(key=lambda group: group[2].shape[1])
    for n_samples, of_size in groupby(groups, key=lambda group: group[2].shape[1]):
        together = list(of_size)
        stacked = np.concatenate([values for _, _, values in together], axis=2)
        what = f"tests of {n_samples}"
        # Another thread would wait most of the time, and burn a core meanwhile.
        with (
            threadpool_limits(1),
            tqdm(total=n_permutations, unit="perm", desc=what, mininterval=1) as bar,
        ):
            p = permutation_test(stacked, rng, n_permutations, bar.update)
        for (scores, name, values), p_here in zip(
            together, np.split(p, len(together), axis=2), strict=True
        ):
            tables[scores.set.name][name] = _test_table(scores.methods, values, p_here)
    return tables


def _test_table(methods: list[str], values: Float, p: Float) -> Table:
    table: Table = {}
    for k, metric in enumerate(METRICS):
        table[metric] = {}
        for i, j in combinations(range(len(methods)), 2):
            if np.isfinite(p[i, j, k]):
                d = cohens_d(values[i, :, k], values[j, :, k])
                table[metric][f"{methods[i]} | {methods[j]}"] = {"p": p[i, j, k], "d": float(d)}
    return table
