"""XDF files: recorded LSL streams, understood as the live streams would be."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from convdip.errors import RecordingError
from convdip.live.montage import electrode_name, volts_per_unit
from convdip.sources.units import known_units
from convdip.streams import Channel, channels_of

if TYPE_CHECKING:
    import mne

log = logging.getLogger(__name__)

# Intervals between samples that are off by half or more are irregular; a few may be.
OFF_INTERVAL = 0.5
REGULAR_SHARE = 0.95
# What a clock drifts is less, what a wrongly stated rate is off by is more.
RATE_TOLERANCE = 0.01


@dataclass(frozen=True)
class XdfStream:
    """A recorded stream.

    Attributes
    ----------
    number : int
        In the file.
    name, type, source_id, format : str
    nominal_hz : float
        0 for an irregular stream.
    channels : tuple of Channel
    samples : ndarray, shape (n_times, n_channels), or list of list of str
    stamps : ndarray, shape (n_times,)
        Seconds, on the recording computer's clock.
    """

    number: int
    name: str
    type: str
    source_id: str
    format: str
    nominal_hz: float
    channels: tuple[Channel, ...]
    samples: Any
    stamps: NDArray[np.float64]

    @property
    def is_text(self) -> bool:
        """Whether its samples are strings."""
        return self.format == "string"

    @property
    def is_markers(self) -> bool:
        """Whether it tells what happened when."""
        return self.is_text or self.type.lower() == "markers"

    def __str__(self) -> str:
        return (
            f"{self.number}: {self.name!r} (type {self.type or 'none'}, {len(self.channels)} "
            f"channels, {len(self.stamps)} samples)"
        )


def read_xdf(
    path: Path, unit: str | None, chosen: str | None, electrodes: Collection[str]
) -> mne.io.BaseRaw:
    """Read an EEG stream of an XDF file, and its marker streams as annotations.

    Parameters
    ----------
    path : Path
    unit : str, optional
        Unit of the stored numbers, instead of what the stream states.
    chosen : str, optional
        Name, source id or number of the EEG stream; without it, the only one there is.
    electrodes : collection of str
        Names of electrodes.

    Returns
    -------
    raw : mne.io.RawArray
        EEG channels alone, in volts.

    Raises
    ------
    RecordingError
        If there is no EEG stream, or more than one, or it cannot be played.
    MontageError
        If it states no known unit.
    """
    import mne

    streams = _load(path)
    eeg = _choose(streams, chosen, electrodes)
    if not any(channel.label for channel in eeg.channels):
        raise RecordingError(f"its EEG stream {eeg.name!r} has no channel labels")
    factors = _volts_per_number(eeg, unit, electrodes)
    rate_hz = _rate_hz(eeg, path)
    samples = np.asarray(eeg.samples, float)[:, list(factors)] * list(factors.values())
    labels = [eeg.channels[index].label for index in factors]
    info = mne.create_info(labels, rate_hz, "eeg", verbose="warning")
    raw = mne.io.RawArray(samples.T, info, verbose="warning")
    places, texts = _markers(streams, eeg.stamps, path)
    raw.set_annotations(mne.Annotations(np.array(places) / rate_hz, 0.0, texts))
    return raw


def _load(path: Path) -> list[XdfStream]:
    import pyxdf

    open_file = gzip.open if path.suffix.lower() in (".xdfz", ".gz") else open
    with open_file(path, "rb") as file, _damage_said(path):
        if file.read(4) != b"XDF:":
            raise ValueError("it does not begin as an XDF file does")
        file.seek(0)
        loaded, _ = pyxdf.load_xdf(file, verbose=False)
    return [_described(stream) for stream in loaded]


@contextmanager
def _damage_said(path: Path) -> Iterator[None]:
    """Say in one line each what pyxdf finds damaged; it would log tracebacks."""
    damage: dict[str, None] = {}

    def take(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            damage[record.getMessage()] = None
        return False

    logger = logging.getLogger("pyxdf.pyxdf")
    logger.addFilter(take)
    try:
        yield
    finally:
        logger.removeFilter(take)
    for what in damage:
        log.warning("%s is damaged, and read as far as it can be: %s", path.name, what)


def _described(loaded: dict[str, Any]) -> XdfStream:
    info = loaded["info"]

    def text(key: str) -> str:
        return str((info.get(key) or [""])[0] or "").strip()

    desc = _element("desc", (info.get("desc") or [None])[0])
    return XdfStream(
        number=int(info["stream_id"]),
        name=text("name"),
        type=text("type"),
        source_id=text("source_id"),
        format=text("channel_format"),
        nominal_hz=float(text("nominal_srate") or 0),
        channels=channels_of(desc, int(text("channel_count"))),
        samples=loaded["time_series"],
        stamps=np.asarray(loaded["time_stamps"], float),
    )


def _element(tag: str, content: Any) -> ElementTree.Element:
    """Return what pyxdf made a dictionary of lists as the XML that it was."""
    element = ElementTree.Element(tag)
    if isinstance(content, dict):
        for key, children in content.items():
            element.extend(_element(key, child) for child in children)
    else:
        element.text = content
    return element


def _choose(
    streams: Sequence[XdfStream], chosen: str | None, electrodes: Collection[str]
) -> XdfStream:
    """Return the one stream to play."""
    numeric = [s for s in streams if not s.is_markers and len(s.stamps) > 1]
    there = "; ".join(map(str, streams)) or "none"
    if chosen is not None:
        fitting = [s for s in numeric if chosen in (s.name, s.source_id, str(s.number))]
        if not fitting:
            raise RecordingError(
                f"`stream` is {chosen!r}: no stream of numbers with samples in it has that name, "
                f"source id or number; the file's streams are {there}"
            )
    else:
        fitting = numeric
    # As live: by the stated type; what states another one is judged by its channels.
    stated = [s for s in fitting if s.type.lower() == "eeg"]
    if stated or chosen is None:
        fitting = stated or [s for s in fitting if _looks_like_eeg(s, electrodes)]
    if not fitting:
        raise RecordingError(
            f"no stream of type EEG with samples in it: found {there}; if one of them is EEG, "
            "choose it by its name or number with `stream`"
        )
    if len(fitting) > 1:
        raise RecordingError(
            f"{len(fitting)} streams fit: {'; '.join(map(str, fitting))}; choose one by its name, "
            "source id or number with `stream`"
        )
    return fitting[0]


def _looks_like_eeg(stream: XdfStream, electrodes: Collection[str]) -> bool:
    n_eeg = sum(
        channel.type.lower() == "eeg"
        or (channel.is_eeg and electrode_name(channel.label, electrodes) is not None)
        for channel in stream.channels
    )
    return n_eeg > len(stream.channels) / 2


def _volts_per_number(
    stream: XdfStream, unit: str | None, electrodes: Collection[str]
) -> dict[int, float]:
    """Return the factor to volts of each channel that is EEG, by its index."""
    eeg = [index for index, channel in enumerate(stream.channels) if channel.is_eeg]
    if not eeg:
        types = ", ".join(sorted({channel.type for channel in stream.channels}))
        raise RecordingError(f"no channel of {stream.name!r} is EEG: they are of type {types}")
    if unit is not None:
        return dict.fromkeys(eeg, volts_per_unit(unit))
    channels = [stream.channels[index] for index in eeg]
    known = known_units([c.label for c in channels], [c.unit for c in channels], electrodes)
    if unknown := [c.label for i, c in enumerate(channels) if i not in known]:
        log.info("left out, for want of a known unit: %s", ", ".join(unknown))
    steps = {index: _step(channels[index]) for index in known}
    if not stream.format.startswith("int"):
        if any(step != 1 for step in steps.values()):
            log.warning(
                "%r states scaling factors, which numbers of format %s do not need: not applied",
                stream.name,
                stream.format,
            )
        steps = dict.fromkeys(known, 1.0)
    return {eeg[index]: factor * steps[index] for index, factor in known.items()}


def _step(channel: Channel) -> float:
    try:
        step = float(channel.scaling_factor or 1)
    except ValueError:
        step = np.nan
    if not np.isfinite(step) or step == 0:
        raise RecordingError(
            f"channel {channel.label!r} has the scaling factor {channel.scaling_factor!r}: "
            "expected a number; give `unit` as a number and a unit, such as `unit='0.1uV'`"
        )
    return step


def _rate_hz(stream: XdfStream, path: Path) -> float:
    """Return the sampling rate, which is what the time stamps show."""
    intervals_s = np.diff(stream.stamps)
    typical_s = float(np.median(intervals_s))
    nominal_hz = stream.nominal_hz
    is_regular = np.abs(intervals_s - typical_s) < OFF_INTERVAL * typical_s
    if typical_s <= 0 or (nominal_hz <= 0 and is_regular.mean() < REGULAR_SHARE):
        raise RecordingError(
            f"its EEG stream {stream.name!r} is irregular: "
            f"{1 - is_regular.mean():.0%} of the intervals between its samples are, and "
            f"its nominal rate is {nominal_hz:g} Hz; expected a regular rate"
        )
    measured_hz = float(1 / intervals_s[is_regular].mean())
    rate_hz = nominal_hz
    if nominal_hz <= 0 or abs(measured_hz / nominal_hz - 1) > RATE_TOLERANCE:
        rate_hz = measured_hz
        log.warning(
            "%s: %r states %s; its time stamps show %.4g Hz, at which it is played",
            path.name,
            stream.name,
            f"{nominal_hz:g} Hz" if nominal_hz > 0 else "no rate",
            rate_hz,
        )
    if (n_gaps := int((intervals_s > (1 + OFF_INTERVAL) / rate_hz).sum())) > 0:
        log.warning(
            "%s: gaps in the EEG are closed up: %d, the longest of %.4g s",
            path.name,
            n_gaps,
            intervals_s.max(),
        )
    if (n_back := int((intervals_s < 0).sum())) > 0:
        log.warning("%s: time stamps run backwards: %d ×, a reset of the clock", path.name, n_back)
    return rate_hz


def _markers(
    streams: Sequence[XdfStream], stamps: NDArray[np.float64], path: Path
) -> tuple[list[int], list[str]]:
    """Return the samples nearest to each marker, and the markers."""
    ascending = np.maximum.accumulate(stamps)
    between = (ascending[1:] + ascending[:-1]) / 2
    half_s = float(np.median(np.diff(ascending))) / 2
    places: list[int] = []
    texts: list[str] = []
    n_outside = 0
    for stream in streams:
        if not stream.is_markers:
            continue
        for stamp, values in zip(stream.stamps.tolist(), stream.samples, strict=True):
            if not ascending[0] - half_s <= stamp <= ascending[-1] + half_s:
                n_outside += 1
                continue
            places.append(int(np.searchsorted(between, stamp)))
            texts.append(", ".join(str(value) for value in values if value != ""))
    if n_outside:
        log.warning("%s: %d markers lie outside the EEG and are left out", path.name, n_outside)
    return places, texts
