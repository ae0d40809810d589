"""Solving families of heads: one boundary element model a skull, all places of the electrodes."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import mne
import numpy as np
from convdip.head import Head
from numpy.typing import NDArray

from convdip_training.anatomy.family import N_PLACES, Family
from convdip_training.anatomy.forward import VERSION as HEAD_VERSION
from convdip_training.anatomy.forward import (
    Places,
    assemble_head,
    find_anatomy,
    own_files,
    place_electrodes,
    solve_forward,
    standard_places_m,
)
from convdip_training.cache import fingerprint, write_whole
from convdip_training.config import FamilyConfig, HeadConfig

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

# Changes with the code below, so that no family of older code is taken from the cache.
VERSION = 1


def training_family(
    config: FamilyConfig, head: HeadConfig, seed: int, cache: Path
) -> tuple[Head, Family]:
    """Return the family that a training draws its heads from, from the cache where it is there.

    Each skull takes over a minute otherwise.

    Parameters
    ----------
    config : FamilyConfig
    head : HeadConfig
        The head model in the middle of it.
    seed : int
        Of the electrodes' places.
    cache : Path

    Returns
    -------
    cortex : Head
        The fine cortex that sources are simulated on, with one of the family's lead fields.
    family : Family
        Of that cortex's dipoles.
    """
    rng = np.random.default_rng([seed, 2])
    standard_m = standard_places_m(head.electrodes)
    places_m = [standard_m] + [
        {
            name: at + rng.normal(0, config.electrode_sd_mm * 1e-3, 3)
            for name, at in standard_m.items()
        }
        for _ in range(N_PLACES)
    ]
    solved = []
    for skull_s_m in config.skull_s_m:
        brain, _, scalp = head.conductivity_s_m
        member = replace(head, spacing=config.spacing, conductivity_s_m=(brain, skull_s_m, scalp))
        name = fingerprint(config, head, skull_s_m, seed, VERSION, HEAD_VERSION, own_files(head))
        solved.append(keep_solved(cache, "fine", name, member, standard_m, places_m))
    fields = np.array([np.load(places_path) for _, places_path in solved])
    return Head.load(solved[0][0]), Family(fields, np.log(config.skull_s_m))


def keep_solved(
    cache: Path,
    kind: str,
    content: str,
    config: HeadConfig,
    cap_m: dict[str, Places],
    places_m: Sequence[dict[str, Places]],
) -> tuple[Path, Path]:
    """Solve a head for a cap and other places, unless the cache holds it, and return the files.

    Parameters
    ----------
    cache : Path
    kind, content : str
        What the files are called.
    config, cap_m, places_m
        As for `solve_places`.

    Returns
    -------
    head_path, places_path : Path
        Head and lead fields at all places.
    """
    head_path, places_path = cache / f"{kind}-{content}.npz", cache / f"{kind}-places-{content}.npy"
    if not (head_path.is_file() and places_path.is_file()):
        skull_s_m = config.conductivity_s_m[1]
        log.info("another head, skull %g S/m: a minute or two", skull_s_m)
        head, at_places = solve_places(config, cap_m, places_m)
        write_whole(places_path, partial(np.save, arr=at_places, allow_pickle=False))
        write_whole(head_path, head.save)
    return head_path, places_path


def solve_places(
    config: HeadConfig, cap_m: dict[str, Places], places_m: Sequence[dict[str, Places]]
) -> tuple[Head, Float]:
    """Solve one head for a cap and, in the same go, for other places of its electrodes.

    Parameters
    ----------
    config : HeadConfig
    cap_m : dict of ndarray, shape (3,)
        Electrodes in head coordinates.
    places_m : sequence of such dict

    Returns
    -------
    head : Head
        With the cap's lead field.
    lead_fields : ndarray, shape (n_places, n_electrodes, n_dipoles)
        V/(A·m), not referenced.
    """
    named_m = {f"{name}-{i}": at for i, cap in enumerate(places_m) for name, at in cap.items()}
    with tempfile.TemporaryDirectory() as scratch, mne.use_log_level("error"):
        anatomy = find_anatomy(config, Path(scratch))
        both = solve_forward(config, anatomy, place_electrodes({**cap_m, **named_m}))
        cap = mne.pick_channels_forward(both, list(cap_m), ordered=True)
        head = assemble_head(config, cap, anatomy)
    rows = [both["sol"]["row_names"].index(name) for name in named_m]
    fields = np.asarray(both["sol"]["data"][rows], np.float32)
    return head, fields.reshape(len(places_m), len(cap_m), -1)
