"""The report as a person reads it."""

from __future__ import annotations

from convdip.check.accuracy import BEST_MM, CHANCE_MM
from convdip.check.report import Electrode, Findings, Image, Report, Voltages
from convdip.markdown import markdown_table
from convdip.streams import EegDescription
from convdip.text import shown, shown_line

WIDTH = 16  # of the names of what is found


def described(eeg: EegDescription) -> str:
    """Return what a source says of its channels, as a table: what to mend where that is wrong."""
    rows = [
        (str(i), *(shown(text) or "–" for text in (label, unit, kind)), f"{factor:g}")
        for i, (label, unit, kind, factor) in enumerate(
            zip(eeg.labels, eeg.units, eeg.types, eeg.factors, strict=True), start=1
        )
    ]
    header = ("channel", "label", "unit", "type", "factor")
    return (
        f"{shown(eeg.name)}: {len(rows)} channels, {eeg.sfreq_hz:g} Hz, {eeg.sample_format}\n"
        f"\n{markdown_table(header, rows, padded=True)}"
    )


def to_text(report: Report) -> str:
    """Return the report: a row an electrode, what is found, and the verdict at the end.

    Parameters
    ----------
    report : Report
    """
    findings = report.findings
    header = ("channel", "label", "electrode", "level µV", "offset mV", "")
    table = markdown_table(header, map(_row, findings.electrodes), padded=True)
    found = [f"{what:{WIDTH}}{shown_line(text)}" for what, text in _lines(findings).items()]
    remarks = [f"- {remark.what}: {remark.advice}" for remark in report.remarks]
    return "\n".join([table, "", *found, "", *remarks, f"{'verdict':{WIDTH}}{report.verdict}"])


def _row(electrode: Electrode) -> tuple[str, ...]:
    offset_mv = electrode.offset_mv
    note = ""
    if electrode.bad_share:
        note = f"bad in {electrode.bad_share:.1%}: {electrode.reason}"
        if facts := electrode.facts:
            note += (
                f" (SD {facts['sd_uv']:g} µV, by its neighbours {facts['predicted_sd_uv']:g}, "
                f"correlation {facts['correlation']:g})"
            )
    return (
        str(electrode.channel),
        shown(electrode.label),
        shown(electrode.name),
        f"{electrode.level_uv:g}",
        "–" if offset_mv is None else f"{offset_mv:g}",
        note,
    )


def _lines(findings: Findings) -> dict[str, str]:
    """Return what is found, by its name."""
    source, timing = findings.source, findings.timing
    where = f" on {source.hostname}, source id {source.source_id or 'none'}"
    stamps = ""
    if timing is not None:
        stamps = f", by the stamps {timing.rate_hz:g} Hz; {timing.n_missing} samples missing in "
        stamps += f"{timing.n_gaps} places; {timing.age_ms:g} ms old when they come"
    reference = findings.reference or "not stated"
    return {
        source.kind: source.name + (where if source.kind == "stream" else ""),
        "numbers": f"{source.sample_format}, {', '.join(_units(findings))}",
        "rate": f"{source.rate_hz:g} Hz{stamps}",
        "looked at": f"{source.seconds:g} s",
        "electrodes": f"{len(findings.electrodes)}, reference {reference}",
        "ignored": _ignored(findings) or "none",
        **_voltages(findings.voltages),
        **_image(findings.image),
    }


def _ignored(findings: Findings) -> str:
    """Return the channels that are no electrodes, together with why."""
    by_reason: dict[str, list[str]] = {}
    for channel in findings.ignored:
        by_reason.setdefault(channel.why, []).append(channel.label)
    return "; ".join(f"{', '.join(labels)} ({why})" for why, labels in by_reason.items())


def _voltages(voltages: Voltages) -> dict[str, str]:
    usual = "as EEG's" if voltages.is_eeg_level else "NOT EEG's"
    offsets, mains = "no numbers", "none found"
    if voltages.offset_largest_mv is not None:
        offsets = f"{voltages.offset_largest_mv:g} mV the largest, "
        offsets += f"{voltages.offset_median_mv:g} mV the median"
    if voltages.mains_hz is not None:
        mains = f"{voltages.mains_hz:g} Hz, {voltages.mains_uv:g} µV (median)"
    return {
        "level": f"{voltages.level_uv:g} µV (SD over a second, filtered; median), {usual}",
        "offsets": offsets,
        "mains": mains,
    }


def _image(image: Image) -> dict[str, str]:
    def listed(shares: dict[str, float], form: str) -> str:
        return ", ".join(f"{name} {share:{form}}" for name, share in shares.items())

    otherwise = f", else {image.invalid}" if image.invalid else ""
    return {
        "artefacts": f"{listed(image.artefacts, '.1%')} of the time",
        "interpolated": ", ".join(image.missing) or "none",
        "coverage": f"{image.coverage:g} in the mean; the least {listed(image.least_covered, 'g')}",
        "image": f"valid in {image.valid_share:.1%} of the time{otherwise}",
        "expected error": f"{image.expected_error_mm:g} mm by the coverage, of simulated sources "
        f"at the demo's SNR (all of the model's electrodes: {BEST_MM:g}, chance: {CHANCE_MM:g})",
    }


def _units(findings: Findings) -> list[str]:
    """Return the units and what a step of 1 is, each once."""
    steps = dict.fromkeys((e.unit, e.volts) for e in findings.electrodes)
    return [f"{unit}: a step of 1 is {volts:.6g} V" for unit, volts in steps]
