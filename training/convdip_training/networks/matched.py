"""A network of matched filters: what physics says of each dipole, and a deeper network beside it.

ConvDip's only dense layer has to learn from samples what the lead field says already: which EEG a
patch at each dipole makes. Here that is where training starts from. With u the whitened EEG of unit
length and t the whitened topography of a patch grown from a dipole, also of unit length, the
logarithm of the likelihood that this one patch made the EEG, with a moment of either sign and in
noise of unknown strength, is up to a factor −log(1 − (u·t)²). Each dipole's score is the sum of
such scores for small and large patches, trusted as much as the sample as a whole suggests, and of
what dense layers make of the EEG: where several sources are active, no single patch explains it.

EEG of the other polarity comes from the same sources with the other sign, and the network is built
to know that: the dense layers start from absolute values, so that every probability is even in the
EEG, and the sign of a dipole's moment is that of u·t, which is odd. For the larger patches and the
signs, u is first rid of what the dense layers ascribe to other sources: it becomes u + A(g ∘ Bu),
with matrices A and B and factors g that are even in the EEG.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from convdip.head import Head
from convdip.patches import patch_dictionary
from keras import layers, ops
from numpy.typing import NDArray

from convdip_training.config import NetworkConfig
from convdip_training.grid import SHAPE
from convdip_training.networks.convdip import PeakNormalization
from convdip_training.whitening import whitening_matrix

Float = NDArray[np.float32]

# Share of the largest variance that whitening adds everywhere: another head's lead field differs
# most from the model's in the quietest directions.
LEAST_VARIANCE = 0.02
# 1 − (u·t)² is never quite 0; where training starts, and it goes on from there.
MISFIT = 0.02
TINY = 1e-30
# Rounding must not turn a sign: below this |u·t| the moment goes to 0 instead.
SURE = 0.02
# Hardly any dipole is active.
FIRST_BIAS = -4.0


@keras.saving.register_keras_serializable(package="convdip")
class RMSNormalization(layers.RMSNormalization):  # type: ignore[misc]
    """Keras' layer, written so that ONNX Runtime makes one operation of it instead of seven.

    Starting these took an eighth of a sample's time.
    """

    def call(self, x: Any) -> Any:
        """Return values of mean square 1, times the layer's scale."""
        mean_square = ops.mean(ops.power(x, 2.0), axis=-1, keepdims=True)
        return x / ops.sqrt(mean_square + self.epsilon) * self.scale


@keras.saving.register_keras_serializable(package="convdip")
class DipoleScores(layers.Layer):  # type: ignore[misc]
    """Each dipole's probability of being part of a source, and its moment.

    Parameters
    ----------
    n_dipoles : int
    n_filters : int
        Matched filters of each dipole.
    """

    def __init__(self, n_dipoles: int, n_filters: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.n_dipoles = n_dipoles
        self.n_filters = n_filters

    def build(self, shapes: list[tuple[int | None, int]]) -> None:
        """Make the weights: one row a dipole, so that some of the dipoles are a few rows."""
        (_, width), _, (_, n_whitened), *_ = shapes
        start = keras.initializers.RandomNormal(stddev=0.3 / width**0.5)
        self.embedding = self.add_weight(
            shape=(self.n_dipoles, width), initializer=start, name="embedding"
        )
        self.bias = self.add_weight(
            shape=(self.n_dipoles,),
            initializer=keras.initializers.Constant(FIRST_BIAS),
            name="bias",
        )
        self.filters = [
            self.add_weight(shape=(self.n_dipoles, n_whitened), name=f"filters_{i}")
            for i in range(self.n_filters)
        ]
        self.misfit = self.add_weight(
            shape=(self.n_filters,),
            initializer=keras.initializers.Constant(np.log(MISFIT)),
            name="log_misfit",
        )
        self.cortex = self.add_weight(
            shape=(self.n_dipoles,), initializer="ones", trainable=False, name="cortex"
        )

    def call(self, inputs: list[Any], dipoles: Any = None) -> tuple[Any, Any]:
        """Return probabilities and moments, shape (n, n_dipoles) each, or (n, k) of k dipoles.

        The moments, from the last kind of filter, have a sign but no scale. The probability is
        exactly 0 where there is no cortex.

        Parameters
        ----------
        inputs : list of tensor
            What the dense layers make of the EEG, shape (n, width); trust in each kind of filter,
            shape (n, n_filters); and for each kind the EEG that it sees, whitened and of unit
            length, shape (n, n_whitened).
        dipoles : tensor of int, shape (k,), optional
        """
        hidden, trust, *seen = inputs

        def rows(weights: Any) -> Any:
            return weights if dipoles is None else ops.take(weights, dipoles, axis=0)

        scores = ops.matmul(hidden, ops.transpose(rows(self.embedding))) + rows(self.bias)
        for i, filters in enumerate(self.filters):
            match = ops.matmul(seen[i], ops.transpose(rows(filters)))
            left = 1.0 + ops.exp(self.misfit[i]) - ops.minimum(match * match, 1.0)
            scores = scores - trust[:, i : i + 1] * ops.log(left)
        return ops.sigmoid(scores) * rows(self.cortex), match

    def get_config(self) -> dict[str, Any]:
        """Return what the layer is made from."""
        return {
            **super().get_config(),
            "n_dipoles": self.n_dipoles,
            "n_filters": self.n_filters,
        }


@keras.saving.register_keras_serializable(package="convdip")
class MatchedConvDip(keras.Model):  # type: ignore[misc]
    """The whole network.

    Takes ``topography``, shape (n, 7, 11, 1) in volts, and gives ``sources``, shape (n, n_dipoles),
    from −1 to 1: each dipole's probability of being part of a source (less where its sign is not
    sure), with the sign of its moment, which is positive out of the cortex. The map of −x is
    exactly that of x times −1, and 0 on the medial wall.

    Training gives ``dipoles`` beside the topography, indices of shape (k,), and takes what the loss
    judges of these alone, shape (n, 2, k): probabilities, and the moments that the signs are of.
    The fewer dipoles, the less time a step takes.

    Thousands of small probabilities far from every source add up to more than the few large ones.
    In use, values p below a share b of the map's maximum m therefore fade: p⁵ / (p⁴ + (b m)⁴),
    which keeps their order.

    Parameters
    ----------
    n_dipoles, n_whitened, n_hidden, n_layers, rank, n_filters, deflation : int
    background : float
        The share b.
    """

    def __init__(
        self,
        n_dipoles: int,
        n_whitened: int,
        n_hidden: int,
        n_layers: int,
        rank: int,
        n_filters: int,
        deflation: int,
        background: float,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.background = background
        self.sizes = {
            "n_dipoles": n_dipoles,
            "n_whitened": n_whitened,
            "n_hidden": n_hidden,
            "n_layers": n_layers,
            "rank": rank,
            "n_filters": n_filters,
            "deflation": deflation,
        }
        self.peak_normalization = PeakNormalization(name="peak_normalization")
        self.flatten = layers.Flatten()
        self.whitening = layers.Dense(n_whitened, use_bias=False, name="whitening")
        self.unit = layers.UnitNormalization(name="unit_length")
        self.first = layers.Dense(
            n_hidden, use_bias=False, kernel_initializer="lecun_normal", name="hidden_0"
        )
        self.hidden = [
            layers.Dense(n_hidden, "relu", kernel_initializer="he_normal", name=f"hidden_{i}")
            for i in range(1, n_layers)
        ]
        self.norms = [RMSNormalization(name=f"norm_{i}") for i in range(n_layers)]
        if deflation:
            self.explain = layers.Dense(deflation, use_bias=False, name="explain")
            self.explained = layers.Dense(deflation, name="explained")
            self.take_out = layers.Dense(
                n_whitened, use_bias=False, kernel_initializer="zeros", name="take_out"
            )
        self.narrow = layers.Dense(rank, use_bias=False, name="narrow")
        self.trust = layers.Dense(n_filters, "softplus", bias_initializer="ones", name="trust")
        self.scores = DipoleScores(n_dipoles, n_filters, name="scores")

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Return the sources."""
        whitened = self.unit(
            self.whitening(self.flatten(self.peak_normalization(inputs["topography"])))
        )
        # Of unit length, a value is small: as large as dense layers are used to.
        large = whitened * np.float32(whitened.shape[-1] ** 0.5)
        hidden = ops.abs(self.first(large))  # the same for EEG of either polarity
        for norm, dense in zip(self.norms, self.hidden, strict=False):
            hidden = hidden + dense(norm(hidden))
        hidden = self.norms[-1](hidden)
        seen = [whitened] * self.sizes["n_filters"]
        if self.sizes["deflation"]:
            # Odd in the EEG, since its factors are even and odd.
            explained = self.take_out(self.explained(hidden) * self.explain(whitened))
            seen[-1] = self.unit(whitened + explained)
        dipoles = inputs.get("dipoles")
        probabilities, moments = self.scores(
            [self.narrow(hidden), self.trust(hidden), *seen], dipoles
        )
        if dipoles is not None:
            return ops.stack([probabilities, moments], axis=1)
        if self.background:
            level = self.background * ops.max(probabilities, axis=1, keepdims=True)
            # ONNX Runtime is slow at powers, and quick at squares.
            fourth, line = (ops.square(ops.square(x)) for x in (probabilities, level))
            # A map of zeros stays one.
            probabilities = probabilities * fourth / (fourth + line + TINY)
        return probabilities * ops.clip(moments * np.float32(1 / SURE), -1.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Return what the network is made from."""
        return {**super().get_config(), **self.sizes, "background": self.background}


def build_matched(config: NetworkConfig, head: Head, noise: Float) -> keras.Model:
    """Return the network with its filters set and everything else untrained.

    Parameters
    ----------
    config : NetworkConfig
    head : Head
    noise : ndarray, shape (n_segments, n_times, n_electrodes)
    """
    whitener = whitening_matrix(noise, LEAST_VARIANCE)
    network = blank_matched(config, head, len(whitener))
    # From the image back to the electrodes, and on.
    network.whitening.set_weights([(whitener @ np.linalg.pinv(head.interpolation)).T])
    set_filters(network, config, head, whitener)
    return network


def blank_matched(config: NetworkConfig, head: Head, n_whitened: int) -> keras.Model:
    """Return the network of a head's size, with neither whitening nor filters set."""
    network = MatchedConvDip(
        head.n_dipoles,
        n_whitened,
        config.n_hidden,
        config.n_layers,
        config.rank,
        len(config.filter_orders),
        config.deflation,
        config.background,
        name="convdip",
    )
    network({"topography": np.zeros((1, *SHAPE, 1), np.float32)})
    return network


def set_filters(
    network: keras.Model, config: NetworkConfig, head: Head, whitener: NDArray[np.float64]
) -> None:
    """Make a network look for the topographies of a head, whitened as it whitens EEG.

    Where there is no cortex, it finds nothing.
    """
    for filters, order in zip(network.scores.filters, config.filter_orders, strict=True):
        filters.assign(matched_filters(head, whitener, order))
    network.scores.cortex.assign(head.is_cortex.astype(np.float32))


def matched_filters(head: Head, whitener: NDArray[np.float64], order: int) -> Float:
    """Return the whitened topography of a patch at each dipole, of unit length.

    Returns
    -------
    filters : ndarray, shape (n_dipoles, n_whitened)
    """
    patches = patch_dictionary(head.triangles, head.dipoles_m, order)
    topographies = patches @ head.lead_field.T @ whitener.T
    lengths = np.linalg.norm(topographies, axis=1, keepdims=True)
    return np.asarray(topographies / lengths, np.float32)
