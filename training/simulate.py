"""Simulated samples: (EEG at the ERP peak, sources), as many as asked for (section 2.2).

Only the peak of the averaged ERP reaches the network, and everything up to it is linear, so
no time series is needed: the EEG of a sample is a weighted sum of projected patches plus the
mean of ``n_trials`` noise draws. These are taken at any time of a segment, not at the time of the
peak alone, for more variety from the same recordings; since the baseline correction quiets the
first 100 ms, that makes the noise 2–3 % weaker.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from realtime.head import Head
from realtime.patches import patch_dictionary
from training.config import SimulationConfig

Float = NDArray[np.float32]
NAM = 1e-9


@dataclass(frozen=True)
class Batch:
    """Simulated samples.

    Attributes
    ----------
    eeg : ndarray, shape (n, n_electrodes)
        Volts, average-referenced, with noise.
    sources : ndarray, shape (n, n_dipoles)
        A·m.
    seeds : ndarray of int, shape (n, most sources)
        Seed dipole of each patch; −1 where a sample has fewer patches.
    """

    eeg: Float
    sources: Float
    seeds: NDArray[np.int64]


class Simulator:
    """Draws samples of one head model.

    Parameters
    ----------
    head : Head
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
        From `training.noise.noise_pool`.
    config : SimulationConfig
    """

    def __init__(self, head: Head, noise: Float, config: SimulationConfig) -> None:
        self.config = config
        low, high = config.orders
        self.orders = range(low, high + 1)
        patches = [patch_dictionary(head.triangles, head.dipoles_m, s) for s in self.orders]
        # Row (s − lowest order) · n_dipoles + i: the patch of order s grown from dipole i.
        self.patches = sparse.vstack(patches, format="csr", dtype=np.float32)
        self.projected: Float = (self.patches @ head.lead_field.T).astype(np.float32)
        self.noise: Float = noise.reshape(-1, noise.shape[-1])
        self.n_dipoles = head.n_dipoles

    def batch(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw ``n`` samples."""
        low, most = self.config.n_sources
        present = np.arange(most) < rng.integers(low, most + 1, size=(n, 1))
        seeds = rng.integers(self.n_dipoles, size=(n, most))
        rows = rng.integers(len(self.orders), size=(n, most)) * self.n_dipoles + seeds
        moments = (rng.uniform(*self.config.moment_nam, size=(n, most)) * NAM).astype(np.float32)

        # Row i of this matrix says which patches sample i holds, and how strong.
        choice = sparse.csr_array(
            (moments[present], rows[present], np.append(0, present.sum(axis=1).cumsum())),
            shape=(n, self.patches.shape[0]),
        )
        sources: Float = (choice @ self.patches).toarray()
        signal = choice @ self.projected
        draws = self.noise[rng.integers(len(self.noise), size=(n, self.config.n_trials))]
        noise = draws.mean(axis=1) * np.abs(signal).max(axis=1, keepdims=True)
        eeg = (signal + noise / self.config.trial_snr).astype(np.float32)
        return Batch(eeg, sources, np.where(present, seeds, -1))
