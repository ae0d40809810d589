"""Settings of the live service, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from convdip.bundle import DEFAULT_MODEL
from convdip.errors import ConfigError
from convdip.feedback.contrast import Contrast
from convdip.feedback.features import WINDOW_S, Feature, Measure
from convdip.feedback.value import THRESHOLD, Feeder, Toward
from convdip.live.backlog import Overload
from convdip.live.channels import read_channels
from convdip.live.conditioning import HIGH_PASS_HZ, Filters
from convdip.live.inlet import BUFFER_S
from convdip.live.loop.feature_settings import FeatureSettings, listed, read_features
from convdip.live.loop.osc import parsed
from convdip.live.network import Precision
from convdip.live.rhythms import USUAL_BANDS
from convdip.live.runtime import Provider
from convdip.live.setting_types import check_text, check_types
from convdip.live.units import volts_per_unit
from convdip.streams import FEEDBACK

# Columns of a record beside the features.
TAKEN = ("stamp", "z", *FEEDBACK)
# What streams, people and features are called.
NAMES = ("input", "name", "participant", "feedback")
# What says nothing if it is empty.
TEXTS = (*NAMES, "source_id", "model", "unit", "channels", "osc")
PAIRS = ("band", "rhythm", "rest_markers")
PATHS = ("rest", "protocol", "record", "features")


@dataclass(frozen=True)
class Settings:
    """Settings of the live service.

    Attributes
    ----------
    input : str or None
        Name of the EEG stream, or NAME@host for that of one computer; without it, the only EEG
        stream there is.
    source_id : str or None
        The source id of the EEG stream, where its name does not tell it from others.
    name : str
        Prefix of the published streams: NAME-Sources, NAME-Quality, NAME-Events.
    model : str or Path
        Model bundle: a folder, or the name of a shipped one.
    provider : 'auto', 'cuda' or 'cpu'
        Where the network runs; auto uses CUDA where it works.
    precision : 'auto', 'fp32' or 'int8'
        Precision of the weights on the CPU: int8 is faster; maps change slightly. auto uses it
        only if they do not.
    overload : 'all' or 'latest'
        What to do in an overload: image every sample all the same, or only the newest.
    max_backlog_s : float
        A sample that is not imaged so many seconds after it arrived is an overload.
    unit : str or None
        What a step of 1 in the EEG's numbers is, such as microvolts or 0.0244uV, where the stream
        does not say it or is wrong.
    channels : str or Path, optional
        What the channels are, where the stream does not say it: a cap (biosemi64, egi128), or a
        file with a label a line.
    invert : bool
        Reverse the polarity of the EEG.
    high_pass : float
        Edge of the high-pass filter in Hz, which takes out offsets and drift.
    band : (float, float) or None
        Edges of a band-pass in Hz, in place of the high-pass: for a rhythm, its band.
    notch : float, 'auto' or 'off'
        Mains frequency in Hz; auto filters it out where it is found.
    filter : bool
        Whether to filter at all: not where the EEG is filtered already.
    bad : str or sequence of str
        Electrodes to leave out from the start, by comma.
    keep : bool
        Leave out no other electrode by itself; only report which are bad.
    window : float or None
        Length in seconds of a window whose power is published beside the samples, as NAME-Power,
        with a model for any cap; with regions, the time over which they are measured (0.25 s).
    baseline : float or None
        The person at rest: so many seconds of EEG without artefacts, from the start on. A model for
        any cap takes the noise from them; until then, and without them, it is the model's own. With
        regions, as many tell what is usual, once the noise is known.
    renew : float or None
        With a baseline: from then on let the noise follow the EEG, with this time constant in
        seconds. What is active throughout becomes noise.
    rhythm : (float, float) or None
        Edges in Hz of a band whose power over the last second is published for whoever looks, as
        NAME-Power-LOW-HIGH, beside 4-8, 8-13 and 13-30 Hz and the bands of features.
    roi : str or sequence of str
        Regions of the cortex, by comma, taken as one: how active they are is published as
        NAME-Features and NAME-Feedback, and that of every region as NAME-ROI. Each a region of the
        Desikan–Killiany atlas, such as cuneus or cuneus-lh, a sphere, 'mni:X Y Z R', or a region
        of an annotation, 'lh.FILE.annot:NAME', or a label, 'lh.FILE.label'.
    measure : 'power', 'amplitude' or 'moment'
        What of them is measured.
    toward : 'up' or 'down'
        Which way feedback rewards.
    threshold : float
        From which feedback on it is a success: 0.8 is above four fifths of the baseline.
    rest_markers : (str, str) or None
        In place of the seconds of baseline: what LSL markers say when the person begins to rest,
        and when that is over.
    success_rate : float or None
        Let the threshold follow, so that feedback reaches it for this share of the time.
    rest : Path or None
        A file that holds what is usual: read if it is there, else written once the baseline is
        complete.
    follow : float or None
        Let the baseline of the feedback follow what is measured from then on, with this time
        constant in seconds; without it, it stays as it was.
    protocol : Path or None
        The blocks of the session, a TOML file: rest, regulate, transfer, sham, pause. The baseline
        is then gathered in its first block of rest.
    participant : str or None
        Who it is, where the protocol has arms.
    record : Path or None
        A new folder, for what was measured and fed back, sample by sample (feedback.tsv), and how
        (cred-nf.json).
    features : Path or mapping of str to FeatureSettings, optional
        Features by name, in place of roi: a TOML file with a table [feature.NAME] for each.
    feedback : str or None
        The feature that is fed back; without it, the last.
    osc : str or None
        Send feedback over OSC, too: to a PORT of this computer, or to HOST:PORT.
    wait_s : float
        How long to look for the stream, in seconds.
    """

    input: str | None = None
    source_id: str | None = None
    name: str = "ConvDip"
    model: str | Path = DEFAULT_MODEL
    provider: Provider = "auto"
    precision: Precision = "auto"
    overload: Overload = "all"
    max_backlog_s: float = 0.25
    unit: str | None = None
    channels: str | Path | None = None
    invert: bool = False
    high_pass: float = HIGH_PASS_HZ
    band: tuple[float, float] | None = None
    notch: float | Literal["auto", "off"] = "auto"
    filter: bool = True
    bad: str | Sequence[str] = ()
    keep: bool = False
    window: float | None = None
    baseline: float | None = None
    renew: float | None = None
    rhythm: tuple[float, float] | None = None
    roi: str | Sequence[str] = ()
    measure: Measure = "power"
    toward: Toward = "up"
    threshold: float = THRESHOLD
    rest_markers: tuple[str, str] | None = None
    success_rate: float | None = None
    rest: Path | None = None
    follow: float | None = None
    protocol: Path | None = None
    participant: str | None = None
    record: Path | None = None
    features: Path | Mapping[str, FeatureSettings] | None = None
    feedback: str | None = None
    osc: str | None = None
    wait_s: float = 10.0

    def __post_init__(self) -> None:
        for name in PATHS:  # text, in Python, is as good
            if isinstance(getattr(self, name), str):
                object.__setattr__(self, name, Path(getattr(self, name)))
        check_types(self)
        for name in TEXTS:
            if getattr(self, name) == "":
                raise ConfigError(f"`{name}` is empty: expected text, or nothing said of it")
        for name in NAMES:
            check_text(f"`{name}`", getattr(self, name) or "")
        for name in PAIRS:  # a list, in Python, is as good
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.unit is not None:
            volts_per_unit(self.unit)
        if self.channels is not None:
            read_channels(self.channels)
        if not 0 < self.max_backlog_s < BUFFER_S:
            raise ConfigError(
                f"`max_backlog_s` is {self.max_backlog_s:g}: expected a number above 0 and below "
                f"{BUFFER_S}, the length of the inlet's buffer"
            )
        _ = self.filters
        if self.rhythm is not None:
            Filters(None, self.rhythm, None)
            if self.band is not None:
                raise ConfigError("`rhythm` beside `band`: expected one of them, the EEG has one")
        self._check_feedback()
        if not self.wait_s > 0:
            raise ConfigError(f"`wait_s` is {self.wait_s:g}: expected a number above 0")

    @property
    def filters(self) -> Filters:
        """What is done to each electrode's signal.

        Raises
        ------
        ConfigError
            If an edge is out of range.
        """
        if not self.filter:
            chosen = {
                "band": self.band is not None,
                "high_pass": self.high_pass != HIGH_PASS_HZ,
                "notch": self.notch not in ("auto", "off"),
            }
            for name, is_chosen in chosen.items():
                if is_chosen:
                    raise ConfigError(f"`{name}` beside `filter=False`: expected one of them")
            return Filters(None, None, None)
        notch_hz = None if self.notch == "off" else self.notch
        return Filters(self.high_pass, self.band, notch_hz)

    @property
    def bad_electrodes(self) -> tuple[str, ...]:
        """The electrodes to leave out, as the user named them."""
        return listed(self.bad)

    @cached_property
    def tables(self) -> Mapping[str, FeatureSettings]:
        """The features that were asked for, by name."""
        if isinstance(self.features, Path):
            return read_features(self.features)
        return self.features or {}

    @property
    def measured(self) -> tuple[Feature, ...]:
        """What is measured of regions, by name."""
        if self.roi:
            window_s = self.window or WINDOW_S
            return (Feature("feedback", listed(self.roi), self.measure, window_s),)
        return tuple(
            Feature(name, listed(one.regions), one.measure, one.window_s, one.band_hz)
            for name, one in self.tables.items()
            if not one.of
        )

    @property
    def contrasts(self) -> dict[str, Contrast]:
        """What follows from features, by name."""
        return {name: Contrast(one.of) for name, one in self.tables.items() if one.of}

    @property
    def bands(self) -> tuple[tuple[float, float], ...]:
        """The bands of features, beside the service's own."""
        return tuple(dict.fromkeys(one.band_hz for one in self.measured if one.band_hz))

    def rhythms(self, sfreq_hz: float) -> tuple[tuple[float, float], ...]:
        """Return the bands whose power can be looked at, in a stream of a sampling rate.

        Raises
        ------
        ConfigError
            If `rhythm` cannot be had.
        """
        if self.band is not None:  # nothing else is left in the EEG
            return (self.band,)
        if self.rhythm is not None:
            Filters(None, self.rhythm, None).sections(sfreq_hz)
        wanted = (*USUAL_BANDS, *self.bands, *([self.rhythm] if self.rhythm else []))
        return tuple(dict.fromkeys(band for band in wanted if band[1] < sfreq_hz / 2))

    @property
    def fed_back(self) -> str:
        """The name of the feature that is fed back."""
        return self.feedback or [*(one.name for one in self.measured), *self.tables][-1]

    def _check_feedback(self) -> None:
        """Refuse features that cannot be."""
        Feeder(self.toward, self.threshold, self.success_rate)
        if self.osc is not None:
            parsed(self.osc)
        if self.rest_markers is not None and self.rest_markers[0] == self.rest_markers[1]:
            raise ConfigError(
                "`rest_markers` are the same: expected one that begins and one that ends"
            )
        if self.follow is not None and not self.follow > 0:
            raise ConfigError(f"`follow` is {self.follow:g} s: expected more than 0")
        if self.protocol is not None and self.rest_markers is not None:
            raise ConfigError("`protocol` and `rest_markers`: expected one of them")
        if self.participant is not None and self.protocol is None:
            raise ConfigError("`participant` without `protocol`: expected one that has arms")
        if self.roi and self.tables:
            raise ConfigError("`roi` and `features`: expected one of them")
        if not (self.roi or self.tables):
            for name in (
                "measure",
                "toward",
                "threshold",
                "success_rate",
                "rest",
                "rest_markers",
                "follow",
                "protocol",
                "participant",
                "record",
                "feedback",
                "osc",
            ):
                if getattr(self, name) != getattr(Settings, name):
                    raise ConfigError(f"`{name}` without `roi`: expected regions to measure")
        known = {feature.name for feature in self.measured}
        for name, one in self.tables.items():
            if not name.isidentifier():
                raise ConfigError(f"the feature {name!r}: expected a name of letters and digits")
            check_text("the name of a feature", name)
            if name in TAKEN:
                raise ConfigError(
                    f"the feature {name!r}: expected another name, {', '.join(TAKEN)} are taken"
                )
            if one.of and one.regions:
                raise ConfigError(f"the feature {name} has regions and `of`: expected one of them")
            if not (one.of or one.regions):
                raise ConfigError(f"the feature {name} has no regions: expected one or more")
            if one.band_hz is not None:
                Filters(self.high_pass, one.band_hz, None)
        for name, contrast in self.contrasts.items():
            unknown = [other for other in contrast.names if other not in known]
            if unknown:
                there = ", ".join(sorted(known)) or "none"
                raise ConfigError(
                    f"the feature {name} is of {unknown[0]!r}: expected features with regions, "
                    f"here {there}"
                )
        if self.feedback is not None and self.feedback not in {*known, *self.contrasts}:
            raise ConfigError(
                f"`feedback` is {self.feedback!r}: expected one of "
                f"{', '.join([*sorted(known), *self.contrasts])}"
            )
