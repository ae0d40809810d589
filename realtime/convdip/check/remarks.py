"""The verdict on a source, and what to do about what is not as it should be."""

from __future__ import annotations

from collections.abc import Iterator

from convdip.check.accuracy import BEST_MM, CHANCE_MM
from convdip.check.report import Electrode, Findings, Remark, Verdict
from convdip.frame import Invalid
from convdip.live.level import EEG_LEVEL_V
from convdip.live.preparation import LEAST_COVERAGE
from convdip.live.stamps import OWN_CLOCK_S

# Where there is an image for less of the time, it is no use.
LEAST_VALID = 0.5
# Of an electrode that is good now, less is a moment that passed.
BAD_SHARE = 0.1
ARTEFACT_SHARE = 0.2
# With about twenty electrodes that are spread over the head.
COARSE_MM = 25.0


def judge(findings: Findings) -> tuple[Verdict, tuple[Remark, ...]]:
    """Say whether a source can be imaged, and what there is to mend, the gravest first.

    Parameters
    ----------
    findings : Findings
    """
    grave = tuple(_obstacles(findings))
    others = (*_remarks_on_electrodes(findings), *_remarks_on_the_rest(findings))
    if grave:
        return Verdict.UNUSABLE, (*grave, *others)
    return (Verdict.REMARKS if others else Verdict.READY), others


def _obstacles(findings: Findings) -> Iterator[Remark]:
    """Yield what keeps a source from being imaged."""
    voltages, image = findings.voltages, findings.image
    if not voltages.is_eeg_level and image.invalid != Invalid.SIGNAL:
        least_uv, most_uv = (level_v * 1e6 for level_v in EEG_LEVEL_V)
        yield Remark(
            f"the level of {voltages.level_uv:g} µV is not that of EEG, {least_uv:g} to "
            f"{most_uv:g} µV",
            "is the unit right? `unit` says what a step of 1 in the numbers is",
        )
    if image.valid_share >= LEAST_VALID:
        return
    share = f"in {1 - image.valid_share:.0%} of the time"
    if image.invalid == Invalid.SIGNAL:
        yield Remark(f"no signal {share}", "are the electrodes connected, and is it measuring?")
    else:
        places = ", ".join(image.least_covered)
        yield Remark(
            f"too few electrodes {share}: they cover {image.coverage:g} of the model's, at least "
            f"{LEAST_COVERAGE:g} is needed",
            f"add or mend electrodes near {places}; channels of other names: `channels`",
        )


def _remarks_on_electrodes(findings: Findings) -> Iterator[Remark]:
    """Yield what is wrong with electrodes, of which the service leaves out the bad ones."""
    is_live = findings.timing is not None  # a recording's end may be that of its session
    bad = [e for e in findings.electrodes if e.bad_share >= BAD_SHARE or (is_live and e.is_bad)]
    if bad:
        yield Remark(
            f"{len(bad)} bad: {', '.join(f'{e.name} ({e.reason})' for e in bad)}",
            "look at their contact, gel and cable; the service leaves them out while they are bad",
        )
    strange = [e for e in findings.electrodes if e not in bad and not _is_usual(e)]
    if strange and findings.voltages.is_eeg_level:
        listed = ", ".join(f"{e.name} ({e.level_uv:g} µV)" for e in strange)
        yield Remark(
            f"not the level of EEG: {listed}",
            "one of 0 is the reference itself, which is right; of others, look at unit and contact",
        )
    image = findings.image
    if image.expected_error_mm > COARSE_MM and image.valid_share >= LEAST_VALID:
        yield Remark(
            f"sources to be expected {image.expected_error_mm:g} mm off (all of the model's "
            f"electrodes: {BEST_MM:g}, chance: {CHANCE_MM:g})",
            f"believe regions, not places; electrodes near {', '.join(image.least_covered)} help",
        )


def _is_usual(electrode: Electrode) -> bool:
    return EEG_LEVEL_V[0] * 1e6 <= electrode.level_uv <= EEG_LEVEL_V[1] * 1e6


def _remarks_on_the_rest(findings: Findings) -> Iterator[Remark]:
    """Yield what is wrong with time stamps and voltages."""
    timing, voltages, image = findings.timing, findings.voltages, findings.image
    if timing is not None and not timing.is_as_stated:
        yield Remark(
            f"it states {findings.source.rate_hz:g} Hz and sends {timing.rate_hz:g} Hz",
            "state the true rate in the sender: filters are off by as much",
        )
    if timing is not None and timing.n_missing:
        yield Remark(
            f"{timing.n_missing} samples are missing, in {timing.n_gaps} places",
            "look at the amplifier's link: radio, cable, a busy computer",
        )
    if timing is not None and not 0 <= timing.age_ms <= OWN_CLOCK_S * 1e3:
        yield Remark(
            f"samples are {timing.age_ms / 1e3:.3g} s old by their stamps when they come",
            "let the sender stamp with LSL's clock, or no age shown is true",
        )
    if voltages.mains_hz is not None:
        yield Remark(
            f"mains of {voltages.mains_hz:g} Hz, {voltages.mains_uv:g} µV",
            "the service filters it out; look at ground, reference and power supplies nearby",
        )
    if LEAST_VALID <= image.valid_share < 1:
        yield Remark(
            f"not valid in {1 - image.valid_share:.0%} of the time ({image.invalid})",
            "the estimates are NaN then; look at the electrodes that come and go",
        )
    for kind, share in image.artefacts.items():
        if share >= ARTEFACT_SHARE:
            yield Remark(
                f"{kind} in {share:.0%} of the time",
                "it is flagged, not removed: pause feedback then, or let the person relax",
            )
