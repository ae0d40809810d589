"""Training: simulate, step, save; on whatever backend Keras runs (section 2.3.3)."""

from __future__ import annotations

import json
import logging
import time
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from convdip.bundle import Bundle
from convdip.errors import ConfigError
from convdip.head import Head
from tqdm import tqdm

from convdip_training.ahead import Ahead
from convdip_training.anatomy.family import Family
from convdip_training.batches import simulated_batches
from convdip_training.cache import fingerprint, write_whole
from convdip_training.config import TrainingConfig
from convdip_training.losses import build_loss, with_signs
from convdip_training.networks.convdip import build_convdip
from convdip_training.networks.matched import build_matched
from convdip_training.networks.transfer import carried_over

log = logging.getLogger(__name__)


def trained_network(
    config: TrainingConfig, head: Head, noise: np.ndarray[Any, Any], runs: Path
) -> Path:
    """Return where the finished network of an experiment is, or will be."""
    content = fingerprint(config, head.lead_field, head.interpolation, noise)
    return runs / f"{config.name}-{content}" / "network.keras"


def fit(
    config: TrainingConfig,
    head: Head,
    noise: np.ndarray[Any, Any],
    runs: Path,
    family: tuple[Head, Family] | None = None,
    start: Bundle | None = None,
    n_processes: int = 0,
) -> Path:
    """Train a network and return the file that holds it.

    The state is saved ``config.fit.checkpoints`` times; called again after a break, the
    training goes on from the last one. A finished one is returned as it is.

    Parameters
    ----------
    config : TrainingConfig
    head : Head
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
    runs : Path
        Folder of all trainings; this one's is named by the hash of its configuration, head
        model and noise.
    family : tuple of Head and Family, optional
        From `training_family`, where the configuration asks for one.
    start : Bundle, optional
        That the configuration starts from (`convdip_training.networks.transfer.transfer_config`).
    n_processes : int
        Processes that simulate samples while this one trains; 0 for a thread. The samples are the
        same whoever draws them.

    Returns
    -------
    path : Path
        ``network.keras``; beside it ``history.json``, the mean loss of each stretch.

    Raises
    ------
    ConfigError
        If ``n_processes`` is negative.
    """
    if n_processes < 0:
        raise ConfigError(f"`n_processes` is {n_processes}: expected 0 or more")
    finished = trained_network(config, head, noise, runs)
    folder = finished.parent
    checkpoint = folder / "checkpoint.keras"
    history_path = folder / "history.json"
    n_steps = -(-config.fit.n_samples // config.fit.batch_size)
    if finished.is_file():
        log.info("network: %s is trained already", finished)
        return finished

    history: list[dict[str, float]] = []
    loss = build_loss(config.loss, head.dipoles_m)
    if config.network.kind == "matched":
        loss = with_signs(loss, config.loss.sign)
    if checkpoint.is_file():
        network = keras.models.load_model(checkpoint, custom_objects={"loss": loss})
        if history_path.is_file():
            history = json.loads(history_path.read_text())
    else:
        keras.utils.set_random_seed(config.seed)
        if start is not None:
            network = carried_over(start, config, head, noise)
        elif config.network.kind == "matched":
            network = build_matched(config.network, head, noise)
        else:
            network = build_convdip(config.network, head.n_dipoles)
        adam = keras.optimizers.Adam(
            _learning_rate(config, n_steps),
            config.fit.beta_1,
            config.fit.beta_2,
            config.fit.epsilon,
        )
        # A step is a sixth shorter when TensorFlow compiles it; JAX always does.
        compiled = True if keras.backend.backend() == "tensorflow" else "auto"
        network.compile(adam, loss, jit_compile=compiled)

    make = partial(simulated_batches, config, head, noise, family)
    # The optimiser counts its steps: what the checkpoint holds, whenever the break came.
    done = int(network.optimizer.iterations)
    stretch = -(-n_steps // config.fit.checkpoints)
    began = time.perf_counter()
    with (
        Ahead(make, n_processes) as batches,
        tqdm(total=n_steps, initial=done, desc="training", unit="step", mininterval=1) as bar,
    ):
        while done < n_steps:
            end = min(done + stretch, n_steps)
            losses = []
            for inputs, targets in batches(done, end):
                maps = targets.toarray()
                losses.append(float(network.train_on_batch(inputs, maps)))
                bar.set_postfix(loss=f"{np.mean(losses):.4f}", refresh=False)
                bar.update()
            mean_loss = float(np.mean(losses))
            done = end
            seconds = (history[-1]["seconds"] if history else 0.0) + time.perf_counter() - began
            began = time.perf_counter()
            history.append({"steps": done, "loss": mean_loss, "seconds": round(seconds, 1)})
            write_whole(checkpoint, network.save)
            write_whole(history_path, lambda path: path.write_text(json.dumps(history)))
    checkpoint.replace(finished)
    log.info("network: %s", finished)
    return finished


def _learning_rate(config: TrainingConfig, n_steps: int) -> Any:
    if config.fit.decay == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if config.fit.warm_up else config.fit.learning_rate,
            max(1, n_steps - config.fit.warm_up),
            warmup_target=config.fit.learning_rate if config.fit.warm_up else None,
            warmup_steps=config.fit.warm_up,
        )
    return config.fit.learning_rate
