"""The whole evaluation of a bundle, written as reports; the bundle itself stays as it is."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from convdip_training.evaluation.aggregate import summarise
from convdip_training.evaluation.form_accuracy import compare_forms, precision_markdown
from convdip_training.evaluation.known import known_answers
from convdip_training.evaluation.laboratory import Laboratory, Plan, laboratory
from convdip_training.evaluation.ongoing_scores import ongoing_table
from convdip_training.evaluation.real import absent, image_real, load_real
from convdip_training.evaluation.results import to_markdown
from convdip_training.evaluation.rounding import rounded
from convdip_training.evaluation.scores import score_all
from convdip_training.evaluation.speed import measure_speed, speed_markdown

log = logging.getLogger(__name__)


def evaluate(plan: Plan, folder: Path) -> dict[str, Any]:
    """Evaluate a bundle and write the reports.

    Parameters
    ----------
    plan : Plan
    folder : Path
        An existing folder. Gets ``evaluation.json`` and ``evaluation.md``, with ``-quick`` in their
        names if the plan is quick; otherwise also ``speed.md``, and ``precision.md`` if the
        bundle has an int8 form.

    Returns
    -------
    table : dict
        What ``evaluation.json`` holds.
    """
    here = laboratory(plan)
    erps = load_real(here.head, plan.data)
    table = summarise(here, score_all(plan))
    table["ongoing"] = ongoing_table(plan)
    log.info("real data: %d event-related potentials", len(erps))
    table["real"] = rounded(image_real(erps, here.methods, here.head, here.is_template))
    table["real_left_out"] = absent(plan.data)
    table["known"] = rounded(
        known_answers(table["model"]["name"], here.bundle, plan, here.is_template)
    )
    if not plan.quick:
        _write_timed(here, table, folder)
    name = f"evaluation{'-quick' if plan.quick else ''}"
    _write(folder / f"{name}.json", f"{json.dumps(table, indent=1, ensure_ascii=False)}\n")
    _write(folder / f"{name}.md", to_markdown(table))
    return table


def _write_timed(here: Laboratory, table: dict[str, Any], folder: Path) -> None:
    """Write the reports with times, which differ from run to run; add what does not to a table."""
    forms = compare_forms(here)
    if forms is not None:
        table["precision"], times_ms = forms
        _write(folder / "precision.md", precision_markdown(table["precision"], times_ms))
    log.info("speed: all methods in turn")
    _write(folder / "speed.md", speed_markdown(measure_speed(here)))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
