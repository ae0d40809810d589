"""What an evaluation works with: a bundle, its experiment, heads and noise it has never seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from convdip.bundle import Bundle, load_bundle
from convdip.errors import ConfigError
from convdip.head import Head
from convdip.mni import TEMPLATES
from numpy.typing import NDArray

from convdip_training.anatomy.families import Family
from convdip_training.config import NoiseConfig
from convdip_training.evaluation.alternative import alternative_head, head_family
from convdip_training.evaluation.brain_noise import brain_noise
from convdip_training.evaluation.methods import Method, build_methods
from convdip_training.evaluation.metrics import Scorer
from convdip_training.evaluation.sets import (
    BRAIN_NOISE_MULTI,
    BRAIN_NOISE_SINGLE,
    MULTI,
    MULTI_SIGNED,
    N_TRIALS,
    NOISE,
    NOISE_SIGNED,
    RECORDED_NOISE_MULTI,
    RECORDED_NOISE_SINGLE,
    ROBUST,
    ROBUST_SIGNED,
    SINGLE,
    SINGLE_SIGNED,
    STRICT,
    STRICT_SIGNED,
    VALIDATION,
    VALIDATION_SIGNED,
    SampleSet,
    SetConfig,
)
from convdip_training.experiment import Experiment
from convdip_training.noise import noise_pool

N_NOISE_SEGMENTS = 400
N_BRAIN_SESSIONS = 100
# Recordings that the stricter sets and those in recorded noise take their noise from, in the
# folder of real data. No training may use them.
HELD_OUT = (
    "eeg/eegmmidb_S001/S001R01.edf",
    "eeg/eegmmidb_S001/S001R02.edf",
    "eeg/eegmmidb_S001/S001R03.edf",
    "eeg/eegmmidb_S001/S001R04.edf",
    "eeg/eeglab_sample/eeglab_data.set",
)
# Nor any other recording of the same people.
HELD_OUT_NAMES = ("S001R", "eeglab_data")


@dataclass(frozen=True)
class Plan:
    """What is evaluated, and how; small enough to be sent to other processes.

    Attributes
    ----------
    model : Path
        Folder of the bundle.
    seed : int
    quick : bool
        100 samples each of one source and of 1–10, of either sign, instead of everything.
    data : Path
        Folder of real data; without it no set has recorded noise, but synthetic noise instead.
    cache : Path
    """

    model: Path
    seed: int
    quick: bool
    data: Path
    cache: Path

    @property
    def sets(self) -> dict[SetConfig, int]:
        """The sets, and the number of samples of each, in the order of the report."""
        if self.quick:
            return {SINGLE_SIGNED: 100, MULTI_SIGNED: 100, VALIDATION_SIGNED: 50}
        return {
            SINGLE_SIGNED: 1000,
            MULTI_SIGNED: 1000,
            NOISE_SIGNED: 300,
            ROBUST_SIGNED: 300,
            STRICT_SIGNED: 300,
            BRAIN_NOISE_SINGLE: 300,
            BRAIN_NOISE_MULTI: 300,
            RECORDED_NOISE_SINGLE: 300,
            RECORDED_NOISE_MULTI: 300,
            SINGLE: 1000,
            MULTI: 1000,
            NOISE: 300,
            ROBUST: 300,
            STRICT: 300,
            VALIDATION_SIGNED: 200,
            VALIDATION: 200,
        }


class Laboratory:
    """What a plan needs, each part made when it is first used.

    Parameters
    ----------
    plan : Plan

    Raises
    ------
    ConfigError
        If the model's card holds no configuration, or it was trained on held-out recordings.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.bundle: Bundle = load_bundle(plan.model)
        self.experiment = Experiment.of_bundle(self.bundle, plan.cache)
        seen = [
            name
            for name in self.experiment.config.noise.recordings
            if Path(name).name.startswith(HELD_OUT_NAMES)
        ]
        if seen:
            raise ConfigError(
                f"the model was trained on {', '.join(seen)}, but the evaluation takes recorded "
                "noise from the same person: train without these recordings"
            )

    @property
    def head(self) -> Head:
        """The model's head, which all methods are given."""
        return self.experiment.head

    @cached_property
    def alternative(self) -> Head:
        """The alternative generative model (AGM), which the data come from."""
        return alternative_head(self.experiment, self.plan.seed)

    @cache  # noqa: B019 - a laboratory lives as long as its process
    def family(self, config: SetConfig) -> Family | None:
        """Return the heads that a set draws its samples from; None where all have the same."""
        if not config.skulls_s_m:
            return None
        return head_family(self.experiment, config.skulls_s_m, self.plan.seed)

    @cached_property
    def methods(self) -> dict[str, Method]:
        """The model, then the baseline methods."""
        return build_methods(self.bundle, self.experiment, self.plan.quick)

    @cached_property
    def scorer(self) -> Scorer:
        """The metrics on the model's cortex."""
        return Scorer(self.head)

    @property
    def is_template(self) -> bool:
        """Whether the head is fsaverage, whose coordinates are MNI coordinates."""
        return self.experiment.config.head.subject in TEMPLATES

    @property
    def held_out(self) -> list[Path]:
        """The recordings for recorded noise that are at hand."""
        return [path for name in HELD_OUT if (path := self.plan.data / name).is_file()]

    def noise_config(self, config: SetConfig) -> NoiseConfig:
        """Return what a set's noise is made from, unless it is brain noise."""
        noise = replace(self.experiment.config.noise, n_segments=N_NOISE_SEGMENTS)
        if config.noise == "recorded" and self.held_out:
            return replace(noise, recordings=tuple(map(str, self.held_out)))
        return noise

    @cache  # noqa: B019
    def noise(self, config: SetConfig) -> NDArray[np.float32]:
        """Return the noise segments of a set's trials."""
        noise = self.noise_config(config)
        if config.noise == "brain":
            rng = np.random.default_rng([self.plan.seed, 6])
            return brain_noise(self.alternative, noise, N_BRAIN_SESSIONS, N_TRIALS, rng)
        # Choices made on the validation sets must not fit the noise of the others.
        seed = self.plan.seed + (config in (VALIDATION, VALIDATION_SIGNED))
        return noise_pool(noise, self.alternative, seed, self.plan.cache)

    @cache  # noqa: B019
    def samples(self, config: SetConfig) -> SampleSet:
        """Return a set's samples."""
        return SampleSet(
            config,
            self.plan.seed,
            self.head,
            self.alternative,
            self.noise(config),
            self.family(config),
        )


@cache
def laboratory(plan: Plan) -> Laboratory:
    """Return a plan's laboratory, one in each process."""
    return Laboratory(plan)
