"""The alternative generative model (AGM): the head that evaluation data come from (section 2.1).

Electrodes displaced, other conductivities, a finer source space: no inverse method sees any of
it. For the stricter set the head is drawn anew for each sample, from a family of lead fields.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from convdip.head import Head

from convdip_training.anatomy.caps import standard_places_m
from convdip_training.anatomy.families import N_PLACES, Family
from convdip_training.anatomy.family_forward import keep_solved
from convdip_training.anatomy.forward import HEAD_VERSION
from convdip_training.anatomy.subject import own_files
from convdip_training.cache import fingerprint
from convdip_training.config import HeadConfig

# Changes with the code below, so that no head of older code is taken from the cache.
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


def alternative_head(config: HeadConfig, seed: int, cache: Path) -> Head:
    """Return the AGM of a head model, from the cache where it is there.

    Parameters
    ----------
    config : HeadConfig
        The head model that the inverse methods have.
    seed : int
        Of the electrodes' displacement.
    cache : Path

    Returns
    -------
    head : Head
        8,196 dipoles where the anatomy is the template.
    """
    return Head.load(_solved(config, SKULL_S_M, seed, cache)[0])


def head_family(
    config: HeadConfig, skulls_s_m: tuple[float, ...], seed: int, cache: Path
) -> Family:
    """Return heads with other skulls and caps.

    Each skull that is not yet in the cache takes over a minute; the AGM's own is.
    """
    paths = [_solved(config, skull_s_m, seed, cache)[1] for skull_s_m in skulls_s_m]
    return Family(np.array([np.load(path) for path in paths]), np.log(skulls_s_m))


def _solved(config: HeadConfig, skull_s_m: float, seed: int, cache: Path) -> tuple[Path, Path]:
    """Solve a head with one skull for the AGM's cap and for all places of the family's caps."""
    rng = np.random.default_rng([seed, 1])
    standard_m = standard_places_m(config.electrodes)
    cap_m = {name: at + rng.normal(0, ELECTRODE_SD_M, 3) for name, at in standard_m.items()}
    places_m = [
        {name: at + rng.normal(0, FAMILY_ELECTRODE_SD_M, 3) for name, at in standard_m.items()}
        for _ in range(N_PLACES)
    ]
    content = fingerprint(config, skull_s_m, seed, VERSION, HEAD_VERSION, own_files(config))
    member = replace(config, spacing=SPACING, conductivity_s_m=(BRAIN_S_M, skull_s_m, BRAIN_S_M))
    return keep_solved(cache, "agm", content, member, cap_m, places_m)
