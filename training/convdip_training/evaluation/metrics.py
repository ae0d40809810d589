"""How good a source map is: the paper's metrics (section 2.5), and what they leave out.

Moments are positive out of the cortex and negative into it. All that asks where sources are (ROC
areas, precision, maxima, earth mover's distance, dispersion, nMSE of normalised maps) compares
absolute values and is the same for a map and its negative; `sign_agreement` and `mse` alone look at
signs. A metric that is not defined, such as the place of the maximum of a map of zeros, is NaN and
never a number that looks like one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from convdip.head import Head
from convdip.patches import mesh_adjacency
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score

# POT loads every array library that is installed, which takes seconds, unless told not to.
for _backend in ("TENSORFLOW", "PYTORCH", "JAX", "CUPY"):
    os.environ.setdefault(f"POT_BACKEND_DISABLE_{_backend}", "1")
import ot  # noqa: E402

Float = NDArray[np.float64]
Map = NDArray[np.floating]

CLOSE_SHARE, FAR_SHARE = 0.2, 0.5
MAXIMUM_SHARE = 0.2
MAXIMUM_RADIUS_M = 0.03
# Number of places that earth is moved between, some 12 mm apart on the cortex.
N_EARTH_PLACES = 400


@dataclass(frozen=True)
class Metric:
    """What a column of the tables is.

    Attributes
    ----------
    title, unit : str
    best : 'high', 'low' or ''
        Which end is better; neither, where a number only describes.
    """

    title: str
    unit: str
    best: str


METRICS = {
    "auc_close": Metric("AUC close", "", "high"),
    "auc_far": Metric("AUC far", "", "high"),
    "auc": Metric("AUC", "", "high"),
    "average_precision": Metric("average precision", "", "high"),
    "peak_error": Metric("localisation error, maximum", "mm", "low"),
    "maxima_error": Metric("localisation error, all maxima", "mm", "low"),
    "found": Metric("found", "%", "high"),
    "missed": Metric("missed", "a sample", "low"),
    "ghosts": Metric("ghosts", "a sample", "low"),
    "n_maxima": Metric("maxima", "a sample", ""),
    "mse": Metric("MSE", "(A·m)²", "low"),
    "nmse": Metric("nMSE", "", "low"),
    "relative_nmse": Metric("relative nMSE", "zero map = 1", "low"),
    "emd": Metric("earth mover's distance", "mm", "low"),
    "dispersion": Metric("spatial dispersion", "mm", "low"),
    "sign": Metric("sign right", "chance = 0.5", "high"),
}


def peak_error_mm(truth: Map, estimate: Map, dipoles_m: Map) -> float:
    """Return the distance between the strongest dipoles of truth and estimate, of either sign.

    Parameters
    ----------
    truth, estimate : ndarray, shape (n_dipoles,)
    dipoles_m : ndarray, shape (n_dipoles, 3)
    """
    if not truth.any() or not estimate.any():
        return np.nan
    places_m = dipoles_m[[np.abs(truth).argmax(), np.abs(estimate).argmax()]]
    return float(np.linalg.norm(places_m[1].astype(float) - places_m[0]) * 1e3)


@dataclass(frozen=True)
class RocPools:
    """The dipoles that an ROC curve compares.

    Attributes
    ----------
    positives : ndarray of int
        All dipoles of the truth.
    close, far : ndarray of int
        Of the others, the 20 % that lie closest to one of the truth and the 50 % farthest away.
    """

    positives: NDArray[np.intp]
    close: NDArray[np.intp]
    far: NDArray[np.intp]


def distance_to_truth_m(truth: Map, dipoles_m: Map) -> Float:
    """Return how far each dipole is from the nearest one of the truth; 0 on the truth itself."""
    active = np.flatnonzero(truth)
    if not active.size:
        return np.full(len(dipoles_m), np.nan)
    distances_m: Float = KDTree(dipoles_m[active]).query(dipoles_m)[0]
    return distances_m


def roc_pools(truth: Map, distances_m: Float) -> RocPools:
    """Return the positives and both kinds of negatives of a truth.

    Parameters
    ----------
    truth, distances_m : ndarray, shape (n_dipoles,)
        The latter from `distance_to_truth_m`.
    """
    positives = np.flatnonzero(truth)
    others = np.flatnonzero(truth == 0)
    if not positives.size:
        return RocPools(positives, others[:0], others[:0])
    by_distance = others[np.argsort(distances_m[others], kind="stable")]
    n_close, n_far = (round(share * others.size) for share in (CLOSE_SHARE, FAR_SHARE))
    return RocPools(positives, by_distance[:n_close], by_distance[others.size - n_far :])


def auc(estimate: Map, pools: RocPools) -> tuple[float, float]:
    """Return the area under the ROC curve of absolute moments, against close and far negatives.

    The paper draws as many negatives as there are positives. Here all of a pool take part,
    which is what such draws give on average, without their chance. The paper's overall AUC
    is the mean of the two.

    Parameters
    ----------
    estimate : ndarray, shape (n_dipoles,)
    pools : RocPools

    Returns
    -------
    close, far : float
    """
    strength = np.abs(estimate)
    return (
        _area(strength[pools.positives], strength[pools.close]),
        _area(strength[pools.positives], strength[pools.far]),
    )


def _area(positives: Map, negatives: Map) -> float:
    """Return the ROC area as the Mann-Whitney statistic: ties count half."""
    if not positives.size or not negatives.size:
        return np.nan
    ranks = rankdata(np.concatenate([positives, negatives]))[: positives.size]
    above = ranks.sum() - positives.size * (positives.size + 1) / 2
    return float(above / (positives.size * negatives.size))


def average_precision(truth: Map, estimate: Map) -> float:
    """Return the area under the precision-recall curve of absolute moments.

    All dipoles of the truth are positives, whatever their moment's sign. A map that tells no dipole
    from another has the share of positives.
    """
    if not truth.any():
        return np.nan
    return float(average_precision_score(truth != 0, np.abs(estimate)))


def neighbour_table(head: Head) -> NDArray[np.int64]:
    """Return each dipole's neighbours on the mesh, shape (n_dipoles, most), −1 where fewer."""
    mesh = mesh_adjacency(head.triangles, head.n_dipoles)
    counts = np.diff(mesh.indptr)
    table = np.full((head.n_dipoles, counts.max()), -1)
    table[np.arange(counts.max()) < counts[:, None]] = mesh.indices
    return table


def local_maxima(values: Map, neighbours: NDArray[np.int64], dipoles_m: Map) -> NDArray[np.intp]:
    """Return the local maxima of absolute moments that the paper counts, the strongest first.

    A dipole larger than each of its neighbours is one, if these are on average at least 20 %
    of the map's maximum and no larger local maximum lies within 30 mm. Of equal dipoles the first
    counts as larger: a truth resampled from another grid has such neighbours now and then.

    Parameters
    ----------
    values : ndarray, shape (n_dipoles,)
    neighbours : ndarray of int, shape (n_dipoles, most)
        From `neighbour_table`.
    dipoles_m : ndarray, shape (n_dipoles, 3)
    """
    strength = np.abs(values).astype(float)
    if strength.min() == strength.max():
        return np.zeros(0, np.intp)  # a level map, or none at all
    # Places in the order of strength; of equals the first has the higher one.
    rank = np.empty(strength.size, int)
    rank[np.lexsort((-np.arange(strength.size), strength))] = np.arange(strength.size)
    there = neighbours >= 0
    is_peak = rank > np.where(there, rank[neighbours], -1).max(axis=1)
    around = np.where(there, strength[neighbours], 0.0).sum(axis=1) / np.maximum(
        there.sum(axis=1), 1
    )
    peaks = np.flatnonzero(is_peak & (around >= MAXIMUM_SHARE * strength.max()))
    peaks = peaks[np.argsort(-rank[peaks])]
    near = cdist(dipoles_m[peaks], dipoles_m[peaks]) < MAXIMUM_RADIUS_M
    larger = rank[peaks][None] > rank[peaks][:, None]
    kept: NDArray[np.intp] = peaks[~(near & larger).any(axis=1)]
    return kept


@dataclass(frozen=True)
class Matches:
    """How the estimate's maxima meet those of the truth.

    Attributes
    ----------
    error_mm : float
        Mean distance of a true maximum from the nearest estimated one.
    found : float
        Percentage of true maxima with an estimated one within 30 mm.
    missed : float
        True maxima without one.
    ghosts : float
        Estimated maxima with no true one within 30 mm.
    """

    error_mm: float
    found: float
    missed: float
    ghosts: float


def match_maxima(true_m: Map, estimated_m: Map) -> Matches:
    """Compare the places of maxima.

    Parameters
    ----------
    true_m : ndarray, shape (n_true, 3)
    estimated_m : ndarray, shape (n_estimated, 3)
    """
    n_true, n_estimated = len(true_m), len(estimated_m)
    if not n_true:
        return Matches(np.nan, np.nan, np.nan, float(n_estimated))
    if not n_estimated:
        return Matches(np.nan, 0.0, float(n_true), 0.0)
    distances_m = cdist(true_m, estimated_m)
    nearest_m = distances_m.min(axis=1)
    found = nearest_m < MAXIMUM_RADIUS_M
    ghosts = distances_m.min(axis=0) >= MAXIMUM_RADIUS_M
    return Matches(
        float(nearest_m.mean() * 1e3),
        float(found.mean() * 100),
        float((~found).sum()),
        float(ghosts.sum()),
    )


def mse(truth: Map, estimate: Map) -> float:
    """Return the mean squared error of the moments, signs included (equation 6), in (A·m)²."""
    return float(np.mean((truth.astype(float) - estimate) ** 2))


def normalised(values: Map) -> Float:
    """Return absolute values over their maximum; a map of zeros stays one."""
    strength = np.abs(values.astype(float))
    largest = strength.max()
    return np.asarray(strength / largest if largest > 0 else strength)


def sign_agreement(truth: Map, estimate: Map) -> float:
    """Return the share of the true moment whose sign the estimate has right.

    Dipoles of the truth count by their absolute moment, if the estimate gives them a sign at all.
    By chance half are right.
    """
    weights = np.abs(truth.astype(float)) * (estimate != 0)
    if not weights.any():
        return np.nan
    return float(weights @ (np.sign(truth) == np.sign(estimate)) / weights.sum())


def nmse(truth: Map, estimate: Map) -> float:
    """Return the mean squared error of absolute maps, each divided by its maximum."""
    return float(np.mean((normalised(truth) - normalised(estimate)) ** 2))


def relative_nmse(truth: Map, estimate: Map) -> float:
    """Return the nMSE over that of a map of zeros: below 1 is better than saying nothing."""
    of_zeros = float(np.mean(normalised(truth) ** 2))
    return nmse(truth, estimate) / of_zeros if of_zeros > 0 else np.nan


def dispersion_mm(estimate: Map, distances_m: Float) -> float:
    """Return how far the estimate's power lies from the truth, root mean square.

    The distance is that to the nearest dipole of the truth (Molins et al. 2008, for extended
    sources).

    Parameters
    ----------
    estimate, distances_m : ndarray, shape (n_dipoles,)
        The latter from `distance_to_truth_m`.
    """
    power = normalised(estimate) ** 2
    if not power.any():
        return np.nan
    return float(np.sqrt(power @ distances_m**2 / power.sum()) * 1e3)


class EarthMover:
    """Earth mover's distance between absolute maps, each taken as a heap of earth of unit weight.

    Dipoles are first gathered at the nearest of 400 places spread over the cortex, some 12 mm
    apart: moves shorter than that are seen only in part. Between the places the distance is
    exact (Euclidean ground distance).

    Parameters
    ----------
    dipoles_m : ndarray, shape (n_dipoles, 3)
    """

    def __init__(self, dipoles_m: Map) -> None:
        places = [0]
        gap_m = cdist(dipoles_m[:1], dipoles_m)[0]
        for _ in range(min(N_EARTH_PLACES, len(dipoles_m)) - 1):
            places.append(int(gap_m.argmax()))
            gap_m = np.minimum(gap_m, cdist(dipoles_m[places[-1:]], dipoles_m)[0])
        _, self._place = KDTree(dipoles_m[places]).query(dipoles_m)
        counts = np.bincount(self._place)
        sums = [np.bincount(self._place, dipoles_m[:, axis]) for axis in range(3)]
        centres_m = np.array(sums).T / counts[:, None]
        self._distances_mm = cdist(centres_m, centres_m) * 1e3

    def __call__(self, truth: Map, estimate: Map) -> float:
        """Return the distance in mm."""
        if not truth.any() or not estimate.any():
            return np.nan
        heaps = [np.bincount(self._place, normalised(values)) for values in (truth, estimate)]
        given, taken = (heap / heap.sum() for heap in heaps)
        here, there = np.flatnonzero(given), np.flatnonzero(taken)
        distances = np.ascontiguousarray(self._distances_mm[np.ix_(here, there)])
        cost, log = ot.emd2(given[here], taken[there], distances, numItermax=1_000_000, log=True)
        if log["warning"] is not None:
            raise RuntimeError(f"earth mover's distance: {log['warning']}")
        return float(cost)


class Scorer:
    """Scores maps of one head model by all metrics, on its cortex alone.

    What a map holds on the medial wall is not looked at: no source can be there.

    Parameters
    ----------
    head : Head

    Attributes
    ----------
    cortex : ndarray of int, shape (n_on_cortex,)
        The dipoles that count.
    """

    def __init__(self, head: Head) -> None:
        self.cortex = np.flatnonzero(head.is_cortex)
        self._dipoles_m = head.dipoles_m[self.cortex].astype(float)
        number = np.full(head.n_dipoles, -1)
        number[self.cortex] = np.arange(self.cortex.size)
        neighbours = neighbour_table(head)[self.cortex]
        self._neighbours = np.where(neighbours >= 0, number[neighbours], -1)
        self._earth_mover = EarthMover(self._dipoles_m)

    def __call__(self, truth: Map, estimates: list[Map], n_sources: int) -> Float:
        """Return all metrics of several estimates of one truth.

        Parameters
        ----------
        truth : ndarray, shape (n_dipoles,)
        estimates : list of ndarray, shape (n_dipoles,)
        n_sources : int
            The distance between the two strongest dipoles means something only where it is 1.

        Returns
        -------
        scores : ndarray, shape (n_estimates, n_metrics)
            In the order of ``METRICS``.
        """
        truth = truth[self.cortex]
        distances_m = distance_to_truth_m(truth, self._dipoles_m)
        pools = roc_pools(truth, distances_m)
        true_maxima = self.maxima_m(truth)
        rows = []
        for whole in estimates:
            estimate = whole[self.cortex]
            close, far = auc(estimate, pools)
            maxima = self.maxima_m(estimate)
            matches = match_maxima(true_maxima, maxima)
            peak_error = peak_error_mm(truth, estimate, self._dipoles_m)
            row = {
                "auc_close": close,
                "auc_far": far,
                "auc": (close + far) / 2,
                "average_precision": average_precision(truth, estimate),
                "peak_error": peak_error if n_sources == 1 else np.nan,
                "maxima_error": matches.error_mm,
                "found": matches.found,
                "missed": matches.missed,
                "ghosts": matches.ghosts,
                "n_maxima": len(maxima),
                "mse": mse(truth, estimate),
                "nmse": nmse(truth, estimate),
                "relative_nmse": relative_nmse(truth, estimate),
                "emd": self._earth_mover(truth, estimate),
                "dispersion": dispersion_mm(estimate, distances_m),
                "sign": sign_agreement(truth, estimate),
            }
            rows.append([row[name] for name in METRICS])
        return np.array(rows)

    def maxima_m(self, on_cortex: Map) -> Float:
        """Return the places of a map's local maxima, shape (n_maxima, 3)."""
        maxima = local_maxima(on_cortex, self._neighbours, self._dipoles_m)
        return np.asarray(self._dipoles_m[maxima])
