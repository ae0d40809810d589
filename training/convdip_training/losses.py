"""Losses between a source map and the truth, by name, backend-neutral.

All take ``truth`` and ``estimate`` of shape (n, n_dipoles), the truth's largest value being
1 in each row, and return one loss a row, shape (n,).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from convdip_training.config import LossConfig

Tensor = Any  # a tensor of whatever backend Keras runs on
Loss = Callable[[Tensor, Tensor], Tensor]

TINY = 1e-6
# A dipole is part of the truth for the Hausdorff distance above this share of the maximum.
TRUTH_THRESHOLD = 0.1
HAUSDORFF_ALPHA = 4.0
SIGN_STEEPNESS = 8.0
# What early estimates count beside the last ones.
EARLY_SHARE = 0.3


def cosine(truth: Tensor, estimate: Tensor) -> Tensor:
    """Return 1 − cos of the angle between the maps; 1 where the truth is zero everywhere."""
    product = ops.sum(truth * estimate, axis=1)
    powers = ops.sum(truth**2, axis=1) * ops.sum(estimate**2, axis=1)
    # Inside the root: at 0 its gradient would be infinite.
    return 1.0 - product / ops.sqrt(powers + TINY**2)


def support_bce(truth: Tensor, estimate: Tensor) -> Tensor:
    """Return the binary cross-entropy of the question whether a dipole is part of a patch.

    Parameters
    ----------
    truth : tensor, shape (n, n_dipoles)
        A dipole belongs to the support if it is above 0.
    estimate : tensor, shape (n, n_dipoles)
        Probabilities.
    """
    support = ops.cast(truth > 0, estimate.dtype)
    probability = ops.clip(estimate, TINY, 1.0 - TINY)
    likelihood = support * ops.log(probability) + (1 - support) * ops.log(1 - probability)
    return -ops.mean(likelihood, axis=1)


def sign_error(truth: Tensor, estimate: Tensor) -> Tensor:
    """Return the cross-entropy of «does this dipole's moment point out of the cortex?».

    Dipoles count by the size of their true moments.

    Parameters
    ----------
    truth : tensor, shape (n, n_dipoles)
        Signed.
    estimate : tensor, shape (n, n_dipoles)
        Signed, of any scale near that of a cosine.
    """
    weight = ops.abs(truth)
    wrong = ops.softplus(-SIGN_STEEPNESS * ops.sign(truth) * estimate)
    return ops.sum(weight * wrong, axis=1) / (ops.sum(weight, axis=1) + TINY)


def mse(truth: Tensor, estimate: Tensor) -> Tensor:
    """Return the mean squared error of the normalised maps."""
    return ops.mean((truth - estimate) ** 2, axis=1)


def weighted_hausdorff(dipoles_m: NDArray[np.float32], most_points: int = 512) -> Loss:
    """Return the weighted Hausdorff distance (Ribera et al. 2019), in millimetres.

    With p the estimate over its maximum, Y the dipoles of the truth, d their distances::

        1/(Σp + ε) Σ_x p_x min_{y∈Y} d(x, y)
        + 1/|Y| Σ_{y∈Y} min_x [ (d(x, y) + ε) / (p_x^α + ε/d_max) ],   α = 4

    where the inner minimum is clipped to [0, d_max]. The first term draws activity towards
    the truth, the second asks for activity at each point of it.

    Parameters
    ----------
    dipoles_m : ndarray, shape (n_dipoles, 3)
    most_points : int
        Number of truth points considered in one sample, the strongest first. Bounds the memory:
        n · most_points · n_dipoles numbers per batch.
    """
    distances_mm = (cdist(dipoles_m, dipoles_m) * 1e3).astype(np.float32)
    furthest_mm = float(distances_mm.max())
    most_points = min(most_points, len(dipoles_m))

    def loss(truth: Tensor, estimate: Tensor) -> Tensor:
        to_all = ops.convert_to_tensor(distances_mm)
        p = estimate / (ops.max(estimate, axis=1, keepdims=True) + TINY)
        strength, points = ops.top_k(truth, k=most_points)
        inside = strength > TRUTH_THRESHOLD  # (n, points)
        d = ops.take(to_all, points, axis=0)  # (n, points, n_dipoles)
        nearest = ops.min(ops.where(inside[:, :, None], d, furthest_mm), axis=1)
        stray = ops.sum(p * nearest, axis=1) / (ops.sum(p, axis=1) + TINY)
        weighted = (d + TINY) / (p**HAUSDORFF_ALPHA + TINY / furthest_mm)[:, None, :]
        reached = ops.clip(ops.min(weighted, axis=2), 0.0, furthest_mm)
        n_inside = ops.cast(inside, reached.dtype)
        missed = ops.sum(reached * n_inside, axis=1) / (ops.sum(n_inside, axis=1) + TINY)
        return stray + missed

    return loss


def build_loss(config: LossConfig, dipoles_m: NDArray[np.float32]) -> Loss:
    """Return the weighted sum of losses that a configuration names."""
    parts: list[tuple[float, Loss]] = [
        (config.cosine, cosine),
        (config.support_bce, support_bce),
        (config.mse, mse),
    ]
    if config.weighted_hausdorff:  # its distance matrix takes 105 MB
        parts.append((config.weighted_hausdorff, weighted_hausdorff(dipoles_m)))

    def loss(truth: Tensor, estimate: Tensor) -> Tensor:
        return sum(weight * part(truth, estimate) for weight, part in parts if weight)

    return loss


def with_signs(loss: Loss, weight: float) -> Loss:
    """Return the loss of a network that says magnitudes and signs apart.

    Parameters
    ----------
    loss : callable
        Of the magnitudes.
    weight : float
        Of the signs' error.

    Returns
    -------
    loss : callable
        Takes signed truths, shape (n, n_dipoles), and magnitudes with signed moments, shape
        (n, 2, n_dipoles).
    """

    def both(truth: Tensor, estimate: Tensor) -> Tensor:
        total = loss(ops.abs(truth), estimate[:, 0])
        return total + weight * sign_error(truth, estimate[:, 1]) if weight else total

    return both


def of_amplitudes(config: LossConfig, n_coarse: int) -> Loss:
    """Return the loss of a network that says amplitudes and probabilities apart, and early ones.

    Parameters
    ----------
    config : LossConfig
        ``cosine`` weighs the amplitudes' loss, ``support_bce`` the probabilities'.
    n_coarse : int
        Number of dipoles, the last ones, whose early probabilities count too.

    Returns
    -------
    loss : callable
        Takes amplitudes, shape (n, n_dipoles), and estimates of shape
        (n, 2, n_dipoles + n_coarse): amplitudes, probabilities, and both early.
    """

    def parts(truth: Tensor, estimate: Tensor) -> Tensor:
        amplitudes = config.cosine * cosine(truth, estimate[:, 0])
        return amplitudes + config.support_bce * support_bce(truth, estimate[:, 1])

    def loss(truth: Tensor, estimate: Tensor) -> Tensor:
        early = parts(truth[:, -n_coarse:], estimate[:, :, -n_coarse:])
        return parts(truth, estimate[:, :, :-n_coarse]) + EARLY_SHARE * early

    return loss
