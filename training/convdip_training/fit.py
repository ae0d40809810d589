"""Training: simulate, step, save; on whatever backend Keras uses (section 2.3.3)."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from tqdm import tqdm

from convdip_training.cache import write_whole
from convdip_training.config import TrainingConfig
from convdip_training.grid import SHAPE
from convdip_training.losses import build_loss
from convdip_training.networks.convdip import build_convdip
from convdip_training.networks.matched import build_matched
from convdip_training.networks.transfer import transferred

if TYPE_CHECKING:  # it can build head models with MNE, which training does not need
    from convdip_training.experiment import Experiment

log = logging.getLogger(__name__)


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

    def __getitem__(self, step: int) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
        """Return the network's inputs and the target maps of a step."""
        rng = np.random.default_rng([self.config.seed, 1, step])
        batch = self._simulator.batch(self.config.fit.batch_size, rng)
        topographies = (batch.eeg @ self._interpolation.T).reshape(-1, *SHAPE, 1)
        targets = batch.sources / batch.sources.max(axis=1, keepdims=True)
        inputs = {"topography": topographies}
        if self.config.fit.dipoles < 1:
            n_dipoles = targets.shape[1]
            count = max(1, round(n_dipoles * self.config.fit.dipoles))
            inputs["dipoles"] = rng.choice(n_dipoles, count, replace=False).astype(np.int32)
            targets = targets[:, inputs["dipoles"]]
        return inputs, targets

    def ahead(self, first: int, last: int) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield the batches of steps ``first`` to ``last`` − 1, simulating one batch ahead."""
        with ThreadPoolExecutor(1) as thread:
            coming = [thread.submit(self.__getitem__, first)]
            for step in range(first, last):
                if step + 1 < last:
                    coming.append(thread.submit(self.__getitem__, step + 1))
                yield coming.pop(0).result()


def fit(experiment: Experiment) -> Path:
    """Train a network and return the file that holds it.

    The state is saved ``config.fit.checkpoints`` times; called again after a break, training
    resumes from the last checkpoint. A finished network is returned as it is.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    path : Path
        ``network.keras``; beside it ``history.json``, the mean loss between checkpoints.
    """
    config, finished = experiment.config, experiment.network_path
    if finished.is_file():
        log.info("network: %s is trained already", finished)
        return finished
    checkpoint = finished.with_name("checkpoint.keras")
    loss = build_loss(config.loss, experiment.head.dipoles_m)
    n_steps = -(-config.fit.n_samples // config.fit.batch_size)
    if checkpoint.is_file():
        network = keras.models.load_model(checkpoint, custom_objects={"loss": loss})
        log.info("training: resumes from the last checkpoint")
    else:
        network = _untrained(experiment)
        adam = keras.optimizers.Adam(
            _learning_rate(config, n_steps),
            config.fit.beta_1,
            config.fit.beta_2,
            config.fit.epsilon,
        )
        # A step is a sixth shorter when TensorFlow compiles it; JAX always does.
        compiled = True if keras.backend.backend() == "tensorflow" else "auto"
        network.compile(adam, loss, jit_compile=compiled)
    _train(network, SimulatedBatches(experiment), n_steps, checkpoint)
    checkpoint.replace(finished)
    log.info("network: %s", finished)
    return finished


def _untrained(experiment: Experiment) -> keras.Model:
    """Return the network that training starts from."""
    config, head, noise = experiment.config, experiment.head, experiment.noise
    keras.utils.set_random_seed(config.seed)
    if experiment.start is not None:
        return transferred(experiment.start, config, head, noise)
    if config.network.kind == "matched":
        return build_matched(config.network, head, noise)
    return build_convdip(config.network, head.n_dipoles)


def _train(network: keras.Model, batches: SimulatedBatches, n_steps: int, checkpoint: Path) -> None:
    """Take the steps that are left, saving the state and the history now and then."""
    history_path = checkpoint.with_name("history.json")
    # The optimiser counts its steps, so the checkpoint knows how many it has seen.
    done = int(network.optimizer.iterations)
    history: list[dict[str, float]] = []
    if done and history_path.is_file():
        history = json.loads(history_path.read_text())
    stretch = -(-n_steps // batches.config.fit.checkpoints)
    began = time.perf_counter()
    with tqdm(total=n_steps, initial=done, desc="training", unit="step", mininterval=1) as bar:
        while done < n_steps:
            end = min(done + stretch, n_steps)
            losses = []
            for inputs, targets in batches.ahead(done, end):
                losses.append(float(network.train_on_batch(inputs, targets)))
                bar.set_postfix(loss=f"{np.mean(losses):.4f}", refresh=False)
                bar.update()
            mean_loss = float(np.mean(losses))
            done = end
            seconds = (history[-1]["seconds"] if history else 0.0) + time.perf_counter() - began
            began = time.perf_counter()
            history.append({"steps": done, "loss": mean_loss, "seconds": round(seconds, 1)})
            write_whole(checkpoint, network.save)
            write_whole(history_path, lambda path: path.write_text(json.dumps(history)))


def _learning_rate(config: TrainingConfig, n_steps: int) -> Any:
    if config.fit.decay == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if config.fit.warm_up else config.fit.learning_rate,
            max(1, n_steps - config.fit.warm_up),
            warmup_target=config.fit.learning_rate if config.fit.warm_up else None,
            warmup_steps=config.fit.warm_up,
        )
    return config.fit.learning_rate
