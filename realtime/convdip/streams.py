"""The LSL streams: names, types and metadata, written and read in one place.

An EEG stream comes in; ``NAME-Sources``, ``NAME-Quality`` and ``NAME-Events`` go out, and where
regions are asked for, ``NAME-ROI``, ``NAME-Features`` and ``NAME-Feedback``. The participant's
view adds ``NAME-Shown``, the simulator ``NAME-Truth``, a replay ``NAME-Markers``. Descriptions
follow the XDF conventions (``channels/channel/{label, unit, type, location}``). docs/streams.md
specifies them for others.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import pylsl

from convdip.description import read_desc
from convdip.errors import StreamError
from convdip.head import Head
from convdip.text import MOST_IN_A_LINE, shown

log = logging.getLogger(__name__)

SOURCES_TYPE, POWER_TYPE = "SourceEstimate", "SourcePower"
ROI_TYPE, FEATURES_TYPE, FEEDBACK_TYPE = "SourceROI", "SourceFeature", "Feedback"
SHOWN_TYPE = "Shown"
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
    "confidence": "ratio",
    "bad_channels": "electrodes",
    "valid": "boolean",
    "invalid_reason": "code",
    "artefact": "code",
    "filter_delay": "ms",
    "feedback_delay": "ms",
}

# The channels of the feedback stream, and their units.
FEEDBACK = {
    "value": "ratio",
    "valid": "boolean",
    "above": "boolean",
    "threshold": "ratio",
    "reason": "code",
    "block": "number",
    "confidence": "ratio",
}

# The channels of the stream of frames that a participant saw, and their units.
SHOWN = {"stamp": "s", "value": "ratio", "drawn": "ratio", "age": "s"}

AS_STATED, NONE = "as stated", "none"
AS_SENT, INVERTED = "as sent", "inverted"

# What the meaning of a stream's samples depends on: what is known of it before it is opened, and
# what it then says of each channel.
DEPENDS_ON_STREAM = {
    "type": "type", "sample_format": "format", "n_channels": "number of channels",
    "sfreq_hz": "rate in Hz",
}  # fmt: skip
DEPENDS_ON_CHANNELS = {
    "labels": "label", "units": "unit", "factors": "factor", "types": "type", "places_m": "place"
}  # fmt: skip

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
FARTHEST = 1e6

# Of one thing that is published, such as the names of all electrodes.
MOST_PUBLISHED = 100_000
MOST_CHANNELS = 100_000
_WHITE = re.compile(r"\s")

# Of a value that a stream states, how much is shown.
LONGEST_TOLD = 60

Place = tuple[float, float, float]


class Event(StrEnum):
    """What ``NAME-Events`` tells of."""

    LOST = "lost"
    BACK = "back"
    REFUSED = "refused"
    STALLED = "stalled"
    FLOWING = "flowing"
    LATE = "late"
    GAP = "gap"
    OVERFLOW = "overflow"
    OVERLOAD = "overload"
    CAUGHT_UP = "caught up"
    DROPPED = "dropped"
    BLOCKS = "blocks"
    RATE = "rate"
    STAMPS = "stamps"
    CLOCK = "clock"
    BAD = "bad"
    GOOD = "good"
    INVALID = "invalid"
    VALID = "valid"
    LEVEL = "level"
    NOTCH = "notch"
    OPERATOR = "operator"
    NETWORK = "network"
    REST = "rest"
    BLOCK = "block"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    STOP = "stop"


def stream_name(
    stem: str,
    which: Literal[
        "Sources",
        "Power",
        "ROI",
        "Features",
        "Feedback",
        "Shown",
        "Quality",
        "Events",
        "Truth",
        "Markers",
    ],
) -> str:
    """Return the name of one of the streams that share a stem.

    Examples
    --------
    >>> stream_name("Lab", "Sources")
    'Lab-Sources'
    """
    return f"{stem}-{which}"


def stem_of(name: str, which: Literal["Sources", "Feedback"] = "Sources") -> str | None:
    """Return the stem of one of a service's streams; None for any other name.

    Examples
    --------
    >>> stem_of("Lab-Sources")
    'Lab'
    >>> stem_of("Lab-Feedback", "Feedback")
    'Lab'
    """
    suffix = stream_name("", which)
    return name.removesuffix(suffix) if name.endswith(suffix) else None


def power_name(stem: str, band_hz: tuple[float, float]) -> str:
    """Return the name of the stream with a band's power.

    Examples
    --------
    >>> power_name("Lab", (8, 13))
    'Lab-Power-8-13'
    """
    return f"{stream_name(stem, 'Power')}-{band_hz[0]:g}-{band_hz[1]:g}"


def band_of(name: str, stem: str) -> tuple[float, float] | None:
    """Return the band that a service's stream has the power of; None for any other stream.

    Examples
    --------
    >>> band_of("Lab-Power-8-13", "Lab")
    (8.0, 13.0)
    >>> band_of("Lab-Power", "Lab")
    """
    found = re.fullmatch(r"-([\d.]+)-([\d.]+)", name.removeprefix(stream_name(stem, "Power")))
    try:
        return None if found is None else (float(found[1]), float(found[2]))
    except ValueError:
        return None


@dataclass(frozen=True)
class Sender:
    """What is known of a stream before it is opened.

    Attributes
    ----------
    name, type : str
    source_id : str
        What its program calls it, at each start the same; empty where it gives none.
    hostname : str
        The computer that it comes from.
    uid : str
        LSL's own name of it, another one at each start.
    created_at : float
        When it was made, on its computer's LSL clock.
    sample_format : str
        LSL's name: ``float32``, ``double64``, ``int16``, ….
    n_channels : int
    sfreq_hz : float
        Nominal rate; 0 for an irregular stream.
    """

    name: str
    type: str
    source_id: str
    hostname: str
    uid: str
    created_at: float
    sample_format: str
    n_channels: int
    sfreq_hz: float

    def difference(self, other: Sender) -> str:
        """Say what makes another stream's samples other than this one's, as far as both tell.

        Empty for nothing.
        """
        return "; ".join(
            f"{what} {told(theirs)}, expected {told(mine)}"
            for key, what in DEPENDS_ON_STREAM.items()
            if (mine := getattr(self, key)) != (theirs := getattr(other, key))
        )


@dataclass(frozen=True)
class EegDescription(Sender):
    """What an EEG stream says of itself.

    Attributes
    ----------
    labels, units, types : tuple of str
        One a channel; empty where the stream does not say.
    places_m : tuple of 3-tuples or None
        Where each channel's electrode lies, in metres, in a frame that the stream does not state;
        None where it does not say, or nothing like the size of a head.
    factors : tuple of float
        What a step of 1 in each channel's numbers is, in its unit: 1 where the stream does not
        say, NaN where that is no number. Where samples are no integers, they have it already.
    """

    labels: tuple[str, ...]
    units: tuple[str, ...]
    types: tuple[str, ...]
    places_m: tuple[Place | None, ...]
    factors: tuple[float, ...]

    @property
    def is_integer(self) -> bool:
        """Whether samples are integers, as an amplifier counts."""
        return self.sample_format.startswith("int")

    def difference(self, other: Sender) -> str:
        """Say what makes another stream's samples other than this one's, as far as both tell.

        Of channels that differ, the first is named. Empty for nothing.
        """
        said = [super().difference(other)]
        if isinstance(other, EegDescription) and other.n_channels == self.n_channels:
            for key, what in DEPENDS_ON_CHANNELS.items():
                pairs = zip(getattr(self, key), getattr(other, key), strict=True)
                # NaN is no number, and the same as NaN here.
                differing = [
                    (i, mine, theirs)
                    for i, (mine, theirs) in enumerate(pairs, start=1)
                    if str(mine) != str(theirs)
                ]
                if differing:
                    i, mine, theirs = differing[0]
                    more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
                    said.append(
                        f"{what} of channel {i} {told(theirs)}, expected {told(mine)}{more}"
                    )
        return "; ".join(filter(None, said))


def told(value: object) -> str:
    r"""Show one of a stream's values: short, and without what would steer a terminal.

    Examples
    --------
    >>> told("Cz"), told(0.5), told("\n")
    ('Cz', '0.5', "'\\n'")
    """
    if isinstance(value, float):
        return f"{value:g}"
    seen = shown(str(value), LONGEST_TOLD)
    return seen if seen and seen == str(value) else f"'{seen}'"


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

    What they say is made fit to be shown, since it ends in logs, tables and other streams.

    Parameters
    ----------
    desc : Element
    n_channels : int
        How many the stream has.

    Raises
    ------
    StreamError
        If these are more than any stream has.
    """
    if not 0 <= n_channels <= MOST_CHANNELS:
        raise StreamError(f"the stream has {n_channels} channels: expected at most {MOST_CHANNELS}")

    def text(node: ElementTree.Element, *keys: str) -> str:
        said = next((t for key in keys if (t := node.findtext(key))), "")
        return shown(_WHITE.sub(" ", said.strip()))

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
    # What had to be cut or escaped may have become the same.
    by_label: dict[str, set[str]] = {}
    for node, channel in zip(nodes, described, strict=False):
        said = node.findtext("label") or node.findtext("name") or ""
        by_label.setdefault(channel.label, set()).add(" ".join(said.split()))
    described = [
        channel
        if len(by_label[channel.label]) == 1
        else replace(channel, label=f"{channel.label} (channel {number})")
        for number, channel in enumerate(described, start=1)
    ]
    return (*described, *[Channel()] * (n_channels - len(described)))


def read_sender(info: pylsl.StreamInfo) -> Sender:
    """Read what is known of a stream before it is opened."""
    return Sender(**_core(info))


def _core(info: pylsl.StreamInfo) -> dict[str, Any]:
    return {
        "name": info.name(),
        "type": info.type(),
        "source_id": info.source_id(),
        "hostname": info.hostname(),
        "uid": info.uid(),
        "created_at": info.created_at(),
        "sample_format": FORMATS.get(info.channel_format(), "undefined"),
        "n_channels": info.channel_count(),
        "sfreq_hz": info.nominal_srate(),
    }


def read_eeg(info: pylsl.StreamInfo) -> EegDescription:
    """Read what an EEG stream's metadata say of its channels."""
    channels = channels_of(read_desc(info, "channels", "channel"), info.channel_count())
    return EegDescription(
        **_core(info),
        labels=tuple(channel.label for channel in channels),
        units=tuple(channel.unit for channel in channels),
        types=tuple(channel.type for channel in channels),
        places_m=_places_m([channel.location for channel in channels]),
        factors=tuple(_number(channel.scaling_factor or "1") for channel in channels),
    )


def _places_m(locations: Sequence[Sequence[str]]) -> tuple[Place | None, ...]:
    """Read electrodes' locations, in the unit in which they have the size of a head."""
    stated = np.array([[_number(said) for said in location] for location in locations])
    stated = stated.reshape(len(locations), 3)
    # NaN is none, and what is too far for a head in any unit would overflow.
    there = (np.abs(stated) < FARTHEST).all(axis=1)
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


def power_info(
    stem: str,
    head: Head,
    window_s: float,
    provenance: Provenance,
    band_hz: tuple[float, float] | None = None,
) -> pylsl.StreamInfo:
    """Describe ``<stem>-Power``: root mean square moments over a window, in the same channels.

    Of a band, ``<stem>-Power-8-13``.
    """
    name = stream_name(stem, "Power") if band_hz is None else power_name(stem, band_hz)
    info = pylsl.StreamInfo(
        name,
        POWER_TYPE,
        head.n_dipoles,
        pylsl.IRREGULAR_RATE,
        pylsl.cf_float32,
        f"convdip-{stem}-power{name.removeprefix(stream_name(stem, 'Power'))}",
    )
    _describe(info, head, provenance, "of the last EEG sample in the window")
    timing = info.desc().child("timing")
    timing.append_child_value("window_s", f"{window_s:g}")
    if band_hz is not None:
        _append(
            info.desc().append_child("band"), low_hz=f"{band_hz[0]:g}", high_hz=f"{band_hz[1]:g}"
        )
    return info


# The latest head, and a stream that has its channels.
_told_head: tuple[Head, pylsl.StreamInfo] | None = None


def _channels(head: Head) -> pylsl.info.XMLElement:
    """Return what a stream says of its dipoles: written once, since that takes a tenth of a second.

    A service has four such streams or more, and who waits for it would wait for each.
    """
    global _told_head
    if _told_head is None or _told_head[0] is not head:
        info = pylsl.StreamInfo("channels", "", head.n_dipoles, 0, pylsl.cf_float32, "")
        channels = info.desc().append_child("channels")
        for label, place_m, region in zip(
            head.dipole_labels, head.dipoles_m.tolist(), head.atlas.tolist(), strict=True
        ):
            channel = channels.append_child("channel")
            _append(
                channel, label=label, unit="nAm", type="source", region=head.atlas_names[region]
            )
            location = channel.append_child("location")
            for axis, metres in zip("XYZ", place_m, strict=True):
                location.append_child_value(axis, f"{metres * 1e3:.2f}")
        _told_head = head, info
    return _told_head[1].desc().child("channels")


def _describe(info: pylsl.StreamInfo, head: Head, provenance: Provenance, stamped: str) -> None:
    """Write what a stream of all dipoles says of itself."""
    desc = info.desc()
    desc.append_copy(_channels(head))
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
    desc = read_desc(info, "provenance", "source_space", "timing")

    def text(key: str, node: str = "provenance") -> str:
        return shown((desc.findtext(f"{node}/{key}") or "").strip(), MOST_PUBLISHED)

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
            _append(node, filter=channel.filter)
        if channel.location_mm is not None:
            location = node.append_child("location")
            for axis, mm in zip("XYZ", channel.location_mm, strict=True):
                location.append_child_value(axis, f"{mm:.1f}")
    _append(desc.append_child("provenance"), filter=filtered)
    _append(desc.append_child("timing"), timestamp="of the last EEG sample in the window")
    return info


def read_delays_s(info: pylsl.StreamInfo) -> dict[str, float]:
    """Return how late each channel of ``<stem>-ROI`` or ``<stem>-Features`` is, as stated.

    Parameters
    ----------
    info : pylsl.StreamInfo
        Of the opened inlet.
    """
    return {
        shown(channel.findtext("label", "")): _number(channel.findtext("delay_s", "nan"))
        for channel in read_desc(info, "channels").iterfind("channels/channel")
    }


def feedback_info(
    stem: str,
    sfreq_hz: float,
    feature: str,
    delay_s: float,
    protocol: str = NONE,
    blocks: Sequence[Mapping[str, str]] = (),
) -> pylsl.StreamInfo:
    """Describe ``<stem>-Feedback``; irregular, since silence is told too.

    Parameters
    ----------
    stem : str
    sfreq_hz : float
        Of the input.
    feature : str
        What is fed back.
    delay_s : float
        From a step of a source to half its effect.
    protocol : str
        Its name.
    blocks : sequence of mapping
        What is said of each of its blocks.
    """
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
    described = info.desc().append_child("protocol")
    _append(described, name=protocol)
    for block in blocks:
        _append(described.append_child("block"), **block)
    return info


def read_feedback(row: Sequence[float]) -> dict[str, float]:
    """Return a sample of the feedback stream, by the channels' labels."""
    return dict(zip(FEEDBACK, map(float, row), strict=True))


def feedback_feature(info: pylsl.StreamInfo) -> str:
    """Read what `feedback_info` wrote of what is fed back."""
    desc = read_desc(info, "provenance")
    return shown((desc.findtext("provenance/feature") or "feedback").strip())


def read_blocks(info: pylsl.StreamInfo) -> list[dict[str, str]]:
    """Read what `feedback_info` wrote of each block of the protocol; empty without one."""
    blocks = read_desc(info, "protocol").findall("protocol/block")
    return [{shown(said.tag): shown(said.text or "") for said in block} for block in blocks]


def shown_info(stem: str, scene: str) -> pylsl.StreamInfo:
    """Describe ``<stem>-Shown``: when the participant saw which value.

    Parameters
    ----------
    stem : str
    scene : str
        What follows the value.
    """
    info = pylsl.StreamInfo(
        stream_name(stem, "Shown"),
        SHOWN_TYPE,
        len(SHOWN),
        pylsl.IRREGULAR_RATE,
        pylsl.cf_double64,  # a stamp has more digits than float32
        f"convdip-{stem}-shown",
    )
    channels = info.desc().append_child("channels")
    for label, unit in SHOWN.items():
        _append(channels.append_child("channel"), label=label, unit=unit, type="shown")
    _append(info.desc().append_child("provenance"), scene=scene)
    timestamp = "of the moment when the frame was handed to the screen"
    _append(info.desc().append_child("timing"), timestamp=timestamp)
    return info


def read_shown(row: Sequence[float]) -> dict[str, float]:
    """Return a sample of the stream of shown frames, by the channels' labels."""
    return dict(zip(SHOWN, map(float, row), strict=True))


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
    _append(info.desc(), input_name=input_name)
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
        return json.dumps(_shown_all(said), ensure_ascii=False)

    @classmethod
    def from_json(cls, marker: str) -> EventMessage:
        """Read a marker.

        Raises
        ------
        ValueError
            If it is no event: any program may send one.
        """
        said = _object(marker)
        if not {"event", "text"} <= said.keys():
            raise ValueError("expected an object with an event and a text")
        return cls(str(said.pop("event")), str(said.pop("text")), said)


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
        said = _object(marker)
        kinds = {"dipole": int, "region": str}
        for one in fields(cls):
            if not isinstance(said.get(one.name), kinds.get(one.name, (int, float))):
                return None
        return cls(**{one.name: said[one.name] for one in fields(cls)})


def _object(marker: str) -> dict[str, Any]:
    """Read an object in JSON, its text fit to be shown; empty for what is none."""
    try:
        said = json.loads(marker[:MOST_PUBLISHED])
    except (ValueError, RecursionError):
        return {}
    return _shown_all(said) if isinstance(said, dict) else {}


def _shown_all(said: Any) -> Any:
    """Return what is said in JSON with its text fit to be shown."""
    if isinstance(said, dict):
        return {shown(str(key)): _shown_all(value) for key, value in said.items()}
    if isinstance(said, list | tuple):
        return [_shown_all(value) for value in said]
    return shown(said, MOST_IN_A_LINE) if isinstance(said, str) else said


def _markers_info(name: str, source_id: str) -> pylsl.StreamInfo:
    return pylsl.StreamInfo(name, "Markers", 1, pylsl.IRREGULAR_RATE, pylsl.cf_string, source_id)


def _append(node: pylsl.info.XMLElement, **values: object) -> None:
    for key, value in values.items():
        node.append_child_value(key, shown(str(value), MOST_PUBLISHED))
