"""Recordings with a known answer, as a section of ``evaluation.md``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from convdip.markdown import markdown_table

from convdip_training.evaluation.known import RESTS, THE_EEG
from convdip_training.evaluation.numbers import best_of

Table = dict[str, Any]


@dataclass(frozen=True)
class Measure:
    """A column.

    Attributes
    ----------
    key, title, form : str
    best : 'low' or 'high'
    interval : str
        Key of the interval; empty if the value is a dict with ``median`` and ``ci``.
    group : str
        Key in a method's row under which both are; empty if the row itself has them.
    """

    key: str
    title: str
    form: str
    best: str
    interval: str = ""
    group: str = ""

    def value(self, row: Table) -> float | None:
        """Return a method's value, or None."""
        found = (row[self.group] if self.group else row).get(self.key)
        return found["median"] if found is not None and not self.interval else found

    def cell(self, row: Table) -> str:
        """Return value and interval."""
        value = self.value(row)
        if value is None:
            return "–"
        inner = row[self.group] if self.group else row
        ends = inner[self.interval] if self.interval else inner[self.key]["ci"]
        shown = (f"{number:{self.form}}".replace("-", "−") for number in (value, *ends))
        return "{} [{}, {}]".format(*shown)


HALF_CYCLES = (
    Measure("distance_mm", "peak to trough (mm)", ".1f", "low"),
    Measure("correlation", "correlation, signed", ".3f", "low"),
    Measure("magnitude_correlation", "correlation of magnitudes", ".3f", "high"),
    Measure("occipital_share", "occipital share", ".2f", "high"),
)
CLOSED_OVER_OPEN = (
    Measure("ratio", "closed / open", ".1f", "high", "ratio_ci"),
    Measure("auc", "AUC", ".3f", "high", "auc_ci"),
)
MOVEMENT = tuple(
    Measure(key, f"{title}, {words}", form, "high", f"{key}_ci", group)
    for group, words in (("after", "after the cue"), ("change", "after over before"))
    for key, title, form in (("auc", "AUC", ".3f"), ("accuracy", "accuracy", ".2f"))
)
# Of S001R02: the measure, what is to be reached, whether it may be more, and its words.
TARGETS = (
    ("distance_mm", 10.0, False, "peak to trough at most 10 mm"),
    ("magnitude_correlation", 0.9, True, "correlation of magnitudes at least 0.9"),
)


def known_sections(known: Table) -> list[str]:
    """Return the sections.

    Parameters
    ----------
    known : dict
        From `convdip_training.evaluation.known.known_answers`.
    """
    shown = _shown(known)
    sections = ["## Real recordings with a known answer"]
    if shown:
        sections += [_ahead(known["model"], shown), _targets(known), _WORDS]
    for title, words, measures, methods in shown:
        header = ["[95 % interval]", *(measure.title for measure in measures)]
        rows = [[name, *(m.cell(row) for m in measures)] for name, row in methods.items()]
        sections += [f"### {title}\n\n{words}", markdown_table(header, rows)]
    if known["left_out"]:
        sections.append(f"Left out: {'; '.join(known['left_out'])}.")
    return sections


_WORDS = """\
All methods get the same EEG: prepared by the live service's own matrices, then through a causal
band-pass (Butterworth, second order at each edge). Maxima are of magnitudes, on cortex alone. The
linear methods are MNE's, with fixed orientation and λ² = 1/9, and are given what the model is not:
a noise covariance and, LCMV, a data covariance of the very recordings (for movement that of all
trials, including the one left out, but without the cues). The noise is white at the recorded
electrodes, except that for movement all but LCMV are given the filtered EEG of the 2 s before the
cues: of the two, that told left from right better in S001, and for LCMV white noise did. sLORETA,
dSPM and LCMV give statistics, not moments, so their occipital share is a share of those."""


def _shown(known: Table) -> list[tuple[str, str, tuple[Measure, ...], Table]]:
    """Return title, words, measures and methods of each table."""
    shown: list[tuple[str, str, tuple[Measure, ...], Table]] = []
    alpha = known["alpha"]
    for name, entry in alpha.items():
        one = name != "EEGMAT"
        counted = (
            f"{entry['n']} pairs, one from each second of strong alpha: medians"
            if one
            else f"Rest with eyes closed (`{RESTS}`), {entry['n']} people: medians over people of "
            "their medians; intervals resample people, who are few"
        )
        words = (
            f"{counted}. {entry['n_recorded']} of the model's electrodes were recorded. A peak "
            "of the occipital 8–12 Hz rhythm and the next trough, half a cycle later: the same "
            "sources with the opposite sign, so 0 mm, −1 and 1, but for alpha that travels. "
            "Occipital: pericalcarine, cuneus, lingual, lateral occipital; an even map has a share "
            f"of {entry['flat_share']:.2f}."
        )
        shown.append((f"Eyes-closed alpha, {name}", words, HALF_CYCLES, entry["methods"]))
        if "closed_over_open" in entry:
            words = (
                "Occipital 8–12 Hz power in windows of 1 s, eyes closed (S001R02) over eyes open "
                "(S001R01): ratio of medians, and how well one window tells them apart."
            )
            shown.append(
                ("Eyes closed over open", words, CLOSED_OVER_OPEN, entry["closed_over_open"])
            )
    for entry in known["movement"].values():
        counts = " and ".join(f"{n} of {kind}" for kind, n in entry["trials"].items())
        left, right = entry["n_dipoles"]
        words = (
            f"{counts}, made and imagined, one person: **so few trials tell only large differences "
            "apart**, as the intervals show. Features: log of 8–30 Hz power 0.5–4 s after the cue, "
            "alone or over that of the 2 s before it, in the left and the right hand area (before "
            "and behind the central sulcus, 20 mm around MNI (∓38, −22, 56): "
            f"{left} and {right} dipoles). AUC: of their difference (fists) or their negative mean "
            "(feet), which no training has seen. Accuracy: linear discriminant analysis of both "
            "features, each trial left out in turn. Chance is 0.5. Muscle activity is not excluded."
        )
        shown.append((entry["title"].capitalize(), words, MOVEMENT, entry["methods"]))
    return shown


def _ahead(model: str, shown: list[tuple[str, str, tuple[Measure, ...], Table]]) -> str:
    """Say by what measures another method is better than the model."""
    behind, n = [], 0
    for title, _, measures, methods in shown:
        for measure in measures:
            values = {
                name: value
                for name, row in methods.items()
                if name != THE_EEG and (value := measure.value(row)) is not None
            }
            if model not in values:
                continue
            n += 1
            best = best_of(values, measure.best)
            if values[best] != values[model]:
                ours, theirs = (measure.cell(methods[name]) for name in (model, best))
                behind.append([title, measure.title, ours, f"{best} {theirs}"])
    if not behind:
        return f"Nothing is ahead of {model} in any of {n} measures."
    return (
        f"Ahead of {model} in {len(behind)} of {n} measures:\n\n"
        f"{markdown_table(['', '', model, 'the best'], behind)}"
    )


def _targets(known: Table) -> str:
    """Say whether the model reaches what was asked of it."""
    if "S001R02" not in known["alpha"]:
        return ""
    row = known["alpha"]["S001R02"]["methods"][known["model"]]
    said = []
    for key, target, may_be_more, words in TARGETS:
        value = row[key]["median"]
        reached = value >= target if may_be_more else value <= target
        number = f"{value:.3g}".replace("-", "−")
        said.append(f"{words}: {'reached' if reached else '**missed**'} ({number})")
    return f"To reach in S001R02, medians: {'; '.join(said)}."
