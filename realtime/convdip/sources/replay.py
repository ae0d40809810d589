"""Recordings: read any file that MNE or pyxdf reads, and play it as an LSL stream.

A process of its own (``convdip replay``): it needs MNE, which the live service never loads.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from convdip.errors import ConfigError, ConvDipError, RecordingError
from convdip.live.montage import electrode_name, volts_per_unit
from convdip.sources.player import Played, eeg_outlet, play

if TYPE_CHECKING:
    import mne

log = logging.getLogger(__name__)


def read_recording(path: Path, unit: str | None = None) -> mne.io.BaseRaw:
    """Read a recording; EEG is in volts.

    Parameters
    ----------
    path : Path
    unit : str, optional
        Unit of the file's numbers, where it does not state it or its reader assumes volts.

    Raises
    ------
    RecordingError
        If the file is missing, or cannot be read.
    """
    if not path.exists():
        raise RecordingError(f"no recording at {path}")
    try:
        import mne
    except ImportError:
        raise RecordingError(
            "reading recordings needs MNE, which is not installed: scripts/install replay"
        ) from None
    try:
        if path.suffix.lower() in (".xdf", ".xdfz"):
            return _read_xdf(path, unit)
        raw = mne.io.read_raw(path, preload=True, verbose="error")
    except ConvDipError as error:
        raise RecordingError(f"{path}: {error}") from None
    except Exception as error:  # a reader meets a broken file with any exception at all
        reason = " ".join(str(error).split())[:200]
        raise RecordingError(
            f"{path} cannot be read: {reason or type(error).__name__}; expected a recording "
            "that MNE-Python reads (EDF, BDF, BrainVision, FIF, EEGLAB, …) or an XDF file"
        ) from None
    if unit is not None:
        factor = volts_per_unit(unit)
        raw.apply_function(lambda samples: samples * factor, picks="eeg", verbose="error")
    return raw


def _read_xdf(path: Path, unit: str | None) -> Any:
    """Read the longest EEG stream of an XDF file."""
    import mne
    import pyxdf

    streams, _ = pyxdf.load_xdf(str(path), verbose=False)
    kinds = [str(stream["info"]["type"][0]) for stream in streams]
    eeg = [
        stream
        for stream, kind in zip(streams, kinds, strict=True)
        if kind.lower() == "eeg" and len(stream["time_series"])
    ]
    if not eeg:
        raise RecordingError(
            f"no stream of type EEG with samples in it: found {', '.join(sorted(set(kinds)))}"
        )
    stream = max(eeg, key=lambda s: len(s["time_stamps"]))
    name, sfreq_hz = stream["info"]["name"][0], float(stream["info"]["nominal_srate"][0])
    if len(eeg) > 1:
        log.warning("%s has %d EEG streams: taking the longest, %s", path, len(eeg), name)
    if sfreq_hz <= 0:
        raise RecordingError(f"its EEG stream {name!r} has no sampling rate")
    n_gaps = int((np.diff(stream["time_stamps"]) > 1.5 / sfreq_hz).sum())
    if n_gaps:
        log.warning("%s: %d gaps in the EEG are closed up", path, n_gaps)
    try:
        channels = stream["info"]["desc"][0]["channels"][0]["channel"]
        labels = [channel["label"][0] for channel in channels]
        units = [(channel.get("unit") or [""])[0] or "" for channel in channels]
    except (TypeError, KeyError, IndexError):
        raise RecordingError(f"its EEG stream {name!r} has no channel labels") from None
    electrodes = mne.channels.make_standard_montage("colin27_1005").ch_names
    # Triggers and auxiliary channels often have no unit, and need none.
    kept = [i for i, label in enumerate(labels) if electrode_name(label, electrodes)]
    factors = [volts_per_unit(unit or units[i], labels[i]) for i in kept]
    info = mne.create_info([labels[i] for i in kept], sfreq_hz, "eeg")
    samples = np.asarray(stream["time_series"], float)[:, kept] * factors
    return mne.io.RawArray(samples.T, info, verbose="error")


def replay_recording(
    path: Path,
    name: str,
    loop: bool,
    speed: float,
    unit: str | None,
    stop: Callable[[], bool],
    on_status: Callable[[str], None],
) -> Played:
    """Play a recording's EEG over LSL.

    Parameters
    ----------
    path : Path
    name : str
        Name of the stream.
    loop : bool
        Start again at the end.
    speed : float
        2 plays twice as fast.
    unit : str or None
        Unit of the file's numbers, where it does not state it or its reader assumes volts.
    stop : callable
        Ends the replay when true.
    on_status : callable
        Gets one line a second.

    Raises
    ------
    RecordingError
        If the recording cannot be read or has no EEG.
    ConfigError
        If the speed is out of range.
    """
    if not 0.01 <= speed <= 100:
        raise ConfigError(f"`speed` is {speed:g}: expected 0.01 to 100")
    raw = read_recording(path, unit)
    labels, samples_uv = _eeg_uv(raw, path)
    rate_hz = float(raw.info["sfreq"]) * speed
    length_s = len(samples_uv) / rate_hz
    on_status(
        f"playing {path.name} as {name!r}: {len(labels)} channels, {rate_hz:g} Hz, "
        f"{length_s:.0f} s" + (", in a loop" if loop else "")
    )
    outlet = eeg_outlet(name, labels, rate_hz, source_id=f"convdip-replay-{name}")
    return play(outlet, samples_uv, rate_hz, loop=loop, stop=stop, on_status=on_status)


def _eeg_uv(raw: Any, path: Path) -> tuple[list[str], NDArray[np.float32]]:
    """Return the EEG channels under their 10-05 names where they have one, in microvolts."""
    import mne

    if "eeg" not in raw:
        found = ", ".join(sorted(set(raw.get_channel_types())))
        raise RecordingError(f"{path} has no EEG channels: its channels are of type {found}")
    raw.pick("eeg", exclude=())
    standard = mne.channels.make_standard_montage("colin27_1005").ch_names
    labels = [electrode_name(label, standard) or label for label in raw.ch_names]
    samples_uv = np.ascontiguousarray(raw.get_data().T * 1e6, dtype=np.float32)
    return labels, samples_uv
