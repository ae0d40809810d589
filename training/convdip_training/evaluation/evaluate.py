"""All methods on all sets.

The scores are kept in pieces, so that a broken evaluation goes on where it stopped.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import convdip
import joblib
import numpy as np
import onnxruntime as ort
from convdip.bundle import FILES, Bundle, load_bundle
from convdip.errors import ConfigError
from convdip.head import Head
from convdip.live.topography import sphere_centre
from convdip.machine import n_cores
from convdip.mni import TEMPLATES
from numpy.typing import NDArray
from tqdm import tqdm

from convdip_training.anatomy.family import Family
from convdip_training.cache import fingerprint, write_whole
from convdip_training.config import NoiseConfig, TrainingConfig, config_of_card
from convdip_training.evaluation.alternative import alternative_head, head_family
from convdip_training.evaluation.methods import (
    GIVE_NO_MOMENTS,
    RANDOM_MAP,
    ZERO_MAP,
    Method,
    build_methods,
)
from convdip_training.evaluation.metrics import METRICS, Scorer, normalised, relative_nmse
from convdip_training.evaluation.sets import (
    MULTI,
    NOISE,
    ROBUST,
    SINGLE,
    STRICT,
    VALIDATION,
    SampleSet,
    SetConfig,
)
from convdip_training.noise import noise_pool

log = logging.getLogger(__name__)

Float = NDArray[np.float64]

NOTHING = (RANDOM_MAP, ZERO_MAP)
# A map raised to a power ranks its dipoles as before, but has another nMSE: which power is
# best for a method is chosen on the validation set.
POWERS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
N_NOISE_SEGMENTS = 400
CHUNK = 25
# Recordings that the stricter set takes its noise from, under the folder of real data. No
# training may use them.
HELD_OUT = (
    "eeg/eegmmidb_S001/S001R01.edf",
    "eeg/eegmmidb_S001/S001R02.edf",
    "eeg/eegmmidb_S001/S001R03.edf",
    "eeg/eegmmidb_S001/S001R04.edf",
    "eeg/eeglab_sample/eeglab_data.set",
)
# Nor any other recording of the same people.
HELD_OUT_NAMES = ("S001R", "eeglab_data")
FACTS = ("n_sources", "order", "snr", "eccentricity", "skull_s_m", "n_repaired")


@dataclass(frozen=True)
class Plan:
    """What is evaluated, and how.

    Attributes
    ----------
    model : Path
        Folder of the bundle.
    seed : int
    quick : bool
        100 samples of the paper's two sets instead of everything.
    data : Path
        Folder of real data; where it is not there, the stricter set has synthetic noise.
    cache : Path
    """

    model: Path
    seed: int
    quick: bool
    data: Path
    cache: Path

    @property
    def sets(self) -> dict[SetConfig, int]:
        """The sets and how many samples of each."""
        if self.quick:
            return {SINGLE: 100, MULTI: 100, VALIDATION: 50}
        return {SINGLE: 1000, MULTI: 1000, NOISE: 500, ROBUST: 500, STRICT: 500, VALIDATION: 200}


@dataclass(frozen=True)
class Scores:
    """All methods on one set.

    Attributes
    ----------
    set : SetConfig
    methods : list of str
        The model first, the two maps that know nothing last.
    values : ndarray, shape (n_methods, n_samples, n_metrics)
        In the order of ``METRICS``.
    powers : ndarray, shape (n_methods, n_samples, n_powers)
        Relative nMSE of maps raised to each of ``POWERS``.
    facts : dict of ndarray, shape (n_samples,)
        What is known of each sample: ``FACTS``.
    """

    set: SetConfig
    methods: list[str]
    values: Float
    powers: Float
    facts: dict[str, Float]

    def of(self, metric: str) -> Float:
        """Return one metric, shape (n_methods, n_samples)."""
        return np.asarray(self.values[:, :, list(METRICS).index(metric)])


class Laboratory:
    """What a plan needs, made when it is first asked for."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bundle: Bundle = load_bundle(plan.model)
        self.config: TrainingConfig = config_of_card(self.bundle.card)
        seen = [
            name
            for name in self.config.noise.recordings
            if Path(name).name.startswith(HELD_OUT_NAMES)
        ]
        if seen:
            raise ConfigError(
                f"the model was trained on {', '.join(seen)}, but the stricter set takes its noise "
                "from that person: train without these recordings"
            )

    @cached_property
    def alternative(self) -> Head:
        """The AGM."""
        return alternative_head(self.config.head, self.plan.seed, self.plan.cache)

    @cache  # noqa: B019 - a laboratory lives as long as its process
    def family(self, config: SetConfig) -> Family | None:
        """Return the heads that a set's samples draw from, if they do."""
        if not config.skulls_s_m:
            return None
        return head_family(self.config.head, config.skulls_s_m, self.plan.seed, self.plan.cache)

    @cached_property
    def methods(self) -> dict[str, Method]:
        """The model and its rivals."""
        return build_methods(self.bundle, self.plan.quick, self.plan.cache)

    @cached_property
    def scorer(self) -> Scorer:
        """The metrics on the model's cortex."""
        return Scorer(self.bundle.head)

    @property
    def is_template(self) -> bool:
        """Whether the head is fsaverage, whose coordinates are MNI's."""
        return self.config.head.subject in TEMPLATES

    @property
    def held_out(self) -> list[Path]:
        """Those recordings for the stricter set that are there."""
        return [path for name in HELD_OUT if (path := self.plan.data / name).is_file()]

    def noise_config(self, config: SetConfig) -> NoiseConfig:
        """Return where a set's noise is from."""
        noise = replace(self.config.noise, n_segments=N_NOISE_SEGMENTS)
        if config.strict and self.held_out:
            return replace(noise, recordings=tuple(map(str, self.held_out)))
        return noise

    @cache  # noqa: B019
    def noise(self, config: SetConfig) -> NDArray[np.float32]:
        """Return the segments that a set's trials are made of."""
        # What is chosen on the validation set must not fit the noise of the others.
        seed = self.plan.seed + (config == VALIDATION)
        return noise_pool(self.noise_config(config), self.alternative, seed, self.plan.cache)

    @cache  # noqa: B019
    def samples(self, config: SetConfig) -> SampleSet:
        """Return a set."""
        return SampleSet(
            config,
            self.plan.seed,
            self.bundle.head,
            self.alternative,
            self.noise(config),
            self.family(config),
        )


@cache
def laboratory(plan: Plan) -> Laboratory:
    """Return a plan's laboratory, one in each process."""
    return Laboratory(plan)


def score_all(plan: Plan) -> list[Scores]:
    """Score all methods on all sets, in as many processes as there are cores.

    Parameters
    ----------
    plan : Plan
    """
    here = laboratory(plan)
    for config in plan.sets:  # what takes long is made once, before the processes start
        here.noise(config)
        here.family(config)
        if config.strict and len(here.held_out) < len(HELD_OUT):
            log.warning(
                "stricter set: %d of %d recordings for its noise in %s%s",
                len(here.held_out),
                len(HELD_OUT),
                plan.data,
                "" if here.held_out else ": synthetic noise instead",
            )
    names = [*here.methods, *NOTHING]
    jobs = [
        (config, first, min(first + CHUNK, n))
        for config, n in plan.sets.items()
        for first in range(0, n, CHUNK)
    ]
    pieces: dict[str, list[dict[str, Any]]] = {config.name: [] for config in plan.sets}
    n_samples = sum(plan.sets.values())
    with tqdm(total=n_samples, unit="sample", desc="evaluation", mininterval=1) as bar:
        for (config, first, last), piece in zip(jobs, _run(plan, jobs), strict=True):
            pieces[config.name].append(piece)
            bar.update(last - first)
    return [_joined(config, names, pieces[config.name]) for config in plan.sets]


def _run(plan: Plan, jobs: list[tuple[SetConfig, int, int]]) -> Iterator[dict[str, Any]]:
    # One thread a process: more would fight for the cores, and round sums differently.
    with joblib.parallel_config("loky", n_jobs=n_cores(), inner_max_num_threads=1):
        work = joblib.Parallel(return_as="generator")
        yield from work(joblib.delayed(_score_kept)(plan, *job) for job in jobs)


def _joined(config: SetConfig, methods: list[str], pieces: list[dict[str, Any]]) -> Scores:
    joined = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    values, powers = (joined[name].swapaxes(0, 1) for name in ("values", "powers"))
    facts = {name: joined["facts"][:, i] for i, name in enumerate(FACTS)}
    return Scores(config, methods, values, powers, facts)


def _score_kept(plan: Plan, config: SetConfig, first: int, last: int) -> dict[str, Any]:
    """Score samples ``first`` to ``last`` − 1 of a set, or take what is in the cache.

    The rivals are kept by themselves: another model of the same head finds them there.
    """
    here = laboratory(plan)
    names = [*here.methods, *NOTHING]
    model = _kept(here, config, first, last, names[:1], FILES)
    rivals = _kept(here, config, first, last, names[1:], ("head.npz",))
    joined = {
        name: np.concatenate([model[name], rivals[name]], axis=1) for name in ("values", "powers")
    }
    return {**joined, "facts": model["facts"]}


def _kept(
    here: Laboratory,
    config: SetConfig,
    first: int,
    last: int,
    names: list[str],
    files: tuple[str, ...],
) -> dict[str, Any]:
    """Score some of the methods, whose scores hold for all bundles with the same ``files``."""
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
    if not path.is_file():
        scored = _score(here, config, first, last, names)
        write_whole(path, lambda unfinished: np.savez(unfinished, allow_pickle=False, **scored))
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


@cache
def _code() -> list[Path]:
    """Return the files whose code decides a score."""
    own, live = Path(__file__).parent, Path(convdip.__file__).parent
    names = ("evaluate", "metrics", "sets", "methods", "alternative")
    return sorted(
        [
            *(own / f"{name}.py" for name in names),
            *(live / "live" / f"{name}.py" for name in ("topography", "scale", "network")),
            live / "sources" / "patches.py",
            *(own.parent / "baselines").glob("*.py"),
            *(own.parent / "anatomy").glob("*.py"),
        ]
    )


def package_versions() -> dict[str, str]:
    """Return the versions of what the scores are computed with."""
    return {
        "python": platform.python_version(),
        "onnxruntime": ort.__version__,
        **{name: version(name) for name in ("mne", "numpy", "scipy", "scikit-learn", "pot")},
    }


def _score(
    here: Laboratory, config: SetConfig, first: int, last: int, names: list[str]
) -> dict[str, Float]:
    without_moments = [names.index(name) for name in GIVE_NO_MOMENTS if name in names]
    head = here.bundle.head
    centre_m = sphere_centre(head.electrodes_m)
    values, powers, facts = [], [], []
    for i in range(first, last):
        sample = here.samples(config)[i]
        rng = np.random.default_rng([here.plan.seed, i])
        of_nothing = {RANDOM_MAP: rng.random(head.n_dipoles), ZERO_MAP: np.zeros(head.n_dipoles)}
        maps = [
            of_nothing[name] if name in of_nothing else here.methods[name](sample.erp)
            for name in names
        ]
        scores = here.scorer(sample.truth, maps, sample.n_sources)
        scores[without_moments, list(METRICS).index("mse")] = np.nan
        values.append(scores)
        powers.append(
            [[relative_nmse(sample.truth, normalised(m) ** p) for p in POWERS] for m in maps]
        )
        offset_m = head.dipoles_m[sample.truth.argmax()] - centre_m
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
