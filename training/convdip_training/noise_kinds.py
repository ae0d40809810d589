"""Noise that is not of the pool's kind: covariances of many mixtures of brain and white noise.

A network that was trained on one kind of noise takes any other for sources.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from convdip.live.topography import average_reference
from numpy.typing import NDArray
from scipy.spatial import KDTree

# How many regions of equal strength the cortex has, how far the logarithms of their power spread,
# and how brain, pool and white noise share the power (the parameters of a Dirichlet distribution).
N_REGIONS = (4, 64)
LOG_POWER_SD = (0.3, 1.5)
SHARES = (1.5, 1.0, 0.7)


def brain_covariance(
    lead_field: NDArray[np.float32], dipoles_m: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw the covariance of brain noise: every dipole is active, its region says how strongly.

    Parameters
    ----------
    lead_field : ndarray, shape (n_electrodes, n_dipoles)
    dipoles_m : ndarray, shape (n_dipoles, 3)
    rng : Generator

    Returns
    -------
    covariance : ndarray, shape (n_electrodes, n_electrodes)
    """
    n_regions = round(np.exp(rng.uniform(*np.log(N_REGIONS))))
    centres_m = dipoles_m[rng.integers(len(dipoles_m), size=n_regions)]
    log_power = rng.normal(0, rng.uniform(*LOG_POWER_SD), n_regions)
    strength = np.exp(log_power / 2)[KDTree(centres_m).query(dipoles_m)[1]]
    weighted = lead_field * strength.astype(np.float32)
    return np.asarray(weighted @ weighted.T)


def mixed(parts: Sequence[NDArray[np.floating]], rng: np.random.Generator) -> NDArray[np.floating]:
    """Mix covariances of brain, pool and white noise, in shares of the power that are drawn.

    The largest variance of the mixture is 1.
    """
    shares = rng.dirichlet(SHARES)
    mixture = sum(share * part / np.trace(part) for share, part in zip(shares, parts, strict=True))
    return np.asarray(mixture / mixture.diagonal().max())


def noise_kinds(
    lead_field: NDArray[np.float32],
    dipoles_m: NDArray[np.float32],
    pool: NDArray[np.floating],
    n_kinds: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Draw noise covariances that are not the pool's.

    Each mixes brain noise (every dipole active on its own, with a strength that its region of the
    cortex has drawn), noise of the pool and white noise, in shares of their own.

    Parameters
    ----------
    lead_field : ndarray, shape (n_electrodes, n_dipoles)
        Average-referenced, of the head that the brain noise passes through.
    dipoles_m : ndarray, shape (n_dipoles, 3)
    pool : ndarray, shape (n_electrodes, n_electrodes)
        Covariance of the pool.
    n_kinds : int
    rng : Generator

    Returns
    -------
    roots : ndarray, shape (n_kinds, n_electrodes, n_electrodes)
        Symmetric square roots of the covariances; the largest channel SD of each kind is 1.
    """
    n = len(lead_field)
    white = average_reference(n)
    covariances = np.empty((n_kinds, n, n))
    for covariance in covariances:
        parts = (brain_covariance(lead_field, dipoles_m, rng), pool, white)
        covariance[:] = mixed(parts, rng)
    variances, directions = np.linalg.eigh(covariances)
    scale = np.sqrt(variances.clip(min=0))[:, None, :]
    return np.asarray((directions * scale) @ directions.swapaxes(1, 2), np.float32)
