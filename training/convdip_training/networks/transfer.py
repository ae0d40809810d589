"""Transfer of a trained model to another head (section 4.7): everything but the output is kept.

What the dense layers have learnt about EEG holds on any head; the EEG of each dipole does not. So
the matched filters are computed anew from the new head's lead field, and each of its dipoles starts
from what the nearest dipole of the old head has learnt. A tenth of the training is then enough.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import keras
import numpy as np
import onnx
from convdip.bundle import Bundle
from convdip.errors import ConfigError
from convdip.head import Head
from numpy.typing import NDArray
from scipy.spatial import KDTree

from convdip_training.config import HeadConfig, TrainingConfig, config_of_card
from convdip_training.networks.matched import blank_matched, set_filters

Float = NDArray[np.float32]

# Shares of the full training's samples and learning rate.
SAMPLES_SHARE = 0.1
LEARNING_RATE_SHARE = 0.5


def transfer_config(bundle: Bundle, head: HeadConfig) -> TrainingConfig:
    """Return the configuration that transfers a model to another head.

    Parameters
    ----------
    bundle : Bundle
    head : HeadConfig
        The new head's; electrodes must be the bundle's.

    Raises
    ------
    ConfigError
        If the bundle's network is not of the kind that can be transferred.
    """
    full = config_of_card(bundle.card)
    start = bundle.card["sha256"]["model.onnx"]
    name = f"{full.name}-{head.subject}"
    if full.network.kind == "unrolled":  # it is given the new head: there is nothing to train
        return replace(full, name=name, head=head, start=start)
    if full.network.kind == "convdip":
        raise ConfigError(
            f"the model {bundle.name} has the paper's layers, whose weights are merged in its ONNX "
            "file: expected a model of another kind, such as convdip-fsaverage31"
        )
    if full.simulation.signs != "random":
        raise ConfigError(
            f"the model {bundle.name} knows sources of one polarity and has an older version's "
            "layers: expected one trained on sources of either sign, 'signs' = 'random' on its card"
        )
    shorter = replace(
        full.fit,
        n_samples=max(1, round(full.fit.n_samples * SAMPLES_SHARE)),
        learning_rate=full.fit.learning_rate * LEARNING_RATE_SHARE,
        checkpoints=max(1, round(full.fit.checkpoints * SAMPLES_SHARE)),
    )
    return replace(full, name=name, head=head, fit=shorter, start=start)


def transferred(bundle: Bundle, config: TrainingConfig, head: Head) -> keras.Model:
    """Return a bundle's network with its output replaced for another head.

    Parameters
    ----------
    bundle : Bundle
    config : TrainingConfig
        From `transfer_config`.
    head : Head
        The new head.
    """
    whitening = stored_weight(bundle, "whitening/kernel")
    network = blank_matched(config.network, head, whitening.shape[1])
    scores = network.scores
    own = {weight_name(weight) for weight in scores.weights}
    for weight in network.weights:
        if weight_name(weight) not in own:
            weight.assign(stored_weight(bundle, weight_name(weight)))
    nearest = nearest_dipoles(bundle.head, head)
    for weight in (scores.embedding, scores.bias):
        weight.assign(stored_weight(bundle, weight_name(weight))[nearest])
    # The filters match the new head's topographies, whitened as the old network whitens EEG.
    whitener = whitening.T.astype(float) @ head.interpolation.astype(float)
    set_filters(network, config.network, head, whitener)
    return network


def weight_name(weight: keras.Variable) -> str:
    """Return layer and weight, such as ``narrow/kernel``, without the part that varies."""
    return "/".join(weight.path.split("/")[-2:])


def stored_weight(bundle: Bundle, name: str) -> Float:
    """Return one of the network's weights, by its `weight_name`, from a bundle's ONNX file.

    Raises
    ------
    ConfigError
        If the file has no constant of that name.
    """
    constants = _constants(bundle.model)
    if name in constants:
        return constants[name]
    if f"{name}.T" in constants:
        return constants[f"{name}.T"].T
    raise ConfigError(
        f"the model {bundle.name} does not name its weight {name!r}: expected a bundle exported by "
        "convdip_training"
    )


@lru_cache(maxsize=1)
def _constants(model: bytes) -> dict[str, Float]:
    """Return an ONNX file's constants by name; read once for all weights."""
    graph = onnx.load_from_string(model).graph
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}


def nearest_dipoles(old: Head, new: Head) -> NDArray[np.intp]:
    """Return the old head's dipole nearest to each of the new head's.

    The two heads are first aligned by their electrodes, with an affine transform.
    """
    points = np.column_stack([new.electrodes_m, np.ones(new.n_electrodes)])
    to_old = np.linalg.lstsq(points, old.electrodes_m, rcond=None)[0]
    moved_m = np.column_stack([new.dipoles_m, np.ones(new.n_dipoles)]) @ to_old
    nearest: NDArray[np.intp] = KDTree(old.dipoles_m).query(moved_m)[1]
    return nearest
