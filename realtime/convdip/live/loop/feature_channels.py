"""What the channels of the feature streams are called, and how late they are."""

from __future__ import annotations

from dataclasses import replace

from convdip.feedback.features import UNITS, Feature
from convdip.feedback.regions import Region
from convdip.head import Head
from convdip.live.conditioning import Filters
from convdip.live.loop.delay import half_way_s
from convdip.live.settings import Settings
from convdip.mni import mni_mm
from convdip.streams import FeatureChannel


def of_features(
    settings: Settings, sfreq_hz: float, look_every_s: float
) -> dict[str, FeatureChannel]:
    """Return a channel for each feature, by name; contrasts last."""
    channels = {
        one.name: FeatureChannel(
            one.name,
            UNITS[one.measure],
            one.measure,
            " + ".join(one.regions),
            half_way_s(
                one,
                in_band(settings.filters, one),
                sfreq_hz,
                look_every_s if one.band_hz else 0.0,
            ),
            filter=str(in_band(settings.filters, one)),
        )
        for one in settings.measured
    }
    for name, contrast in settings.contrasts.items():
        delay_s = max(channels[part].delay_s for part in contrast.names)
        channels[name] = FeatureChannel(name, "", "contrast", str(contrast), delay_s)
    return channels


def of_scores(channels: dict[str, FeatureChannel]) -> list[FeatureChannel]:
    """Return a channel for each feature's distance from rest."""
    return [
        replace(channel, label=f"{channel.label}_z", unit="sd", type="z")
        for channel in channels.values()
    ]


def of_regions(
    head: Head, regions: list[Region], delay_s: float, *, is_template: bool
) -> list[FeatureChannel]:
    """Return a channel for each region of the atlas."""
    return [
        FeatureChannel(
            region.name,
            "nAm",
            "amplitude",
            region.name,
            delay_s,
            tuple(mni_mm(region.centroid_m(head)).tolist()) if is_template else None,
        )
        for region in regions
    ]


def in_band(filters: Filters, feature: Feature) -> Filters:
    """Return what is done to the EEG before a feature is measured."""
    return filters if feature.band_hz is None else replace(filters, band_hz=feature.band_hz)


def told(settings: Settings) -> str:
    """Return what all features are, in words."""
    said = [
        f"{one.name}: {one.measure} of {' + '.join(one.regions)} over {one.window_s:g} s, "
        f"{in_band(settings.filters, one)}"
        for one in settings.measured
    ]
    return "; ".join([*said, *(f"{name}: {of}" for name, of in settings.contrasts.items())])
