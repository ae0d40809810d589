"""Eyes-closed alpha: it is occipital, and its two half cycles come from one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from convdip.head import Head
from numpy.typing import NDArray
from scipy.signal import find_peaks
from scipy.stats import bootstrap

from convdip_training.evaluation.known_methods import Imaging
from convdip_training.evaluation.known_recordings import KnownRecording
from convdip_training.evaluation.statistics import (
    CONFIDENCE,
    N_RESAMPLES,
    bootstrap_intervals,
    separation,
)

Float = NDArray[np.float64]
Samples = NDArray[np.intp]
Entry = dict[str, Any]

BAND_HZ = (8.0, 12.0)
OCCIPITAL = ("pericalcarine", "cuneus", "lingual", "lateraloccipital")
ELECTRODES = ("O1", "Oz", "O2")
WINDOW_S = 1.0
# Left out at the start, where the filter has not settled.
SETTLING_S = 2.0
# Of the windows: those with the strongest alpha.
STRONGEST = 0.5


@dataclass(frozen=True)
class HalfCycles:
    """Peaks of the alpha rhythm, and the trough that follows each.

    Attributes
    ----------
    peaks, troughs : ndarray of int, shape (n_pairs,)
        Samples.
    """

    peaks: Samples
    troughs: Samples


def occipital_dipoles(head: Head) -> NDArray[np.bool_]:
    """Return which dipoles lie in occipital regions, shape (n_dipoles,)."""
    return head.in_regions(OCCIPITAL)


def half_cycles(recording: KnownRecording, head: Head) -> HalfCycles:
    """Find the highest peak and the next trough in each window of strong alpha.

    One pair a window, so that pairs are nearly independent. The rhythm is the first principal
    component of the occipital electrodes.
    """
    occipital = recording.eeg[:, [head.channels.index(name) for name in ELECTRODES]]
    _, _, components = np.linalg.svd(occipital, full_matrices=False)
    course = occipital @ (components[0] * np.sign(components[0].sum()))
    highs, lows = find_peaks(course)[0], find_peaks(-course)[0]
    starts = _window_starts(recording)
    n = round(WINDOW_S * recording.sfreq_hz)
    power = [np.square(course[start : start + n]).mean() for start in starts]
    strongest = np.argsort(power)[::-1][: max(1, round(STRONGEST * len(starts)))]
    pairs = []
    for start in sorted(starts[strongest]):
        inside = highs[(highs >= start) & (highs < start + n)]
        if not inside.size:
            continue
        peak = inside[course[inside].argmax()]
        later = lows[lows > peak]
        if later.size:
            pairs.append((peak, later[0]))
    peaks, troughs = np.array(pairs, np.intp).reshape(-1, 2).T
    return HalfCycles(peaks, troughs)


def _window_starts(recording: KnownRecording) -> Samples:
    first = round(SETTLING_S * recording.sfreq_hz)
    n = round(WINDOW_S * recording.sfreq_hz)
    return np.arange(first, len(recording.eeg) - n + 1, n)


def compare_half_cycles(
    imaging: Imaging, recording: KnownRecording, pairs: HalfCycles, head: Head
) -> dict[str, Float]:
    """Compare the map at each peak with that at the next trough, on cortex alone.

    Returns
    -------
    measures : dict of ndarray, shape (n_pairs,)
        ``distance_mm`` between the maxima of |map|; ``correlation`` of the signed maps, −1 if one
        is the other upside down; ``magnitude_correlation``; ``occipital_share`` of the sum of
        squares, over both maps.
    """
    cortex = head.is_cortex
    places_mm = head.dipoles_m[cortex].astype(float) * 1e3
    occipital = occipital_dipoles(head)[cortex]
    peak, trough = (
        np.asarray(imaging(recording.eeg[at]), float)[:, cortex]
        for at in (pairs.peaks, pairs.troughs)
    )
    apart_mm = places_mm[np.abs(peak).argmax(axis=1)] - places_mm[np.abs(trough).argmax(axis=1)]
    squares = np.square(peak) + np.square(trough)
    return {
        "distance_mm": np.linalg.norm(apart_mm, axis=1),
        **compare_signed(peak, trough),
        "occipital_share": squares[:, occipital].sum(axis=1) / squares.sum(axis=1),
    }


def compare_signed(peak: Float, trough: Float) -> dict[str, Float]:
    """Correlate rows of two arrays, with their signs and without.

    Parameters
    ----------
    peak, trough : ndarray, shape (n_pairs, n)
    """
    return {
        "correlation": _correlation(peak, trough),
        "magnitude_correlation": _correlation(np.abs(peak), np.abs(trough)),
    }


def _correlation(a: Float, b: Float) -> Float:
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (a, b))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.vecdot(a, b) / size)


def medians(measures: dict[str, Float], rng: np.random.Generator) -> dict[str, Entry]:
    """Return the median of each measure with its bootstrap interval."""
    return {
        name: {"median": np.median(values), "ci": list(bootstrap_intervals(values, rng)[1])}
        for name, values in measures.items()
    }


def settled(recording: KnownRecording) -> Float:
    """Return the EEG from when the filter has settled, shape (n_times, n_electrodes)."""
    return recording.eeg[round(SETTLING_S * recording.sfreq_hz) :]


def window_power(imaging: Imaging, recording: KnownRecording, chosen: NDArray[Any]) -> Float:
    """Return the mean square over chosen places, in each window, shape (n_windows,)."""
    n = round(WINDOW_S * recording.sfreq_hz)
    return np.array(
        [
            np.square(imaging(recording.eeg[start : start + n])[:, chosen], dtype=float).mean()
            for start in _window_starts(recording)
        ]
    )


def closed_over_open(closed: Float, opened: Float, rng: np.random.Generator) -> Entry:
    """Compare the power of windows with eyes closed and open.

    Parameters
    ----------
    closed, opened : ndarray, shape (n_windows,)
    rng : Generator

    Returns
    -------
    entry : dict
        ``ratio`` of medians; ``auc``, the chance that a window with eyes closed has more power
        than one with eyes open; their intervals.
    """

    def ratio(a: Float, b: Float, axis: int = -1) -> Float:
        return np.asarray(np.median(a, axis=axis) / np.median(b, axis=axis))

    found = bootstrap(
        (closed, opened),
        ratio,
        n_resamples=N_RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        vectorized=True,
        rng=rng,
    )
    auc, auc_ci = separation(closed, opened, rng)
    return {
        "ratio": float(ratio(closed, opened)),
        "ratio_ci": list(found.confidence_interval),
        "auc": auc,
        "auc_ci": auc_ci,
    }
