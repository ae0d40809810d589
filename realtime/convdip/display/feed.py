"""All that a service publishes, the EEG it was computed from, and in tests the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pylsl
import scipy.sparse as sp
from numpy.typing import NDArray

from convdip.bundle import Bundle, load_bundle
from convdip.display.follower import Follower, Wanted
from convdip.display.freshness import Freshness, judge_freshness
from convdip.display.history import LENGTH_S, Ring, SourceHistory
from convdip.display.shown_eeg import ShownEeg
from convdip.errors import ConvDipError, StreamError
from convdip.head import Head
from convdip.streams import (
    SOURCES_TYPE,
    Event,
    EventMessage,
    PlayedSource,
    Provenance,
    SourcesDescription,
    read_quality,
    read_sources,
    stem_of,
    stream_name,
)

# Chunks read at a time and stream: the window must come to draw.
MOST_CHUNKS = 8
# Rows kept at most, so that memory stays small at rates that nobody looks at for half a minute.
MOST_ROWS = 150_000
# A shorter gap between two stamps is jitter.
GAP_S = 0.02
# An older report says nothing of now.
REPORT_S = 0.5


@dataclass(frozen=True)
class Service:
    """A service that is shown.

    Attributes
    ----------
    bundle : Bundle
        Whose head model the sources lie on.
    described : SourcesDescription
        What its stream of sources says of itself.
    """

    bundle: Bundle
    described: SourcesDescription

    @property
    def head(self) -> Head:
        """Head model."""
        return self.bundle.head

    @property
    def provenance(self) -> Provenance:
        """Where the sources come from."""
        return self.described.provenance

    @property
    def sfreq_hz(self) -> float:
        """Samples a second."""
        return self.described.sfreq_hz


class Feed:
    """Finds the streams of a service, reads them, and keeps the last half minute.

    Parameters
    ----------
    name : str or None
        Stem of the service's streams; None: the only one there is, or what is chosen.
    model : str or None
        Bundle with the head model; None: the shipped one that the stream names.

    Attributes
    ----------
    service : Service or None
        None until a first stream was opened.
    sources : SourceHistory
    regions : Ring
        Mean absolute moment of each region of the atlas, for every sample, in nAm; 0 for the
        medial wall.
    signed_regions : Ring
        The same of the moments with their signs.
    eeg : Ring
        Average-referenced EEG at the model's electrodes, in microvolts.
    truths : list of PlayedSource
    bad : dict
        By name of the electrode, why the service found it bad.
    invalid : str
        Why the service gives no estimates; empty if it does, or never said.
    n_samples, n_missing : int
        Samples of sources that came, and that are missing between their stamps.
    newest_s : float
        Stamp of the sample that came last.
    is_frozen : bool
        What comes is counted and not kept, so that what is kept can be looked at.
    """

    def __init__(self, name: str | None = None, model: str | None = None) -> None:
        self._resolver = pylsl.ContinuousResolver()
        self._model = model
        self.name = self._host = ""
        self.service: Service | None = None
        self._report: dict[str, float] = {}
        self._report_s = -np.inf
        self._news: list[str] = []
        self.truths: list[PlayedSource] = []
        self.bad: dict[str, str] = {}
        self.invalid = ""
        self._notch_hz: float | None = None
        self.n_samples = self.n_missing = 0
        self.newest_s = -np.inf
        self.last_news_s = pylsl.local_clock()
        self.is_frozen = False
        self._sources: Follower | None = None
        self._quality: Follower | None = None
        self._events: Follower | None = None
        self._eeg: Follower | None = None
        self._truth: Follower | None = None
        self._look_due_s = 0.0
        if name is not None:
            self.choose(name)

    def choose(self, name: str, host: str = "") -> None:
        """Follow the streams of one service, by their stem, perhaps those of one computer."""
        self.name = name
        self._host = host
        wanted = Wanted(stream_name(name, "Sources"), hostname=host)
        self._sources = Follower(wanted, understand=self._understand_sources)

    @property
    def refusal(self) -> str:
        """Why the chosen stream cannot be shown; empty for nothing."""
        return "" if self._sources is None else self._sources.refusal

    @property
    def eeg_state(self) -> str:
        """Why no EEG is shown; empty where it is."""
        if self._eeg is None or self._eeg.is_open:
            return ""
        return self._eeg.refusal or f"the stream {self._eeg.wanted.name} is not there"

    def on_network(self) -> list[pylsl.StreamInfo]:
        """Return the streams on the network, those of sources first."""
        streams = self._resolver.results()
        return sorted(streams, key=lambda s: (s.type() != SOURCES_TYPE, s.type(), s.name()))

    def poll(self, now_s: float) -> bool:
        """Read all that has come by an LSL time; whether a service was opened just now."""
        if self._sources is None:
            self._choose_only_one(now_s)
        if self._sources is None:
            return False
        is_opened = False
        if now_s >= self._look_due_s:
            self._look_due_s = now_s + 0.1
            there = self._resolver.results()
            if self._sources.follow(there, now_s):
                self._begin(self._sources.facts)
                is_opened = True
            for follower in (self._quality, self._events, self._eeg, self._truth):
                if follower is not None:
                    follower.follow(there, now_s)
        if self.service is not None:
            self._read_sources(now_s)
            self._read_eeg(now_s)
            self._read_reports(now_s)
        return is_opened

    def _choose_only_one(self, now_s: float) -> None:
        """Choose by itself where there is no choice."""
        if now_s < self._look_due_s:
            return
        # Twice as long as liblsl needs to hear of a second one.
        self._look_due_s = now_s + 1.0
        streams = (s for s in self._resolver.results() if s.type() == SOURCES_TYPE)
        there = {(stream.name(), stream.hostname()) for stream in streams}
        if len(there) == 1 and (stem := stem_of(there.pop()[0])) is not None:
            self.choose(stem)

    def freshness(self, now_s: float) -> Freshness:
        """Say whether what is kept last is true at an LSL time."""
        assert self.service is not None
        assert self._sources is not None
        return judge_freshness(
            self._sources.wanted.name,
            now_s - self.last_news_s,
            # While what comes is not kept, it is all that can be judged.
            now_s - (self.newest_s if self.is_frozen else self.sources.newest_s),
            self.service.sfreq_hz,
            is_open=self._sources.is_open,
            is_finite=self.sources.is_finite,
            refusal=self._sources.refusal,
            invalid=self.invalid,
        )

    def quality(self, now_s: float) -> dict[str, float]:
        """Return the latest health report; empty where none came of late."""
        return self._report if now_s - self._report_s < REPORT_S else {}

    def take_news(self) -> list[str]:
        """Return the service's events since the last time, in words."""
        news, self._news = self._news, []
        return news

    def truth_at(self, time_s: float) -> PlayedSource | None:
        """Return the simulated source that is on at a time, where one is known."""
        return next((t for t in self.truths if t.first_stamp <= time_s <= t.last_stamp), None)

    def _understand_sources(self, info: pylsl.StreamInfo) -> Service:
        """Read a stream's description and find its head model; runs in a thread."""
        described = read_sources(info)
        provenance = described.provenance
        try:
            bundle = load_bundle(self._model or provenance.model)
        except ConvDipError as error:
            raise StreamError(
                f"{described.name} was made with the model {provenance.model!r}: {error}; give its "
                "bundle as `model`"
            ) from None
        if bundle.card["sha256"]["head.npz"] != provenance.head_sha256:
            raise StreamError(
                f"{described.name} was made with another head model than that of {bundle.name}: "
                "give its bundle as `model`"
            )
        is_right = described.n_dipoles == bundle.head.n_dipoles and described.is_float32
        if not is_right or described.sfreq_hz <= 0:
            raise StreamError(
                f"{described.name} has {described.n_dipoles} channels at {described.sfreq_hz:g} Hz:"
                f" expected {bundle.head.n_dipoles} of float32 at a regular rate, one a dipole of "
                f"{bundle.name}"
            )
        if self.service is not None and self.service.bundle.card == bundle.card:
            bundle = self.service.bundle  # the same head, so that the picture can stay
        return Service(bundle, described)

    def _begin(self, service: Service) -> None:
        """Set up what is kept and read beside the sources of a service just opened."""
        head, before = service.head, self.service
        is_same = before is not None and head is before.head and service.sfreq_hz == before.sfreq_hz
        self.service = service
        self.newest_s = self._report_s = -np.inf
        self.bad, self.invalid, self._notch_hz = {}, "", None
        if not is_same:
            self.is_frozen = False
            n_rows = min(round(LENGTH_S * service.sfreq_hz), MOST_ROWS)
            self.sources = SourceHistory(head.n_dipoles, head.is_cortex)
            self.regions = Ring(n_rows, len(head.atlas_names))
            self.signed_regions = Ring(n_rows, len(head.atlas_names))
            self.eeg = Ring(n_rows, head.n_electrodes)
            self._region_means = _region_means(head)
            self.truths = []
        if self._quality is None:
            self._quality = Follower(Wanted(stream_name(self.name, "Quality"), hostname=self._host))
            self._events = Follower(Wanted(stream_name(self.name, "Events"), hostname=self._host))
        wanted = Wanted(
            service.provenance.input_name,
            service.provenance.input_source_id,
            service.provenance.input_hostname,
        )
        is_changed = before is None or before.provenance != service.provenance
        if is_changed or self._eeg is None or self._eeg.wanted != wanted:
            for follower in (self._eeg, self._truth):
                if follower is not None:
                    follower.close()

            def understand(info: pylsl.StreamInfo) -> ShownEeg:
                return ShownEeg(info, service.head, service.provenance)

            self._eeg = Follower(wanted, understand=understand)
            self._truth = Follower(Wanted(stream_name(service.provenance.input_name, "Truth")))

    def _read_sources(self, now_s: float) -> None:
        assert self._sources is not None
        assert self.service is not None
        for _ in range(MOST_CHUNKS):
            moments, stamps = self._sources.read_numbers(now_s)
            if not len(stamps):
                return
            before = self.newest_s if np.isfinite(self.newest_s) else stamps[0]
            gaps_s = np.diff(stamps, prepend=before)
            gaps_s = gaps_s[gaps_s > max(GAP_S, 2.5 / self.service.sfreq_hz)]
            self.n_missing += int((np.round(gaps_s * self.service.sfreq_hz) - 1).sum())
            self.n_samples += len(stamps)
            self.newest_s, self.last_news_s = float(stamps[-1]), now_s
            if self.is_frozen:
                continue
            self.sources.add(moments, stamps)
            self.regions.append((self._region_means @ np.abs(moments).T).T, stamps)
            self.signed_regions.append((self._region_means @ moments.T).T, stamps)

    def _read_eeg(self, now_s: float) -> None:
        assert self._eeg is not None
        for _ in range(MOST_CHUNKS):
            samples, stamps = self._eeg.read_numbers(now_s)
            if not len(stamps):
                return
            shown: ShownEeg = self._eeg.facts
            shown.leave_out(self.bad)
            if self._notch_hz is not None:
                shown.add_notch(self._notch_hz)
            eeg_uv = shown(samples)  # also while frozen: filters go on
            if not self.is_frozen:
                self.eeg.append(eeg_uv, stamps)

    def _read_reports(self, now_s: float) -> None:
        assert self._quality is not None
        assert self._events is not None
        assert self._truth is not None
        reports, _ = self._quality.read_numbers(now_s)
        if len(reports):
            self._report = read_quality(reports[-1])
            self._report_s = now_s
        for text, _ in self._events.read_texts(now_s):
            self._hear(EventMessage.from_json(text))
        for text, _ in self._truth.read_texts(now_s):
            if (truth := PlayedSource.from_json(text)) is not None:
                self.truths = [*self.truths[-99:], truth]

    def _hear(self, message: EventMessage) -> None:
        """Take in an event."""
        facts = message.facts
        if not facts.get("repeated"):
            self._news.append(message.text)
        name = str(facts.get("electrode", ""))
        if message.event == Event.BAD and not facts.get("kept"):
            self.bad = self.bad | {name: str(facts.get("reason", ""))}
        elif message.event == Event.GOOD:
            self.bad = {bad: why for bad, why in self.bad.items() if bad != name}
        elif message.event == Event.NOTCH:
            self._notch_hz = float(facts.get("hz", "nan"))
        elif message.event == Event.INVALID:
            self.invalid = str(facts.get("reason", ""))
        elif message.event == Event.VALID:
            self.invalid = ""

    def interpolated(self) -> dict[str, str]:
        """Return the model's electrodes that are not measured, by name, and why."""
        assert self.service is not None
        missing = dict.fromkeys(self.service.provenance.interpolated, "")
        return missing | {n: why for n, why in self.bad.items() if n in self.service.head.channels}


def _region_means(head: Head) -> sp.csr_matrix:
    """Return the matrix from dipoles to the means of the atlas' regions; 0 for the medial wall."""
    n = np.bincount(head.atlas, minlength=len(head.atlas_names))
    shares: NDArray[np.float32] = (head.is_cortex / n[head.atlas]).astype(np.float32)
    shape = (len(n), head.n_dipoles)
    return sp.csr_matrix((shares, (head.atlas, np.arange(head.n_dipoles))), shape)
