"""The batches of a training: what the network takes and what it should give, step by step.

Needs no Keras, so that processes which only simulate start quickly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from convdip.head import Head
from scipy import sparse

from convdip_training.anatomy.family import Family
from convdip_training.config import TrainingConfig
from convdip_training.grid import SHAPE
from convdip_training.simulate import Simulator


class SimulatedBatches:
    """The batches of a training, each drawn from its own seed.

    A training that was broken off goes on with the very batches it would have seen.

    Parameters
    ----------
    simulator : Simulator
    interpolation : ndarray, shape (77, n_electrodes)
    config : TrainingConfig
    """

    def __init__(
        self, simulator: Simulator, interpolation: np.ndarray[Any, Any], config: TrainingConfig
    ) -> None:
        self.simulator = simulator
        self.interpolation = interpolation
        self.config = config

    def __call__(self, step: int) -> tuple[dict[str, Any], sparse.csr_array]:
        """Return the network's inputs and the signed maps that it should give."""
        rng = np.random.default_rng([self.config.seed, 1, step])
        batch = self.simulator.batch(self.config.fit.batch_size, rng)
        topographies = (batch.eeg @ self.interpolation.T).reshape(-1, *SHAPE, 1)
        targets = batch.sources / np.abs(batch.sources).max(axis=1, keepdims=True)
        inputs = {"topography": topographies}
        if self.config.network.kind == "matched":
            n_dipoles = targets.shape[1]
            count = max(1, round(n_dipoles * self.config.fit.dipoles))
            inputs["dipoles"] = rng.choice(n_dipoles, count, replace=False).astype(np.int32)
            targets = targets[:, inputs["dipoles"]]
        return inputs, sparse.csr_array(targets)  # a tenth as much to send between processes


def simulated_batches(
    config: TrainingConfig,
    head: Head,
    noise: np.ndarray[Any, Any],
    family: tuple[Head, Family] | None = None,
) -> SimulatedBatches:
    """Return the batches of an experiment."""
    simulator = Simulator(head, noise, config.simulation, family, config.family.n_heads)
    return SimulatedBatches(simulator, head.interpolation, config)
