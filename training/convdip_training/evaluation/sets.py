"""The evaluation sets: whole ERPs simulated on the alternative head (section 2.2.2).

Each of the paper's sets, and of those that go beyond it, comes twice: with sources of random sign,
as live EEG has them, and with positive sources, as the paper has them. Sample ``i`` of both has the
same patches, noise and head. No source lies on the medial wall.

A sample depends only on its set's seed and its number, so any part of a set can be made anywhere
and in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from convdip.head import Head
from convdip.live.topography import repair_matrix
from convdip.patches import cortex_only, mesh_adjacency, patch_dictionary
from numpy.typing import NDArray
from scipy import sparse

from convdip_training.anatomy.families import N_PLACES, Family
from convdip_training.anatomy.resample import carry_to, to_model
from convdip_training.baselines.erp import Erp
from convdip_training.evaluation.alternative import FAMILY_SKULL_S_M, N_NEIGHBOURS, SKULL_S_M

Float = NDArray[np.float32]
NAM = 1e-9

SFREQ_HZ = 100.0
N_TIMES = 100
N_BASELINE = 40
# Half a period of 5 Hz in the middle of the second, zero elsewhere.
PEAK = 50
HALF_WIDTH = 3
PULSE = np.sin(np.pi * np.arange(11) / 10)
N_TRIALS = 20
PAPER_SNR = (N_TRIALS**0.5, N_TRIALS**0.5)


@dataclass(frozen=True)
class SetConfig:
    """What the samples of one set are like.

    Attributes
    ----------
    name, title : str
    n_sources, orders : tuple of int
        Fewest and most patches; smallest and largest neighbourhood order.
    signs : 'random' or 'positive'
        Each source points out of or into the cortex with probability ½, or always out of it.
    twin_of : str
        Name of the set whose places, strengths, noise and heads this one draws; its own if empty.
    noise : 'pool', 'recorded' or 'brain'
        Of the kind that the model was trained with, but of the alternative head; of recordings
        that no model was trained on; a whole cortex at work (`brain_noise`), in which all trials
        of a sample come from one session.
    moment_nam : tuple of float
        Range of the seed dipole's absolute moment.
    snr : tuple of float
        Range of the average's peak over the largest channel SD of its noise; logarithmic.
    strict : bool
        Irregular patches of unequal strength.
    repaired : tuple of int
        Fewest and most interpolated electrodes.
    skulls_s_m : tuple of float
        Of the family that each sample's head is drawn from; none: the AGM itself.
    """

    name: str
    title: str
    n_sources: tuple[int, int]
    orders: tuple[int, int] = (2, 7)
    signs: Literal["random", "positive"] = "positive"
    twin_of: str = ""
    noise: Literal["pool", "recorded", "brain"] = "pool"
    moment_nam: tuple[float, float] = (5.0, 10.0)
    snr: tuple[float, float] = PAPER_SNR
    strict: bool = False
    repaired: tuple[int, int] = (0, 0)
    skulls_s_m: tuple[float, ...] = ()

    @property
    def draws(self) -> str:
        """Name of the set whose draws these are: what differs are signs, noise or nothing."""
        return self.twin_of or self.name


def _twins(config: SetConfig) -> tuple[SetConfig, SetConfig]:
    """Return a set with random signs, then the same with positive sources."""
    signed = replace(
        config,
        name=f"{config.name}-signed",
        title=f"{config.title}, either sign",
        signs="random",
        twin_of=config.name,
    )
    return signed, replace(config, title=f"{config.title}, positive")


def _in_noise(config: SetConfig, noise: Literal["recorded", "brain"], what: str) -> SetConfig:
    """Return a set with the sources of another, signs included, in other noise."""
    name = f"{noise}-noise-{config.draws}"
    return replace(config, name=name, title=f"{config.title}, {what}", noise=noise)


SINGLE_SIGNED, SINGLE = _twins(SetConfig("single", "one source", (1, 1)))
MULTI_SIGNED, MULTI = _twins(SetConfig("multi", "1–10 sources", (1, 10)))
NOISE_SIGNED, NOISE = _twins(SetConfig("noise", "1–5 sources, SNR 0.5–20", (1, 5), snr=(0.5, 20.0)))
# For choices, never for results: the AGM's skull, but other caps than those of the other sets.
VALIDATION_SIGNED, VALIDATION = _twins(
    SetConfig("validation", "1–5 sources, for choices", (1, 5), skulls_s_m=(SKULL_S_M,))
)
STRICT_SIGNED, STRICT = _twins(
    SetConfig(
        "strict",
        "stricter: 1–5 irregular sources of unequal strength, another head for each sample",
        (1, 5),
        orders=(1, 8),
        noise="recorded",
        moment_nam=(2.0, 10.0),
        snr=(1.0, 10.0),
        strict=True,
        repaired=(1, 1),
        skulls_s_m=FAMILY_SKULL_S_M,
    )
)
# The paper's sources, and what goes wrong in a lab; the report groups samples by each.
ROBUST_SIGNED, ROBUST = _twins(
    SetConfig(
        "robust",
        "robustness: 1–5 sources, another skull and cap for each sample, SNR 1–20, up to three "
        "electrodes interpolated",
        (1, 5),
        snr=(1.0, 20.0),
        repaired=(0, 3),
        skulls_s_m=FAMILY_SKULL_S_M,
    )
)
# The same sources in noise of other kinds than training has.
BRAIN_NOISE_SINGLE, BRAIN_NOISE_MULTI = (
    _in_noise(config, "brain", "brain noise of another kind")
    for config in (SINGLE_SIGNED, MULTI_SIGNED)
)
RECORDED_NOISE_SINGLE, RECORDED_NOISE_MULTI = (
    _in_noise(config, "recorded", "recorded noise") for config in (SINGLE_SIGNED, MULTI_SIGNED)
)


@dataclass(frozen=True)
class Sample:
    """One simulated ERP and its truth.

    Attributes
    ----------
    erp : Erp
    truth : ndarray, shape (n_dipoles,)
        At the peak, on the model's dipoles, in A·m: positive out of the cortex, 0 on the medial
        wall.
    n_sources : int
    order : int
        Neighbourhood order of the first patch.
    snr : float
    skull_s_m : float
        Conductivity of the skull; NaN if the head is the AGM itself.
    n_repaired : int
        Number of interpolated electrodes.
    noise_v : float
        Of one trial, in volts: the SD of a channel whose SD in the pool of noise is 1.
    """

    erp: Erp
    truth: Float
    n_sources: int
    order: int
    snr: float
    skull_s_m: float
    n_repaired: int
    noise_v: float


class SampleSet:
    """Draws the samples of one set.

    Parameters
    ----------
    config : SetConfig
    seed : int
    model : Head
        The inverse methods' head model.
    alternative : Head
        The AGM.
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
        The largest channel SD of each segment is 1. Brain noise comes in sessions of
        ``N_TRIALS`` segments, one after the other.
    family : Family, optional
        For a set that draws a head for each sample.
    """

    def __init__(
        self,
        config: SetConfig,
        seed: int,
        model: Head,
        alternative: Head,
        noise: Float,
        family: Family | None = None,
    ) -> None:
        self.config = config
        self._seed = seed
        self._head = alternative
        self._noise = noise
        self._family = family
        self._model_electrodes_m = model.electrodes_m
        self._transform = carry_to(model, alternative, N_NEIGHBOURS)
        # Seeds and patches are numbered among the dipoles on cortex; these are their numbers
        # among all.
        self._cortex, self._triangles = cortex_only(alternative)
        self._cortex_m = alternative.dipoles_m[self._cortex]
        self._patches: dict[int, sparse.csr_array] = {}
        self._adjacency = mesh_adjacency(self._triangles, self._cortex.size)

    def __getitem__(self, i: int) -> Sample:
        """Draw the sample of number ``i``."""
        config = self.config
        rng = np.random.default_rng([self._seed, *config.draws.encode(), i])
        # A generator of their own for the signs, so that twins draw the same everything else.
        (rng_of_signs,) = rng.spawn(1)
        n_sources = int(rng.integers(config.n_sources[0], config.n_sources[1] + 1))
        orders = rng.integers(config.orders[0], config.orders[1] + 1, n_sources)
        seeds = rng.integers(self._cortex.size, size=n_sources)
        low, high = np.log(config.moment_nam) if config.strict else config.moment_nam
        moments = rng.uniform(low, high, n_sources)
        moments_nam = np.exp(moments) if config.strict else moments
        if config.signs == "random":
            moments_nam = moments_nam * rng_of_signs.choice([-1, 1], n_sources)
        snr = float(np.exp(rng.uniform(*np.log(config.snr))))

        sources = np.zeros(self._head.n_dipoles)
        for seed, order, moment in zip(seeds, orders, moments_nam * NAM, strict=True):
            grow = self._irregular if config.strict else self._circular
            at, relative = grow(int(seed), int(order), rng)
            sources[self._cortex[at]] += moment * relative
        signal, skull_s_m = self._project(sources, rng)
        noise_v = float(np.abs(signal).max() / (snr / N_TRIALS**0.5))
        trials = self._trials(signal, noise_v, rng)
        n_repaired = int(rng.integers(config.repaired[0], config.repaired[1] + 1))
        if n_repaired:
            bad = rng.choice(self._head.n_electrodes, n_repaired, replace=False)
            trials = trials @ repair_matrix(self._model_electrodes_m, sorted(bad.tolist())).T
        truth = to_model(sources[None], self._transform)[0]
        erp = Erp(trials, SFREQ_HZ, N_BASELINE, PEAK, HALF_WIDTH)
        return Sample(erp, truth, n_sources, int(orders[0]), snr, skull_s_m, n_repaired, noise_v)

    def _project(
        self, sources: NDArray[np.float64], rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], float]:
        """Return the EEG of a source map, volts, average-referenced, and the skull it passed."""
        if self._family is None:
            return np.asarray(self._head.lead_field @ sources), np.nan
        low, high = self._family.log_skull[[0, -1]]
        skull_s_m = float(np.exp(rng.uniform(low, high)))
        places = rng.integers(N_PLACES, size=self._head.n_electrodes)
        return np.asarray(self._family.project(sources, skull_s_m, places)), skull_s_m

    def _trials(
        self, signal: NDArray[np.float64], noise_v: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Return single trials: the pulse and, in each, another segment of noise."""
        course = np.zeros(N_TIMES)
        course[PEAK - 5 : PEAK + 6] = PULSE
        if self.config.noise == "brain":
            first = N_TRIALS * int(rng.integers(len(self._noise) // N_TRIALS))
            segments = self._noise[first : first + N_TRIALS]
        else:
            segments = self._noise[rng.integers(len(self._noise), size=N_TRIALS)]
        return np.asarray(course[:, None] * signal + noise_v * segments.astype(float))

    def _circular(
        self, seed: int, order: int, _: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return the dipoles, among those on cortex, and relative moments of a paper's patch."""
        if order not in self._patches:
            self._patches[order] = patch_dictionary(self._triangles, self._cortex_m, order)
        patches = self._patches[order]
        chosen = slice(patches.indptr[seed], patches.indptr[seed + 1])
        return patches.indices[chosen], patches.data[chosen].astype(float)

    def _irregular(
        self, seed: int, order: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
        """Return a patch grown dipole by dipole at random places of its border.

        It has as many dipoles as a hexagon of that order. Half of these patches are almost
        level, half fall off like the paper's.
        """
        size = 3 * order * (order + 1) + 1
        mesh = self._adjacency
        inside: set[int] = set()
        border = [seed]
        while border and len(inside) < size:
            newest = border.pop(int(rng.integers(len(border))))
            if newest not in inside:
                inside.add(newest)
                border += mesh.indices[mesh.indptr[newest] : mesh.indptr[newest + 1]].tolist()
        at = np.array(sorted(inside), np.int32)
        # 0.46 falls off by a tenth only; a level patch would have no maximum to be found.
        steepness = 0.46 if rng.random() < 0.5 else 2.0
        distances_m = np.linalg.norm(self._cortex_m[at] - self._cortex_m[seed], axis=1)
        return at, np.exp(-0.5 * (steepness * distances_m / distances_m.max()) ** 2)
