"""What is found of an EEG source, and whether it can be imaged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Verdict(StrEnum):
    """Whether a source can be imaged."""

    READY = "ready"
    REMARKS = "ready with remarks"
    UNUSABLE = "not usable"


@dataclass(frozen=True)
class Electrode:
    """A channel that is an electrode.

    Attributes
    ----------
    name, label : str
        Its standard name, and what the source calls the channel.
    channel : int
        Its number, from 1.
    unit : str
        As the source, or the user, says it.
    volts : float
        Of a step of 1 in the source's numbers; negative where the polarity is reversed.
    level_uv : float
        SD over a second behind the default filters, the median.
    offset_mv : float or None
        Median of the unfiltered voltage; None where it gave no number.
    bad_share : float
        Share of the time in which it is left out.
    is_bad : bool
        Whether it is at the end.
    reason : str
        Why it was, the last time; empty for never.
    facts : dict
        Of the window that told, as in `live.electrodes.Finding`.
    """

    name: str
    label: str
    channel: int
    unit: str
    volts: float
    level_uv: float
    offset_mv: float | None
    bad_share: float
    is_bad: bool
    reason: str
    facts: dict[str, float]


@dataclass(frozen=True)
class Ignored:
    """A channel that is not imaged, and why."""

    label: str
    why: str


@dataclass(frozen=True)
class Remark:
    """Something that is not as it should be, and what to do about it."""

    what: str
    advice: str


@dataclass(frozen=True)
class About:
    """What a source says of itself.

    Attributes
    ----------
    kind : 'stream' or 'recording'
    name, hostname, source_id, sample_format : str
        Host and source id of a stream alone.
    rate_hz : float
    seconds : float
        How much of it was looked at.
    """

    kind: Literal["stream", "recording"]
    name: str
    hostname: str
    source_id: str
    sample_format: str
    rate_hz: float
    seconds: float


@dataclass(frozen=True)
class Timing:
    """What a stream's time stamps show.

    Attributes
    ----------
    rate_hz : float
        The rate by the stamps.
    is_as_stated : bool
        Whether that is the nominal rate.
    n_gaps, n_missing : int
        Stretches in which samples are missing at that rate, and how many.
    age_ms : float
        How old samples are by their stamps when they come, the median.
    """

    rate_hz: float
    is_as_stated: bool
    n_gaps: int
    n_missing: int
    age_ms: float


@dataclass(frozen=True)
class Voltages:
    """What is measured, over electrodes.

    Attributes
    ----------
    level_uv : float
        The median electrode's, of those that are good.
    is_eeg_level : bool
        Whether EEG has such a level.
    offset_largest_mv, offset_median_mv : float or None
        Of magnitudes; None where there is no number.
    mains_hz, mains_uv : float or None
        Frequency and amplitude in the median good electrode; None where there is none.
    """

    level_uv: float
    is_eeg_level: bool
    offset_largest_mv: float | None
    offset_median_mv: float | None
    mains_hz: float | None
    mains_uv: float | None


@dataclass(frozen=True)
class Image:
    """What may be imaged.

    Attributes
    ----------
    missing : tuple of str
        The model's electrodes that are not there, to be interpolated.
    coverage : float
        Share of the power expected at the model's electrodes that the good ones tell, their mean.
    least_covered : dict of str to float
        The worst of them.
    expected_error_mm : float
        By the coverage, in simulations.
    valid_share : float
        Share of the time in which there is an image.
    invalid : str
        Why there is none in the rest; empty for nothing.
    artefacts : dict of str to float
        Share of the time by kind.
    """

    missing: tuple[str, ...]
    coverage: float
    least_covered: dict[str, float]
    expected_error_mm: float
    valid_share: float
    invalid: str
    artefacts: dict[str, float]


@dataclass(frozen=True)
class Findings:
    """What is found of a source.

    Attributes
    ----------
    source : About
    electrodes : tuple of Electrode
        In the order of the channels.
    ignored : tuple of Ignored
    reference : str
        That stands behind all labels; empty for none.
    timing : Timing or None
        None of a recording.
    voltages : Voltages
    image : Image
    """

    source: About
    electrodes: tuple[Electrode, ...]
    ignored: tuple[Ignored, ...]
    reference: str
    timing: Timing | None
    voltages: Voltages
    image: Image


@dataclass(frozen=True)
class Report:
    """The report on a source.

    Attributes
    ----------
    findings : Findings
    verdict : Verdict
    remarks : tuple of Remark
        The gravest first.
    """

    findings: Findings
    verdict: Verdict
    remarks: tuple[Remark, ...]

    @property
    def ok(self) -> bool:
        """Whether it can be imaged."""
        return self.verdict is not Verdict.UNUSABLE
