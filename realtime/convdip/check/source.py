"""What is to be checked: a live stream, or a recording, understood as it would be in a replay."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pylsl
from numpy.typing import NDArray

from convdip.errors import ConfigError, RecordingError, StreamError
from convdip.live.inlet import BUFFER_S, Inlet
from convdip.live.sender import resolve
from convdip.live.settings import Settings
from convdip.sources.recordings import eeg_labels, read_recording
from convdip.streams import EegDescription

# Electrodes are judged over a second, several times.
LEAST_S = 2.0
# Of a stream, what is lost at its begin is on top of that; of a recording, minutes tell enough.
LISTEN_S, READ_S = 10.0, 120.0
LEAST_LISTEN_S, MOST_S = 3.0, 600.0


@dataclass(frozen=True)
class Signal:
    """Samples of a source.

    Attributes
    ----------
    samples : ndarray, shape (n_times, n_channels)
        In the source's own numbers.
    stamps : ndarray of float64, shape (n_times,), or None
        Time stamps in seconds; None of a recording, whose samples are evenly spaced.
    age_s : float
        How old samples are when they come, the median; NaN of a recording.
    """

    samples: NDArray[np.generic]
    stamps: NDArray[np.float64] | None = None
    age_s: float = np.nan


class Stream:
    """A live stream.

    Parameters
    ----------
    settings : Settings

    Attributes
    ----------
    eeg : EegDescription
    unit : str or None
        What the user says a step of 1 in the samples is.
    others : tuple of (str, str)
        Labels and types of channels that are no EEG and not among the samples: none.

    Raises
    ------
    StreamError
        If there is no such stream, or it cannot be read.
    """

    others: tuple[tuple[str, str], ...] = ()

    def __init__(self, settings: Settings) -> None:
        found = resolve(settings.input, settings.wait_s, source_id=settings.source_id)
        assert found is not None  # nothing stops the search
        self._inlet, self.unit = Inlet(found), settings.unit
        self.eeg = self._inlet.description

    def read(self, seconds: float | None, on_status: Callable[[str], None]) -> Signal:
        """Listen for some seconds, 10 by default.

        Raises
        ------
        StreamError
            If the stream ends, or hardly any samples come.
        """
        wanted_s, rate_hz = seconds or LISTEN_S, self.eeg.sfreq_hz
        chunks, ages_s, n = [], [], 0
        began_s = time.monotonic()
        while (heard_s := time.monotonic() - began_s) < wanted_s:
            chunk = self._inlet.pull(round(BUFFER_S * rate_hz) + 1)
            if chunk is not None:
                chunks.append(chunk)
                ages_s.append(pylsl.local_clock() - chunk.timestamps[-1])
                n += len(chunk.timestamps)
            on_status(f"listening: {heard_s:.0f} of {wanted_s:g} s, {n} samples")
        if n < LEAST_S * rate_hz:
            raise StreamError(
                f"stream {self.eeg.name!r} sent {n} samples in {wanted_s:g} s: expected about "
                f"{wanted_s * rate_hz:.0f}, since it states {rate_hz:g} Hz; is the amplifier on, "
                "and does its program send?"
            )
        return Signal(
            np.concatenate([chunk.samples for chunk in chunks]),
            np.concatenate([chunk.timestamps for chunk in chunks]),
            float(np.median(ages_s)),
        )


class Recording:
    """A recording.

    Parameters
    ----------
    path : Path
    settings : Settings
    stream : str or None
        Name, source id or number of the EEG stream of an XDF file.

    Attributes
    ----------
    eeg : EegDescription
        Of its EEG channels, as a replay would send them; in volts.
    unit : None
        What the user says of it is in the samples already.
    others : tuple of (str, str)
        Labels and types of its other channels.

    Raises
    ------
    RecordingError
        If it cannot be read.
    """

    unit = None

    def __init__(self, path: Path, settings: Settings, stream: str | None) -> None:
        raw = read_recording(path, settings.unit, stream)
        kinds = raw.get_channel_types()
        self.others = tuple(
            (label, kind) for label, kind in zip(raw.ch_names, kinds, strict=True) if kind != "eeg"
        )
        self._raw = raw.pick("eeg", exclude=())
        labels = tuple(eeg_labels(self._raw))
        n = len(labels)
        self.eeg = EegDescription(
            name=path.name,
            type="EEG",
            source_id="",
            hostname="",
            uid="",
            created_at=np.nan,
            sample_format="double64",
            n_channels=n,
            sfreq_hz=float(self._raw.info["sfreq"]),
            labels=labels,
            units=("volts",) * n,
            types=("EEG",) * n,
            places_m=(None,) * n,
            factors=(1.0,) * n,
        )

    def read(self, seconds: float | None, on_status: Callable[[str], None]) -> Signal:
        """Read the first seconds, by default two minutes.

        Raises
        ------
        RecordingError
            If it is shorter than can be judged.
        """
        on_status(f"reading {self.eeg.name}")
        n = min(self._raw.n_times, round((seconds or READ_S) * self.eeg.sfreq_hz))
        if n < LEAST_S * self.eeg.sfreq_hz:
            raise RecordingError(
                f"{self.eeg.name} has {n / self.eeg.sfreq_hz:.3g} s of EEG: expected at least "
                f"{LEAST_S:g} s, over which electrodes can be judged"
            )
        return Signal(self._raw.get_data(stop=n).T)


def find_source(settings: Settings, stream: str | None = None) -> Stream | Recording:
    """Find what is to be checked: a recording, where ``settings.input`` is its path, or a stream.

    Parameters
    ----------
    settings : Settings
        Of which ``input``, ``source_id``, ``unit`` and ``wait_s`` count.
    stream : str, optional
        Name, source id or number of the EEG stream of an XDF file.

    Raises
    ------
    RecordingError
        If the file cannot be read as a recording.
    StreamError
        If there is no such stream either, or it cannot be read.
    ConfigError
        If a stream is chosen of what is no XDF file.
    """
    name = settings.input
    path = Path(name or "")
    # Some recordings are folders, with a format in their name; others just have a stream's name.
    if path.is_file() or (path.is_dir() and path.suffix):
        return Recording(path, settings, stream)
    if stream is not None:
        raise ConfigError(f"`stream` is {stream!r}: only an XDF file has streams to choose from")
    try:
        return Stream(settings)
    except StreamError as error:
        if not path.suffix:
            raise
        raise StreamError(f"{error}; there is no file {name!r} either") from None


def check_seconds(seconds: float | None) -> None:
    """Refuse a time over which nothing can be judged.

    Raises
    ------
    ConfigError
        If it is out of range.
    """
    if seconds is not None and not LEAST_LISTEN_S <= seconds <= MOST_S:
        raise ConfigError(
            f"`seconds` is {seconds:g}: expected {LEAST_LISTEN_S:g} to {MOST_S:g}; electrodes are "
            "judged over a second, several times"
        )
