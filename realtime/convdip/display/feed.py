"""All that a service publishes, the EEG it was computed from, and in tests the truth."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pylsl

from convdip.display import spans
from convdip.display.bad_electrodes import MISSING, BadSpan
from convdip.display.feedback_rows import FeedbackRows
from convdip.display.follower import Follower, Wanted
from convdip.display.freshness import Freshness, judge_freshness
from convdip.display.history import LENGTH_S, Ring, SourceHistory
from convdip.display.horizon import Horizon
from convdip.display.kept import Kept
from convdip.display.marker_streams import MarkerStreams
from convdip.display.power_feed import PowerFeed
from convdip.display.reports import Reports
from convdip.display.rhythm_history import RhythmHistory
from convdip.display.shown_eeg import ShownEeg
from convdip.display.shown_service import Service, understand_service
from convdip.streams import (
    SOURCES_TYPE,
    EventMessage,
    PlayedSource,
    stem_of,
    stream_name,
)

# Chunks read at a time and stream: the window must come to draw.
MOST_CHUNKS = 8
# A shorter gap between two stamps is jitter.
GAP_S = 0.02


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
    model : str or None
    service : Service or None
        None until a first stream was opened.
    truths : list of PlayedSource
    reports : Reports
        What the service tells of itself, and when; with the markers of other programs.
    markers : MarkerStreams
        Where the markers come from.
    n_samples, n_missing : int
        Samples of sources that came, and that are missing between their stamps.
    newest_s : float
        Stamp of the sample that came last.
    power : PowerFeed
        Bands whose power the service publishes, and the one that is followed.
    """

    def __init__(self, name: str | None = None, model: str | None = None) -> None:
        self._resolver = pylsl.ContinuousResolver()
        self.model = model
        self.name = self._host = ""
        self.service: Service | None = None
        self.reports, self.markers = Reports(), MarkerStreams()
        self.truths: list[PlayedSource] = []
        self.n_samples = self.n_missing = 0
        self.newest_s = -np.inf
        self.last_news_s = pylsl.local_clock()
        self._kept: Kept | None = None
        self._meanwhile: Kept | None = None
        self._sources: Follower | None = None
        self._quality: Follower | None = None
        self._events: Follower | None = None
        self._eeg: Follower | None = None
        self._truth: Follower | None = None
        self.power, self._feedback = PowerFeed(), FeedbackRows()
        self._look_due_s = 0.0
        self._is_choice_left = False
        if name is not None:
            self.choose(name)

    def choose(self, name: str, host: str = "") -> None:
        """Follow the streams of one service, by their stem, perhaps those of one computer."""
        self.leave()
        self.name = name
        self._host = host
        wanted = Wanted(stream_name(name, "Sources"), hostname=host)
        self._sources = Follower(wanted, understand=self._understand_sources)

    def leave(self) -> None:
        """Follow no service, until the next choice."""
        self.power.leave()
        self._feedback.close()
        for follower in (self._sources, self._quality, self._events, self._eeg, self._truth):
            if follower is not None:
                follower.close()
        self._sources = self._quality = self._events = self._eeg = self._truth = None
        self.name = self._host = ""
        self.service = self._kept = self._meanwhile = None
        self._is_choice_left = True

    @property
    def kept(self) -> Kept:
        """What can be looked at: the last half minute, or that before it was held."""
        assert self._kept is not None
        return self._kept

    @property
    def sources(self) -> SourceHistory:
        """Source maps kept."""
        return self.kept.sources

    @property
    def regions(self) -> Ring:
        """Mean absolute moments of regions kept."""
        return self.kept.regions

    @property
    def signed_regions(self) -> Ring:
        """Mean signed moments of regions kept."""
        return self.kept.signed_regions

    @property
    def eeg(self) -> Ring:
        """EEG kept."""
        return self.kept.eeg

    @property
    def rhythm(self) -> RhythmHistory:
        """Power kept of the band that is followed."""
        return self.kept.rhythm

    @property
    def sfreq_hz(self) -> float:
        """Samples a second of the service that is shown."""
        assert self.service is not None
        return self.service.sfreq_hz

    @property
    def is_simulated(self) -> bool:
        """Whether the EEG says where its sources are."""
        return self._truth is not None and self._truth.is_open

    def regions_of(self, band_hz: tuple[float, float] | None, *, is_signed: bool = False) -> Ring:
        """Return the means of regions of a band's power, or of moments."""
        if band_hz is not None:
            return self.rhythm.regions
        return self.signed_regions if is_signed else self.regions

    @property
    def feature(self) -> str:
        """What is fed back; empty for nothing."""
        return self._feedback.feature

    def follow_band(self, band_hz: tuple[float, float] | None) -> None:
        """Follow the power of another band, or of none."""
        assert self.service is not None
        self.power.choose(self.name, self._host, band_hz, self.service.head.n_dipoles)
        for kept in (self._kept, self._meanwhile):
            if kept is not None:
                kept.rhythm.clear()

    @property
    def is_held(self) -> bool:
        """Whether what can be looked at is held, while samples go on."""
        return self._meanwhile is not None

    def hold(self) -> None:
        """Hold what can be looked at; what comes is kept beside it, for half a minute, too."""
        assert self.service is not None
        if self._meanwhile is None:
            # To touch so much memory at once would freeze the window for a while.
            self._meanwhile = Kept(self.service.head, self.service.sfreq_hz, at_once=False)

    def release(self) -> None:
        """Go on with what has come meanwhile, so that nothing is missing."""
        if self._meanwhile is not None:
            self.kept.extend(self._meanwhile)
            self._meanwhile = None

    @property
    def _coming(self) -> Kept:
        """Where what comes is kept."""
        return self.kept if self._meanwhile is None else self._meanwhile

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
        if self._sources is None and not self._is_choice_left:
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
            self._feedback.follow(self.name, self._host, there, now_s)
            self.power.follow(self.name, self._host, there, now_s)
            if self.service is not None:
                self.markers.follow(there, self.service.provenance, self.name, now_s)
                self._forget(now_s)
        if self.service is not None:
            self._read_sources(now_s)
            self._read_eeg(now_s)
            self._coming.rhythm.add(*self.power.read(now_s))
            self._coming.feedback.append(*self._feedback.read(now_s))
            self._coming.z.append(*self._feedback.read_z(now_s))
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
            # What is held says nothing of now.
            now_s - (self.newest_s if self.is_held else self.sources.newest_s),
            self.service.sfreq_hz,
            is_open=self._sources.is_open,
            is_finite=self._coming.sources.is_finite,
            refusal=self._sources.refusal,
            invalid=self.invalid,
        )

    def quality(self, now_s: float) -> dict[str, float]:
        """Return the latest health report; empty where none came of late."""
        return self.reports.latest(now_s)

    def take_news(self) -> list[str]:
        """Return the service's events since the last time, in words."""
        return self.reports.take_news()

    def truth_at(self, time_s: float) -> PlayedSource | None:
        """Return the simulated source that is on at a time, where one is known."""
        return next((t for t in self.truths if t.first_stamp <= time_s <= t.last_stamp), None)

    def _understand_sources(self, info: pylsl.StreamInfo) -> Service:
        """Read a stream's description and find its head model; runs in a thread."""
        known = None if self.service is None else self.service.bundle
        return understand_service(info, self.model, known)

    def _begin(self, service: Service) -> None:
        """Set up what is kept and read beside the sources of a service just opened."""
        head, before = service.head, self.service
        is_same = before is not None and head is before.head and service.sfreq_hz == before.sfreq_hz
        self.service = service
        self.newest_s = -np.inf
        if not is_same:
            self._kept, self._meanwhile = Kept(head, service.sfreq_hz), None
            self.truths = []
            self.reports.forget_all()
        self.reports.restart(pylsl.local_clock())
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
            self._coming.add_sources(moments, stamps)

    def _read_eeg(self, now_s: float) -> None:
        assert self._eeg is not None
        for _ in range(MOST_CHUNKS):
            samples, stamps = self._eeg.read_numbers(now_s)
            if not len(stamps):
                return
            shown: ShownEeg = self._eeg.facts
            shown.leave_out(self.bad)
            if self.reports.notch_hz is not None:
                shown.add_notch(self.reports.notch_hz)
            self._coming.eeg.append(shown(samples), stamps)

    def _read_reports(self, now_s: float) -> None:
        assert self._quality is not None
        assert self._events is not None
        assert self._truth is not None
        assert self.service is not None
        reports, stamps = self._quality.read_numbers(now_s)
        for row, stamp in zip(reports, stamps.tolist(), strict=True):
            self.reports.report(row, stamp, now_s)
        for text, stamp in self._events.read_texts(now_s):
            with suppress(ValueError):  # what is no event is none of the service's
                message = EventMessage.from_json(text)
                self.reports.hear(message, stamp, self._events.wanted.name, now_s)
        self.markers.read(self.reports.marks, now_s)
        for text, _ in self._truth.read_texts(now_s):
            truth = PlayedSource.from_json(text)
            if truth is not None and 0 <= truth.dipole < self.service.head.n_dipoles:
                self.truths = [*self.truths[-99:], truth]

    def _forget(self, now_s: float) -> None:
        """Drop what goes with samples that are no longer kept."""
        kept = Horizon(self.sources.oldest_s, self.sources.newest_s, now_s - LENGTH_S)
        self.reports.forget(kept)

    @property
    def invalid(self) -> str:
        """Why the service gives no estimates; empty if it does, or never said."""
        return self.reports.invalid

    @property
    def bad(self) -> dict[str, str]:
        """By name, why the service leaves electrodes out now."""
        return {s.electrode: s.reason for s in self.reports.electrodes.now if not s.is_kept}

    def interpolated(self, time_s: float = np.inf) -> dict[str, str]:
        """Return the model's electrodes that are not measured, by name, and why.

        Parameters
        ----------
        time_s : float
            LSL time; now by default.
        """
        assert self.service is not None
        names = self.service.head.channels
        bad = (s for s in self.bad_between(time_s, time_s) if not s.is_kept)
        return {s.electrode: s.reason for s in bad if s.electrode in names}

    @property
    def n_electrodes(self) -> int:
        """How many electrodes of the input are, or might be, imaged."""
        assert self.service is not None
        return len(self.service.provenance.electrodes)

    def bad_between(self, first_s: float, last_s: float) -> list[BadSpan]:
        """Return which electrodes were bad in an interval, and those that the stream lacks."""
        assert self.service is not None
        missing = [BadSpan(name, MISSING) for name in self.service.provenance.interpolated]
        return missing + self.reports.electrodes.between(first_s, last_s)

    def spans(self, first_s: float, last_s: float) -> list[spans.Span]:
        """Return gaps, times without estimates, and artefacts that overlap an interval."""
        assert self.service is not None
        sfreq_hz = self.service.sfreq_hz
        gaps = spans.gaps(self.eeg.stamps, sfreq_hz, first_s, last_s, self.reports.told_gaps_s)
        regions = self.regions
        lacking = spans.without_estimates(
            regions.stamps, regions.rows, sfreq_hz, first_s, last_s, gaps
        )
        artefacts = self.reports.artefacts.between(first_s, last_s)
        return gaps + lacking + artefacts
