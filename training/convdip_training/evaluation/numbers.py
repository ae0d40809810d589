"""Numbers as the report writes them."""

from __future__ import annotations

from collections.abc import Mapping

from convdip_training.evaluation.aggregate import CALIBRATED
from convdip_training.evaluation.metrics import METRICS

# Digits after the point; 3 for all other metrics.
DIGITS = {
    **{name: 1 for name, metric in METRICS.items() if metric.unit in ("mm", "%")},
    **{name: 2 for name, metric in METRICS.items() if metric.unit == "a sample"},
    "nmse": 4, "relative_nmse": 2, CALIBRATED: 2,
}  # fmt: skip


def best_of(values: Mapping[str, float], best: str) -> str:
    """Return whose value is the best, ``high`` or ``low`` ones being so; the first of equals."""
    return (max if best == "high" else min)(values, key=values.__getitem__)


def number(value: float | None, metric: str) -> str:
    """Return a metric's value with its number of digits; a dash for none."""
    if value is None:
        return "–"
    if metric == "mse":
        return f"{value:.2e}".replace("e-", "e−")
    return f"{value:.{DIGITS.get(metric, 3)}f}"


def signed(value: float) -> str:
    """Return a value with two digits after the point and a real minus sign."""
    return f"{value:.2f}".replace("-", "−")


def p_value(value: float) -> str:
    """Return the p of a test."""
    return f"{value:.2f}" if value >= 0.01 else f"{value:.0e}".replace("e-0", "e−")
