"""A first evaluation of a network, on new samples from its training's own simulator.

That is an inverse crime, and labelled as one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convdip_training.evaluation.metrics import auc, distance_to_truth_m, peak_error_mm, roc_pools
from convdip_training.experiment import Experiment

Float = NDArray[np.float32]
N_SAMPLES = 500


def evaluate(infer: Callable[[Float], Float], experiment: Experiment) -> dict[str, Any]:
    """Return AUC and localisation error for single sources, AUC for as many as in the training.

    Parameters
    ----------
    infer : callable
        EEG (n, n_electrodes) in volts → source maps (n, n_dipoles).
    experiment : Experiment
    """
    config, head = experiment.config, experiment.head
    single = replace(config.simulation, n_sources=(1, 1))
    own = "family of heads" if config.family.skull_s_m else "head model"
    result: dict[str, Any] = {
        "data": f"{N_SAMPLES} new simulated samples per set, but from the training's own {own} and "
        "noise (an inverse crime: expect worse on another head)",
    }
    for name, simulation in (("single", single), ("multi", config.simulation)):
        rng = np.random.default_rng([config.seed, 2])
        batch = experiment.simulator.with_config(simulation).batch(N_SAMPLES, rng)
        maps = infer(batch.eeg)
        areas = np.array(
            [
                auc(estimate, roc_pools(truth, distance_to_truth_m(truth, head.dipoles_m)))
                for truth, estimate in zip(batch.sources, maps, strict=True)
            ]
        )
        result[name] = {
            "auc_close": round(float(areas[:, 0].mean()), 4),
            "auc_far": round(float(areas[:, 1].mean()), 4),
            "auc": round(float(areas.mean()), 4),
        }
        if name == "single":
            errors_mm = [
                peak_error_mm(truth, estimate, head.dipoles_m)
                for truth, estimate in zip(batch.sources, maps, strict=True)
            ]
            result[name]["localisation_error_mm_mean"] = round(float(np.mean(errors_mm)), 2)
            result[name]["localisation_error_mm_median"] = round(float(np.median(errors_mm)), 2)
    return result
