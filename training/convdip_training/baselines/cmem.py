"""cMEM: maximum entropy on the mean over cortical parcels, with spatial coherence inside them.

Written from the literature: the entropic framework of Amblard et al. 2004, the multivariate
source prelocalisation (MSP) of Mattout et al. 2005, data-driven parcels and their
initialisation from Grova et al. 2006, spatial coherence from Chowdhury et al. 2013 (the
"c"). The parameters are those of the paper's call (section 2.4): parcels of neighbourhood order 4,
the same for the whole ERP.

The reference law says of each parcel k that it is silent with probability 1 − α_k, or active
with Gaussian moments of covariance Σ_k. The posterior of maximum entropy that explains the data m
needs one multiplier an electrode, λ, the maximum of

    D(λ) = λᵀm − ½ λᵀ Σ_d λ − Σ_k ln[(1 − α_k) + α_k exp(½ λᵀ G_k Σ_k G_kᵀ λ)].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from convdip.errors import ConfigError
from convdip.head import Head
from convdip.patches import mesh_adjacency, neighbourhoods
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit

from convdip_training.baselines.erp import Erp

Float = NDArray[np.float64]

NEIGHBOURHOOD_ORDER = 4
SMALLEST_PARCEL = 3
# Of a diffusion on the mesh; its series is cut where terms no longer matter.
SMOOTHING = 0.6
SMOOTHING_TERMS = 8
SMALLEST_WEIGHT = np.exp(-8.0)
ENERGY_KEPT = 0.95
SURELY_ACTIVE = 0.8
# Variance of an active parcel over the mean square of the minimum norm solution in it.
VARIANCE_SHARE = 0.05
LAMBDA2 = 1 / 9
# Gradient at the end over the largest potential; usually below a thousandth of this.
CONVERGED = 1e-2


@dataclass(frozen=True)
class Parcels:
    """The reference law.

    Attributes
    ----------
    members : list of ndarray of int
        The dipoles of each parcel.
    active : ndarray, shape (n_parcels,)
        α: the probability that a parcel is active.
    spread : list of ndarray, shape (n_members, n_electrodes)
        Σ_k G_kᵀ.
    covariance : ndarray, shape (n_parcels, n_electrodes, n_electrodes)
        G_k Σ_k G_kᵀ.
    """

    members: list[NDArray[np.intp]]
    active: Float
    spread: list[Float]
    covariance: Float


class Cmem:
    """Coherent maximum entropy on the mean.

    Parameters
    ----------
    head : Head
    """

    def __init__(self, head: Head) -> None:
        self._gain = head.lead_field.astype(float)
        self._adjacency = mesh_adjacency(head.triangles, head.n_dipoles).astype(float)
        (self._near,) = neighbourhoods(self._adjacency, [NEIGHBOURHOOD_ORDER])
        smoother = diffusion(self._adjacency)
        self._coherence = (smoother.T @ smoother).tocsr()

    def __call__(self, erp: Erp) -> Float:
        """Return the source map at the peak, in A·m."""
        noise = np.sqrt(np.diag(erp.noise_covariance) / len(erp.trials)).mean()
        average = erp.average - erp.average[: erp.n_baseline].mean(axis=0)
        data, gain = average.T / noise, self._gain / noise

        # Units in which lead field and minimum norm solution are at most 1.
        largest_gain = np.abs(gain).max()
        gain = gain / largest_gain
        rough = minimum_norm(data, gain)
        largest_moment = np.abs(rough).max()
        rough, data = rough / largest_moment, data / largest_moment
        scores = prelocalise(data, gain)
        members = grow_parcels(scores.mean(axis=1), self._near, self._adjacency)
        law = self._reference_law(members, scores[:, erp.peak], rough[:, erp.peak], gain)
        noise_variance = np.diag(erp.noise_covariance) / len(erp.trials)
        noise_variance = noise_variance / (noise * largest_moment) ** 2
        multipliers = maximise_entropy(data[:, erp.peak], noise_variance, law)
        moments = expected_moments(multipliers, law, gain.shape[1])
        return np.asarray(moments * largest_moment / largest_gain)

    def _reference_law(
        self, members: list[NDArray[np.intp]], scores: Float, rough: Float, gain: Float
    ) -> Parcels:
        """Return how likely and how strongly each parcel is active (Grova et al. 2006)."""
        active = np.array([np.median(scores[parcel]) for parcel in members])
        active[active > SURELY_ACTIVE] = 1.0
        spread, covariance = [], []
        for parcel in members:
            variance = VARIANCE_SHARE * np.mean(rough[parcel] ** 2)
            sigma = variance * self._coherence[parcel][:, parcel].toarray()
            spread.append(sigma @ gain[:, parcel].T)
            covariance.append(gain[:, parcel] @ spread[-1])
        return Parcels(members, active, spread, np.array(covariance))


def diffusion(adjacency: sparse.csr_array) -> sparse.csr_array:
    """Return the smoothing matrix exp(ρ/2 · (A − degree)), cut to its nearest neighbours."""
    laplacian = adjacency - sparse.diags_array(adjacency.sum(axis=1))
    term = sparse.eye_array(adjacency.shape[0], format="csr")
    total = term
    for i in range(1, SMOOTHING_TERMS):
        term = (term @ laplacian) * (SMOOTHING / 2 / i)
        total = total + term
    total = total.tocsr()
    total.data[np.abs(total.data) < SMALLEST_WEIGHT] = 0.0
    total.eliminate_zeros()
    return total


def minimum_norm(data: Float, gain: Float) -> Float:
    """Return the minimum norm solution, shape (n_dipoles, n_times)."""
    gram = gain @ gain.T
    regularised = gram + LAMBDA2 * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.asarray(gain.T @ np.linalg.solve(regularised, data))


def prelocalise(data: Float, gain: Float) -> Float:
    """Return how much of the data each dipole's lead field can explain (MSP, Mattout 2005).

    For each component of the data: take the directions of the normalised lead field that
    correlate most with it, project it onto them, and score each dipole by the share of its
    lead field that lies in what is left.

    Parameters
    ----------
    data : ndarray, shape (n_electrodes, n_times)
    gain : ndarray, shape (n_electrodes, n_dipoles)

    Returns
    -------
    scores : ndarray, shape (n_dipoles, n_times)
        0 to 1: the components' scores, each weighted by the component's strength at that time.
    """
    directions, singular, components = np.linalg.svd(data, full_matrices=False)
    kept = _enough(singular**2)
    normalised = gain / np.linalg.norm(gain, axis=0)
    fields, strength, _ = np.linalg.svd(normalised, full_matrices=False)
    scores = np.zeros((gain.shape[1], data.shape[1]))
    for direction, component in zip(directions.T[:kept], components[:kept], strict=True):
        # One component has one direction: the correlation is that with each eigenvector.
        explained = (fields.T @ direction) ** 2
        order = np.argsort(-explained)
        basis = fields[:, order[: _enough(strength[order] ** 2)]]
        projected = basis @ (basis.T @ direction)
        projected /= np.linalg.norm(projected)
        weight = np.abs(component) / np.abs(component).max()
        scores += np.outer((normalised.T @ projected) ** 2, weight)
    return np.asarray(scores / scores.max(axis=0))


def _enough(energy: Float) -> int:
    """Return how many leading terms hold the energy to be kept."""
    return int(np.searchsorted(np.cumsum(energy) / energy.sum(), ENERGY_KEPT)) + 1


def grow_parcels(
    scores: Float, near: sparse.csr_array, adjacency: sparse.csr_array
) -> list[NDArray[np.intp]]:
    """Return parcels that grow around the dipoles with the highest scores.

    Each takes what is still free of its seed's neighbourhood, if that is enough; what is left
    over joins a parcel next to it.
    """
    parcel_of = np.full(scores.size, -1)
    n_parcels = 0
    for seed in np.argsort(-scores, kind="stable"):
        if parcel_of[seed] >= 0:
            continue
        around = near.indices[near.indptr[seed] : near.indptr[seed + 1]]
        free = around[parcel_of[around] < 0]
        if free.size >= SMALLEST_PARCEL:
            parcel_of[free] = n_parcels
            n_parcels += 1
    left = np.flatnonzero(parcel_of < 0)
    while left.size:
        for dipole in left:
            next_to = adjacency.indices[adjacency.indptr[dipole] : adjacency.indptr[dipole + 1]]
            assigned = next_to[parcel_of[next_to] >= 0]
            if assigned.size:
                parcel_of[dipole] = parcel_of[assigned[np.argmax(scores[assigned])]]
        before, left = left.size, np.flatnonzero(parcel_of < 0)
        if left.size == before:
            raise ConfigError(f"{left.size} dipoles have no neighbours: the mesh has holes")
    order = np.argsort(parcel_of, kind="stable")
    return np.split(order, np.searchsorted(parcel_of[order], np.arange(1, n_parcels)))


def dual(
    multipliers: Float, data: Float, noise_variance: Float, law: Parcels
) -> tuple[float, Float]:
    """Return −D(λ) and its gradient.

    Parameters
    ----------
    multipliers : ndarray, shape (n_electrodes,)
        λ.
    data : ndarray, shape (n_electrodes,)
    noise_variance : ndarray, shape (n_electrodes,)
        Diagonal of Σ_d.
    law : Parcels
    """
    projected = law.covariance @ multipliers
    energy = projected @ multipliers / 2
    with np.errstate(divide="ignore"):
        log_silent, log_active = np.log1p(-law.active), np.log(law.active)
    free_energy = np.logaddexp(log_silent, log_active + energy).sum()
    noise = noise_variance * multipliers
    value = multipliers @ data - noise @ multipliers / 2 - free_energy
    gradient = data - noise - posterior(energy, law.active) @ projected
    return -float(value), -gradient


def posterior(energy: Float, active: Float) -> Float:
    """Return the probability that each parcel is active, given the multipliers' energy in it."""
    with np.errstate(divide="ignore"):
        return np.asarray(expit(np.log(active) - np.log1p(-active) + energy))


def maximise_entropy(data: Float, noise_variance: Float, law: Parcels) -> Float:
    """Return the multipliers λ."""
    found = minimize(
        dual,
        np.zeros(data.size),
        args=(data, noise_variance, law),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "gtol": 1e-6 * float(np.abs(data).max())},
    )
    left_over = np.abs(found.jac).max() / np.abs(data).max()
    if not left_over < CONVERGED:
        raise RuntimeError(f"cMEM did not converge ({found.message}): {left_over:.1e} left over")
    return np.asarray(found.x)


def expected_moments(multipliers: Float, law: Parcels, n_dipoles: int) -> Float:
    """Return the posterior mean of all dipole moments."""
    energy = law.covariance @ multipliers @ multipliers / 2
    probability = posterior(energy, law.active)
    moments = np.zeros(n_dipoles)
    for parcel, spread, share in zip(law.members, law.spread, probability, strict=True):
        moments[parcel] = share * (spread @ multipliers)
    return moments
