"""Recordings, played as an LSL stream with their annotations beside it.

A process of its own (``convdip replay``): it needs MNE, which the live service never loads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pylsl

from convdip.errors import ConfigError
from convdip.sources.player import Played, eeg_outlet, play
from convdip.sources.recordings import eeg_labels, read_recording
from convdip.streams import markers_info
from convdip.text import MOST_IN_A_LINE, shown


def replay_recording(
    path: Path,
    name: str,
    *,
    loop: bool = False,
    speed: float = 1.0,
    unit: str | None = None,
    stream: str | None = None,
    clients: int = 1,
    stop: Callable[[], bool] = lambda: False,
    on_status: Callable[[str], None] = lambda line: None,
) -> Played:
    """Play a recording's EEG over LSL, and its annotations as ``<name>-Markers``.

    Parameters
    ----------
    path : Path
    name : str
        Name of the stream.
    loop : bool
        Start again at the end.
    speed : float
        2 plays twice as fast.
    unit : str, optional
        Unit of the numbers stored in the file, instead of what it states.
    stream : str, optional
        Name, source id or number of the EEG stream of an XDF file; without it, the only one.
    clients : int
        Start once so many listen to the EEG.
    stop : callable
        Ends the replay when true.
    on_status : callable
        Gets one line a second.

    Raises
    ------
    RecordingError
        If the recording cannot be read or has no EEG.
    MontageError
        If ``unit`` is not a unit.
    ConfigError
        If another setting is out of range.
    """
    if not 0.01 <= speed <= 100:
        raise ConfigError(f"`speed` is {speed:g}: expected 0.01 to 100")
    if clients < 1:
        raise ConfigError(f"`clients` is {clients}: expected 1 or more")
    raw: Any = read_recording(path, unit, stream)
    raw.pick("eeg", exclude=())
    labels, rate_hz = eeg_labels(raw), float(raw.info["sfreq"]) * speed
    samples_uv = np.ascontiguousarray(raw.get_data().T * 1e6, dtype=np.float32)
    markers = _markers(raw)
    on_status(
        f"playing {path.name} as {name!r}: {len(labels)} channels, {rate_hz:g} Hz, "
        f"{len(samples_uv) / rate_hz:.0f} s, {len(markers)} markers"
        + (", in a loop" if loop else "")
    )
    source_id = f"convdip-replay-{name}"
    outlet = eeg_outlet(name, labels, rate_hz, source_id)
    return play(
        outlet,
        samples_uv,
        rate_hz,
        loop=loop,
        n_clients=clients,
        stop=stop,
        on_sample=announcer(name, source_id, markers, len(samples_uv), rate_hz),
        on_status=on_status,
    )


def _markers(raw: Any) -> list[tuple[int, str]]:
    """Return the samples at which annotations begin, and what they say."""
    onsets_s = raw.annotations.onset - raw.first_time
    places = np.rint(onsets_s * raw.info["sfreq"]).astype(int)
    return [
        (place, shown(str(text), MOST_IN_A_LINE))
        for place, text in zip(places.tolist(), raw.annotations.description, strict=True)
        if 0 <= place < raw.n_times
    ]


def announcer(
    name: str, source_id: str, markers: Sequence[tuple[int, str]], n_times: int, rate_hz: float
) -> Callable[[int, float], None]:
    """Open ``<name>-Markers`` and return what sends each marker with the stamp of its sample.

    Where there are no markers, there is no such stream.

    Parameters
    ----------
    name, source_id : str
        Of the EEG stream.
    markers : sequence of (int, str)
        Samples, ascending, and what happened there.
    n_times : int
        Samples in a round: a loop sends the markers in each.
    rate_hz : float
        Samples a second as they are played.

    Returns
    -------
    announce : callable
        Takes the number of samples sent and the stamp of the last, see `play`.
    """
    if not markers:
        return lambda n_sent, stamp: None
    outlet = pylsl.StreamOutlet(markers_info(name, f"{source_id}-markers"))
    waiting = ((turn * n_times + place, text) for turn in count() for place, text in markers)
    place, text = next(waiting)

    def announce(n_sent: int, stamp: float) -> None:
        nonlocal place, text
        while place < n_sent:
            outlet.push_sample([text], stamp - (n_sent - 1 - place) / rate_hz)
            place, text = next(waiting)

    return announce
