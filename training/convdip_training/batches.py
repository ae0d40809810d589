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
        self._is_given_gains = self.config.network.kind == "unrolled"
        self._head = experiment.head
        if self._is_given_gains:
            self._caps = experiment.cap_simulator
        else:
            self._simulator = experiment.simulator

    def __call__(self, step: int) -> tuple[dict[str, Any], sparse.csr_array]:
        """Return the network's inputs and the target maps of a step."""
        rng = np.random.default_rng([self.config.seed, 1, step])
        n, n_dipoles = self.config.fit.batch_size, self._head.n_dipoles
        count = max(1, round(n_dipoles * self.config.fit.dipoles))
        if self._is_given_gains:
            n_asked = min(count, int(self._head.is_cortex.sum()))
            given, amplitudes = self._caps.batch(n, n_asked, rng)
            return given, sparse.csr_array(amplitudes)
        batch = self._simulator.batch(n, rng)
        topographies = (batch.eeg @ self._head.interpolation.T).reshape(-1, *SHAPE, 1)
        targets, peaks = batch.sources, np.abs(batch.sources).max(axis=1, keepdims=True)
        inputs = {"topography": topographies}
        if self.config.network.kind == "matched":
            inputs["dipoles"] = rng.choice(n_dipoles, count, replace=False).astype(np.int32)
            targets = targets[:, inputs["dipoles"]]
        # Sparse: a tenth as much to send between processes.
        return inputs, sparse.csr_array(targets / peaks)
