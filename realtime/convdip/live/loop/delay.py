"""How long after a source its feature follows."""

from __future__ import annotations

import numpy as np

from convdip.feedback.features import Feature, n_samples
from convdip.live.conditioning import Filters
from convdip.live.sections import Response

SETTLED_S, N_PHASES = 8.0, 8
# Measured of rhythms in 68 regions, three bands in turn: .13, .32 and .22; of one band, .12 to .36.
LATE_SHARE = 0.25


def half_way_s(
    feature: Feature, filters: Filters, sfreq_hz: float, look_every_s: float = 0.0
) -> float:
    """Return how long after a step of a source a feature is half-way.

    Of power and amplitude, a rhythm in the middle of the band begins at once: what its power is
    after the filter and over the window, in the mean over phases. Otherwise, the filter's group
    delay and half the window.

    Parameters
    ----------
    feature : Feature
    filters : Filters
        Before imaging.
    sfreq_hz : float
    look_every_s : float
        Where windows are imaged: how often the network looks. A step shows through what it saw
        before, too, so that it is a quarter of that later in the mean.
    """
    late_s = look_every_s * LATE_SHARE
    length = n_samples(feature, sfreq_hz)
    centre_hz = filters.centre_hz
    if centre_hz is None or feature.measure == "moment":
        return filters.delay_s(sfreq_hz) + length / (2 * sfreq_hz) + late_s
    n = round((SETTLED_S + 2 * feature.window_s) * sfreq_hz)
    phases = np.linspace(0, np.pi, N_PHASES, endpoint=False)[:, None]
    rhythm = np.sin(2 * np.pi * centre_hz * np.arange(n) / sfreq_hz + phases)
    power = np.square(Response(filters.sections(sfreq_hz), n)(rhythm)).mean(axis=0)
    sums = np.cumsum(np.concatenate([np.zeros(length), power]))
    window = sums[length:] - sums[:-length]
    # An amplitude is half-way where its power is at a quarter.
    share = 0.25 if feature.measure == "amplitude" else 0.5
    settled = window[-round(2 * sfreq_hz) :].mean()
    return float(np.flatnonzero(window > share * settled)[0] / sfreq_hz) + late_s
