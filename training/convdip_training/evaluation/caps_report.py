"""The report on any cap, for people."""

from __future__ import annotations

from typing import Any

from convdip.markdown import markdown_table

COLUMNS = (
    ("auc", "AUC", ".3f"),
    ("average_precision", "AP", ".2f"),
    ("peak_error", "error, mm", ".1f"),
    ("maxima_error", "error of all maxima, mm", ".1f"),
    ("found", "found, %", ".0f"),
    ("ghosts", "ghosts", ".2f"),
    ("emd", "EMD, mm", ".1f"),
)


def caps_markdown(table: dict[str, Any]) -> str:
    """Return the report.

    Parameters
    ----------
    table : dict
        From `convdip_training.evaluation.caps.score_caps`, with ``model``, ``n_samples`` and
        ``seed`` beside the sets.
    """
    parts = [
        f"# {table['model']}: any cap",
        f"{table['n_samples']} samples a set, seed {table['seed']}: the sources of the "
        "evaluation's sets on the alternative head, seen by each cap. Means; a cap's best in bold.",
    ]
    for title, caps in table["sets"].items():
        columns = [column for column in COLUMNS if _is_known(caps, column[0])]
        rows = []
        for cap, methods in caps.items():
            best = {key: _best(methods, key) for key, _, _ in columns}
            for name, scores in methods.items():
                cells = [_cell(scores[key], spec, best[key]) for key, _, spec in columns]
                rows.append([cap, name, *cells])
        header = ("electrodes", "method", *(words for _, words, _ in columns))
        parts += [f"## {title}", markdown_table(header, rows)]
    return "\n\n".join(parts) + "\n"


def _is_known(caps: dict[str, Any], key: str) -> bool:
    scores = (methods[key] for cap in caps.values() for methods in cap.values())
    return any(value == value for value in scores)


def _best(methods: dict[str, Any], key: str) -> float:
    values = [float(s[key]) for s in methods.values() if s[key] == s[key]]
    return max(values) if key in ("auc", "average_precision", "found") else min(values)


def _cell(value: float, spec: str, best: float) -> str:
    if value != value:
        return "–"
    text = format(value, spec)
    return f"**{text}**" if text == format(best, spec) else text
