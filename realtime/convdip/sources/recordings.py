"""Recordings: any file that MNE or pyxdf reads, in volts.

What a file says of its channels is understood as it would be live. Needs MNE, which the live
service never loads.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convdip.errors import ConfigError, ConvDipError, RecordingError
from convdip.live.labels import electrode_name, read_label
from convdip.live.level import EEG_LEVEL_V
from convdip.live.units import volts_per_unit
from convdip.sources.units import known_units, stored_channels
from convdip.sources.xdf import read_xdf
from convdip.text import listed, one_line, shown

if TYPE_CHECKING:
    import mne

log = logging.getLogger(__name__)


def read_recording(
    path: Path, unit: str | None = None, stream: str | None = None
) -> mne.io.BaseRaw:
    """Read a recording; EEG is in volts, channels are named as in the file.

    Parameters
    ----------
    path : Path
    unit : str, optional
        Unit of the numbers stored in the file, instead of what it states.
    stream : str, optional
        Name, source id or number of the EEG stream of an XDF file; without it, the only one.

    Raises
    ------
    RecordingError
        If the file is missing, cannot be read or has no EEG, or if its unit is not known.
    MontageError
        If ``unit`` is not a unit.
    ConfigError
        If a stream is chosen of a file that is not XDF.
    """
    is_xdf = path.suffix.lower() in (".xdf", ".xdfz") or path.name.lower().endswith(".xdf.gz")
    if unit is not None:
        volts_per_unit(unit)  # a mistake is told before a long file is read
    if stream is not None and not is_xdf:
        raise ConfigError(f"`stream` is {stream!r}: only an XDF file has streams to choose from")
    if not path.exists():
        raise RecordingError(f"no recording at {path}")
    try:
        import mne

        if is_xdf:
            import pyxdf  # noqa: F401
    except ImportError as error:
        raise RecordingError(
            f"reading recordings needs {error.name}, which is not installed: scripts/install replay"
        ) from None
    try:
        with _warnings_said(path):
            if is_xdf:
                raw = read_xdf(path, unit, stream, _electrodes())
            else:
                raw = mne.io.read_raw(path, preload=True, verbose="warning")
                _to_volts(raw, path, unit)
            _show_names(raw)
    except ConvDipError as error:
        raise RecordingError(f"{path}: {error}") from None
    except Exception as error:  # a reader meets a broken file with any exception at all
        reason = one_line(str(error))
        raise RecordingError(
            f"{path} cannot be read: {reason or type(error).__name__}; expected a recording "
            "that MNE-Python reads (EDF, BDF, BrainVision, FIF, EEGLAB, …) or an XDF file"
        ) from None
    return raw


def eeg_labels(raw: mne.io.BaseRaw) -> list[str]:
    """Return the channels' labels, under their 10-05 names where they have one.

    What the service has to judge stays as it is in the file: another reference than most channels
    have, and two channels for one electrode.
    """
    electrodes = _electrodes()
    named = {s: n for s in raw.ch_names if (n := electrode_name(s, electrodes))}
    second = {label: read_label(label).second.upper() for label in named}
    references = Counter(second.values())
    usual = max(references, key=references.__getitem__, default="")
    labels = [
        named[label] if label in named and second[label] == usual else label
        for label in raw.ch_names
    ]
    return labels if len(set(labels)) == len(labels) else list(raw.ch_names)


@cache
def _electrodes() -> tuple[str, ...]:
    import mne

    return tuple(mne.channels.make_standard_montage("colin27_1005").ch_names)


@contextmanager
def _warnings_said(path: Path) -> Iterator[None]:
    """Log what a reader warns of, a line each: a file that was cut short is one of them."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield
    told = [w.message for w in warned if issubclass(w.category, RuntimeWarning)]
    for text in dict.fromkeys(one_line(str(message)) for message in told):
        log.warning("%s: %s", path.name, text)


def _show_names(raw: Any) -> None:
    """Make the channels' names fit to be shown, and keep them apart."""
    names = {name: shown(name) for name in raw.ch_names}
    if all(name == seen for name, seen in names.items()):
        return
    n_of = Counter(names.values())
    raw.rename_channels(
        {
            name: seen if n_of[seen] == 1 else f"{seen} (channel {number})"
            for number, (name, seen) in enumerate(names.items(), start=1)
        },
        verbose="error",
    )


def _to_volts(raw: Any, path: Path, unit: str | None) -> None:
    """Scale the EEG channels from what their reader made of them, in place.

    Channels that are no electrodes and have no known unit are dropped.
    """
    if "eeg" not in raw:
        found = ", ".join(sorted(set(raw.get_channel_types())))
        raise RecordingError(f"it has no EEG channels: its channels are of type {found}")
    if not raw.n_times:
        raise RecordingError("it has no samples")
    eeg = [i for i, kind in enumerate(raw.get_channel_types()) if kind == "eeg"]
    factors = _corrections(raw, path, unit, eeg)
    for factor in set(factors.values()):
        if not np.isclose(factor, 1, rtol=1e-9):
            picks = [index for index in factors if factors[index] == factor]
            raw.apply_function(lambda x, by=factor: x * by, picks=picks, verbose="error")
    if unknown := [raw.ch_names[index] for index in eeg if index not in factors]:
        log.info("%s: left out, for want of a known unit: %s", path.name, listed(unknown))
        raw.drop_channels(unknown)


def _corrections(raw: Any, path: Path, unit: str | None, eeg: list[int]) -> dict[int, float]:
    """Return the factors from what the reader returned to volts, by channel."""
    stored = stored_channels(raw, path)
    if stored is None:
        if unit is None:
            _check_level(raw)
            return dict.fromkeys(eeg, 1.0)
        log.warning(
            "%s: its format states no unit; what MNE returns is taken as numbers in %s",
            path.name,
            unit,
        )
        return dict.fromkeys(eeg, volts_per_unit(unit))
    if unit is not None:
        volts = dict.fromkeys(eeg, volts_per_unit(unit))
    else:
        labels, units = [raw.ch_names[i] for i in eeg], [stored[i].unit for i in eeg]
        known = known_units(labels, units, _electrodes())
        volts = {eeg[place]: factor for place, factor in known.items()}
    return {index: factor / stored[index].factor for index, factor in volts.items()}


def _check_level(raw: Any) -> None:
    """Refuse numbers that nobody says are volts, and that are none."""
    eeg = raw.get_data("eeg")
    length = min(eeg.shape[1], max(2, round(raw.info["sfreq"])))
    seconds = eeg[:, : eeg.shape[1] // length * length].reshape(len(eeg), -1, length)
    level_v = float(np.median(seconds.std(axis=2)))
    low, high = EEG_LEVEL_V
    if not low <= level_v <= high:
        raise RecordingError(
            "its format states no unit, and as volts, which MNE assumes, the EEG's standard "
            f"deviation over a second would be {level_v * 1e6:.2g} µV, expected {low * 1e6:g} to "
            f"{high * 1e6:g} µV; say in `unit` what one of its numbers is"
        )
