"""The limit of what can be known: the posterior of an observer that knows all but the sources.

One sample of 31 electrodes does not determine where its sources lie. An observer that knows what
methods can at best guess shows how good any method can be: it knows the head that made the data
(every electrode position, conductivity and dipole), the covariance and strength of the noise, the
number of sources, their possible shapes, and the distribution of their moments. It returns the mean
of the posterior, exactly for one source, by Gibbs sampling for several: among maps whose maximum is
1, no estimate from the same sample has a lower mean squared error.
"""

from __future__ import annotations

import numpy as np
from convdip.head import Head
from convdip.sources.patches import fall_off, patch_distances
from numpy.typing import NDArray
from scipy import sparse

from convdip_training.anatomy.resample import nearest_mean
from convdip_training.evaluation.sets import NAM, Sample, SetConfig
from convdip_training.whitening import whitening_matrix

Float = NDArray[np.float64]

N_MOMENTS = 5
N_CHAINS = 3
# Sweeps over all sources; during the first ones the chain cools down and nothing is kept.
N_SWEEPS, N_COOLING = 90, 50
FIRST_TEMPERATURE = 40.0


class IdealObserver:
    """Gives the posterior mean of each sample of a set.

    Parameters
    ----------
    config : SetConfig
        Orders and moments of its sources; circular patches.
    alternative : Head
        The head that made the data.
    model : Head
        Whose dipoles the maps are given on.
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
        The set's noise of one trial, its largest channel SD being 1.
    n_neighbours : int
        Number of the alternative's dipoles that are averaged to one of the model's.
    """

    def __init__(
        self,
        config: SetConfig,
        alternative: Head,
        model: Head,
        noise: NDArray[np.float32],
        n_neighbours: int,
    ) -> None:
        low, high = config.orders
        mesh = alternative.triangles, alternative.dipoles_m
        patches = sparse.vstack(list(patch_distances(*mesh, range(low, high + 1))), format="csr")
        patches.data = fall_off(patches.data)
        self._whitening = whitening_matrix(noise)
        topographies = patches @ alternative.lead_field.T.astype(float)
        self._atoms = np.asarray(topographies @ self._whitening.T * NAM, np.float32)
        carry = nearest_mean(alternative.dipoles_m, model.dipoles_m, n_neighbours)
        self._maps = (patches @ carry.T).tocsr()
        edges = np.linspace(*config.moment_nam, N_MOMENTS + 1)
        self._moments = ((edges[:-1] + edges[1:]) / 2).astype(np.float32)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Float:
        """Return the mean of the posterior of maps whose maximum is 1, shape (n_dipoles,)."""
        eeg = sample.erp.average[sample.erp.peak]
        level = sample.noise_v / len(sample.erp.trials) ** 0.5
        seen = np.asarray(self._whitening @ eeg / level, np.float32)
        if sample.n_sources == 1:
            return self._one(seen, level)
        chains = [self._chain(seen, level, sample.n_sources, rng) for _ in range(N_CHAINS)]
        return np.asarray(np.mean(chains, axis=0))

    def _one(self, seen: NDArray[np.float32], level: float) -> Float:
        """Return the exact posterior mean of one source."""
        atoms = self._atoms / np.float32(level)
        posterior = _posterior(self._log_likelihood(seen, atoms, _powers(atoms)))
        largest = self._maps.max(axis=1).toarray().ravel()
        return np.asarray((posterior.sum(axis=0) / largest) @ self._maps)

    def _chain(
        self, seen: NDArray[np.float32], level: float, n_sources: int, rng: np.random.Generator
    ) -> Float:
        """Return the mean of one chain, which draws each source in turn, given the others."""
        atoms = self._atoms / np.float32(level)
        powers = _powers(atoms)
        at = rng.integers(len(atoms), size=n_sources)
        moments = rng.choice(self._moments, n_sources)
        mean = np.zeros(self._maps.shape[1])
        for sweep in range(N_SWEEPS):
            temperature = max(1.0, FIRST_TEMPERATURE * (1 - sweep / (0.7 * N_COOLING)))
            for i in range(n_sources):
                others = np.arange(n_sources) != i
                rest = seen - moments[others] @ atoms[at[others]]
                likelihood = self._log_likelihood(rest, atoms, powers) / temperature
                cumulated = np.cumsum(_posterior(likelihood), dtype=float)
                drawn = int(np.searchsorted(cumulated, rng.random() * cumulated[-1]))
                which, at[i] = np.unravel_index(min(drawn, cumulated.size - 1), likelihood.shape)
                moments[i] = self._moments[which]
            if sweep >= N_COOLING:
                now = moments @ self._maps[at].toarray()
                mean += now / now.max() / (N_SWEEPS - N_COOLING)
        return mean

    def _log_likelihood(
        self,
        seen: NDArray[np.float32],
        atoms: NDArray[np.float32],
        powers: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return that of one more source, shape (n_moments, n_atoms), up to a constant."""
        moments = self._moments[:, None]
        return np.asarray(moments * (atoms @ seen) - moments**2 * powers / 2)


def _powers(atoms: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.vecdot(atoms, atoms))


def _posterior(log_likelihood: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities, with a uniform prior over moments and atoms."""
    likelihood = np.exp(log_likelihood - log_likelihood.max())
    return np.asarray(likelihood / likelihood.sum())
