"""Simulated EEG of any cap on any head, single samples and windows, whitened as live EEG is.

Each batch has a head, a cap and a noise of its own, and what the network is given of them is wrong
in the ways in which it is wrong in life: the skull is another, the electrodes lie elsewhere, the
shape is a little off, and the noise is not quite what was thought.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import numpy as np
from convdip.head import Head
from convdip.live.gains import N_DIRECTIONS, given_of, neighbours, spread_out, whitening
from convdip.live.spline import EXACT, sphere_centre, spline_matrix
from convdip.live.topography import average_reference
from convdip.patches import cortex_only, patch_dictionary
from numpy.typing import NDArray

from convdip_training.anatomy.families import ScalpFamily
from convdip_training.anatomy.resample import resampling
from convdip_training.config import ELECTRODES, NetworkConfig, SimulationConfig
from convdip_training.noise_kinds import brain_covariance, mixed
from convdip_training.patch_draws import PatchDraws

log = logging.getLogger(__name__)

Float = NDArray[np.float32]
Matrix = NDArray[np.float64]

# Kinds of brain noise, and sets of coarse dipoles, that batches choose from.
N_KINDS, N_COARSE_SETS = 128, 12

# Caps: the paper's 31, those of the 10-20 system, some of the paper's, or any that is spread.
# fmt: off
CLINICAL = (
    "Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz",
    "P4", "P8", "O1", "O2",
)
# fmt: on
P_PAPER, P_CLINICAL, P_FEWER = 0.3, 0.1, 0.15
FEWEST, MOST = 18, 128
# Electrodes below these do not belong to caps; and how irregular a spread cap is.
LOWEST_SHARE, IRREGULAR_M = 0.08, 0.01
P_LEFT_OUT, LEAST_LEFT = 0.3, 0.85

# The head that is given: of the model's own skull with this probability, else of any; of another
# shape now and then. The true one has any skull, electrodes up to so far off along each axis, and
# now and then a shape that is up to this share of the way to another.
P_OWN_SKULL, P_SHAPE, P_WRONG_SHAPE = 0.5, 0.35, 0.35
MOVED_M, WRONG_SHAPE = 0.005, 0.4

# The noise that is given: the model's own, whatever the true one is; or the true one with up to
# this share of another.
P_OWN_NOISE, WRONG_NOISE = 0.5, 0.3
LEAST_VARIANCE = (0.002, 0.05)
# Of windows, this share may have synchronous sources; then each is with this probability.
P_SYNCHRONOUS, SYNCHRONOUS = 0.5, 0.5
TINY = 1e-30


class Electrodes(NamedTuple):
    """A cap on a head: what is true of it, and what is given.

    Attributes
    ----------
    true : ndarray, shape (n_members,)
        Weights of the family's members.
    onto : ndarray, shape (n_electrodes, n_places)
        From the scalp's places to the electrodes, average-referenced.
    root : ndarray, shape (n_electrodes, n_electrodes)
        White noise times it is the true noise, whose largest variance is 1.
    topographies : ndarray, shape (n_dipoles asked, n_orders, n_electrodes)
        Of patches, as they are given.
    whitener : ndarray, shape (n_directions, n_electrodes)
    """

    true: Matrix
    onto: Float
    root: Float
    topographies: Float
    whitener: Matrix


class CapSimulator:
    """Draws batches for a network that is given gains.

    Parameters
    ----------
    head : Head
        The model's, with its scalp.
    simulation : SimulationConfig
    network : NetworkConfig
    family : ScalpFamily
    model_skull_s_m : float
        Of the model's head.
    """

    def __init__(
        self,
        head: Head,
        simulation: SimulationConfig,
        network: NetworkConfig,
        family: ScalpFamily,
        model_skull_s_m: float,
    ) -> None:
        assert head.scalp is not None
        self.config = simulation
        self._family, self._log_skull = family, np.log(model_skull_s_m)
        rng = np.random.default_rng([len(family.lead_fields), network.n_coarse])
        log.info("simulation: heads, noise and patches")
        cortex, triangles = cortex_only(family.cortex)
        self._patches = PatchDraws(triangles, family.cortex.dipoles_m[cortex], simulation.orders)
        self._fields = [np.ascontiguousarray(member[:, cortex].T) for member in family.lead_fields]
        self._to_model = resampling(head, family.cortex)[cortex]

        at_dipoles = family.at_dipoles(head)
        dictionary = [
            patch_dictionary(head.triangles, head.dipoles_m, order)
            for order in network.filter_orders
        ]
        self._topographies = np.array(
            [np.stack([patch @ member.T for patch in dictionary], axis=1) for member in at_dipoles],
            np.float32,
        )
        self._names, self._places_m = head.scalp.names, family.places_m
        self._centre_m = sphere_centre(self._places_m)
        self._pool = head.scalp.noise.astype(float)
        self._brain = np.array(
            [self._brain_noise(at_dipoles, head, rng) for _ in range(N_KINDS)], np.float32
        )
        self._cortex, self._points = np.flatnonzero(head.is_cortex), head.inflated_m.astype(float)
        n_coarse = min(network.n_coarse, self._cortex.size)
        on_cortex = self._points[self._cortex]
        self._coarse = [
            self._cortex[spread_out(on_cortex, n_coarse, int(rng.integers(self._cortex.size)))]
            for _ in range(N_COARSE_SETS)
        ]

    def batch(
        self, n: int, n_asked: int, rng: np.random.Generator
    ) -> tuple[dict[str, NDArray[Any]], Float]:
        """Draw samples, and what the network is given.

        Parameters
        ----------
        n : int
        n_asked : int
            Dipoles that are drawn; the coarse ones come after them.
        rng : Generator

        Returns
        -------
        inputs : dict of ndarray
            As `convdip_training.networks.unrolled.Unrolled` takes them.
        targets : ndarray, shape (n, n_asked + n_coarse)
            Root mean square moments, the largest of each sample being 1.
        """
        coarse = self._coarse[rng.integers(len(self._coarse))]
        asked = np.concatenate([rng.choice(self._cortex, n_asked, replace=False), coarse])
        electrodes = self._electrodes(asked, rng)
        count, _, patches = self._patches(n, self.config, rng)
        present = np.flatnonzero(np.abs(electrodes.true) > TINY)
        everywhere = sum(
            np.float32(electrodes.true[i]) * (patches @ self._fields[i]) for i in present
        )
        seen = everywhere @ electrodes.onto.T
        maps = (patches @ self._to_model)[:, asked].toarray()

        is_window = rng.random(n) < self.config.windows
        drawn = np.round(_logarithmic(self.config.n_times, n, rng))
        n_times = np.where(is_window, drawn, 1).astype(int)
        snr = np.where(
            is_window,
            _logarithmic(self.config.window_snr, n, rng),
            _logarithmic(self.config.trial_snr, n, rng) * self.config.n_trials**0.5,
        )
        factors = np.zeros((n, N_DIRECTIONS, N_DIRECTIONS), np.float32)
        targets = np.zeros((n, len(asked)), np.float32)
        ends = count.cumsum()
        for i in range(n):
            sources = slice(ends[i] - count[i], ends[i])
            courses = self._courses(int(n_times[i]), int(count[i]), rng)
            eeg = courses @ seen[sources]
            peak = np.sqrt(np.square(eeg).mean(axis=0).max())
            white = rng.standard_normal(eeg.shape, np.float32)
            eeg += np.float32(peak / snr[i]) * (white @ electrodes.root)
            factor = _factor(eeg @ electrodes.whitener.T.astype(np.float32))
            factors[i, : len(factor), : factor.shape[1]] = factor
            targets[i] = np.sqrt(np.square(courses @ maps[sources]).mean(axis=0))

        whitened = electrodes.topographies @ electrodes.whitener.T.astype(np.float32)
        inputs = {
            "factor": factors,
            "n_samples": n_times.astype(np.float32),
            **given_of(
                whitened,
                np.ones(len(asked), bool),
                len(electrodes.whitener),
                np.arange(n_asked, len(asked)),
            ),
            **neighbours(self._points[coarse], self._points[asked]),
        }
        return inputs, targets / (targets.max(axis=1, keepdims=True) + TINY)

    def _courses(self, n_times: int, n_sources: int, rng: np.random.Generator) -> Float:
        """Draw the courses of a sample's sources, shape (n_times, n_sources)."""
        if n_times == 1:
            return np.ones((1, n_sources), np.float32)
        courses = rng.standard_normal((n_times, n_sources), np.float32)
        if rng.random() < P_SYNCHRONOUS:
            for i in range(1, n_sources):
                if rng.random() < SYNCHRONOUS:
                    courses[:, i] = courses[:, i - 1] * rng.choice([-1, 1])
        return courses

    def _electrodes(self, asked: NDArray[np.intp], rng: np.random.Generator) -> Electrodes:
        """Draw a head, a cap and a noise, and what is given of them."""
        given, true = self._heads(rng)
        cap = self._cap(rng)
        moved_m = rng.normal(0, rng.uniform(0, MOVED_M), (len(cap), 3))
        reference = average_reference(len(cap))
        onto = reference @ spline_matrix(
            self._places_m, self._places_m[cap] + moved_m, self._centre_m, EXACT
        )
        noise, thought = self._noise(onto, cap, rng)
        present = np.flatnonzero(np.abs(given) > TINY)
        topographies = sum(
            np.float32(given[i]) * self._topographies[i][asked][:, :, cap] for i in present
        )
        topographies -= topographies.mean(axis=2, keepdims=True)
        (least,) = _logarithmic(LEAST_VARIANCE, 1, rng)
        variances, directions = np.linalg.eigh(noise)
        return Electrodes(
            true=true,
            onto=onto.astype(np.float32),
            root=(directions * np.sqrt(variances.clip(min=0))).T.astype(np.float32),
            topographies=topographies,
            whitener=whitening(thought, topographies[:, 0], least),
        )

    def _heads(self, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """Draw the head that is given and the true one, as weights of the family's members."""
        family = self._family

        def any_skull() -> Matrix:
            return family.of_skull(rng.uniform(*family.log_skull[[0, -1]]))

        is_own = rng.random() < P_OWN_SKULL
        given, true = family.of_skull(self._log_skull) if is_own else any_skull(), any_skull()
        if family.n_shapes and rng.random() < P_SHAPE:
            shape = rng.uniform() * family.of_shape(int(rng.integers(family.n_shapes)))
            given, true = given + shape, true + shape
        if family.n_shapes and rng.random() < P_WRONG_SHAPE:
            other = family.of_shape(int(rng.integers(family.n_shapes)))
            true = true + rng.uniform(0, WRONG_SHAPE) * other
        return given, true

    def _cap(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw electrodes, as numbers of the scalp's places."""
        kind = rng.random()
        number = {name: i for i, name in enumerate(self._names)}
        paper = np.array([number[name] for name in ELECTRODES])
        if kind < P_PAPER:
            return paper
        if kind < P_PAPER + P_CLINICAL:
            return np.array([number[name] for name in CLINICAL])
        if kind < P_PAPER + P_CLINICAL + P_FEWER:
            return rng.permutation(paper)[: rng.integers(FEWEST, len(paper))]
        n = round(_logarithmic((FEWEST, MOST), 1, rng)[0])
        heights = self._places_m[:, 2]
        usual = np.flatnonzero(heights > np.quantile(heights, LOWEST_SHARE))
        irregular_m = self._places_m[usual] + rng.normal(0, IRREGULAR_M, (usual.size, 3))
        cap = usual[spread_out(irregular_m, n, int(rng.integers(usual.size)))]
        if rng.random() < P_LEFT_OUT:
            cap = rng.permutation(cap)[: max(FEWEST, round(LEAST_LEFT * n))]
        return cap

    def _noise(
        self, onto: Matrix, cap: NDArray[np.intp], rng: np.random.Generator
    ) -> tuple[Matrix, Matrix]:
        """Draw the covariance of the noise, and the one that is given for it."""
        reference = average_reference(len(cap))
        # The electrodes' own noise is theirs wherever they lie.
        pool = reference @ self._pool[np.ix_(cap, cap)] @ reference

        def other() -> Matrix:
            brain = onto @ self._brain[rng.integers(len(self._brain))] @ onto.T
            return np.asarray(mixed((brain, pool, reference), rng), float)

        noise = other() if rng.random() < self.config.other_noise else pool
        noise = noise / noise.diagonal().max()
        if rng.random() < P_OWN_NOISE:
            return noise, pool
        wrong = rng.uniform(0, WRONG_NOISE)
        return noise, (1 - wrong) * noise + wrong * other()

    def _brain_noise(self, at_dipoles: Float, head: Head, rng: np.random.Generator) -> Float:
        """Draw the covariance of a kind of brain noise at all places, its largest variance 1."""
        given, _ = self._heads(rng)
        field = np.tensordot(given.astype(np.float32), at_dipoles, axes=1)[:, head.is_cortex]
        referenced = field - field.mean(axis=0)
        covariance = brain_covariance(referenced, head.dipoles_m[head.is_cortex], rng)
        return np.asarray(covariance / covariance.diagonal().max())


def _logarithmic(between: tuple[float, float], n: int, rng: np.random.Generator) -> Matrix:
    """Draw numbers whose logarithms are uniform."""
    low, high = between
    return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high), n)))


def _factor(whitened: Float) -> Float:
    """Return a factor of the covariance of whitened EEG, with no more columns than directions.

    Parameters
    ----------
    whitened : ndarray, shape (n_times, n_directions)
    """
    scaled = whitened / np.abs(whitened).max()
    if len(scaled) <= N_DIRECTIONS:
        return np.asarray(scaled.T)
    variances, directions = np.linalg.eigh(scaled.T @ scaled)
    return np.asarray(directions * np.sqrt(variances.clip(min=0)))
