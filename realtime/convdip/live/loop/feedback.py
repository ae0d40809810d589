"""Beside the sources: regions, features and feedback, published over LSL."""

from __future__ import annotations

import logging

import numpy as np
import pylsl
from numpy.typing import NDArray

from convdip.bundle import Bundle
from convdip.feedback.features import Feature, Features, Suspended, n_samples
from convdip.feedback.recent import Recent
from convdip.feedback.regions import atlas_regions
from convdip.feedback.tally import Tally
from convdip.feedback.value import Feeder
from convdip.frame import Frame
from convdip.live.band_windows import TURN_S
from convdip.live.events import Say
from convdip.live.loop import feature_channels
from convdip.live.loop.blocks import Blocks, described
from convdip.live.loop.cred_nf import Ran, write_cred_nf
from convdip.live.loop.delay import half_way_s
from convdip.live.loop.markers import Markers
from convdip.live.loop.osc import OscOutlet
from convdip.live.loop.protocol_file import Protocol
from convdip.live.loop.record import Record
from convdip.live.loop.rest import RestBaseline
from convdip.live.settings import Settings
from convdip.live.summary import Summary
from convdip.streams import (
    FEEDBACK,
    NONE,
    Event,
    Provenance,
    features_info,
    feedback_info,
    stream_name,
)

log = logging.getLogger(__name__)

Float = NDArray[np.float64]

BUFFER_S = 10
# Longer than this, and than so many samples, without any is silence.
SILENCE_S, SILENT_SAMPLES = 0.07, 3


class FeedbackOutlets:
    """The streams ``<name>-ROI``, ``<name>-Features`` and ``<name>-Feedback``, and the record.

    Without a baseline the feature alone is published, and feedback is suspended.

    Parameters
    ----------
    settings : Settings
        With regions.
    protocol : Protocol or None
    bundle : Bundle
    sfreq_hz : float
        Of the input.
    provenance : Provenance
    say : Say
        Where events go.

    Attributes
    ----------
    delay_s : float
        From a step of a source to half its effect on what is fed back.

    Raises
    ------
    ConfigError
        If a region is unknown, or a setting out of range.
    """

    def __init__(
        self,
        settings: Settings,
        protocol: Protocol | None,
        bundle: Bundle,
        sfreq_hz: float,
        provenance: Provenance,
        say: Say,
    ) -> None:
        head, name = bundle.head, settings.name
        self._settings, self._protocol, self._provenances = settings, protocol, [provenance]
        self._sfreq_hz, self._n_own = sfreq_hz, len(settings.measured)
        self._contrasts = settings.contrasts
        regions = atlas_regions(head)
        window_s = settings.measured[0].window_s
        each = [Feature(region.name, (region.name,), "amplitude", window_s) for region in regions]
        self._features = Features(head, [*settings.measured, *each], sfreq_hz, settings.bands)
        self._feeder = Feeder(settings.toward, settings.threshold, settings.success_rate)
        look_every_s = TURN_S * len(settings.bands) if bundle.takes_any_cap else 0.0
        self._channels = feature_channels.of_features(settings, sfreq_hz, look_every_s)
        self._names = list(self._channels)
        self._fed_back = self._names.index(settings.fed_back)
        self.delay_s = self._channels[settings.fed_back].delay_s
        self._say, self._suspended, self._due_s = say, Suspended.FILLING, np.inf
        self._silence_s = max(SILENCE_S, SILENT_SAMPLES / sfreq_hz)
        of = f"{feature_channels.told(settings)}; {provenance.model}"
        self._rest = RestBaseline(settings, protocol, self._names, of, sfreq_hz, say)
        self._blocks = Blocks(
            protocol,
            sfreq_hz,
            lambda block: self._rest.must_last(block, pylsl.local_clock()),
            say,
        )
        self._tallies = list[Tally]()
        self._recent = Recent(max(n_samples(one, sfreq_hz) for one in settings.measured))

        region_delay_s = half_way_s(each[0], settings.filters, sfreq_hz)
        of_regions = feature_channels.of_regions(
            head, regions, region_delay_s, is_template=bundle.is_template
        )
        named = [*self._channels.values(), *feature_channels.of_scores(self._channels)]
        filtered = provenance.filter
        self._roi, self._named, self._value = (
            pylsl.StreamOutlet(info, max_buffered=BUFFER_S)
            for info in (
                features_info(name, "ROI", of_regions, sfreq_hz, filtered),
                features_info(name, "Features", named, sfreq_hz, filtered),
                feedback_info(
                    name,
                    sfreq_hz,
                    self._what,
                    self.delay_s,
                    NONE if protocol is None else protocol.name,
                    described(protocol),
                ),
            )
        )
        self._osc = None if settings.osc is None else OscOutlet(name, settings.osc)
        self._record = None
        if settings.record is not None:
            self._record = Record(settings.record, [*self._names, "z", *FEEDBACK])
        needs_markers = settings.rest_markers is not None or (
            protocol is not None and any(block.begin or block.end for block in protocol.blocks)
        )
        self._markers = Markers(but=stream_name(name, "Events")) if needs_markers else None

    def push(self, frame: Frame, now_s: float, *, is_noise_known: bool) -> None:
        """Publish what a frame's samples say.

        Parameters
        ----------
        frame : Frame
        now_s : float
            On LSL's clock.
        is_noise_known : bool
            Whether what is thought to be noise will stay: only then does the baseline begin.
        """
        values, why = self._features(frame)
        own = self._with_contrasts(values[:, : self._n_own])
        z, stamps = np.full_like(own, np.nan), frame.timestamps
        for said, stamp in () if self._markers is None else self._markers.heard():
            self._rest.hear(said, stamp)
            self._blocks.hear(said, stamp)
        is_ready = is_noise_known and bool(np.isfinite(own[-1, self._fed_back]))
        rows = list[list[float]]()
        sure = np.array([self._recent(one) for one in frame.confidence.tolist()])
        for piece in self._blocks.pieces(stamps, is_ready=is_ready):
            if is_noise_known:
                self._rest.add(own[piece], stamps[piece], self._blocks.block, now_s)
            z[piece] = self._rest.z(own[piece])
            measured, fed_back = own[piece, self._fed_back], z[piece, self._fed_back]
            is_late = frame.flags.overload or frame.flags.is_late
            rows += self._rows(measured, fed_back, sure[piece], stamps[piece], why, is_late)
        at = stamps.tolist()
        self._roi.push_chunk(values[:, self._n_own :].astype(np.float32), at)
        self._named.push_chunk(np.hstack([own, z]).astype(np.float32), at)
        self._value.push_chunk(np.array(rows, np.float32), at)
        if self._record is not None:
            self._record.add(stamps, np.hstack([own, z[:, [self._fed_back]], rows]))
        self._tell(list(Suspended)[int(rows[-1][4])], now_s)
        self._due_s = now_s + self._silence_s

    def follow_input(self, provenance: Provenance) -> None:
        """Note where estimates come from, from now on."""
        self._provenances.append(provenance)

    def close(self, summary: Summary) -> None:
        """Send no more, listen no more, and write down what happened."""
        for part in (self._osc, self._markers, self._record):
            if part is not None:
                part.close()
        if self._record is not None and self._settings.record is not None:
            ran = Ran(
                self._settings,
                self._protocol,
                self._provenances,
                self._sfreq_hz,
                self._channels,
                self._rest,
                self._feeder.threshold,
                self._tallies,
                summary,
                self._record.n_lost,
            )
            write_cred_nf(ran, self._settings.record)

    def push_silence(self, now_s: float) -> None:
        """Say that there is no value, where no sample came for a while."""
        if now_s < self._due_s:
            return
        self._features.restart()
        self._recent.restart()
        row = self._row(np.nan, np.nan, np.nan, now_s, Suspended.SILENCE)
        self._value.push_sample(row, now_s)
        self._tell(Suspended.SILENCE, now_s)
        self._due_s = now_s + self._silence_s

    @property
    def _what(self) -> str:
        """What is fed back, in words."""
        channel = self._channels[self._settings.fed_back]
        return f"{channel.label}: {channel.type} of {channel.regions}, {self._settings.toward}"

    def _with_contrasts(self, values: Float) -> Float:
        """Return features and what follows from them, shape (n_times, n_features)."""
        plain = dict(zip(self._names, values.T, strict=False))
        followed = [contrast(plain) for contrast in self._contrasts.values()]
        return np.column_stack([values, *followed])

    def _rows(
        self, own: Float, z: Float, sure: Float, stamps: Float, why: Suspended, is_late: bool
    ) -> list[list[float]]:
        """Return samples of the feedback stream, of one block.

        What holds of the features altogether need not hold of the one that is fed back.
        """
        fed = z
        if is_late:
            fed, why = np.full_like(z, np.nan), Suspended.LATE
        elif np.isfinite(z[-1]):
            why = Suspended.NOT
        elif np.isfinite(own[-1]):
            why = Suspended.REST
        elif why is Suspended.NOT:
            why = Suspended.NOTHING
        if self._blocks.gives_feedback:
            fed = self._blocks.replayed(fed)
        else:
            fed = np.full_like(z, np.nan)
            # What would be wrong anyway is said instead.
            why = Suspended.BLOCK if why in (Suspended.NOT, Suspended.REST) else why
        columns = (column.tolist() for column in (z, fed, sure, stamps))
        return [
            self._row(measured, shown, trust, at_s, why)
            for measured, shown, trust, at_s in zip(*columns, strict=True)
        ]

    def _row(self, z: float, fed: float, sure: float, at_s: float, why: Suspended) -> list[float]:
        """Return a sample of the feedback stream, and count it."""
        value, is_above = self._feeder(fed, at_s)
        if np.isfinite(value):
            why = Suspended.NOT
        elif why is Suspended.NOT:
            why = Suspended.FILLING
        is_valid, number = why is Suspended.NOT, self._blocks.number
        if self._osc is not None:
            self._osc.send(value, at_s, why.code, is_valid=is_valid, is_above=is_above)
        if not self._tallies or self._tallies[-1].number != number:
            self._tallies.append(Tally(number, at_s, at_s))
        self._tallies[-1].add(at_s, z, value, why, is_above=is_above)
        row = (value, is_valid, is_above, self._feeder.threshold, why.code, number)
        return [*map(float, row), sure if is_valid else np.nan]

    def _tell(self, why: Suspended, now_s: float) -> None:
        """Tell when feedback is suspended, and when it goes on."""
        if why is self._suspended:
            return
        self._suspended = why
        if why is Suspended.NOT:
            self._say(Event.RESUMED, "feedback goes on", now_s, logging.INFO)
        else:
            text = f"feedback is suspended: {why}"
            self._say(Event.SUSPENDED, text, now_s, logging.WARNING, reason=str(why))
