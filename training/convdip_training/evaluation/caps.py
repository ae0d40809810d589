"""Any cap: the same sources seen by 19 to 128 electrodes, with some left out, and over windows.

The head is the alternative one, measured at every place of the 10-05 system; each cap sees those of
its electrodes. All methods get the model's head at the cap's nominal places.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from convdip.bundle import Bundle
from convdip.errors import ConfigError
from convdip.head import Head
from convdip.live.cap_places import find_cap
from convdip.live.gains import N_DIRECTIONS, Gains, spread_out
from convdip.live.network import Network
from convdip.live.scale import scale_to_eeg
from convdip.live.topography import average_reference, repair_matrix
from numpy.typing import NDArray
from tqdm import tqdm

from convdip_training.anatomy.scalp_fields import with_electrodes
from convdip_training.baselines.erp import Erp
from convdip_training.baselines.gamma_map import GammaMap
from convdip_training.baselines.lcmv import Lcmv
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.cache import fingerprint
from convdip_training.config import ELECTRODES
from convdip_training.evaluation.alternative import alternative_everywhere
from convdip_training.evaluation.brain_noise import brain_noise
from convdip_training.evaluation.cap_windows import (
    WindowSet,
    window_methods,
    window_of,
)
from convdip_training.evaluation.laboratory import (
    N_BRAIN_SESSIONS,
    N_NOISE_SEGMENTS,
    Plan,
    laboratory,
)
from convdip_training.evaluation.metrics import METRICS
from convdip_training.evaluation.ongoing_methods import Filtered
from convdip_training.evaluation.pieces import (
    chunks,
    code_files,
    in_processes,
    kept,
    package_versions,
)
from convdip_training.evaluation.sets import (
    BRAIN_NOISE_MULTI,
    BRAIN_NOISE_SINGLE,
    MULTI_SIGNED,
    N_TRIALS,
    SINGLE_SIGNED,
    SampleSet,
    SetConfig,
)
from convdip_training.noise import noise_pool
from convdip_training.simulate_caps import CLINICAL

log = logging.getLogger(__name__)

Float = NDArray[np.float64]
Method = Callable[[Erp], NDArray[np.floating]]

SETS = (SINGLE_SIGNED, MULTI_SIGNED, BRAIN_NOISE_SINGLE, BRAIN_NOISE_MULTI)
TWENTY_FOUR = (*CLINICAL, "TP9", "TP10", "AFz", "CPz", "POz")
N_LARGE, LOWEST_SHARE = 128, 0.2
MOST_OUT = 3
CHUNK = 10
WINDOWS = "windows of 50 samples, SNR 2 in each, 1–10 independent sources"
LEFT_OUT, INTERPOLATED = "left out", "interpolated"
WITH_BASELINE = "with the trials' own noise"


def caps_of(head: Head) -> dict[str, tuple[str, ...]]:
    """Return the caps by name: their electrodes, all of the 10-05 system."""
    assert head.scalp is not None
    heights = head.scalp.places_m[:, 2]
    upper = np.flatnonzero(heights > np.quantile(heights, LOWEST_SHARE))
    large = upper[spread_out(head.scalp.places_m[upper].astype(float), N_LARGE)]
    return {
        "19, clinical": CLINICAL,
        "24": TWENTY_FOUR,
        "31, the paper's": ELECTRODES,
        "64, BioSemi": find_cap("biosemi64").electrodes,
        "128": tuple(head.scalp.names[i] for i in sorted(large)),
    }


def of_cap(head: Head, names: tuple[str, ...]) -> Head:
    """Return a head with other electrodes of its scalp, for methods that take a head's own."""
    assert head.scalp is not None
    rows = [head.scalp.names.index(name) for name in names]
    fields = head.scalp.lead_field[rows]
    return with_electrodes(head, names, head.scalp.places_m[rows], fields - fields.mean(axis=0))


class CapModel:
    """A model for any cap, as the live service runs it on one.

    Parameters
    ----------
    bundle : Bundle
    names : tuple of str
    network : Network
    noise : ndarray, shape (n_electrodes, n_electrodes), optional
        Covariance of the noise, where it is known.
    """

    def __init__(
        self, bundle: Bundle, names: tuple[str, ...], network: Network, noise: Float | None = None
    ) -> None:
        head = of_cap(bundle.head, names)
        self._places_m = head.electrodes_m.astype(float)
        assert network.cortex is not None
        self._gains = Gains(network.cortex, names, self._places_m, noise)
        self._network, self._all = network, np.zeros(len(names), bool)
        self._full = self._gains.without(self._all)

    def __call__(self, erp: Erp, bad: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """Return the map at the peak in A·m, without some of the electrodes."""
        matrix, lead_field, given = self._full
        if bad is not None:
            is_bad = self._all.copy()
            is_bad[bad] = True
            matrix, lead_field, given = self._gains.without(is_bad)
        eeg = erp.average[None, erp.peak].astype(np.float32) @ matrix
        maps = self._network(np.ascontiguousarray(eeg[:, :N_DIRECTIONS]), given=given)
        moments_nam, _ = scale_to_eeg(maps, eeg[:, N_DIRECTIONS:], lead_field)
        return np.asarray(moments_nam[0] * np.float32(1e-9))

    def interpolating(self, erp: Erp, bad: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the map with electrodes filled from the others."""
        repair = repair_matrix(self._places_m, bad.tolist())
        return self(replace(erp, trials=erp.trials @ repair.T))


@dataclass(frozen=True)
class CapLaboratory:
    """What a plan needs for its caps."""

    plan: Plan

    @cached_property
    def network(self) -> Network:
        """The model's network, on the CPU in one thread."""
        bundle = laboratory(self.plan).bundle
        return Network(bundle.model, bundle.head, "cpu")

    @cached_property
    def alternative(self) -> Head:
        """The alternative head, its electrodes at every place."""
        return alternative_everywhere(laboratory(self.plan).experiment, self.plan.seed)

    @cache  # noqa: B019 - one laboratory lives as long as its process
    def samples(self, config: SetConfig) -> SampleSet:
        """Return a set, seen by electrodes everywhere."""
        head = laboratory(self.plan).head
        return SampleSet(config, self.plan.seed, head, self.alternative, self.noise(config.noise))

    @cache  # noqa: B019
    def noise(self, kind: str) -> NDArray[np.float32]:
        """Return noise segments, measured everywhere."""
        plan = self.plan
        config = laboratory(plan).experiment.config.noise
        config = replace(config, n_segments=N_NOISE_SEGMENTS)
        if kind == "brain":
            rng = np.random.default_rng([plan.seed, 6])
            return brain_noise(self.alternative, config, N_BRAIN_SESSIONS // 4, N_TRIALS, rng)
        return noise_pool(config, self.alternative, plan.seed, plan.cache)

    @cache  # noqa: B019
    def methods(self, cap: str) -> dict[str, Method]:
        """Return the model and its rivals for a cap."""
        bundle = laboratory(self.plan).bundle
        names = caps_of(bundle.head)[cap]
        head = of_cap(bundle.head, names)
        model = CapModel(bundle, names, self.network)
        methods: dict[str, Method] = {
            bundle.name: model,
            f"{bundle.name} {WITH_BASELINE}": partial(self._with_baseline, bundle, names),
            "eLORETA": MinimumNorm(head, "eLORETA"),
            "sLORETA": MinimumNorm(head, "sLORETA"),
            "LCMV": Lcmv(head),
            "γ-MAP": GammaMap(head),
        }
        if cap == "31, the paper's":
            methods[f"{bundle.name}, 1–{MOST_OUT} {LEFT_OUT}"] = partial(_without, model)
            methods[f"{bundle.name}, 1–{MOST_OUT} {INTERPOLATED}"] = partial(_filled, model)
        return methods

    @cached_property
    def window_set(self) -> WindowSet:
        """Windows of independent sources, in noise of the pool's kind."""
        noise = self.noise("pool")
        return WindowSet(self.plan.seed, laboratory(self.plan).head, self.alternative, noise)

    @cache  # noqa: B019
    def windows(self, cap: str) -> dict[str, Callable[[Filtered], NDArray[np.floating]]]:
        """Return the model and its rivals on windows."""
        bundle = laboratory(self.plan).bundle
        names = caps_of(bundle.head)[cap]
        return window_methods(bundle.name, names, of_cap(bundle.head, names), self.network)

    def _with_baseline(
        self, bundle: Bundle, names: tuple[str, ...], erp: Erp
    ) -> NDArray[np.float32]:
        return CapModel(bundle, names, self.network, erp.noise_covariance)(erp)


def _some(erp: Erp) -> NDArray[np.intp]:
    """Choose one to three electrodes, the same whenever they are asked for."""
    seed = np.abs(erp.average[erp.peak]).view(np.uint64) % (1 << 32)
    rng = np.random.default_rng(seed.tolist())
    n = int(rng.integers(1, MOST_OUT + 1))
    return np.sort(rng.choice(erp.trials.shape[-1], n, replace=False))


def _without(model: CapModel, erp: Erp) -> NDArray[np.float32]:
    return model(erp, _some(erp))


def _filled(model: CapModel, erp: Erp) -> NDArray[np.float32]:
    return model.interpolating(erp, _some(erp))


@cache
def cap_laboratory(plan: Plan) -> CapLaboratory:
    """Return a plan's laboratory for caps, one in each process."""
    return CapLaboratory(plan)


def score_caps(plan: Plan, n_samples: int) -> dict[str, Any]:
    """Score the model and its rivals on all caps.

    Parameters
    ----------
    plan : Plan
    n_samples : int
        Of each set.

    Returns
    -------
    table : dict
        By set, cap, method and metric: the mean over samples.

    Raises
    ------
    ConfigError
        If the model is for one cap.
    """
    here = laboratory(plan)
    if not here.bundle.takes_any_cap:
        raise ConfigError(
            f"the model {here.bundle.name} is for one cap: expected one that takes any, such as "
            "convdip-anycap"
        )
    for each in SETS:  # what takes long to make is made once, before the processes start
        cap_laboratory(plan).samples(each)
    caps = list(caps_of(here.head))
    jobs: list[tuple[Plan, SetConfig | None, str, int, int]] = [
        (plan, config, cap, *piece)
        for config in (*SETS, None)
        for cap in caps
        for piece in chunks(n_samples, CHUNK)
    ]
    scores: dict[tuple[str, str], list[Float]] = {}
    with tqdm(total=len(jobs), unit="piece", desc="caps", mininterval=1) as bar:
        for (_, config, cap, *_), piece in zip(jobs, in_processes(_kept, jobs), strict=True):
            title = WINDOWS if config is None else config.title
            scores.setdefault((title, cap), []).append(piece["values"])
            bar.update()
    table: dict[str, Any] = {}
    for (title, cap), pieces in scores.items():
        values = np.concatenate(pieces)
        known = ~np.isnan(values)
        # Some metrics are of single sources alone.
        means = np.where(known, values, 0.0).sum(axis=0) / np.where(
            known.any(0), known.sum(0), np.nan
        )
        laboratory_ = cap_laboratory(plan)
        names = list((laboratory_.windows if title == WINDOWS else laboratory_.methods)(cap))
        table.setdefault(title, {})[cap] = {
            name: dict(zip(METRICS, row.round(4).tolist(), strict=True))
            for name, row in zip(names, means, strict=True)
        }
    return table


def _kept(
    plan: Plan, config: SetConfig | None, cap: str, first: int, last: int
) -> dict[str, Float]:
    digests = laboratory(plan).bundle.card["sha256"]
    content = fingerprint(
        digests, config, cap, plan.seed, [first, last], package_versions(), _code()
    )
    path = plan.cache / "evaluation" / f"caps-{content}.npz"
    if config is None:
        return kept(path, partial(_score_windows, plan, cap, first, last))
    return kept(path, partial(_score, plan, config, cap, first, last))


@cache
def _code() -> list[Path]:
    names = (
        "caps", "cap_windows", "laboratory", "metrics", "sets", "brain_noise", "alternative",
        "ongoing_methods",
    )  # fmt: skip
    return code_files(names)


def _score_windows(plan: Plan, cap: str, first: int, last: int) -> dict[str, Float]:
    """Return the scores of some windows, shape (n_windows, n_methods, n_metrics)."""
    here, caps = laboratory(plan), cap_laboratory(plan)
    rows = [caps.alternative.channels.index(name) for name in caps_of(here.head)[cap]]
    values = []
    for i in range(first, last):
        eeg, truth, n_sources = caps.window_set[i]
        window = window_of(eeg, rows)
        maps = [method(window) for method in caps.windows(cap).values()]
        values.append(here.scorer(truth, maps, n_sources))
    return {"values": np.array(values)}


def _score(plan: Plan, config: SetConfig, cap: str, first: int, last: int) -> dict[str, Float]:
    """Return the scores of some samples, shape (n_samples, n_methods, n_metrics)."""
    here, caps = laboratory(plan), cap_laboratory(plan)
    names = caps_of(here.head)[cap]
    rows = [caps.alternative.channels.index(name) for name in names]
    reference = average_reference(len(names))
    values = []
    for i in range(first, last):
        sample = caps.samples(config)[i]
        erp = replace(sample.erp, trials=sample.erp.trials[..., rows] @ reference)
        maps = [method(erp) for method in caps.methods(cap).values()]
        values.append(here.scorer(sample.truth, maps, sample.n_sources))
    return {"values": np.array(values)}
