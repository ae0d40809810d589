"""Training: simulate, step, save; on whatever backend Keras uses (section 2.3.3)."""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from convdip.errors import ConfigError
from tqdm import tqdm

from convdip_training.ahead import Ahead
from convdip_training.batches import SimulatedBatches
from convdip_training.cache import write_whole
from convdip_training.config import TrainingConfig
from convdip_training.losses import Loss, build_loss, of_amplitudes, with_signs
from convdip_training.networks.convdip import build_convdip
from convdip_training.networks.matched import build_matched
from convdip_training.networks.transfer import transferred
from convdip_training.networks.unrolled import build_unrolled

if TYPE_CHECKING:  # it can build head models with MNE, which training does not need
    from convdip_training.experiment import Experiment

log = logging.getLogger(__name__)


def fit(experiment: Experiment, n_processes: int = 0) -> Path:
    """Train a network and return the file that holds it.

    The state is saved ``config.fit.checkpoints`` times; called again after a break, training
    resumes from the last checkpoint. A finished network is returned as it is.

    Parameters
    ----------
    experiment : Experiment
    n_processes : int
        Processes that simulate samples while this one trains; 0 for a thread. The samples are the
        same whoever draws them.

    Returns
    -------
    path : Path
        ``network.keras``; beside it ``history.json``, the mean loss between checkpoints.

    Raises
    ------
    ConfigError
        If ``n_processes`` is negative.
    """
    if n_processes < 0:
        raise ConfigError(f"`n_processes` is {n_processes}: expected 0 or more")
    config, finished = experiment.config, experiment.network_path
    if finished.is_file():
        log.info("network: %s is trained already", finished)
        return finished
    checkpoint = finished.with_name("checkpoint.keras")
    loss = _loss(experiment)
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
            clipnorm=config.fit.clip_norm or None,
        )
        # A step is a sixth shorter when TensorFlow compiles it; JAX always does.
        compiled = True if keras.backend.backend() == "tensorflow" else "auto"
        network.compile(adam, loss, jit_compile=compiled)
    with Ahead(partial(SimulatedBatches, experiment), n_processes) as batches:
        _train(network, batches, n_steps, config.fit.checkpoints, checkpoint)
    checkpoint.replace(finished)
    log.info("network: %s", finished)
    return finished


def _loss(experiment: Experiment) -> Loss:
    """Return what training makes small."""
    config, head = experiment.config, experiment.head
    if config.network.kind == "unrolled":
        n_coarse = min(config.network.n_coarse, int(head.is_cortex.sum()))
        return of_amplitudes(config.loss, n_coarse)
    loss = build_loss(config.loss, head.dipoles_m)
    return with_signs(loss, config.loss.sign) if config.network.kind == "matched" else loss


def _untrained(experiment: Experiment) -> keras.Model:
    """Return the network that training starts from."""
    config, head = experiment.config, experiment.head
    keras.utils.set_random_seed(config.seed)
    if experiment.start is not None:
        return transferred(experiment.start, config, head)
    if config.network.kind == "matched":
        return build_matched(config.network, head, experiment.noise)
    if config.network.kind == "unrolled":
        return build_unrolled(config.network)
    return build_convdip(config.network, head.n_dipoles)


def _train(
    network: keras.Model, batches: Ahead[Any], n_steps: int, n_checkpoints: int, checkpoint: Path
) -> None:
    """Take the steps that are left, saving the state and the history now and then."""
    history_path = checkpoint.with_name("history.json")
    # The optimiser counts its steps, so the checkpoint knows how many it has seen.
    done = int(network.optimizer.iterations)
    history: list[dict[str, float]] = []
    if done and history_path.is_file():
        history = json.loads(history_path.read_text())
    stretch = -(-n_steps // n_checkpoints)
    began = time.perf_counter()
    with tqdm(total=n_steps, initial=done, desc="training", unit="step", mininterval=1) as bar:
        while done < n_steps:
            end = min(done + stretch, n_steps)
            losses = []
            for inputs, targets in batches(done, end):
                losses.append(float(network.train_on_batch(inputs, targets.toarray())))
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
