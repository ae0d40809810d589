"""How far the maps of a model's reduced-precision forms deviate from those of fp32.

int8 is measured because bundles carry it, fp16 for comparison.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime as ort
from convdip.bundle import Bundle
from convdip.head import Head
from convdip.sources.background import background_eeg
from convdip.sources.simulator import simulate_session
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from convdip_training.evaluation.as_live import imager_of
from convdip_training.evaluation.rounding import rounded
from convdip_training.quantise import PrecisionError, to_fp16

Float = NDArray[np.float32]
Table = dict[str, Any]
Maps = Callable[[Float], Float]

FORMS = ("int8", "fp16", "fp32")
BATCH = 64
# Compared with samples one by one: a few, as after a delay, and many, as in recordings.
BATCHES = (3, BATCH, 128)
SFREQ_HZ = 100.0
SESSION_S = 40.0
N_NOISE = 1000
NOISE_V = 1e-5
N_BATCHED = 640


def forms_of(bundle: Bundle) -> dict[str, bytes]:
    """Return the ONNX file of each form of a bundle.

    Raises
    ------
    PrecisionError
        If the bundle has no int8 form.
    """
    if bundle.int8 is None:
        raise PrecisionError(f"the model {bundle.name} has no int8 form: expected one that has")
    return {"int8": bundle.int8, "fp16": to_fp16(bundle.model), "fp32": bundle.model}


def measure(bundle: Bundle, seed: int) -> Table:
    """Measure the deviations of a bundle's forms on simulated EEG of its own head.

    Parameters
    ----------
    bundle : Bundle
        With an int8 form.
    seed : int
        Of the simulated samples.

    Returns
    -------
    table : dict
        By form, for the card.

    Raises
    ------
    PrecisionError
        If maps are not finite, or all zero.
    """
    head, files = bundle.head, forms_of(bundle)
    maps_of = {form: imager_of(bundle, file).maps for form, file in files.items()}
    eeg = simulated_eeg(head, seed)
    table: Table = {
        "data": f"{len(eeg):,} simulated samples on the model's own head, {N_NOISE:,} of them "
        f"noise alone; seed {seed}, ONNX Runtime {ort.__version__}"
    }
    # One thread: with more, the order of sums would depend on the number of cores.
    with threadpool_limits(1):
        for form, file in files.items():
            entry: Table = {"bytes": len(file)}
            if form != "fp32":
                entry |= deviations(maps_of[form], maps_of["fp32"], eeg, head.dipoles_m)
            some = eeg[:: -(-len(eeg) // N_BATCHED)]
            table[form] = entry | {"batch_difference": batch_difference(maps_of[form], some)}
    plain: Table = rounded(table)
    return plain


def simulated_eeg(head: Head, seed: int) -> Float:
    """Return simulated EEG: sources one after another in noise, then noise alone.

    Parameters
    ----------
    head : Head
    seed : int

    Returns
    -------
    eeg : ndarray, shape (n_times, n_electrodes)
        Volts.
    """
    session = simulate_session(head, SESSION_S, SFREQ_HZ, seed)
    noise = background_eeg(head, N_NOISE, SFREQ_HZ, np.random.default_rng([seed, 5]))
    return np.concatenate([session.eeg_uv * 1e-6, noise * NOISE_V]).astype(np.float32)


def deviations(maps_of: Maps, reference: Maps, eeg: Float, dipoles_m: Float) -> Table:
    """Return how far the maps of a form deviate from those of another.

    Parameters
    ----------
    maps_of, reference : callable
        EEG (n_times, n_electrodes) in volts → source maps (n_times, n_dipoles).
    eeg : ndarray, shape (n_times, n_electrodes)
    dipoles_m : ndarray, shape (n_dipoles, 3)

    Raises
    ------
    PrecisionError
        If a map is not finite, or all maps of the reference are zero.
    """
    largest, relative_l2, moved_mm = [], [], []
    for batch in np.split(eeg, range(BATCH, len(eeg), BATCH)):
        expected, maps = reference(batch), maps_of(batch)
        there = expected.any(axis=1)  # nothing is relative to a map of zeros
        expected, maps = expected[there], maps[there]
        difference = np.abs(maps - expected)
        largest.append(difference.max(axis=1) / np.abs(expected).max(axis=1))
        norms = [np.linalg.norm(values, axis=1) for values in (difference, expected)]
        relative_l2.append(norms[0] / norms[1])
        strongest = [dipoles_m[np.abs(values).argmax(axis=1)] for values in (expected, maps)]
        moved_mm.append(np.linalg.norm(strongest[1] - strongest[0], axis=1) * 1e3)
    of_maximum, mm = np.concatenate(largest), np.concatenate(moved_mm)
    if not (of_maximum.size and np.isfinite(of_maximum).all()):
        raise PrecisionError(
            "the model's maps are all zero, or not finite: expected maps of simulated EEG that "
            "can be compared; is it a trained model?"
        )
    moves = mm > 0
    return {
        "median_deviation": np.median(of_maximum),
        "largest_deviation": of_maximum.max(),
        "relative_l2_median": np.median(np.concatenate(relative_l2)),
        "moved_share": moves.mean(),
        "moved_mm_median": np.median(mm[moves]) if moves.any() else None,
        "moved_mm_95": np.quantile(mm[moves], 0.95) if moves.any() else None,
    }


def batch_difference(maps_of: Maps, eeg: Float) -> float:
    """Return how much maps of samples in batches differ at most from those of single samples.

    As a share of a map's maximum: another batch sums in another order.
    """

    def in_batches(size: int) -> Float:
        pieces = np.split(eeg, range(size, len(eeg), size))
        return np.concatenate([maps_of(piece) for piece in pieces])

    alone = in_batches(1)
    largest = np.maximum(np.abs(alone).max(axis=1), np.finfo(np.float32).tiny)
    return max(
        float((np.abs(in_batches(size) - alone).max(axis=1) / largest).max()) for size in BATCHES
    )
