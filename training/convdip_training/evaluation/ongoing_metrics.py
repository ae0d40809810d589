"""How well ongoing sources are imaged: maps of their power, and the courses of their regions.

All is scored on cortex alone: what a method shows on the medial wall counts neither way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from convdip.feedback.regions import atlas_regions, power_weights
from convdip.head import Head
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from sklearn.metrics import average_precision_score

from convdip_training.evaluation.metrics import (
    EarthMover,
    Metric,
    auc,
    distance_to_truth_m,
    roc_pools,
)
from convdip_training.evaluation.ongoing_methods import Estimate

Float = NDArray[np.float64]

# Two windows of each length are scored in a recording, from here on: the longest do not overlap.
WINDOWS_S = (0.25, 1.0, 4.0)
STARTS_S = (1.0, 5.5)
# In a window in which a source rests, it is none: below this share of the strongest one's power.
RESTING = 0.05
# Over two periods of the slowest rhythm, whose power then no longer ripples.
SMOOTHING_S = 0.25
FAR_M = 0.04

MAP_METRICS = {
    "auc": Metric("AUC", "", "high"),
    "average_precision": Metric("average precision", "", "high"),
    "emd": Metric("earth mover's distance", "mm", "low"),
    "peak_error": Metric("localisation error, maximum", "mm", "low"),
    "region": Metric("strongest region right", "%", "high"),
    "region_of_three": Metric("strongest region among three", "%", "high"),
}
COURSE_METRICS = {
    "envelope": Metric("correlation of envelopes", "", "high"),
    "leakage": Metric("leakage", "", "low"),
}


def map_column(metric: str, window_s: float) -> str:
    """Return the name of a map's metric for one length of window."""
    return f"{metric}_{window_s:g}s"


COLUMNS = {
    map_column(name, window_s): metric
    for window_s in WINDOWS_S
    for name, metric in MAP_METRICS.items()
} | COURSE_METRICS


def windows(window_s: float, sfreq_hz: float) -> list[slice]:
    """Return the samples of each window of a length, counted from the first with sources."""
    starts = (round(start_s * sfreq_hz) for start_s in STARTS_S)
    return [slice(start, start + round(window_s * sfreq_hz)) for start in starts]


@dataclass(frozen=True)
class OngoingTruth:
    """What really was active.

    Attributes
    ----------
    maps : ndarray, shape (n_sources, n_dipoles)
        On the model's dipoles, A·m.
    courses : ndarray, shape (n_times, n_sources)
        Filtered like the EEG.
    """

    maps: Float
    courses: Float

    def active(self, window: slice) -> NDArray[np.intp]:
        """Return the sources that do not rest in a window."""
        strength = np.abs(self.maps).max(axis=1) ** 2 * power(self.courses[window])
        return np.flatnonzero(strength >= RESTING * strength.max())

    def moments(self, window: slice = slice(None)) -> Float:
        """Return the moments in a window, shape (n_times, n_dipoles), of what is active there."""
        active = self.active(window)
        return np.asarray(self.courses[window][:, active] @ self.maps[active])

    def power(self, window: slice) -> Float:
        """Return the mean square of `moments`, shape (n_dipoles,)."""
        active = self.active(window)
        courses, maps = self.courses[window][:, active], self.maps[active]
        covariance = courses.T @ courses / len(courses)
        # Not below zero, where synchronous sources of opposite sign cancel to rounding.
        return np.asarray(np.einsum("id,ij,jd->d", maps, covariance, maps)).clip(0.0)


def power(moments: NDArray[np.floating]) -> Float:
    """Return the mean square over time, the first axis."""
    return np.asarray(np.mean(np.square(moments), axis=0), float)


class Regions:
    """The Desikan–Killiany regions of a head, and their power.

    The live service's (`convdip.feedback.regions.power_weights`), in truth and estimate alike; only
    that none counts as smaller than the median one, since methods differ in how they spread noise.

    Parameters
    ----------
    head : Head

    Attributes
    ----------
    names : list of str
        Without the medial wall.
    """

    def __init__(self, head: Head) -> None:
        cortex, regions = np.flatnonzero(head.is_cortex), atlas_regions(head)
        self.names = [region.name for region in regions]
        parts = [region.dipoles for region in regions]
        self._mean = power_weights(head, parts, smallest=1.0)[:, cortex]
        self.centres_m = np.array([region.centroid_m(head) for region in regions])
        self._region = np.unique(head.atlas[cortex], return_inverse=True)[1]

    def power(self, squares: NDArray[np.floating]) -> Float:
        """Return the power of each region.

        Parameters
        ----------
        squares : ndarray, shape (…, n_cortex)
            Squared moments of the dipoles on cortex.

        Returns
        -------
        power : ndarray, shape (…, n_regions)
        """
        flat = squares.reshape(-1, squares.shape[-1])
        return np.asarray(flat @ self._mean.T).reshape(*squares.shape[:-1], -1)

    def holding(self, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the regions that hold some of the chosen dipoles, shape (n_cortex,)."""
        return np.unique(self._region[chosen])


def envelopes(region_power: Float, sfreq_hz: float) -> Float:
    """Return the amplitude of each region over time.

    The root of the power, averaged over a quarter of a second around each sample. Unlike an
    analytic signal it asks for no sign, so that a method whose moments have but one is not
    at a loss.

    Parameters
    ----------
    region_power : ndarray, shape (n_times, n_regions)
        From `Regions.power` at each sample.
    sfreq_hz : float
    """
    smooth = uniform_filter1d(region_power, round(SMOOTHING_S * sfreq_hz), axis=0, mode="nearest")
    return np.asarray(np.sqrt(np.maximum(smooth, 0)))


def correlations(of: Float, others: Float) -> Float:
    """Return Pearson's r of each column with each other one; 0 with one that never changes.

    Parameters
    ----------
    of : ndarray, shape (n_times, n)
    others : ndarray, shape (n_times, m)

    Returns
    -------
    r : ndarray, shape (n, m)
    """
    normed = []
    for columns in (of, others):
        centred = columns - columns.mean(axis=0)
        length = np.linalg.norm(centred, axis=0)
        moves = length > 1e-6 * np.linalg.norm(columns, axis=0)
        normed.append(np.divide(centred, length, out=np.zeros_like(centred), where=moves))
    return np.asarray(normed[0].T @ normed[1])


def leakage(r: Float, region_power: Float, own: int, far: NDArray[np.intp]) -> float:
    """Return how much of a source's course turns up far away, 0 (nothing) to 1 (all).

    With ``P_q`` the estimated power of region ``q`` over the recording and ``r_q`` the
    correlation of its estimated envelope with the true envelope of the source's region ``s``,
    ``r_q² P_q`` is the power that follows the source. Of these, ``L`` is the mean over the far
    regions; the leakage is ``L / (L + r_s² P_s)``: one half where a far region shows on average
    as much of the source as its own does. (A plain ratio has no mean: it is infinite where a
    method shows nothing in the right region.) Negative correlations count as none.

    Parameters
    ----------
    r, region_power : ndarray, shape (n_regions,)
    own : int
        ``s``.
    far : ndarray of int
        Those that hold no dipole of any source and whose centre is at least 40 mm from all.

    Returns
    -------
    leakage : float
        NaN if nothing follows the source anywhere, or no region is far.
    """
    following = np.maximum(r, 0) ** 2 * region_power
    if not far.size:
        return np.nan
    away = float(following[far].mean())
    both = away + float(following[own])
    return away / both if both > 0 else np.nan


class OngoingScorer:
    """Scores estimates on one head.

    Parameters
    ----------
    head : Head
        The model's.
    """

    def __init__(self, head: Head) -> None:
        self._cortex = head.is_cortex
        self._dipoles_m = head.dipoles_m[self._cortex].astype(float)
        self._earth_mover = EarthMover(self._dipoles_m)
        self.regions = Regions(head)

    def __call__(self, truth: OngoingTruth, estimate: Estimate, sfreq_hz: float) -> Float:
        """Return all metrics of a method on one recording, in the order of ``COLUMNS``.

        Those of maps are means over the windows of a length.
        """
        truth = OngoingTruth(truth.maps[:, self._cortex], truth.courses)
        row: dict[str, float] = {}
        for window_s in WINDOWS_S:
            scores = [
                self._map_scores(truth, window, power(estimate(window))[self._cortex])
                for window in windows(window_s, sfreq_hz)
            ]
            for name in MAP_METRICS:
                row[map_column(name, window_s)] = _mean([score[name] for score in scores])
        row |= self._course_scores(truth, estimate(slice(None)), sfreq_hz)
        return np.array([row[name] for name in COLUMNS])

    def _map_scores(self, truth: OngoingTruth, window: slice, found: Float) -> dict[str, float]:
        """Score a map of power over a window, shape (n_cortex,)."""
        true = truth.power(window)
        close, far = auc(found, roc_pools(true, distance_to_truth_m(true, self._dipoles_m)))
        peaks_m = self._dipoles_m[np.abs(truth.maps[truth.active(window)]).argmax(axis=1)]
        offsets_m = np.linalg.norm(peaks_m - self._dipoles_m[found.argmax()], axis=1)
        strongest = int(self.regions.power(true).argmax())
        of_regions = self.regions.power(found)
        ranking = np.argsort(-of_regions) if found.any() else np.zeros(0, int)
        return {
            "auc": (close + far) / 2,
            "average_precision": float(average_precision_score(true > 0, found)),
            "emd": self._earth_mover(true, found),
            "peak_error": float(offsets_m.min() * 1e3) if found.any() else np.nan,
            "region": 100.0 * (strongest in ranking[:1]),
            "region_of_three": 100.0 * (strongest in ranking[:3]),
        }

    def _course_scores(
        self, truth: OngoingTruth, moments: NDArray[np.floating], sfreq_hz: float
    ) -> dict[str, float]:
        """Compare the courses of regions over the whole recording."""
        regions = self.regions
        own = np.unique(regions.power(truth.maps**2).argmax(axis=1))
        # The power of a sum of sources, from that of each pair.
        pairs = regions.power(truth.maps[:, None] * truth.maps)[..., own]
        of_own = np.einsum("ti,tj,ijr->tr", truth.courses, truth.courses, pairs)
        true = envelopes(of_own, sfreq_hz)
        of_regions = regions.power(np.square(moments[:, self._cortex]))
        r = correlations(true, envelopes(of_regions, sfreq_hz))
        far = self._far(truth)
        leaks = [leakage(r[i], of_regions.mean(axis=0), at, far) for i, at in enumerate(own)]
        return {
            "envelope": float(r[np.arange(own.size), own].mean()),
            "leakage": _mean(leaks),
        }

    def _far(self, truth: OngoingTruth) -> NDArray[np.intp]:
        """Return the regions far from all sources."""
        active = np.any(truth.maps != 0, axis=0)
        offsets_m = self.regions.centres_m[:, None] - self._dipoles_m[active]
        far = np.flatnonzero(np.linalg.norm(offsets_m, axis=2).min(axis=1) >= FAR_M)
        return np.setdiff1d(far, self.regions.holding(active))


def _mean(values: list[float]) -> float:
    """Return the mean of those that are numbers; NaN if none is."""
    there = [value for value in values if np.isfinite(value)]
    return float(np.mean(there)) if there else np.nan
