"""The LSL streams: names, types and metadata, written and read in one place.

An EEG stream comes in; ``NAME-Sources``, ``NAME-Quality`` and ``NAME-Events`` go out, and where
regions are asked for, ``NAME-ROI``, ``NAME-Features`` and ``NAME-Feedback``. The simulator adds
``NAME-Truth``, a replay ``NAME-Markers``. Descriptions follow the XDF conventions
(``channels/channel/{label, unit, type, location}``). docs/streams.md specifies them for others.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import pylsl

from convdip.head import Head

log = logging.getLogger(__name__)

SOURCES_TYPE, POWER_TYPE = "SourceEstimate", "SourcePower"
ROI_TYPE, FEATURES_TYPE, FEEDBACK_TYPE = "SourceROI", "SourceFeature", "Feedback"
QUALITY_HZ = 10.0

# From a sample's time stamp to the end of each stage's work on it; together they are its age.
STAGES = ("arrival", "preparation", "inference", "scaling", "publishing")
AGE = "age"
PERCENTILES = (50, 95, 99)

# The channels of the quality stream, and their units; counts are since the start.
QUALITY = {
    "age_now": "ms",
    **{f"{stage}_p{p}": "ms" for stage in (AGE, *STAGES) for p in PERCENTILES},
    "rate_in": "Hz",
    "rate_out": "Hz",
    "batch": "samples",
    "backlog": "samples",
    "overload": "boolean",
    "dropped": "samples",
    "overflowed": "samples",
    "missing": "samples",
    "stream_losses": "times",
    "goodness_of_fit": "ratio",
    "bad_channels": "electrodes",
    "valid": "boolean",
    "invalid_reason": "code",
    "artefact": "code",
    "filter_delay": "ms",
}

# The channels of the feedback stream, and their units.
FEEDBACK = {
    "value": "ratio",
    "valid": "boolean",
    "above": "boolean",
    "threshold": "ratio",
    "reason": "code",
}

AS_STATED, NONE = "as stated", "none"
AS_SENT, INVERTED = "as sent", "inverted"

# What an EEG stream says that its samples' meaning depends on.
SAMPLES_DEPEND_ON = (
    "sfreq_hz", "sample_format", "labels", "units", "factors", "types", "places_m"
)  # fmt: skip

# What a channel may be stated to be and is EEG, or is not stated to be anything.
EEG_TYPES = ("eeg", "electroencephalography")
UNSTATED_TYPES = ("", "unknown", "n/a", "none")

# Where amplifiers' programs state what a step of 1 is, beside a channel's unit.
FACTORS = ("scaling_factor", "scale", "resolution")
FORMATS = {
    pylsl.cf_float32: "float32",
    pylsl.cf_double64: "double64",
    pylsl.cf_string: "string",
    pylsl.cf_int8: "int8",
    pylsl.cf_int16: "int16",
    pylsl.cf_int32: "int32",
    pylsl.cf_int64: "int64",
}

# Electrodes lie about as far from their middle as from a head's: of the units that a location may
# be in (XDF: mm), no two give a head's size.
LOCATION_UNITS_M = (1e-3, 1e-2, 1.0)
FROM_THE_MIDDLE_M = (0.04, 0.15)

Place = tuple[float, float, float]


class Event(StrEnum):
    """What ``NAME-Events`` tells of."""

    LOST = "lost"
    BACK = "back"
    GAP = "gap"
    OVERFLOW = "overflow"
    OVERLOAD = "overload"
    CAUGHT_UP = "caught up"
    DROPPED = "dropped"
    CLOCK = "clock"
    BAD = "bad"
    GOOD = "good"
    INVALID = "invalid"
    VALID = "valid"
    LEVEL = "level"
    NOTCH = "notch"
    OPERATOR = "operator"
    REST = "rest"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    STOP = "stop"


def stream_name(
    stem: str,
    which: Literal[
        "Sources", "Power", "ROI", "Features", "Feedback", "Quality", "Events", "Truth", "Markers"
    ],
) -> str:
    """Return the name of one of the streams that share a stem.

    Examples
    --------
    >>> stream_name("Lab", "Sources")
    'Lab-Sources'
    """
    return f"{stem}-{which}"


def stem_of(name: str) -> str | None:
    """Return the stem of a service's ``Sources`` stream; None for any other name.

    Examples
    --------
    >>> stem_of("Lab-Sources")
    'Lab'
    """
    suffix = stream_name("", "Sources")
    return name.removesuffix(suffix) if name.endswith(suffix) else None


@dataclass(frozen=True)
class EegDescription:
    """What an EEG stream says of itself.

    Attributes
    ----------
    name, source_id, hostname : str
    labels, units, types : tuple of str
        One a channel; empty where the stream does not say.
    places_m : tuple of 3-tuples or None
        Where each channel's electrode lies, in metres, in a frame that the stream does not state;
        None where it does not say, or nothing like the size of a head.
    factors : tuple of float
        What a step of 1 in each channel's numbers is, in its unit: 1 where the stream does not
        say, NaN where that is no number. Where samples are no integers, they have it already.
    sample_format : str
        LSL's name: ``float32``, ``double64``, ``int16``, ….
    sfreq_hz : float
        Nominal rate; 0 for an irregular stream.
    """

    name: str
    source_id: str
    hostname: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    types: tuple[str, ...]
    places_m: tuple[Place | None, ...]
    factors: tuple[float, ...]
    sample_format: str
    sfreq_hz: float

    @property
    def is_integer(self) -> bool:
        """Whether samples are integers, as an amplifier counts."""
        return self.sample_format.startswith("int")

    def difference(self, other: EegDescription) -> str:
        """Say what makes another stream's samples other than this one's; empty for nothing."""
        for what in SAMPLES_DEPEND_ON:
            mine, others = getattr(self, what), getattr(other, what)
            if str(mine) != str(others):  # NaN is no number, and the same as NaN here
                return f"stream {other.name!r} has {what} {others}, expected {mine}"
        return ""


def eeg_info(name: str, labels: Sequence[str], rate_hz: float, source_id: str) -> pylsl.StreamInfo:
    """Describe an EEG stream in microvolts."""
    info = pylsl.StreamInfo(name, "EEG", len(labels), rate_hz, pylsl.cf_float32, source_id)
    channels = info.desc().append_child("channels")
    for label in labels:
        _append(channels.append_child("channel"), label=label, unit="microvolts", type="EEG")
    return info


@dataclass(frozen=True)
class Channel:
    """What a channel says of itself; empty where it does not.

    Attributes
    ----------
    label, unit, type : str
    scaling_factor : str
        Units in one step of an integer.
    location : tuple of str, length 3
        Of the electrode: x, y and z, in a unit and a frame that are not stated.
    """

    label: str = ""
    unit: str = ""
    type: str = ""
    scaling_factor: str = ""
    location: tuple[str, ...] = ("", "", "")

    @property
    def is_eeg(self) -> bool:
        """Whether it is EEG as far as it says: a type counts where one is stated."""
        return self.type.lower() in (*EEG_TYPES, *UNSTATED_TYPES)


def channels_of(desc: ElementTree.Element, n_channels: int) -> tuple[Channel, ...]:
    """Read the channels of a stream's description, live or from a file.

    Both common layouts are understood: ``channels/channel`` and ``channel`` alone, ``label`` and
    ``name``. Channels without a description are empty.

    Parameters
    ----------
    desc : Element
    n_channels : int
        How many the stream has.
    """

    def text(node: ElementTree.Element, *keys: str) -> str:
        return next((t.strip() for key in keys if (t := node.findtext(key))), "")

    nodes = desc.findall("channels/channel") or desc.findall("channel")
    described = [
        Channel(
            text(node, "label", "name"),
            text(node, "unit"),
            text(node, "type"),
            text(node, *FACTORS),
            tuple(text(node, f"location/{axis}") for axis in "XYZ"),
        )
        for node in nodes[:n_channels]
    ]
    return (*described, *[Channel()] * (n_channels - len(described)))


def read_eeg(info: pylsl.StreamInfo) -> EegDescription:
    """Read what an EEG stream's metadata say of its channels."""
    channels = channels_of(_desc(info), info.channel_count())
    return EegDescription(
        name=info.name(),
        source_id=info.source_id(),
        hostname=info.hostname(),
        labels=tuple(channel.label for channel in channels),
        units=tuple(channel.unit for channel in channels),
        types=tuple(channel.type for channel in channels),
        places_m=_places_m([channel.location for channel in channels]),
        factors=tuple(_number(channel.scaling_factor or "1") for channel in channels),
        sample_format=FORMATS.get(info.channel_format(), "undefined"),
        sfreq_hz=info.nominal_srate(),
    )


def _places_m(locations: Sequence[Sequence[str]]) -> tuple[Place | None, ...]:
    """Read electrodes' locations, in the unit in which they have the size of a head."""
    stated = np.array([[_number(said) for said in location] for location in locations])
    there = np.isfinite(stated).all(axis=1)
    if not there.any():
        return (None,) * len(stated)
    offsets = stated[there] - stated[there].mean(axis=0)
    spread = float(np.median(np.linalg.norm(offsets, axis=1)))
    least, most = FROM_THE_MIDDLE_M
    units_m = [unit_m for unit_m in LOCATION_UNITS_M if least <= spread * unit_m <= most]
    if not units_m:
        log.warning("the stream's electrode locations are ignored: they have not a head's size")
        return (None,) * len(stated)
    places_m = (stated * units_m[0]).tolist()
    return tuple(
        (x, y, z) if is_there else None for (x, y, z), is_there in zip(places_m, there, strict=True)
    )


def _number(said: str) -> float:
    """Read a number; NaN for what is none."""
    try:
        return float(said)
    except ValueError:
        return float("nan")


@dataclass(frozen=True)
class Provenance:
    """Where published estimates come from.

    Attributes
    ----------
    input_name, input_source_id, input_hostname : str
        The EEG stream.
    input_unit : str or None
        The unit that the user set; None: as the stream states it.
    model, model_sha256, head_sha256 : str
        The bundle, and the digests of its ONNX file and its head model.
    provider, precision : str
        How the network runs.
    threads : int
    polarity : str
        Signs of the sources that the model holds for: ``both`` or ``positive``.
    interpolated : tuple of str
        Electrodes that are interpolated.
    electrodes : tuple of str
        Electrodes of the input that estimates come from, at the start.
    noise : str
        What is thought to be noise, at the start: ``model``, or ``none`` where a model takes none.
    reference, filter : str
        What was done to the EEG before imaging.
    input_channels : str or None
        What the user said of the channels: a cap's name, or their labels by comma; None: as the
        stream states them.
    input_inverted : bool
        Whether the user had the polarity reversed.
    filter_delay_s : float
        Group delay of the filter.
    """

    input_name: str
    input_source_id: str
    input_hostname: str
    input_unit: str | None
    model: str
    model_sha256: str
    head_sha256: str
    provider: str
    precision: str
    threads: int
    polarity: str
    interpolated: tuple[str, ...] = ()
    electrodes: tuple[str, ...] = ()
    noise: str = NONE
    reference: str = "average"
    filter: str = NONE
    input_channels: str | None = None
    input_inverted: bool = False
    filter_delay_s: float = 0.0


@dataclass(frozen=True)
class SourcesDescription:
    """What a stream of sources says of itself.

    Attributes
    ----------
    name : str
    n_dipoles : int
    sfreq_hz : float
    is_float32 : bool
    provenance : Provenance
    medial_wall : tuple of int
        Channels whose dipoles do not lie on cortex.
    """

    name: str
    n_dipoles: int
    sfreq_hz: float
    is_float32: bool
    provenance: Provenance
    medial_wall: tuple[int, ...] = ()


def sources_info(
    stem: str, head: Head, sfreq_hz: float, provenance: Provenance
) -> pylsl.StreamInfo:
    """Describe ``<stem>-Sources``: one channel a dipole, with region and location in mm."""
    info = pylsl.StreamInfo(
        stream_name(stem, "Sources"),
        SOURCES_TYPE,
        head.n_dipoles,
        sfreq_hz,
        pylsl.cf_float32,
        f"convdip-{stem}-sources",
    )
    _describe(info, head, provenance, "of the EEG sample that the estimate was computed from")
    return info


def power_info(stem: str, head: Head, window_s: float, provenance: Provenance) -> pylsl.StreamInfo:
    """Describe ``<stem>-Power``: root mean square moments over a window, in the same channels."""
    info = pylsl.StreamInfo(
        stream_name(stem, "Power"),
        POWER_TYPE,
        head.n_dipoles,
        pylsl.IRREGULAR_RATE,
        pylsl.cf_float32,
        f"convdip-{stem}-power",
    )
    _describe(info, head, provenance, "of the last EEG sample in the window")
    info.desc().child("timing").append_child_value("window_s", f"{window_s:g}")
    return info


def _describe(info: pylsl.StreamInfo, head: Head, provenance: Provenance, stamped: str) -> None:
    """Write what a stream of all dipoles says of itself."""
    desc = info.desc()
    channels = desc.append_child("channels")
    for label, place_m, region in zip(
        head.dipole_labels, head.dipoles_m.tolist(), head.atlas.tolist(), strict=True
    ):
        channel = channels.append_child("channel")
        _append(channel, label=label, unit="nAm", type="source", region=head.atlas_names[region])
        location = channel.append_child("location")
        for axis, metres in zip("XYZ", place_m, strict=True):
            location.append_child_value(axis, f"{metres * 1e3:.2f}")
    _append(
        desc.append_child("source_space"),
        frame="MRI surface RAS",
        location_unit="mm",
        orientation="fixed, outward normal of the cortex",
        n_left=head.n_left,
        n_right=head.n_dipoles - head.n_left,
        medial_wall=" ".join(map(str, np.flatnonzero(~head.is_cortex))),
        head_sha256=provenance.head_sha256,
    )
    _append(
        desc.append_child("provenance"),
        input_name=provenance.input_name,
        input_source_id=provenance.input_source_id,
        input_hostname=provenance.input_hostname,
        input_unit=provenance.input_unit or AS_STATED,
        input_channels=provenance.input_channels or AS_STATED,
        input_polarity=INVERTED if provenance.input_inverted else AS_SENT,
        model=provenance.model,
        model_sha256=provenance.model_sha256,
        polarity=provenance.polarity,
        provider=provenance.provider,
        precision=provenance.precision,
        threads=provenance.threads,
        reference=provenance.reference,
        filter=provenance.filter,
        interpolated_channels=", ".join(provenance.interpolated) or NONE,
        electrodes=", ".join(provenance.electrodes) or NONE,
        noise=provenance.noise,
    )
    _append(
        desc.append_child("timing"),
        timestamp=stamped,
        delay_s=f"{provenance.filter_delay_s:.6g}",
    )


def read_sources(info: pylsl.StreamInfo) -> SourcesDescription:
    """Read what `sources_info` wrote; what is not there is empty."""
    desc = _desc(info)

    def text(key: str, node: str = "provenance") -> str:
        return (desc.findtext(f"{node}/{key}") or "").strip()

    def set_by_user(key: str) -> str | None:
        said = text(key)
        return None if said in ("", AS_STATED) else said

    def names(key: str) -> tuple[str, ...]:
        listed = text(key)
        return () if listed in ("", NONE) else tuple(listed.split(", "))

    threads = text("threads")
    provenance = Provenance(
        input_name=text("input_name"),
        input_source_id=text("input_source_id"),
        input_hostname=text("input_hostname"),
        input_unit=set_by_user("input_unit"),
        model=text("model"),
        model_sha256=text("model_sha256"),
        head_sha256=text("head_sha256", "source_space"),
        provider=text("provider"),
        precision=text("precision"),
        threads=int(threads) if threads.isdecimal() else 0,
        polarity=text("polarity"),
        interpolated=names("interpolated_channels"),
        electrodes=names("electrodes"),
        noise=text("noise") or NONE,
        reference=text("reference"),
        filter=text("filter"),
        input_channels=set_by_user("input_channels"),
        input_inverted=text("input_polarity") == INVERTED,
        filter_delay_s=_number(text("delay_s", "timing") or "0"),
    )
    medial_wall = text("medial_wall", "source_space").split()
    return SourcesDescription(
        info.name(),
        info.channel_count(),
        info.nominal_srate(),
        info.channel_format() == pylsl.cf_float32,
        provenance,
        tuple(int(number) for number in medial_wall if number.isdecimal()),
    )


@dataclass(frozen=True)
class FeatureChannel:
    """A channel of ``NAME-ROI`` or ``NAME-Features``.

    Attributes
    ----------
    label, unit, type : str
    regions : str
        What it is measured of.
    delay_s : float
        From a step of a source to half its effect, filters included.
    location_mm : tuple of float or None
        The middle of the region in MNI152 space, where it is one.
    filter : str
        What was done to the EEG before imaging, where a band is its own.
    """

    label: str
    unit: str
    type: str
    regions: str
    delay_s: float
    location_mm: Place | None = None
    filter: str = ""


def features_info(
    stem: str,
    which: Literal["ROI", "Features"],
    channels: Sequence[FeatureChannel],
    sfreq_hz: float,
    filtered: str,
) -> pylsl.StreamInfo:
    """Describe ``<stem>-ROI`` or ``<stem>-Features``.

    Parameters
    ----------
    stem, which : str
    channels : sequence of FeatureChannel
    sfreq_hz : float
    filtered : str
        What was done to the EEG before imaging.
    """
    info = pylsl.StreamInfo(
        stream_name(stem, which),
        ROI_TYPE if which == "ROI" else FEATURES_TYPE,
        len(channels),
        sfreq_hz,
        pylsl.cf_float32,
        f"convdip-{stem}-{which.lower()}",
    )
    desc = info.desc()
    described = desc.append_child("channels")
    for channel in channels:
        node = described.append_child("channel")
        _append(
            node,
            label=channel.label,
            unit=channel.unit,
            type=channel.type,
            regions=channel.regions,
            delay_s=f"{channel.delay_s:.6g}",
        )
        if channel.filter:
            node.append_child_value("filter", channel.filter)
        if channel.location_mm is not None:
            location = node.append_child("location")
            for axis, mm in zip("XYZ", channel.location_mm, strict=True):
                location.append_child_value(axis, f"{mm:.1f}")
    _append(desc.append_child("provenance"), filter=filtered)
    _append(desc.append_child("timing"), timestamp="of the last EEG sample in the window")
    return info


def feedback_info(stem: str, sfreq_hz: float, feature: str, delay_s: float) -> pylsl.StreamInfo:
    """Describe ``<stem>-Feedback``; irregular, since silence is told too."""
    info = pylsl.StreamInfo(
        stream_name(stem, "Feedback"),
        FEEDBACK_TYPE,
        len(FEEDBACK),
        pylsl.IRREGULAR_RATE,
        pylsl.cf_float32,
        f"convdip-{stem}-feedback",
    )
    channels = info.desc().append_child("channels")
    for label, unit in FEEDBACK.items():
        _append(channels.append_child("channel"), label=label, unit=unit, type="feedback")
    _append(info.desc().append_child("provenance"), feature=feature, input_rate_hz=f"{sfreq_hz:g}")
    _append(
        info.desc().append_child("timing"),
        timestamp="of the last EEG sample in the window; where none comes, of the moment",
        delay_s=f"{delay_s:.6g}",
    )
    return info


def read_feedback(row: Sequence[float]) -> dict[str, float]:
    """Return a sample of the feedback stream, by the channels' labels."""
    return dict(zip(FEEDBACK, map(float, row), strict=True))


def quality_info(stem: str, input_name: str) -> pylsl.StreamInfo:
    """Describe ``<stem>-Quality``."""
    info = pylsl.StreamInfo(
        stream_name(stem, "Quality"),
        "QC",
        len(QUALITY),
        QUALITY_HZ,
        pylsl.cf_float32,
        f"convdip-{stem}-quality",
    )
    info.desc().append_child_value("input_name", input_name)
    channels = info.desc().append_child("channels")
    for label, unit in QUALITY.items():
        _append(channels.append_child("channel"), label=label, unit=unit, type="quality")
    return info


def read_quality(row: Sequence[float]) -> dict[str, float]:
    """Return a sample of the quality stream, by the channels' labels."""
    return dict(zip(QUALITY, map(float, row), strict=True))


def events_info(stem: str) -> pylsl.StreamInfo:
    """Describe ``<stem>-Events``."""
    return _markers_info(stream_name(stem, "Events"), f"convdip-{stem}-events")


def markers_info(stem: str, source_id: str) -> pylsl.StreamInfo:
    """Describe ``<stem>-Markers``, the annotations of a replayed recording."""
    return _markers_info(stream_name(stem, "Markers"), source_id)


def truth_info(stem: str, source_id: str) -> pylsl.StreamInfo:
    """Describe ``<stem>-Truth``, the simulated sources."""
    return _markers_info(stream_name(stem, "Truth"), source_id)


@dataclass(frozen=True)
class EventMessage:
    """An event.

    Attributes
    ----------
    event : str
        One of `Event`, or a kind that a newer service knows.
    text : str
        For people.
    facts : dict
        Numbers for programs; which ones depends on the event.
    """

    event: str
    text: str
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the marker."""
        said = {"event": str(self.event), "text": self.text, **self.facts}
        return json.dumps(said, ensure_ascii=False)

    @classmethod
    def from_json(cls, marker: str) -> EventMessage:
        """Read a marker."""
        said = json.loads(marker)
        return cls(said.pop("event"), said.pop("text"), said)


@dataclass(frozen=True)
class PlayedSource:
    """A simulated source: its seed dipole, and when it was at full strength (LSL time)."""

    dipole: int
    region: str
    moment_nam: float
    first_stamp: float
    last_stamp: float

    def to_json(self) -> str:
        """Return the marker."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, marker: str) -> PlayedSource | None:
        """Read a marker; None for one that names no source, as the one that ends a session."""
        said = json.loads(marker)
        if "dipole" not in said:
            return None
        return cls(**{field.name: said[field.name] for field in fields(cls)})


def _markers_info(name: str, source_id: str) -> pylsl.StreamInfo:
    return pylsl.StreamInfo(name, "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, source_id)


def _append(node: pylsl.info.XMLElement, **values: object) -> None:
    for key, value in values.items():
        node.append_child_value(key, str(value))


def _desc(info: pylsl.StreamInfo) -> ElementTree.Element:
    desc = ElementTree.fromstring(info.as_xml()).find("desc")
    return ElementTree.Element("desc") if desc is None else desc
