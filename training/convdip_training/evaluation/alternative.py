"""The alternative generative model (AGM): the head that evaluation data come from (section 2.1).

It has displaced electrodes, other conductivities and a finer source space, which no inverse method
sees. For the stricter sets a head is drawn for each sample, from a family of lead fields.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from convdip.head import Head
from convdip.live.cap_places import ten_five_names

from convdip_training.anatomy.caps import displaced, standard_places_m
from convdip_training.anatomy.families import N_PLACES, Family
from convdip_training.anatomy.family_forward import keep_solved, load_family
from convdip_training.anatomy.forward import HEAD_VERSION
from convdip_training.anatomy.scalp_fields import with_electrodes
from convdip_training.anatomy.subject import own_files
from convdip_training.cache import fingerprint
from convdip_training.experiment import Experiment

# Increase with any change of the numbers below, so that no older head is taken from the cache.
VERSION = 1
SPACING = "oct6"
BRAIN_S_M, SKULL_S_M = 0.332, 0.0113
ELECTRODE_SD_M = 0.002
N_NEIGHBOURS = 5

# The family: the paper's skull between the two ends that measurements leave open. A lead field
# is smooth in the logarithm of the skull's conductivity: a parabola through three solutions is
# 0.8 % off at 0.0067 and 0.2 % at 0.015 (Frobenius norm, against solutions there).
FAMILY_SKULL_S_M = (0.004, SKULL_S_M, 0.02)
FAMILY_ELECTRODE_SD_M = 0.004


def alternative_head(experiment: Experiment, seed: int) -> Head:
    """Return the AGM of an experiment's head model, from the cache if it is there.

    Parameters
    ----------
    experiment : Experiment
        Has the head model that the inverse methods are given.
    seed : int
        Of the electrodes' displacement.

    Returns
    -------
    head : Head
        8,196 dipoles if the anatomy is the template.
    """
    return Head.load(_solved(experiment, SKULL_S_M, seed)[0])


def alternative_everywhere(experiment: Experiment, seed: int) -> Head:
    """Return the AGM with electrodes at every place of the 10-05 system, each displaced.

    The model's own electrodes lie where the AGM has them.

    Parameters
    ----------
    experiment : Experiment
    seed : int
    """
    config = experiment.config.head
    names = ten_five_names()
    rng = np.random.default_rng([seed, 1])
    cap_m = displaced(standard_places_m(config.electrodes), ELECTRODE_SD_M, rng)
    others = standard_places_m(names)
    everywhere_m = {**displaced(others, ELECTRODE_SD_M, rng), **cap_m}
    member = replace(config, spacing=SPACING, conductivity_s_m=(BRAIN_S_M, SKULL_S_M, BRAIN_S_M))
    content = fingerprint(config, seed, "everywhere", VERSION, HEAD_VERSION, own_files(config))
    path, places_path = keep_solved(
        experiment.cache, "agm-scalp", content, member, cap_m, [everywhere_m]
    )
    field = np.load(places_path)[0]
    nowhere_m = np.zeros((len(names), 3), np.float32)  # no method sees where they are
    return with_electrodes(Head.load(path), names, nowhere_m, field - field.mean(axis=0))


def head_family(experiment: Experiment, skulls_s_m: tuple[float, ...], seed: int) -> Family:
    """Return heads with other skulls and caps.

    Each skull that is not in the cache takes over a minute; the AGM's own always is.
    """
    paths = [_solved(experiment, skull_s_m, seed)[1] for skull_s_m in skulls_s_m]
    return load_family(paths, skulls_s_m)


def _solved(experiment: Experiment, skull_s_m: float, seed: int) -> tuple[Path, Path]:
    """Solve a head with one skull for the AGM's cap and for all places of the family's caps."""
    config, cache = experiment.config.head, experiment.cache
    rng = np.random.default_rng([seed, 1])
    standard_m = standard_places_m(config.electrodes)
    cap_m = displaced(standard_m, ELECTRODE_SD_M, rng)
    places_m = [displaced(standard_m, FAMILY_ELECTRODE_SD_M, rng) for _ in range(N_PLACES)]
    content = fingerprint(config, skull_s_m, seed, VERSION, HEAD_VERSION, own_files(config))
    member = replace(config, spacing=SPACING, conductivity_s_m=(BRAIN_S_M, skull_s_m, BRAIN_S_M))
    return keep_solved(cache, "agm", content, member, cap_m, places_m)
