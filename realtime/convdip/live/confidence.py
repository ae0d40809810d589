"""How far to trust a sample: the calibrated probability that its map's maximum is at a source.

A logistic regression of four terms that every sample has at hand, fitted once for each model on
simulated EEG of another head (`convdip_training.calibrate`). None of them depends on the EEG's unit
or polarity, nor, by itself, on how many electrodes there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convdip.errors import BundleError
from convdip.live.operator import Operator
from convdip.live.products import product

Float = NDArray[np.float32]

# What confidence is the probability of: the strongest dipole lies no farther from the middle of a
# source.
NEAR_MM = 20.0
# Beyond this share of the map's maximum a dipole is lit.
LIT_SHARE = np.float32(0.1)
# No probability is nearer to 0 or 1 than this.
LEAST = np.float32(1e-4)
# No EEG is stranger, nor more usual.
STRANGENESS = np.float32(1e-2), np.float32(1e3)
TINY = np.finfo(np.float32).tiny

# A model's calibration has those that suit it.
TERMS = ("odds", "peak", "lit", "fit", "strangeness")


@dataclass(frozen=True)
class Confidence:
    """The calibration of a model.

    Attributes
    ----------
    bias : float
    weights : ndarray of float32, shape (n_terms,)
        Of ``TERMS``; 0 for those that the model does without.
    """

    bias: float
    weights: Float

    @classmethod
    def of_card(cls, card: Mapping[str, Any]) -> Confidence | None:
        """Return the calibration on a bundle's card; None where it holds none.

        Raises
        ------
        BundleError
            If what it holds is none.
        """
        if "confidence" not in card:
            return None
        said = card["confidence"]
        try:
            bias, weights = float(said["bias"]), {**said["weights"]}
            numbers = [float(weights.pop(term, 0.0)) for term in TERMS]
            is_whole = not weights and any(numbers) and all(map(math.isfinite, [bias, *numbers]))
        except (KeyError, TypeError, ValueError):
            is_whole = False
        if not is_whole:
            raise BundleError(
                f"the card's `confidence` is {str(said)[:200]}: expected a number `bias`, and "
                f"`weights`, a number each, of some of {', '.join(TERMS)}; calibrate the model "
                "anew, with 'convdip-train calibrate'"
            )
        return cls(bias, np.array(numbers, np.float32))

    def __call__(self, terms: Float) -> Float:
        """Return the confidence of samples, shape (n_times,), 0 to 1.

        Parameters
        ----------
        terms : ndarray, shape (n_times, n_terms)
            From `terms_of`.
        """
        odds = terms @ self.weights + np.float32(self.bias)
        return np.asarray((1 + np.tanh(odds / 2)) / 2)


def peaks_of(maps: Float) -> Float:
    """Return the largest magnitude of each map, shape (n_times,), before the map has a scale."""
    return np.asarray(np.maximum(maps.max(axis=1), -maps.min(axis=1)))


def terms_of(peaks: Float, maps: Float, fit: Float, eeg: Float, operator: Operator) -> Float:
    """Return what confidence is made from.

    Parameters
    ----------
    peaks : ndarray, shape (n_times,)
        Of the maps as the network gave them.
    maps : ndarray, shape (n_times, n_dipoles)
        Any scale.
    fit : ndarray, shape (n_times,)
        Goodness of fit.
    eeg : ndarray, shape (n_times, n_eeg)
        Average-referenced, as the maps are scaled to it.
    operator : Operator
        Of these electrodes.

    Returns
    -------
    terms : ndarray, shape (n_times, n_terms)
        ``odds``: logarithm of the odds of the network's own largest probability. ``peak``:
        logarithm of the map's maximum, where that is no probability. ``lit``: logarithm of the
        number of dipoles beyond a tenth of the maximum. ``fit``, as it is. ``strangeness``:
        logarithm of how much of the EEG lies where the cortex adds little.
    """
    level = LIT_SHARE * peaks_of(maps)
    is_lit = np.abs(maps) > level[:, None]
    # Of a row at a time: along an axis, NumPy makes integers of them first.
    lit = np.array([np.count_nonzero(row) for row in is_lit], np.float32)
    peaks = np.maximum(peaks, LEAST)
    sure = np.minimum(peaks, 1 - LEAST)
    power = np.maximum(np.vecdot(eeg, eeg), TINY)
    strange = np.vecdot(product(eeg, operator.unlikeness), eeg) / power
    least, most = STRANGENESS
    linear = sure / (1 - sure), peaks, lit + 1, np.minimum(np.maximum(strange, least), most)
    odds, peak, many, strangeness = np.log(np.array(linear))
    return np.array([odds, peak, many, fit, strangeness]).T
