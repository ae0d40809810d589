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
from convdip.patches import cortex_only
from numpy.typing import NDArray
from scipy import sparse

from convdip_training.anatomy.families import TrainingFamily
from convdip_training.anatomy.resample import resampling
from convdip_training.config import SimulationConfig
from convdip_training.noise_kinds import noise_kinds
from convdip_training.patch_draws import PatchDraws

log = logging.getLogger(__name__)

Float = NDArray[np.float32]
# A batch has this many parts, each of one head: one product per sample would take longer.
N_PARTS = 8
# Kinds of noise drawn, as many for each head, where noise of other kinds is asked for.
N_KINDS = 512


@dataclass(frozen=True)
class Batch:
    """Simulated samples.

    Attributes
    ----------
    eeg : ndarray, shape (n, n_electrodes)
        Volts, average-referenced, with noise.
    sources : ndarray, shape (n, n_dipoles)
        A·m, on the model's dipoles: positive out of the cortex.
    seeds : ndarray of int, shape (n, most sources)
        Seed dipole of each patch, on the cortex that sources were simulated on; −1 where a
        sample has fewer patches.
    """

    eeg: Float
    sources: Float
    seeds: NDArray[np.int64]


class Simulator:
    """Draws samples.

    No source lies on the medial wall, and none grows across it.

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
        cortex = head if family is None else family.cortex
        # From here on a dipole is one of these; its number in the whole cortex is kept here.
        self._dipoles, triangles = cortex_only(cortex)
        dipoles_m = cortex.dipoles_m[self._dipoles]
        self._to_model = resampling(head, cortex)[self._dipoles]
        n_heads = 1 if family is None else n_heads
        shape = n_heads, self._dipoles.size, head.n_electrodes
        self._lead_fields: Float = np.empty(shape, np.float32)
        if family is not None:
            log.info("simulation: drawing %d heads", n_heads)
        for one in self._lead_fields:
            field = head.lead_field if family is None else family.family.draw_lead_field(rng)
            one[:] = field[:, self._dipoles].T
        self._repairs = _repairs(head, rng) if config.repaired else None
        self._noise: Float = noise.reshape(-1, noise.shape[-1])
        self._noise_kinds: list[Float] = []
        if config.other_noise:
            log.info("simulation: drawing %d kinds of noise", N_KINDS)
            pool = np.cov(self._noise, rowvar=False)
            of_each_head = -(-N_KINDS // n_heads)
            self._noise_kinds = [
                noise_kinds(field.T, dipoles_m, pool, of_each_head, rng)
                for field in self._lead_fields
            ]
        self._patches = PatchDraws(triangles, dipoles_m, config.orders)

    def with_config(self, config: SimulationConfig) -> Simulator:
        """Return a simulator of the same heads and noise with other ranges of sources and SNR."""
        other = copy.copy(self)
        other.config = config
        return other

    def batch(self, n: int, rng: np.random.Generator) -> Batch:
        """Draw ``n`` samples."""
        seeds, simulated = self._sources(n, rng)
        parts = np.array_split(np.arange(n), min(n, N_PARTS))
        heads = rng.integers(len(self._lead_fields), size=len(parts))
        signal = np.concatenate(
            [
                simulated[part] @ self._lead_fields[head]
                for part, head in zip(parts, heads, strict=True)
            ]
        )
        peak = np.abs(signal).max(axis=1, keepdims=True)
        noise = np.concatenate(
            [
                self._mean_noise(len(part), head, rng)
                for part, head in zip(parts, heads, strict=True)
            ]
        )
        low, high = np.log(self.config.trial_snr)
        level = peak / np.exp(rng.uniform(low, high, size=(n, 1)))
        eeg = (signal + level * noise).astype(np.float32)
        if self._repairs is not None:
            repaired = rng.random(n) < self.config.repaired
            which = rng.integers(len(self._repairs), size=n)[repaired]
            eeg[repaired] = np.einsum("nij,nj->ni", self._repairs[which], eeg[repaired])
        return Batch(eeg, (simulated @ self._to_model).toarray(), seeds)

    def _mean_noise(self, n: int, head: int, rng: np.random.Generator) -> Float:
        """Draw the noise that is left in the means of ``n`` times ``n_trials`` trials."""
        n_trials = self.config.n_trials
        if self._noise_kinds and rng.random() < self.config.other_noise:
            kinds = self._noise_kinds[head]
            root = kinds[rng.integers(len(kinds))]
            white = rng.standard_normal((n, len(root)), np.float32)
            return np.asarray(white @ root / np.sqrt(n_trials), np.float32)
        draws = self._noise[rng.integers(len(self._noise), size=(n, n_trials))]
        return np.asarray(draws.mean(axis=1))

    def _sources(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], sparse.csr_array]:
        """Draw sources: the seeds of their patches, and the moments on the simulated cortex."""
        count, seeds, patches = self._patches(n, self.config, rng)
        # One row a sample: where patches meet, what they hold of a dipole adds up.
        rows = patches.indptr[np.append(0, count.cumsum())]
        shape = n, patches.shape[1]
        simulated = sparse.csr_array((patches.data, patches.indices, rows), shape=shape)
        present = np.arange(self.config.n_sources[1]) < count[:, None]
        listed = np.full(present.shape, -1)
        listed[present] = self._dipoles[seeds]
        return listed, simulated


def _repairs(head: Head, rng: np.random.Generator) -> Float:
    """Return matrices that interpolate one to three electrodes, as the live service would."""
    n = head.n_electrodes
    bad = [[i] for i in range(n)]
    bad += [sorted(rng.choice(n, k, replace=False).tolist()) for k in (2, 3) for _ in range(n)]
    return np.array([repair_matrix(head.electrodes_m, some) for some in bad], np.float32)
