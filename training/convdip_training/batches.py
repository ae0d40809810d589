"""The batches of a training: what the network takes and what it should give, step by step.

Needs no Keras, so that processes which only simulate start quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from convdip_training.grid import SHAPE

if TYPE_CHECKING:  # it can build head models with MNE, which training does not need
    from convdip_training.experiment import Experiment


class SimulatedBatches:
    """The batches of a training, each drawn from a seed of its own.

    A resumed training thus sees the very batches that it would have seen without the break.

    Parameters
    ----------
    experiment : Experiment
    """

    def __init__(self, experiment: Experiment) -> None:
        self.config = experiment.config
        self._simulator = experiment.simulator
        self._interpolation = experiment.head.interpolation

    def __call__(self, step: int) -> tuple[dict[str, Any], sparse.csr_array]:
        """Return the network's inputs and the signed target maps of a step."""
        rng = np.random.default_rng([self.config.seed, 1, step])
        batch = self._simulator.batch(self.config.fit.batch_size, rng)
        topographies = (batch.eeg @ self._interpolation.T).reshape(-1, *SHAPE, 1)
        targets, peaks = batch.sources, np.abs(batch.sources).max(axis=1, keepdims=True)
        inputs = {"topography": topographies}
        if self.config.network.kind == "matched":
            n_dipoles = targets.shape[1]
            count = max(1, round(n_dipoles * self.config.fit.dipoles))
            inputs["dipoles"] = rng.choice(n_dipoles, count, replace=False).astype(np.int32)
            targets = targets[:, inputs["dipoles"]]
        # Sparse: a tenth as much to send between processes.
        return inputs, sparse.csr_array(targets / peaks)
