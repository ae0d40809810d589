"""Beside the sources: regions, features and feedback, published over LSL."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pylsl
from numpy.typing import NDArray

from convdip.bundle import Bundle
from convdip.feedback.features import Feature, Features, Suspended
from convdip.feedback.regions import atlas_regions
from convdip.feedback.rest import SHORTEST_S, Rest, Scale, n_rest
from convdip.feedback.value import Feeder
from convdip.frame import Frame
from convdip.live.conditioning import Filters
from convdip.live.delay import half_way_s
from convdip.live.events import Say
from convdip.live.markers import Between
from convdip.live.osc import OscOutlet
from convdip.live.settings import Settings
from convdip.mni import mni_mm
from convdip.streams import (
    Event,
    FeatureChannel,
    Provenance,
    features_info,
    feedback_info,
)

log = logging.getLogger(__name__)

BUFFER_S = 10
PROGRESS_S = 10.0
# Longer than this, and than so many samples, without any is silence.
SILENCE_S, SILENT_SAMPLES = 0.07, 3


class FeedbackOutlets:
    """The streams ``<name>-ROI``, ``<name>-Features`` and ``<name>-Feedback``.

    Without a baseline the feature alone is published, and feedback is suspended.

    Parameters
    ----------
    settings : Settings
        With regions.
    bundle : Bundle
    sfreq_hz : float
        Of the input.
    provenance : Provenance
    say : Say
        Where events go.

    Raises
    ------
    ConfigError
        If a region is unknown, or a setting out of range.
    """

    def __init__(
        self, settings: Settings, bundle: Bundle, sfreq_hz: float, provenance: Provenance, say: Say
    ) -> None:
        head = bundle.head
        self._own, self._contrasts = settings.measured, settings.contrasts
        window_s = self._own[0].window_s
        regions = atlas_regions(head)
        each = [Feature(region.name, (region.name,), "amplitude", window_s) for region in regions]
        self._features = Features(head, [*self._own, *each], sfreq_hz, settings.bands)
        self._feeder = Feeder(settings.toward, settings.threshold, settings.success_rate)
        self._names = [feature.name for feature in self._own] + list(self._contrasts)
        self._fed_back = self._names.index(settings.fed_back)
        self._say, self._suspended, self._due_s = say, Suspended.FILLING, np.inf
        self._silence_s = max(SILENCE_S, SILENT_SAMPLES / sfreq_hz)

        filters, name = settings.filters, settings.name
        channels = {
            feature.name: FeatureChannel(
                feature.name,
                unit,
                feature.measure,
                " + ".join(feature.regions),
                half_way_s(feature, _in_band(filters, feature), sfreq_hz),
                filter=str(_in_band(filters, feature)),
            )
            for feature, unit in zip(self._own, self._features.units, strict=False)
        }
        for key, contrast in self._contrasts.items():
            delay_s = max(channels[part].delay_s for part in contrast.names)
            channels[key] = FeatureChannel(key, "", "contrast", str(contrast), delay_s)
        scores = [
            replace(channel, label=f"{channel.label}_z", unit="sd", type="z")
            for channel in channels.values()
        ]
        region_delay_s = half_way_s(each[0], filters, sfreq_hz)
        of_regions = [
            FeatureChannel(
                region.name,
                "nAm",
                "amplitude",
                region.name,
                region_delay_s,
                tuple(mni_mm(region.centroid_m(head)).tolist()) if bundle.is_template else None,
            )
            for region in regions
        ]
        self._roi, self._named = (
            pylsl.StreamOutlet(info, max_buffered=BUFFER_S)
            for info in (
                features_info(name, "ROI", of_regions, sfreq_hz, provenance.filter),
                features_info(
                    name, "Features", [*channels.values(), *scores], sfreq_hz, provenance.filter
                ),
            )
        )
        fed_back = channels[settings.fed_back]
        what = f"{fed_back.label}: {fed_back.type} of {fed_back.regions}, {settings.toward}"
        info = feedback_info(name, sfreq_hz, what, fed_back.delay_s)
        self._value = pylsl.StreamOutlet(info, max_buffered=BUFFER_S)
        self._osc = None if settings.osc is None else OscOutlet(name, settings.osc)
        self._open_rest(settings, sfreq_hz, provenance.model)

    def _open_rest(self, settings: Settings, sfreq_hz: float, model: str) -> None:
        """Load what is usual, or begin to gather it."""
        self._rest, self._rest_path, self._progress_s = None, settings.rest, -np.inf
        said = [
            f"{one.name}: {one.measure} of {' + '.join(one.regions)} over {one.window_s:g} s, "
            f"{_in_band(settings.filters, one)}"
            for one in self._own
        ]
        said += [f"{name}: {contrast}" for name, contrast in self._contrasts.items()]
        self._of = "; ".join([*said, model])
        is_kept = settings.rest is not None and settings.rest.exists()
        self._least_rest = n_rest(SHORTEST_S, sfreq_hz)
        self._between = None
        markers, seconds = settings.rest_markers, settings.baseline
        if markers is None and seconds is None and not is_kept:
            log.warning(
                "without `baseline`, `rest_markers` or a kept `rest` there is no feedback, only "
                "features"
            )
            return
        linear = [feature.measure == "moment" for feature in self._own] + [True] * len(
            self._contrasts
        )
        self._scales: list[Scale] = ["linear" if is_linear else "log" for is_linear in linear]
        self._n_rest = None
        if markers is None and seconds is not None:
            self._n_rest = n_rest(seconds, sfreq_hz)
        self._rest = Rest(self._scales, self._n_rest)
        if settings.rest is not None and is_kept:
            self._rest.load(settings.rest, self._of)
        elif markers is not None:
            self._between = Between(*markers)

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
        n_own = len(self._own)
        plain = dict(zip(self._names, values.T[:n_own], strict=False))
        followed = [contrast(plain) for contrast in self._contrasts.values()]
        own = np.column_stack([values[:, :n_own], *followed])
        z = np.full_like(own, np.nan)
        if self._rest is not None:
            if is_noise_known and not self._rest.is_complete:
                self._gather(self._rest, own, frame.timestamps, now_s)
            z = self._rest.z(own)
        stamps = frame.timestamps.tolist()
        self._roi.push_chunk(values[:, n_own:].astype(np.float32), stamps)
        self._named.push_chunk(np.hstack([own, z]).astype(np.float32), stamps)
        own, z = own[:, self._fed_back], z[:, self._fed_back]
        # What holds of the features altogether need not hold of the one that is fed back.
        if frame.flags.overload:
            z, why = np.full_like(z, np.nan), Suspended.LATE
        elif np.isfinite(z[-1]):
            why = Suspended.NOT
        elif np.isfinite(own[-1]):
            why = Suspended.REST
        elif why is Suspended.NOT:
            why = Suspended.NOTHING
        rows = [self._row(float(one), stamp, why) for one, stamp in zip(z, stamps, strict=True)]
        self._value.push_chunk(np.array(rows, np.float32), stamps)
        self._tell(why, now_s)
        self._due_s = now_s + self._silence_s

    def close(self) -> None:
        """Send no more, and listen no more."""
        for part in (self._osc, self._between):
            if part is not None:
                part.close()

    def push_silence(self, now_s: float) -> None:
        """Say that there is no value, where no sample came for a while."""
        if now_s < self._due_s:
            return
        self._features.restart()
        self._value.push_sample(self._row(np.nan, now_s, Suspended.SILENCE), now_s)
        self._tell(Suspended.SILENCE, now_s)
        self._due_s = now_s + self._silence_s

    def _row(self, z: float, at_s: float, why: Suspended) -> list[float]:
        """Return a sample of the feedback stream."""
        value, is_above = self._feeder(z, at_s)
        if np.isfinite(value):
            why = Suspended.NOT
        elif why is Suspended.NOT:
            why = Suspended.FILLING
        is_valid = why is Suspended.NOT
        if self._osc is not None:
            self._osc.send(value, at_s, why.code, is_valid=is_valid, is_above=is_above)
        return [value, float(is_valid), float(is_above), self._feeder.threshold, float(why.code)]

    def _gather(
        self, rest: Rest, own: NDArray[np.float64], stamps: NDArray[np.float64], now_s: float
    ) -> None:
        """Add what belongs to the baseline, and tell how far it is."""
        between = self._between
        rest.add(own if between is None else own[between.is_inside(stamps)])
        if between is not None and between.is_over(float(stamps[-1])):
            if rest.n_seen >= self._least_rest:
                rest.finish()
            elif rest.n_seen:
                self._rest = Rest(self._scales)
                text = (
                    f"the baseline had less than {SHORTEST_S:g} s without artefacts: gather it anew"
                )
                self._say(Event.REST, text, now_s, logging.WARNING, samples=rest.n_seen)
        if rest.is_complete:
            self._tell_rest(rest, now_s)
        elif rest.n_seen and now_s >= self._progress_s:
            self._progress_s = now_s + PROGRESS_S
            of = "" if self._n_rest is None else f" of {self._n_rest}"
            log.info("the baseline of the feedback has %d%s samples", rest.n_seen, of)

    def _tell_rest(self, rest: Rest, now_s: float) -> None:
        """Tell that the baseline is complete, and keep it where that was asked for."""
        text = "the baseline of the feedback is complete"
        if self._rest_path is not None:
            try:
                rest.save(self._rest_path, self._of)
                text += f", and kept in {self._rest_path}"
            except OSError as error:  # the session goes on without it
                text += f", but cannot be kept in {self._rest_path}: {error.strerror}"
        facts = {
            "names": self._names,
            "median": rest.median.round(4).tolist(),
            "spread": rest.spread.round(4).tolist(),
        }
        self._say(Event.REST, text, now_s, logging.WARNING, **facts)

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


def _in_band(filters: Filters, feature: Feature) -> Filters:
    """Return what is done to the EEG before a feature is measured."""
    return filters if feature.band_hz is None else replace(filters, band_hz=feature.band_hz)
