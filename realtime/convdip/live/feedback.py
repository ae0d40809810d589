"""Beside the sources: regions, features and feedback, published over LSL."""

from __future__ import annotations

import logging

import numpy as np
import pylsl

from convdip.feedback.delay import half_way_s
from convdip.feedback.features import WINDOW_S, Feature, Features, Suspended
from convdip.feedback.regions import atlas_regions
from convdip.feedback.rest import Rest, n_rest
from convdip.feedback.value import Feeder
from convdip.frame import Frame
from convdip.head import Head
from convdip.live.events import Say
from convdip.live.settings import Settings
from convdip.mni import mni_mm
from convdip.streams import (
    Event,
    FeatureChannel,
    Provenance,
    features_info,
    feedback_info,
)

BUFFER_S = 10
# Longer than this, and than so many samples, without any is silence.
SILENCE_S, SILENT_SAMPLES = 0.07, 3
FEATURE = "feedback"


class FeedbackOutlets:
    """The streams ``<name>-ROI``, ``<name>-Features`` and ``<name>-Feedback``.

    Without a baseline the feature alone is published, and feedback is suspended.

    Parameters
    ----------
    settings : Settings
        With regions.
    head : Head
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
        self, settings: Settings, head: Head, sfreq_hz: float, provenance: Provenance, say: Say
    ) -> None:
        window_s = settings.window or WINDOW_S
        one = Feature(FEATURE, settings.regions, settings.measure, window_s)
        regions = atlas_regions(head)
        each = [Feature(region.name, (region.name,), "amplitude", window_s) for region in regions]
        self._features = Features(head, [one, *each], sfreq_hz)
        self._feeder = Feeder(settings.toward, settings.threshold)
        self._rest = None
        if settings.baseline is not None:
            self._rest = Rest([one.measure], n_rest(settings.baseline, sfreq_hz))
        self._say, self._suspended, self._due_s = say, Suspended.FILLING, np.inf
        self._silence_s = max(SILENCE_S, SILENT_SAMPLES / sfreq_hz)

        filters = settings.filters
        delays_s = [
            half_way_s(
                feature,
                filters.sections(sfreq_hz),
                filters.centre_hz,
                provenance.filter_delay_s,
                sfreq_hz,
            )
            for feature in (one, each[0])
        ]
        units, said = self._features.units, " + ".join(settings.regions)
        channels = [
            FeatureChannel(FEATURE, units[0], one.measure, said, delays_s[0]),
            FeatureChannel(f"{FEATURE}_z", "sd", "z", said, delays_s[0]),
        ]
        places_mm = [tuple(mni_mm(region.centroid_m(head)).tolist()) for region in regions]
        of_regions = [
            FeatureChannel(region.name, units[1], "amplitude", region.name, delays_s[1], place_mm)
            for region, place_mm in zip(regions, places_mm, strict=True)
        ]
        name, filtered = settings.name, provenance.filter
        self._roi, self._named = (
            pylsl.StreamOutlet(info, max_buffered=BUFFER_S)
            for info in (
                features_info(name, "ROI", of_regions, sfreq_hz, filtered),
                features_info(name, "Features", channels, sfreq_hz, filtered),
            )
        )
        what = f"{one.measure} of {said}, {settings.toward}"
        self._value = pylsl.StreamOutlet(
            feedback_info(name, sfreq_hz, what, delays_s[0]), max_buffered=BUFFER_S
        )

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
        own = values[:, :1]
        z = np.full_like(own, np.nan)
        if self._rest is not None:
            if is_noise_known and not self._rest.is_complete:
                self._rest.add(own)
                self._tell_rest(now_s)
            z = self._rest.z(own)
        stamps = frame.timestamps.tolist()
        self._roi.push_chunk(values[:, 1:].astype(np.float32), stamps)
        self._named.push_chunk(np.hstack([own, z]).astype(np.float32), stamps)
        if why in (Suspended.NOT, Suspended.NOTHING):
            is_nothing = bool(np.isnan(own[-1, 0]))
            why = Suspended.NOTHING if is_nothing else Suspended.NOT
        if why is Suspended.NOT and np.isnan(z[-1, 0]):
            why = Suspended.REST
        rows = [
            self._row(float(one), stamp, why) for one, stamp in zip(z[:, 0], stamps, strict=True)
        ]
        self._value.push_chunk(np.array(rows, np.float32), stamps)
        self._tell(why, now_s)
        self._due_s = now_s + self._silence_s

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
        return [value, float(is_valid), float(is_above), self._feeder.threshold, float(why.code)]

    def _tell_rest(self, now_s: float) -> None:
        assert self._rest is not None
        if self._rest.is_complete:
            median, spread = float(self._rest.median[0]), float(self._rest.spread[0])
            text = "the baseline of the feedback is complete"
            facts = {"median": round(median, 4), "spread": round(spread, 4)}
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
