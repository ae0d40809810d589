"""The report: Markdown for people, JSON for programs, and the folder they are written to."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from convdip.bench.report import check_matplotlib
from convdip.errors import ConfigError
from convdip.feedback.features import WINDOW_S
from convdip.live.confidence import NEAR_MM
from convdip.markdown import markdown_table
from convdip.prove.about import About
from convdip.prove.outcome import PULSES, SNR_WORDS, Judgement
from convdip.prove.paragraph import methods_paragraph
from convdip.prove.picture import draw
from convdip.prove.session import (
    BANDS,
    BURST_S,
    FAR_MM,
    PLATEAU_S,
    RAMP_S,
    middle_hz,
)
from convdip.sources.background import N_PATCHES
from convdip.sources.simulator import MOMENT_NAM, ORDERS, SNR

MARKDOWN, PICTURE, NUMBERS = "report.md", "report.png", "report.json"
KINDS = {
    PULSES: "pulses",
    "positive": "– out of the cortex",
    "negative": "– into the cortex",
    **{kind: f"– peak SNR {words}" for kind, words in SNR_WORDS.items()},
    **{band: f"{band}, {low:g}–{high:g} Hz" for band, (low, high) in BANDS.items()},
}
OVERLOADED = "the service was overloaded meanwhile, and told so in NAME-Events"
OWN_HEAD = (
    "The head is the model's own: that of the simulation and of the inverse are one. This proves "
    "the chain, from an EEG stream to features, and is an upper bound for what it finds in a "
    "person's EEG. What it finds on other heads is in docs/evaluation.md of the project."
)
ONE_POLARITY = (
    "The model holds for sources out of the cortex alone: pulses point that way, rhythms both ways."
)


def check_folder(folder: Path) -> None:
    """Check that a report can be written, before minutes of measuring.

    Raises
    ------
    ConfigError
        If the folder holds something else than a report or cannot be written to, or matplotlib,
        which draws the picture, is not installed.
    """
    check_matplotlib("the report's picture")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        others = sorted({path.name for path in folder.iterdir()} - {MARKDOWN, PICTURE, NUMBERS})
    except OSError as error:
        raise ConfigError(f"`output` is {folder}: {error.strerror}") from None
    if others:
        raise ConfigError(
            f"`output` is {folder}, which holds {others[0]!r}: expected an empty or a new "
            "folder, or one with an earlier report"
        )
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"`output` is {folder}: expected a writable folder")


def write_report(folder: Path, about: About, judged: Judgement) -> dict[str, Any]:
    """Write all three files; return what is in the JSON."""
    numbers = to_json(about, judged)
    text = json.dumps(numbers, indent=1, ensure_ascii=False)
    (folder / NUMBERS).write_text(text + "\n", encoding="utf-8")
    (folder / MARKDOWN).write_text(to_markdown(about, judged), encoding="utf-8")
    draw(judged, f"{about.model}, {about.machine['date']}", folder / PICTURE)
    return numbers


def to_json(about: About, judged: Judgement) -> dict[str, Any]:
    """Return everything that was found as one JSON object, null for what is not a number."""
    found = asdict(judged)
    del found["courses"]  # drawn only
    whole = {"ok": not judged.complaint, "complaint": judged.complaint, **found}
    plain: dict[str, Any] = _plain({**whole, "about": asdict(about)})
    return plain


def _plain(value: Any) -> Any:
    """Return what JSON knows."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(one) for one in (value.tolist() if isinstance(value, np.ndarray) else value)]
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    return value


def to_markdown(about: About, judged: Judgement) -> str:
    """Return the report for people."""
    verdict = "All is well: no sample lost, and regions of every kind found better than chance."
    if judged.complaint:
        verdict = f"**Not well**: {judged.complaint}."
    elif judged.samples.is_overloaded:
        verdict += f" **But late**: {OVERLOADED}; see the ages."
    head = OWN_HEAD if "negative" in judged.found else f"{OWN_HEAD} {ONE_POLARITY}"
    confused = "\n".join(f"- {n} × {true} taken for {as_}" for true, as_, n in judged.confusions())
    sections = {
        f"# Proof of {about.model}, {about.machine['date']}": f"{verdict}\n\n{head}",
        "## For a methods section": methods_paragraph(about, judged),
        "## Which region": f"{_found(judged)}\n\n{_how_found(judged)}",
        "## Where, which way, how late": _measured(judged),
        "## Between bands": _across(judged),
        "## What is confused": f"{confused or 'Nothing.'}\n\n![All confusions]({PICTURE})",
        "## How it was made": _made(about),
    }
    return "\n\n".join(f"{title}\n\n{text}" for title, text in sections.items()) + "\n"


def _found(judged: Judgement) -> str:
    """Return the table of hits, a row a kind."""
    header = (
        "", "sources", "without a value", "strongest", "among three", "middle of the strongest",
        f"power beyond {FAR_MM:g} mm",
    )  # fmt: skip
    rows = [
        (
            words,
            f"{found.strongest.n + found.suspended}",
            f"{found.suspended}",
            str(found.strongest),
            str(found.among_three),
            str(found.centre_mm),
            f"{100 * found.far_share:.0f} %",
        )
        for kind, words in KINDS.items()
        if (found := judged.found.get(kind))
    ]
    one = judged.found[PULSES]
    chance = (
        "by chance", "", "", _percent(one.strongest.chance), _percent(one.among_three.chance),
        f"{one.centre_mm.chance:.0f} mm", f"{100 * judged.far_by_chance:.0f} %",
    )  # fmt: skip
    return markdown_table(header, [*rows, chance])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _how_found(judged: Judgement) -> str:
    """Say what the table's columns are."""
    return (
        f"Strongest of {len(judged.regions)} regions at a source's last sample, by amplitude "
        f"(pulses, NAME-ROI) or power in the band (rhythms, NAME-Features) over {WINDOW_S:g} s; in "
        "brackets 95 % intervals (shares: Wilson; medians: bootstrap). *Without a value*: "
        "suspended by the service, as when it takes a source for eyes or muscle; not counted. "
        "*Middle of the strongest*: median distance from the source. *Power beyond*: of all power "
        "imaged while the source is on, background included, the share in regions whose middle is "
        "farther off (median). *Peak SNR*: of the largest electrode over the noisiest one's SD; as "
        "the noise is one for the session, it is the deep sources that are faint."
    )


def _measured(judged: Judgement) -> str:
    """Return the table of everything that is one number; a row more is one line more."""
    rows = [
        (
            "pulse to strongest dipole, single samples (NAME-Sources)",
            str(judged.dipole_mm),
            f"by chance {judged.dipole_mm.chance:.0f} mm",
        ),
        (
            "sign of the strongest dipole right",
            str(judged.sign_right),
            "by chance 50 %",
        ),
    ]
    rows += [
        (
            f"within {NEAR_MM:g} mm where confidence was {trust.said:.2f} (a third of the pulses)",
            str(trust.right),
            f"by chance {_percent(trust.right.chance)}",
        )
        for trust in judged.trusts
    ]
    for band, delay in judged.delays.items():
        rows += [
            (
                f"{band}: step to 50 % of its feature's way (median, quartiles of {delay.n})",
                str(delay.half),
                f"stated {delay.stated:.2f} s",
            ),
            (f"{band}: step to 90 %", str(delay.ninety), ""),
        ]
    rows += [
        (
            f"age {whom}: median, 95th, 99th percentile",
            " / ".join(f"{age:.1f}" for age in ages.values()) + " ms",
            source,
        )
        for whom, ages, source in (
            ("at a client", judged.ages_ms["client"], "EEG time stamp → all moments are there"),
            ("in the service", judged.ages_ms["service"], "as NAME-Quality has it"),
        )
    ]
    samples = judged.samples
    rows += [
        (
            f"samples of NAME-{name}",
            f"{n} received, {samples.lost[name]} lost",
            f"{samples.sent} sent",
        )
        for name, n in samples.received.items()
    ]
    return markdown_table(("", "measured", "beside"), rows)


def _across(judged: Judgement) -> str:
    """Return how power in a source's region is shared between bands."""
    rows = [
        (f"source in {band}", *map(_percent, shares.values()))
        for band, shares in judged.across.items()
    ]
    table = markdown_table(("power of its region", *(f"in {band}" for band in BANDS)), rows)
    return (
        f"{table}\n\nMeans over the sources, while those of the other bands were on in regions at "
        f"least {FAR_MM:g} mm off; background is included."
    )


def _made(about: About) -> str:
    """Return what to know in order to repeat it."""
    low, high = MOMENT_NAM
    rhythms = ", ".join(f"{middle_hz(band):.1f} Hz" for band in BANDS)
    rows = {
        "command": f"`{about.command}`",
        "model": f"{about.model}, SHA-256 `{about.model_sha256}`",
        "head": f"SHA-256 `{about.head_sha256}`",
        "network": f"{about.provider}, {about.precision}",
        "EEG": f"{about.n_electrodes} electrodes, {about.sfreq_hz:g} Hz",
        "filter": f"{about.filter}; rhythms: band-pass before imaging",
        "sources": f"patches of {ORDERS[0]}–{ORDERS[1]} mesh edges, {low:g}–{high:g} nAm, seeds at "
        f"random in each of {about.n_regions} regions; seed {about.seed}",
        "background": f"{N_PATCHES} patches with 1/f spectra, alpha, sensor noise; "
        f"median peak SNR {SNR:.2f}",
        "pulses": f"{PLATEAU_S:g} s, rise and fall {RAMP_S:g} s, one after the other",
        "rhythms": f"{rhythms} for {BURST_S:g} s from a step, the bands at once",
        **about.machine,
    }
    return markdown_table(("", ""), rows.items())


def summary(numbers: dict[str, Any]) -> str:
    """Return what is said on the command line, from what is in the JSON."""
    kinds = (PULSES, *BANDS)
    hits = (f"{kind} {numbers['found'][kind]['strongest']['share']:.0%}" for kind in kinds)
    three = (f"{kind} {numbers['found'][kind]['among_three']['share']:.0%}" for kind in kinds)
    chance = numbers["found"][PULSES]["strongest"]["chance"]
    samples, dipole_mm = numbers["samples"], numbers["dipole_mm"]
    lost, ages_ms = sum(samples["lost"].values()), numbers["ages_ms"]["client"]
    late = f"; {OVERLOADED}" if samples["is_overloaded"] else ""
    return (
        f"samples     {samples['sent']} sent, {lost} lost\n"
        f"strongest   {', '.join(hits)} (chance: {chance:.1%})\n"
        f"among three {', '.join(three)}\n"
        f"error       {dipole_mm['median']:.0f} mm to the strongest dipole of a pulse (chance: "
        f"{dipole_mm['chance']:.0f} mm)\n"
        f"age         median {ages_ms['p50']:.2f} ms, p99 {ages_ms['p99']:.2f} ms{late}\n"
        f"verdict     {'all is well' if numbers['ok'] else 'NOT well: ' + numbers['complaint']}"
    )
