"""The alternative generative model (AGM): the head that evaluation data come from (section 2.1).

Electrodes displaced, other conductivities, a finer source space: no inverse method sees any of
it. For the stricter set the head is drawn anew for each sample, from a family of lead fields.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mne
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import KDTree

from realtime.head import Head
from training.cache import fingerprint, write_whole
from training.config import HeadConfig
from training.head import VERSION as HEAD_VERSION
from training.head import (
    assemble_head,
    find_anatomy,
    own_files,
    place_electrodes,
    solve_forward,
    standard_places_m,
)

log = logging.getLogger(__name__)

Float = NDArray[np.float32]

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
# Each electrode takes one of so many places, by itself: 16 to the power of 31 caps.
N_PLACES = 16


@dataclass(frozen=True)
class Family:
    """Lead fields of heads with other skulls and other places of the electrodes.

    Attributes
    ----------
    lead_fields : ndarray, shape (n_skulls, n_places, n_electrodes, n_dipoles)
        V/(A·m), not referenced.
    log_skull : ndarray, shape (n_skulls,)
        Logarithm of the skull's conductivity in S/m.
    """

    lead_fields: Float
    log_skull: NDArray[np.float64]

    def project(
        self, sources: NDArray[np.float64], skull_s_m: float, places: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the average-referenced EEG of a source map in one head of the family.

        Parameters
        ----------
        sources : ndarray, shape (n_dipoles,)
            A·m.
        skull_s_m : float
        places : ndarray of int, shape (n_electrodes,)
            Which of its places each electrode takes.

        Returns
        -------
        eeg : ndarray, shape (n_electrodes,)
        """
        active = np.flatnonzero(sources)
        electrodes = np.arange(places.size)
        rows = self.lead_fields[:, places, electrodes][:, :, active]
        weights = _lagrange(self.log_skull, np.log(skull_s_m))
        eeg: NDArray[np.float64] = weights @ (rows @ sources[active].astype(float))
        return np.asarray(eeg - eeg.mean())


def _lagrange(nodes: NDArray[np.float64], x: float) -> NDArray[np.float64]:
    """Return the weights of the nodes' values in the parabola through them, at x."""
    others = ~np.eye(nodes.size, dtype=bool)
    return np.array([np.prod((x - nodes[o]) / (nodes[i] - nodes[o])) for i, o in enumerate(others)])


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


def nearest_mean(source_m: Float, target_m: Float) -> sparse.csr_array:
    """Return the matrix that takes the mean of the nearest sources to each target.

    Parameters
    ----------
    source_m, target_m : ndarray, shape (n, 3)

    Returns
    -------
    transform : sparse array, shape (n_target, n_source)
        Rows of five times 1/5 (the paper's K).
    """
    _, nearest = KDTree(source_m).query(target_m, k=N_NEIGHBOURS)
    rows = np.repeat(np.arange(len(target_m)), N_NEIGHBOURS)
    share = np.full(rows.size, 1 / N_NEIGHBOURS)
    return sparse.csr_array((share, (rows, nearest.ravel())), shape=(len(target_m), len(source_m)))


def to_model(sources: NDArray[np.float64], transform: sparse.csr_array) -> Float:
    """Carry source maps from the AGM to the model's dipoles, with equal energy (section 2.2).

    Parameters
    ----------
    sources : ndarray, shape (n, n_agm_dipoles)
        A·m, not negative.
    transform : sparse array, shape (n_dipoles, n_agm_dipoles)
        From `nearest_mean`.

    Returns
    -------
    sources : ndarray, shape (n, n_dipoles)
        The sum of each map's moments is what it was.
    """
    carried = (transform @ sources.T).T
    total = carried.sum(axis=1, keepdims=True)
    before = sources.sum(axis=1, keepdims=True)
    scale = np.divide(before, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(carried * scale, np.float32)


def _solved(config: HeadConfig, skull_s_m: float, seed: int, cache: Path) -> tuple[Path, Path]:
    """Solve a head with one skull for the AGM's cap and for all places of the family's caps."""
    name = fingerprint(config, skull_s_m, seed, VERSION, HEAD_VERSION, own_files(config))
    head_path, places_path = cache / f"agm-{name}.npz", cache / f"agm-places-{name}.npy"
    if head_path.is_file() and places_path.is_file():
        return head_path, places_path
    log.info("alternative head, skull %g S/m: a minute or two", skull_s_m)
    config = replace(config, spacing=SPACING, conductivity_s_m=(BRAIN_S_M, skull_s_m, BRAIN_S_M))
    rng = np.random.default_rng([seed, 1])
    standard_m = standard_places_m(config.electrodes)
    cap_m = {name: at + rng.normal(0, ELECTRODE_SD_M, 3) for name, at in standard_m.items()}
    places_m = {
        f"{name}-{i}": at + rng.normal(0, FAMILY_ELECTRODE_SD_M, 3)
        for i in range(N_PLACES)
        for name, at in standard_m.items()
    }
    with tempfile.TemporaryDirectory() as scratch, mne.use_log_level("error"):
        anatomy = find_anatomy(config, Path(scratch))
        both = solve_forward(config, anatomy, place_electrodes({**cap_m, **places_m}))
        cap = mne.pick_channels_forward(both, list(cap_m), ordered=True)
        head = assemble_head(config, cap, anatomy)
    at_places = _rows(both, list(places_m)).reshape(N_PLACES, len(cap_m), -1)
    write_whole(places_path, lambda path: np.save(path, at_places, allow_pickle=False))
    write_whole(head_path, head.save)
    return head_path, places_path


def _rows(forward: mne.Forward, names: Sequence[str]) -> Float:
    order = [forward["sol"]["row_names"].index(name) for name in names]
    return np.asarray(forward["sol"]["data"][order], np.float32)
