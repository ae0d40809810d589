"""The scores of all methods on all sets.

They are kept in pieces, so that an interrupted evaluation resumes where it stopped.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from convdip.bundle import FILES
from convdip.live.spline import sphere_centre
from numpy.typing import NDArray
from tqdm import tqdm

from convdip_training.cache import fingerprint
from convdip_training.evaluation.laboratory import HELD_OUT, Laboratory, Plan, laboratory
from convdip_training.evaluation.methods import (
    FREE_LCMV,
    GIVE_NO_MOMENTS,
    RANDOM_MAP,
    ZERO_MAP,
    method_names,
)
from convdip_training.evaluation.metrics import METRICS, normalised, relative_nmse
from convdip_training.evaluation.pieces import (
    chunks,
    code_files,
    in_processes,
    kept,
    package_versions,
)
from convdip_training.evaluation.sets import SetConfig

log = logging.getLogger(__name__)

Float = NDArray[np.float64]

NOTHING = (RANDOM_MAP, ZERO_MAP)
# A map raised to a power ranks its dipoles as before but has another nMSE; the best power of each
# method is chosen on the validation set.
POWERS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
CHUNK = 25
FACTS = ("n_sources", "order", "snr", "eccentricity", "skull_s_m", "n_repaired")


@dataclass(frozen=True)
class Scores:
    """All methods on one set.

    Attributes
    ----------
    set : SetConfig
    methods : list of str
        The model first, the two uninformed maps last.
    values : ndarray, shape (n_methods, n_samples, n_metrics)
        In the order of ``METRICS``.
    powers : ndarray, shape (n_methods, n_samples, n_powers)
        Relative nMSE of maps raised to each of ``POWERS``.
    facts : dict of ndarray, shape (n_samples,)
        What describes each sample: ``FACTS``.
    """

    set: SetConfig
    methods: list[str]
    values: Float
    powers: Float
    facts: dict[str, Float]

    def of(self, metric: str) -> Float:
        """Return one metric, shape (n_methods, n_samples)."""
        return np.asarray(self.values[:, :, list(METRICS).index(metric)])


def score_all(plan: Plan) -> list[Scores]:
    """Score all methods on all sets, in one process per core.

    Parameters
    ----------
    plan : Plan
    """
    here = laboratory(plan)
    for config in plan.sets:  # what takes long to make is made once, before the processes start
        here.noise(config)
        here.family(config)
        if config.noise == "recorded" and len(here.held_out) < len(HELD_OUT):
            log.warning(
                "set %s: %d of %d recordings for its noise in %s%s",
                config.name,
                len(here.held_out),
                len(HELD_OUT),
                plan.data,
                "" if here.held_out else "; using synthetic noise",
            )
    _ = here.methods  # may solve a lead field: once, before the processes start
    names = [*method_names(here.bundle, plan.quick), *NOTHING]
    jobs = [(plan, config, *piece) for config, n in plan.sets.items() for piece in chunks(n, CHUNK)]
    pieces: dict[str, list[dict[str, Any]]] = {config.name: [] for config in plan.sets}
    n_samples = sum(plan.sets.values())
    with tqdm(total=n_samples, unit="sample", desc="evaluation", mininterval=1) as bar:
        done = in_processes(_score_kept, jobs)
        for (_, config, first, last), piece in zip(jobs, done, strict=True):
            pieces[config.name].append(piece)
            bar.update(last - first)
    return [_joined(config, names, pieces[config.name]) for config in plan.sets]


def _joined(config: SetConfig, methods: list[str], pieces: list[dict[str, Any]]) -> Scores:
    joined = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    values, powers = (joined[name].swapaxes(0, 1) for name in ("values", "powers"))
    facts = {name: joined["facts"][:, i] for i, name in enumerate(FACTS)}
    return Scores(config, methods, values, powers, facts)


def _score_kept(plan: Plan, config: SetConfig, first: int, last: int) -> dict[str, Any]:
    """Score samples ``first`` to ``last`` − 1 of a set, or take the scores from the cache.

    The baseline methods' are kept separately, so that another model of the same head reuses them.
    """
    here = laboratory(plan)
    names = [*method_names(here.bundle, plan.quick), *NOTHING]
    model = _kept(here, config, first, last, names[:1], FILES)
    baselines = _kept(here, config, first, last, names[1:], ("head.npz",))
    both = {
        name: np.concatenate([model[name], baselines[name]], axis=1)
        for name in ("values", "powers")
    }
    return {**both, "facts": model["facts"]}


def _kept(
    here: Laboratory,
    config: SetConfig,
    first: int,
    last: int,
    names: list[str],
    files: tuple[str, ...],
) -> dict[str, Any]:
    """Score some of the methods; their scores hold for all bundles with the same ``files``."""
    content = fingerprint(
        names,
        {name: here.bundle.card["sha256"][name] for name in files},
        here.alternative.lead_field,
        here.noise(config),
        config,
        here.plan.seed,
        [first, last],
        package_versions(),
        _code(),
    )
    path = here.plan.cache / "evaluation" / f"{config.name}-{first:04d}-{content}.npz"
    return kept(path, partial(_score, here, config, first, last, names))


@cache
def _code() -> list[Path]:
    names = (
        "scores", "laboratory", "metrics", "sets", "brain_noise", "methods", "as_live",
        "alternative",
    )  # fmt: skip
    return code_files(names)


def _score(
    here: Laboratory, config: SetConfig, first: int, last: int, names: list[str]
) -> dict[str, Float]:
    without_moments = [names.index(name) for name in GIVE_NO_MOMENTS if name in names]
    no_sign = [names.index(FREE_LCMV)] if FREE_LCMV in names else []  # it gives norms
    mse, sign = (list(METRICS).index(name) for name in ("mse", "sign"))
    head, cortex = here.head, here.scorer.cortex
    centre_m = sphere_centre(head.electrodes_m)
    values, powers, facts = [], [], []
    for i in range(first, last):
        sample = here.samples(config)[i]
        rng = np.random.default_rng([here.plan.seed, i])
        of_nothing = {
            RANDOM_MAP: rng.uniform(-1, 1, head.n_dipoles),
            ZERO_MAP: np.zeros(head.n_dipoles),
        }
        maps = [
            of_nothing[name] if name in of_nothing else here.methods[name](sample.erp)
            for name in names
        ]
        scores = here.scorer(sample.truth, maps, sample.n_sources)
        scores[without_moments, mse] = np.nan
        scores[no_sign, sign] = np.nan
        values.append(scores)
        truth = sample.truth[cortex]
        powers.append(
            [[relative_nmse(truth, normalised(m[cortex]) ** p) for p in POWERS] for m in maps]
        )
        offset_m = head.dipoles_m[np.abs(sample.truth).argmax()] - centre_m
        eccentricity = float(np.linalg.norm(offset_m) * 1e3)
        facts.append(
            [
                sample.n_sources,
                sample.order,
                sample.snr,
                eccentricity,
                sample.skull_s_m,
                sample.n_repaired,
            ]
        )
    return {
        "values": np.array(values),
        "powers": np.array(powers),
        "facts": np.array(facts, float),
    }
