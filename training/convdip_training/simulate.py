"""Simulated samples: (EEG at the ERP peak, sources), as many as asked for (section 2.2).

Sources may lie on a finer cortex than the model's and in other heads (`family`), so that what is
learnt does not depend on one lead field.

Only the peak of the averaged ERP reaches the network, and everything up to it is linear, so
no time series is needed: the EEG of a sample is a weighted sum of projected patches plus the
mean of ``n_trials`` noise draws. These are taken at any time of a segment, not only at the time of
the peak, for more variety from the same recordings; as the baseline correction lowers the first
100 ms, that makes the noise 2–3 % weaker.
"""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass

import numpy as np
from convdip.head import Head
from convdip.live.topography import repair_matrix
from convdip.sources.patches import fall_off, patch_distances
from numpy.typing import NDArray
from scipy import sparse

from convdip_training.anatomy.families import Family, TrainingFamily
from convdip_training.anatomy.resample import resampling
from convdip_training.config import SimulationConfig

log = logging.getLogger(__name__)

Float = NDArray[np.float32]
NAM = 1e-9
# A batch has this many parts, each of one head: one product per sample would take longer.
N_PARTS = 8


@dataclass(frozen=True)
class Batch:
    """Simulated samples.

    Attributes
    ----------
    eeg : ndarray, shape (n, n_electrodes)
        Volts, average-referenced, with noise.
    sources : ndarray, shape (n, n_dipoles)
        A·m, on the model's dipoles.
    seeds : ndarray of int, shape (n, most sources)
        Seed dipole of each patch, on the cortex that sources were simulated on; −1 where a
        sample has fewer patches.
    """

    eeg: Float
    sources: Float
    seeds: NDArray[np.int64]


class Simulator:
    """Draws samples.

    Parameters
    ----------
    head : Head
        The model's.
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
        From `convdip_training.noise.noise_pool`.
    config : SimulationConfig
    family : TrainingFamily, optional
        Sources lie on its cortex, and each part of a batch comes from another head. Without it,
        all samples come from ``head`` itself.
    n_heads : int
        Number of heads drawn from the family.
    """

    def __init__(
        self,
        head: Head,
        noise: Float,
        config: SimulationConfig,
        family: TrainingFamily | None = None,
        n_heads: int = 1,
    ) -> None:
        self.config = config
        rng = np.random.default_rng([len(noise), n_heads])
        cortex = head if family is None else family[0]
        self.n_dipoles = cortex.n_dipoles
        self._to_model = resampling(head, cortex)
        heads = [head.lead_field] if family is None else _draw(family[1], n_heads, rng)
        self._lead_fields: Float = np.array([field.T for field in heads])
        self._repairs = _repairs(head, rng) if config.repaired else None
        self._noise: Float = noise.reshape(-1, noise.shape[-1])
        low, high = config.orders
        self.orders = range(low, high + 1)
        patches = list(patch_distances(cortex.triangles, cortex.dipoles_m, self.orders))
        # Patch of order s grown from dipole i: members[starts[s − lowest, i] : ends[…]].
        offsets = np.cumsum([0, *(patch.nnz for patch in patches)])[:-1, None]
        bounds = np.array([patch.indptr for patch in patches]) + offsets
        self._starts, self._ends = bounds[:, :-1], bounds[:, 1:]
        self._members = np.concatenate([patch.indices for patch in patches])
        self._distances = np.concatenate([patch.data for patch in patches])

    def with_config(self, config: SimulationConfig) -> Simulator:
        """Return a simulator of the same heads and noise with other ranges of sources and SNR."""
        other = copy.copy(self)
        other.config = config
        return other

    def batch(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw ``n`` samples."""
        seeds, simulated = self._sources(n, rng)
        signal = np.concatenate(
            [
                simulated[part] @ self._lead_fields[rng.integers(len(self._lead_fields))]
                for part in np.array_split(np.arange(n), min(n, N_PARTS))
            ]
        )
        peak = np.abs(signal).max(axis=1, keepdims=True)
        draws = self._noise[rng.integers(len(self._noise), size=(n, self.config.n_trials))]
        low, high = np.log(self.config.trial_snr)
        level = peak / np.exp(rng.uniform(low, high, size=(n, 1)))
        eeg = (signal + level * draws.mean(axis=1)).astype(np.float32)
        if self._repairs is not None:
            repaired = rng.random(n) < self.config.repaired
            which = rng.integers(len(self._repairs), size=n)[repaired]
            eeg[repaired] = np.einsum("nij,nj->ni", self._repairs[which], eeg[repaired])
        return Batch(eeg, (simulated @ self._to_model).toarray(), seeds)

    def _sources(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], sparse.csr_array]:
        """Draw patches: their seeds, and the moments on the simulated cortex."""
        low, most = self.config.n_sources
        count = rng.integers(low, most + 1, size=n)
        count[rng.random(n) < self.config.single] = 1
        present = np.arange(most) < count[:, None]
        seeds = rng.integers(self.n_dipoles, size=(n, most))
        orders = rng.integers(len(self.orders), size=(n, most))
        moments = rng.uniform(*self.config.moment_nam, size=(n, most)) * NAM
        steepness = rng.uniform(*self.config.steepness, size=(n, most))

        # From here on one row a patch, then one a member of a patch.
        start = self._starts[orders[present], seeds[present]]
        size = self._ends[orders[present], seeds[present]] - start
        before = np.append(0, size.cumsum())
        members = np.arange(before[-1]) + np.repeat(start - before[:-1], size)
        relative = fall_off(
            self._distances[members], np.repeat(steepness[present].astype(np.float32), size)
        )
        values = np.repeat(moments[present].astype(np.float32), size) * relative
        rows = before[np.append(0, count.cumsum())]
        simulated = sparse.csr_array(
            (values, self._members[members], rows), shape=(n, self.n_dipoles)
        )
        return np.where(present, seeds, -1), simulated


def _draw(family: Family, n_heads: int, rng: np.random.Generator) -> list[Float]:
    log.info("simulation: drawing %d heads", n_heads)
    return [family.draw_lead_field(rng) for _ in range(n_heads)]


def _repairs(head: Head, rng: np.random.Generator) -> Float:
    """Return matrices that interpolate one to three electrodes, as the live service would."""
    n = head.n_electrodes
    bad = [[i] for i in range(n)]
    bad += [sorted(rng.choice(n, k, replace=False).tolist()) for k in (2, 3) for _ in range(n)]
    return np.array([repair_matrix(head.electrodes_m, some) for some in bad], np.float32)
