"""The limit of what can be known: the posterior of an observer that knows all but the sources.

One sample of 31 electrodes does not determine where its sources lie. An observer that knows what
methods can at best guess shows how good any method can be: it knows the head that made the data
(every electrode position, conductivity and dipole), the covariance and strength of the noise, the
number of sources, their possible shapes, and the distribution of their moments, of either sign or
positive. It returns the posterior's mean of absolute maps whose maximum is 1, exactly for one
source, by Gibbs sampling for several: no estimate of such a map from the same sample has a lower
mean squared error. Each dipole gets the sign of its mean signed moment.
"""

from __future__ import annotations

import numpy as np
from convdip.head import Head
from convdip.patches import cortex_only, fall_off, patch_distances
from numpy.typing import NDArray
from scipy import sparse

from convdip_training.anatomy.resample import carry_to
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
        Orders, moments and signs of its sources; circular patches.
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
        cortex, triangles = cortex_only(alternative)
        mesh = triangles, alternative.dipoles_m[cortex]
        patches = sparse.vstack(list(patch_distances(*mesh, range(low, high + 1))), format="csr")
        patches.data = fall_off(patches.data)
        self._whitening = whitening_matrix(noise)
        topographies = patches @ alternative.lead_field[:, cortex].T.astype(float)
        self._atoms = np.asarray(topographies @ self._whitening.T * NAM, np.float32)
        carry = carry_to(model, alternative, n_neighbours)[:, cortex]
        self._maps = (patches @ carry.T).tocsr()
        edges = np.linspace(*config.moment_nam, N_MOMENTS + 1)
        moments = ((edges[:-1] + edges[1:]) / 2).astype(np.float32)
        if config.signs == "random":
            moments = np.concatenate([-moments[::-1], moments])
        self._moments = moments

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Float:
        """Return the posterior's mean of absolute maps whose maximum is 1, with signs.

        Returns
        -------
        estimate : ndarray, shape (n_dipoles,)
        """
        eeg = sample.erp.average[sample.erp.peak]
        level = sample.noise_v / len(sample.erp.trials) ** 0.5
        seen = np.asarray(self._whitening @ eeg / level, np.float32)
        if sample.n_sources == 1:
            absolute, signed = self._one(seen, level)
        else:
            chains = [self._chain(seen, level, sample.n_sources, rng) for _ in range(N_CHAINS)]
            absolute, signed = np.mean(chains, axis=0)
        return np.asarray(np.copysign(absolute, signed))

    def _one(self, seen: NDArray[np.float32], level: float) -> tuple[Float, Float]:
        """Return the exact posterior means of one source: of absolute and of signed maps."""
        atoms = self._atoms / np.float32(level)
        posterior = _posterior(self._log_likelihood(seen, atoms, _powers(atoms)))
        largest = self._maps.max(axis=1).toarray().ravel()
        # A patch at the border may have no dipole of the model's cortex near it.
        scale = np.divide(1.0, largest, out=np.zeros_like(largest), where=largest > 0)
        absolute, signed = posterior.sum(axis=0), np.sign(self._moments) @ posterior
        return (absolute * scale) @ self._maps, (signed * scale) @ self._maps

    def _chain(
        self, seen: NDArray[np.float32], level: float, n_sources: int, rng: np.random.Generator
    ) -> Float:
        """Return the means of one chain, which draws each source in turn, given the others.

        Returns
        -------
        means : ndarray, shape (2, n_dipoles)
            Of absolute and of signed maps.
        """
        atoms = self._atoms / np.float32(level)
        powers = _powers(atoms)
        at = rng.integers(len(atoms), size=n_sources)
        moments = rng.choice(self._moments, n_sources)
        means = np.zeros((2, self._maps.shape[1]))
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
                absolute = np.abs(now)
                # Of opposite sources at one place nothing may be left.
                scale = absolute.max() or 1.0
                means += np.array([absolute, now]) / scale / (N_SWEEPS - N_COOLING)
        return means

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
