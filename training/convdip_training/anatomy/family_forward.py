"""The lead fields of a family: one boundary element model per skull, for all electrode places."""

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

from convdip_training.anatomy.assemble import assemble_head
from convdip_training.anatomy.caps import Places, displaced, place_electrodes, standard_places_m
from convdip_training.anatomy.families import N_PLACES, Family, TrainingFamily
from convdip_training.anatomy.forward import HEAD_VERSION, solve_forward
from convdip_training.anatomy.stretch import stretch_places, stretch_subject
from convdip_training.anatomy.subject import find_subject, own_files
from convdip_training.cache import fingerprint, write_whole
from convdip_training.config import FamilyConfig, HeadConfig

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

# Increase with any change of the numbers below, so that no older family is taken from the cache.
VERSION = 1


def training_family(
    config: FamilyConfig, head: HeadConfig, seed: int, cache: Path
) -> TrainingFamily:
    """Return the family that a training draws its heads from, from the cache if it is there.

    Each skull that is not takes over a minute.

    Parameters
    ----------
    config : FamilyConfig
    head : HeadConfig
        The head model at its centre.
    seed : int
        Of the electrodes' displacement.
    cache : Path

    Returns
    -------
    family : TrainingFamily
    """
    rng = np.random.default_rng([seed, 2])
    standard_m = standard_places_m(head.electrodes)
    sd_m = config.electrode_sd_mm * 1e-3
    places_m = [standard_m, *(displaced(standard_m, sd_m, rng) for _ in range(N_PLACES))]
    solved = []
    for skull_s_m in config.skull_s_m:
        brain, _, scalp = head.conductivity_s_m
        member = replace(head, spacing=config.spacing, conductivity_s_m=(brain, skull_s_m, scalp))
        name = fingerprint(config, head, skull_s_m, seed, VERSION, HEAD_VERSION, own_files(head))
        solved.append(keep_solved(cache, "fine", name, member, standard_m, places_m))
    family = load_family([places_path for _, places_path in solved], config.skull_s_m)
    return TrainingFamily(Head.load(solved[0][0]), family)


def load_family(places_paths: Sequence[Path], skulls_s_m: Sequence[float]) -> Family:
    """Return the family of solutions that `keep_solved` has kept, one for each skull."""
    # Mapped, not loaded: at no time are there two copies of a few hundred megabytes.
    fields = np.stack([np.load(path, mmap_mode="r") for path in places_paths])
    return Family(fields, np.log(skulls_s_m))


def keep_solved(
    cache: Path,
    kind: str,
    content: str,
    config: HeadConfig,
    cap_m: dict[str, Places],
    places_m: Sequence[dict[str, Places]],
    stretched: tuple[float, float, float] | None = None,
) -> tuple[Path, Path]:
    """Solve a head for a cap and further places unless the cache holds it; return its files.

    Parameters
    ----------
    cache : Path
    kind, content : str
        Parts of the files' names.
    config, cap_m, places_m, stretched
        As for `solve_places`.

    Returns
    -------
    head_path, places_path : Path
        The head, and its lead fields at all places.
    """
    head_path, places_path = cache / f"{kind}-{content}.npz", cache / f"{kind}-places-{content}.npy"
    if not (head_path.is_file() and places_path.is_file()):
        skull_s_m = config.conductivity_s_m[1]
        log.info("lead field for a skull of %g S/m: a minute or two", skull_s_m)
        head, at_places = solve_places(config, cap_m, places_m, stretched)
        write_whole(places_path, partial(np.save, arr=at_places, allow_pickle=False))
        write_whole(head_path, head.save)
    return head_path, places_path


def solve_places(
    config: HeadConfig,
    cap_m: dict[str, Places],
    places_m: Sequence[dict[str, Places]],
    stretched: tuple[float, float, float] | None = None,
) -> tuple[Head, Float]:
    """Solve one head for a cap and, in the same run, for further places of electrodes.

    Parameters
    ----------
    config : HeadConfig
    cap_m : dict of ndarray, shape (3,)
        Electrodes in head coordinates.
    places_m : sequence of such dict
    stretched : tuple of float, optional
        Factors that the template and all places are stretched by.

    Returns
    -------
    head : Head
        With the cap's lead field.
    lead_fields : ndarray, shape (len(places_m), n_electrodes of each, n_dipoles)
        V/(A·m), not referenced.
    """
    named_m = {f"{name}-{i}": at for i, cap in enumerate(places_m) for name, at in cap.items()}
    everywhere_m = {**cap_m, **named_m}
    with tempfile.TemporaryDirectory() as scratch, mne.use_log_level("error"):
        subject = find_subject(config, Path(scratch))
        if stretched is not None:
            stretch_subject(subject, stretched)
            everywhere_m = stretch_places(everywhere_m, subject, stretched)
        both = solve_forward(config, subject, place_electrodes(everywhere_m))
        cap = mne.pick_channels_forward(both, list(cap_m), ordered=True)
        head = assemble_head(config, cap, subject)
    rows = [both["sol"]["row_names"].index(name) for name in named_m]
    fields = np.asarray(both["sol"]["data"][rows], np.float32)
    return head, fields.reshape(len(places_m), len(places_m[0]), -1)
