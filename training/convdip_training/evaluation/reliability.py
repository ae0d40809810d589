"""Whether confidence can be relied upon: what it says, beside what is found."""

from __future__ import annotations

from typing import Any

import numpy as np
from convdip.live.confidence import NEAR_MM
from convdip.markdown import markdown_table
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from convdip_training.evaluation.statistics import bootstrap_intervals

Float = NDArray[np.floating]
Json = dict[str, Any]

# Samples in the order of their confidence are cut into so many groups of equal size.
N_BINS = 5
# For the expected calibration error, which more groups would make larger by chance alone.
N_FINE = 10
# Of a normal distribution, 95 % lie within so many SDs.
TWO_SIDED = 1.96


def scores(confidence: Float, errors_mm: Float, rng: np.random.Generator) -> Json:
    """Return how well confidence says whether the strongest dipole is at a source.

    Parameters
    ----------
    confidence : ndarray, shape (n,)
    errors_mm : ndarray, shape (n,)
        From the strongest dipole to the middle of the nearest source.
    rng : Generator

    Returns
    -------
    scores : dict
        ``said`` and ``found``, the mean confidence and the share that is right; ``auc`` of telling
        right from wrong; ``brier``, and ``brier_of_base``, that of always saying ``found``;
        ``ece``, the expected calibration error; and ``bins``, the same of samples of like
        confidence, with the 95 % interval of what was found, and the error.
    """
    right = errors_mm <= NEAR_MM
    share = float(right.mean())
    fine = _groups(confidence, N_FINE)
    ece = sum(rows.size * abs(confidence[rows].mean() - right[rows].mean()) for rows in fine)
    return {
        "n": len(right),
        "said": _rounded(confidence.mean()),
        "found": _rounded(share),
        "auc": _rounded(roc_auc_score(right, confidence)) if 0 < share < 1 else None,
        "brier": _rounded(np.square(confidence - right).mean()),
        "brier_of_base": _rounded(share * (1 - share)),
        "ece": _rounded(ece / len(right)),
        "bins": [
            _bin(confidence[rows], errors_mm[rows], rng) for rows in _groups(confidence, N_BINS)
        ],
    }


def spread(confidence: Float) -> Json:
    """Return what confidence says of samples that hold no source, or none that is known."""
    low, median, high = np.quantile(confidence, (0.05, 0.5, 0.95))
    return {
        "n": len(confidence),
        "mean": _rounded(confidence.mean()),
        "median": _rounded(median),
        "from_5_to_95": [_rounded(low), _rounded(high)],
    }


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, by Wilson."""
    share, z2 = n_right / n, TWO_SIDED**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = TWO_SIDED / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # Exactly 0 and 1 where none or all are right, but for rounding.
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def reliability_table(sets: Json) -> str:
    """Compare what is said with what is found, set by set."""
    header = [
        "set", "said", "found", "AUC", "Brier (always saying what is found)", "calibration error",
        "error by fifths of confidence, mm", "found by fifths",
    ]  # fmt: skip
    rows = [
        [
            entry["title"],
            f"{entry['said']:.2f}",
            f"{entry['found']:.2f}",
            "–" if entry["auc"] is None else f"{entry['auc']:.2f}",
            f"{entry['brier']:.3f} ({entry['brier_of_base']:.3f})",
            f"{entry['ece']:.2f}",
            " · ".join(f"{one['error_mm']:.0f}" for one in entry["bins"]),
            " · ".join(f"{one['found']:.2f}" for one in entry["bins"]),
        ]
        for entry in sets.values()
    ]
    return markdown_table(header, rows)


def spread_table(without: Json) -> str:
    """Say how confident the model is of what holds no source, or none that is known."""
    rows = [
        [
            entry["title"],
            f"{entry['mean']:.2f}",
            f"{entry['median']:.2f}",
            "–".join(f"{value:.2f}" for value in entry["from_5_to_95"]),
        ]
        for entry in without.values()
    ]
    return markdown_table(["EEG", "mean", "median", "5th to 95th percentile"], rows)


def _bin(confidence: Float, errors_mm: Float, rng: np.random.Generator) -> Json:
    n_right, n = int(np.count_nonzero(errors_mm <= NEAR_MM)), len(errors_mm)
    of_mean, _ = bootstrap_intervals(errors_mm.astype(float), rng)
    return {
        "said": _rounded(confidence.mean()),
        "found": _rounded(n_right / n),
        "found_ci": [_rounded(end) for end in wilson(n_right, n)],
        "error_mm": _rounded(errors_mm.mean(), 1),
        "error_mm_ci": [_rounded(end, 1) for end in of_mean],
        "error_mm_median": _rounded(np.median(errors_mm), 1),
    }


def _groups(confidence: Float, n: int) -> list[NDArray[np.intp]]:
    """Return the rows of groups of equal size, the least confident first."""
    return np.array_split(np.argsort(confidence, kind="stable"), n)


def _rounded(value: Any, digits: int = 3) -> float:
    return round(float(value), digits)
