"""What a client hears of the service while the session is played."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pylsl
from numpy.typing import NDArray
from pylsl.util import LostError

from convdip.demo.verdict import Received
from convdip.errors import StreamError
from convdip.head import Head
from convdip.processes import START_S, Process, connect
from convdip.prove.session import Plan
from convdip.streams import Provenance, read_delays_s, read_quality, read_sources, stream_name

PATIENCE_S = 5.0
# More than a connection takes to be counted, and than a client is kept from reading.
BUFFER_S = 20


@dataclass(frozen=True)
class Course:
    """A stream of the service, by the samples of the session.

    Attributes
    ----------
    values : ndarray, shape (n_times, n_channels)
        NaN where nothing came, or a value is suspended.
    received, lost : int
        Samples; those before the first one that came are not lost.
    """

    values: NDArray[np.float32]
    received: int
    lost: int


@dataclass(frozen=True)
class Heard:
    """All that came.

    Attributes
    ----------
    first_stamp : float
        Of the session's first sample.
    sources : Received
    features, regions : Course
        Of NAME-Features, those asked for; and of NAME-ROI.
    quality : list of (float, dict)
        Time stamp and channels of each sample of NAME-Quality.
    delays_s : dict of float
        What NAME-Features states of each channel.
    provenance : Provenance
    """

    first_stamp: float
    sources: Received
    features: Course
    regions: Course
    quality: list[tuple[float, dict[str, float]]]
    delays_s: dict[str, float]
    provenance: Provenance


class Listener:
    """A client of everything that the service publishes.

    Parameters
    ----------
    name : str
        Of service and EEG stream.
    processes : sequence of Process
        That publish.
    head : Head
    n_features : int
        Those asked for; the rest of the channels are how far they are from rest.
    plan : Plan
    """

    def __init__(
        self, name: str, processes: Sequence[Process], head: Head, n_features: int, plan: Plan
    ) -> None:
        def to(stream: str) -> pylsl.StreamInlet:
            return connect(stream, processes, BUFFER_S)

        self._processes, self._n_features, self._plan = processes, n_features, plan
        self._truth = to(stream_name(name, "Truth"))
        self._sources = to(stream_name(name, "Sources"))
        self._regions = to(stream_name(name, "ROI"))
        self._features = to(stream_name(name, "Features"))
        self._quality = to(stream_name(name, "Quality"))
        self.provenance = read_sources(self._sources.info(timeout=START_S)).provenance
        self._delays_s = read_delays_s(self._features.info(timeout=START_S))
        # The session begins once this is heard, too: whatever is missed from then on is lost.
        self._eeg = to(name)
        self._received = Received(head)
        self._chunks: dict[str, list[tuple[NDArray[np.float32], NDArray[np.float64]]]] = {
            "features": [],
            "regions": [],
        }
        self._rows: list[tuple[float, dict[str, float]]] = []

    def listen(self, on_status: Callable[[str], None]) -> Heard:
        """Read everything until the session ends.

        Raises
        ------
        StreamError
            If a process fails, or its streams end before the session does.
        """
        end: float | None = None
        last_news, status_due = time.monotonic(), 0.0
        while end is None or not self._is_complete(end):
            try:
                is_news = self._pull()
                end = self._end() if end is None else end
            except LostError:
                is_news, last_news = False, -np.inf
            if is_news:
                last_news = time.monotonic()
            elif time.monotonic() - last_news > (PATIENCE_S if self._received.n else START_S):
                for process in self._processes:
                    process.check_alive()
                if end is None or not self._received.n:
                    raise StreamError("the streams ended before the session did")
                break  # what is missing is counted as lost
            if self._received.n and time.monotonic() > status_due:
                status_due = time.monotonic() + 1.0
                on_status(self._status())
        first_stamp = end - (self._plan.n_times - 1) / self._plan.sfreq_hz
        return Heard(
            first_stamp,
            self._received,
            self._course("features", first_stamp),
            self._course("regions", first_stamp),
            self._rows,
            self._delays_s,
            self.provenance,
        )

    def _pull(self) -> bool:
        """Take what came; return whether there were sources."""
        moments_nam, stamps = self._sources.pull_chunk(
            timeout=0.1, max_samples=256, min_samples=1, as_numpy=True
        )
        if len(stamps):
            self._received.add(moments_nam, stamps, pylsl.local_clock())
        for key, inlet in (("features", self._features), ("regions", self._regions)):
            values, at = inlet.pull_chunk(timeout=0.0, max_samples=256, as_numpy=True)
            if len(at):
                self._chunks[key].append((values[:, : self._n_features].copy(), np.array(at)))
        rows, at = self._quality.pull_chunk(timeout=0.0)
        self._rows += [(stamp, read_quality(row)) for row, stamp in zip(rows, at, strict=True)]
        return bool(len(stamps))

    def _end(self) -> float | None:
        """Return the stamp of the session's last sample, once it is told."""
        for [text] in self._truth.pull_chunk(timeout=0.0)[0]:
            if "end" in (said := json.loads(text)):
                return float(said["end"]["last_stamp"])
        return None

    def _is_complete(self, end: float) -> bool:
        almost = end - 0.5 / self._plan.sfreq_hz
        lasts = [chunks[-1][1][-1] if chunks else -np.inf for chunks in self._chunks.values()]
        return bool(self._received.n and min(*lasts, self._received.stamps[-1]) > almost)

    def _status(self) -> str:
        sfreq_hz, n_times = self._plan.sfreq_hz, self._plan.n_times
        n, ages_ms = self._received.n, self._received.ages_ms(self._received.stamps[-1] - 1.0)
        return (
            f"{n / sfreq_hz:5.1f} of {n_times / sfreq_hz:.0f} s   {n} samples imaged   "
            f"age {np.median(ages_ms):.2f} ms (p99 {np.percentile(ages_ms, 99):.2f})"
        )

    def _course(self, key: str, first_stamp: float) -> Course:
        """Put what came of a stream in its place."""
        chunks = self._chunks[key]
        if not chunks:
            raise StreamError(f"the service sent no {key}")
        rows = np.concatenate([values for values, _ in chunks])
        stamps, n_times = np.concatenate([at for _, at in chunks]), self._plan.n_times
        places = places_of(stamps, first_stamp, self._plan.sfreq_hz)
        values = np.full((n_times, rows.shape[1]), np.nan, np.float32)
        values[places] = rows
        return Course(values, len(rows), n_lost(places, n_times))


def places_of(stamps: NDArray[np.float64], first_stamp: float, sfreq_hz: float) -> NDArray[np.intp]:
    """Return the places of samples in the session, from their time stamps."""
    places: NDArray[np.intp] = np.round((stamps - first_stamp) * sfreq_hz).astype(np.intp)
    return places


def n_lost(places: NDArray[np.intp], n_times: int) -> int:
    """Return how many samples are missing, from the first that came to the session's last."""
    return n_times - int(places.min()) - np.unique(places).size
