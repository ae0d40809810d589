"""ConvDip's layers (section 2.3.2), in Keras and nothing else."""

from __future__ import annotations

from pathlib import Path

import keras
from convdip.errors import ConfigError
from keras import layers, ops

from convdip_training.config import NetworkConfig
from convdip_training.grid import SHAPE


@keras.saving.register_keras_serializable(package="convdip")
class PeakNormalization(layers.Layer):  # type: ignore[misc]
    """Divide each topography by its largest absolute value, so that volts can come in.

    The scaling belongs to the network, not to its callers: nobody can forget it.
    """

    def call(self, topography: keras.KerasTensor) -> keras.KerasTensor:
        """Scale ``(n, 7, 11, 1)`` volts to ±1; an all-zero map stays zero."""
        peak = ops.max(ops.abs(topography), axis=(1, 2, 3), keepdims=True)
        # Far below any EEG (1e-6 V), yet a normal number in float32.
        return topography / ops.maximum(peak, 1e-15)


def build_convdip(config: NetworkConfig, n_dipoles: int) -> keras.Model:
    """Return the untrained network.

    Parameters
    ----------
    config : NetworkConfig
    n_dipoles : int

    Returns
    -------
    network : keras.Model
        ``topography`` (n, 7, 11, 1) in volts → ``sources`` (n, n_dipoles), non-negative and
        without a scale, which the service fits to the EEG.
    """
    topography = keras.Input((*SHAPE, 1), name="topography")
    x = PeakNormalization(name="peak_normalization")(topography)
    x = layers.Conv2D(config.n_filters, config.kernel_size, padding="same", activation="relu")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(config.n_hidden, activation="relu")(x)
    x = layers.BatchNormalization()(x)
    sources = layers.Dense(n_dipoles, activation=config.output, name="sources")(x)
    return keras.Model({"topography": topography}, sources, name="convdip")


def load_network(path: Path) -> keras.Model:
    """Read a network that `convdip_training.fit.fit` saved, for inference.

    Raises
    ------
    ConfigError
        If the file is no network of this project.
    """
    try:
        return keras.models.load_model(path, compile=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path} is not a network.keras of this project: {reason}") from None
