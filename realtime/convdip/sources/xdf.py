"""The EEG of an XDF file, understood as the live stream would be."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from convdip.errors import RecordingError
from convdip.live.gaps import RATE_TOLERANCE
from convdip.live.labels import electrode_name
from convdip.live.units import volts_per_unit
from convdip.sources.units import known_units
from convdip.sources.xdf_streams import XdfStream, load_streams
from convdip.streams import Channel
from convdip.text import listed

if TYPE_CHECKING:
    import mne

log = logging.getLogger(__name__)

# Intervals between samples that are off by half or more are irregular; a few may be.
OFF_INTERVAL = 0.5
REGULAR_SHARE = 0.95
# Of the streams of a file, how many a message names.
MOST_LISTED = 8


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

    streams = load_streams(path)
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


def _choose(
    streams: Sequence[XdfStream], chosen: str | None, electrodes: Collection[str]
) -> XdfStream:
    """Return the one stream to play."""
    numeric = [s for s in streams if not s.is_markers and len(s.stamps) > 1]
    there = "; ".join(map(str, streams[:MOST_LISTED])) or "none"
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
        named = "; ".join(map(str, fitting[:MOST_LISTED]))
        raise RecordingError(
            f"{len(fitting)} streams fit: {named}; choose one by its name, source id or number "
            "with `stream`"
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
        types = listed(sorted({channel.type for channel in stream.channels}), 8)
        raise RecordingError(f"no channel of {stream.name!r} is EEG: they are of type {types}")
    if unit is not None:
        return dict.fromkeys(eeg, volts_per_unit(unit))
    channels = [stream.channels[index] for index in eeg]
    known = known_units([c.label for c in channels], [c.unit for c in channels], electrodes)
    if unknown := [c.label for i, c in enumerate(channels) if i not in known]:
        log.info("left out, for want of a known unit: %s", listed(unknown))
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
