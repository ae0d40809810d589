"""A network that is given the gains of the electrodes instead of learning them by heart.

It knows no electrode, no head and no noise. Whatever cap, head and noise there are, it is given the
whitened topographies of patches at every dipole (`convdip.live.gains`), and its few thousand
weights are the same for all dipoles. So electrodes may come and go, and the head may be anybody's.

It unrolls what sparse Bayesian learning iterates. With Ĉ the covariance of the whitened EEG (of one
sample: u uᵀ) of trace r, r being the number of directions, and shares γ of the patches g, all of
unit length, the EEG is thought to have the covariance

    Σ = (1 − s) r Σᵢ γᵢ gᵢ gᵢᵀ / Σᵢ γᵢ + s I,

with a share s of noise. How well a patch explains what the others leave is
log(gᵀ Σ⁻¹ Ĉ Σ⁻¹ g) − log(gᵀ Σ⁻¹ g), at first sLORETA's score, and how much of it the others
explain already is the second term. From these, what each dipole and its neighbours remember, and a
summary of all of them, a small perceptron makes new shares. The first stages look at a sixth of the
dipoles; the last one asks every dipole.

Everything is even in the EEG. The sign of a moment is that of its mean given the shares,
gᵀ Σ⁻¹ u, which is odd.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from convdip.live.gains import INVISIBLE
from keras import layers, ops

from convdip_training.config import NetworkConfig

# The share of noise stays this far from 0 and 1.
LEAST_NOISE = 0.02
# Before training hardly any dipole is active.
FIRST_LOGIT = -3.0
LEAST_SHARE = 1e-4
# What a logarithm is taken of is never quite 0.
FAINT = 1e-4
MISFIT = 0.02
# Rounding must not turn a sign: below this the moment goes to 0 instead.
SURE = 0.02
# Share of a map's maximum below which values fade.
BACKGROUND = 0.1
TINY = 1e-30
# What is said of a window as a whole: its length, how uniform it is, and the number of directions.
N_WINDOW = 3
# What a dipole is told of the coarse ones around it.
N_NEARBY = 8
# An amplitude is a probability times at most this power of e.
MOST_LOG = 6.0


@keras.saving.register_keras_serializable(package="convdip")
class Unrolled(keras.Model):  # type: ignore[misc]
    """The whole network.

    Takes a dictionary. Of the EEG:

    - ``factor``, shape (n, R, m), with Ĉ = F Fᵀ up to a factor: the whitened EEG of one sample
      (m = 1), or a square root of a window's covariance;
    - ``n_samples``, shape (n,), in the window.

    Of the electrodes (`convdip.live.gains.Gains.without`), the same for all n: ``gains``,
    ``visibility``, ``rank``, ``coarse``, ``neighbours``, ``near`` and ``near_weights``. R is larger
    than ``rank``; what is beyond is 0.

    Gives ``amplitude`` and ``probability``, shape (n, n_dipoles) each: of the root mean square
    moment, without a scale, and that a dipole is part of a source; and ``cosine``, same shape, of
    the moment of a single sample: positive out of the cortex. All are 0 where gains are.

    Parameters
    ----------
    orders : sequence of int
        Neighbourhood orders of the patches that it is given gains of.
    n_coarse : int
        Dipoles that the first stages look at.
    n_stages : int
        Before the last.
    n_hidden, n_state : int
        Width of the perceptrons, and of what a dipole remembers.
    """

    def __init__(
        self,
        orders: Sequence[int],
        n_coarse: int,
        n_stages: int,
        n_hidden: int,
        n_state: int,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.orders, self.n_coarse = list(orders), n_coarse
        self.sizes = {"n_stages": n_stages, "n_hidden": n_hidden, "n_state": n_state}
        small = keras.initializers.RandomNormal(stddev=0.02)
        stages = range(n_stages + 1)
        self.local = [layers.Dense(n_hidden, use_bias=False, name=f"local_{k}") for k in stages]
        self.common = [layers.Dense(n_hidden, name=f"common_{k}") for k in stages]
        self.noise = [
            layers.Dense(1, kernel_initializer="zeros", name=f"noise_{k}") for k in stages
        ]
        n_memory = n_state + len(orders)
        self.update = [
            layers.Dense(n_memory, kernel_initializer=small, name=f"update_{k}")
            for k in range(n_stages)
        ]
        self.nearby = layers.Dense(N_NEARBY, name="nearby")
        self.answer = layers.Dense(2, kernel_initializer=small, name="answer")
        self.early = layers.Dense(1, name="early")

    def build(self, _: Any) -> None:
        """Make the weights, whose sizes depend on nothing that is given."""
        n_hidden, n_state, n_orders = (
            self.sizes["n_hidden"],
            self.sizes["n_state"],
            len(self.orders),
        )
        n_scores, n_memory = 3 * n_orders + 1, n_state + n_orders
        for k in range(self.sizes["n_stages"] + 1):
            is_first, is_last = k == 0, k == self.sizes["n_stages"]
            n_common = N_WINDOW if is_first else N_WINDOW + 2 * n_state
            n_remembered = N_NEARBY if is_last else 0 if is_first else 2 * n_memory
            self.local[k].build((None, n_scores + n_remembered))
            self.common[k].build((None, n_common + 1))
            self.noise[k].build((None, n_common))
        for layer in (*self.update, self.answer):
            layer.build((None, n_hidden))
        for layer in (self.early, self.nearby):
            layer.build((None, n_memory))

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        """Return amplitudes, probabilities and cosines, or in training what the loss judges.

        The latter has the shape (n, 2, n_dipoles + n_coarse): amplitudes and probabilities, then
        twice the probabilities that the stages before the last would give the coarse dipoles.
        """
        gains, visibility, rank = inputs["gains"], inputs["visibility"], inputs["rank"]
        power = ops.sum(ops.square(inputs["factor"]), axis=(1, 2), keepdims=True)
        factor = inputs["factor"] * ops.sqrt(rank / (power + TINY))
        window = _window(factor, inputs["n_samples"], rank)
        few = _Patches(
            ops.take(gains, inputs["coarse"], axis=0),
            ops.take(visibility, inputs["coarse"], axis=0),
            training,
        )
        memory, common, inverse, noise = self._stages(
            few, factor, window, rank, inputs["neighbours"], training
        )
        every = _Patches(gains, visibility, training)
        near = ops.take(_dense(self.nearby, memory, training), inputs["near"], axis=1)
        nearby = ops.sum(near * ops.expand_dims(inputs["near_weights"], 2), axis=1)
        explains, unexplained = every.scores(inverse, factor)
        seen = [explains, unexplained, *every.matched(factor, rank), nearby]
        hidden = self._hidden(self.sizes["n_stages"], seen, common, noise, training)
        answer = _dense(self.answer, hidden, training)
        probability = ops.sigmoid(answer[..., 0] + FIRST_LOGIT)
        amplitude = probability * ops.exp(ops.clip(answer[..., 1], -MOST_LOG, MOST_LOG))
        if training:
            early = ops.sigmoid(_dense(self.early, memory, training)[..., 0] + FIRST_LOGIT)
            both = ops.stack([amplitude, probability], axis=1)
            return ops.concatenate([both, ops.stack([early, early], axis=1)], axis=2)
        is_cortex = ops.cast(visibility[:, 0] > INVISIBLE, amplitude.dtype)
        return {
            "amplitude": amplitude * is_cortex,
            "probability": probability * is_cortex,
            "cosine": every.cosine(inverse, factor, unexplained),
        }

    def _stages(
        self, few: _Patches, factor: Any, window: Any, rank: Any, neighbours: Any, many: bool
    ) -> tuple[Any, Any, Any, Any]:
        """Look at the coarse dipoles, stage by stage.

        Returns
        -------
        memory : tensor, shape (n, n_coarse, n_state + n_orders)
            What each dipole remembers; the last values of it are its shares.
        common : tensor, shape (n, N_WINDOW + 2 · n_state)
        inverse : tensor, shape (n, R, R)
            Σ⁻¹ of what they explain.
        noise : tensor, shape (n, 1)
        """
        n_state, matched = self.sizes["n_state"], few.matched(factor, rank)
        memory, common, remembered = None, window, list[Any]()
        for k in range(self.sizes["n_stages"]):
            inverse, noise = self._inverse(k, few, memory, common, rank)
            explains, unexplained = few.scores(inverse, factor)
            seen = [explains, unexplained, *matched, *remembered]
            change = _dense(self.update[k], self._hidden(k, seen, common, noise, many), many)
            memory = change if memory is None else memory + change
            remembered = [memory, ops.mean(ops.take(memory, neighbours, axis=1), axis=1)]
            state = memory[..., :n_state]
            pooled = [ops.mean(state, axis=1), ops.max(state, axis=1)]
            common = ops.concatenate([*pooled, window], axis=1)
        inverse, noise = self._inverse(self.sizes["n_stages"], few, memory, common, rank)
        return memory, common, inverse, noise

    def _inverse(
        self, k: int, few: _Patches, memory: Any, common: Any, rank: Any
    ) -> tuple[Any, Any]:
        """Return Σ⁻¹, shape (n, R, R), and the share of noise in Σ, shape (n, 1)."""
        share = None
        if memory is not None:
            share = ops.sigmoid(memory[..., self.sizes["n_state"] :] + FIRST_LOGIT) + LEAST_SHARE
        noise = LEAST_NOISE + (1 - 2 * LEAST_NOISE) * ops.sigmoid(self.noise[k](common))
        s = ops.expand_dims(noise, 2)
        signal = (1 - s) * rank * few.covariance(share)
        return ops.linalg.inv(signal + s * ops.eye(signal.shape[-1])), noise

    def _hidden(self, k: int, seen: list[Any], common: Any, noise: Any, many: bool) -> Any:
        """Return what the perceptron of a stage makes of each dipole."""
        of_all = self.common[k](ops.concatenate([common, noise], axis=1))
        of_each = _times(ops.concatenate(seen, axis=-1), self.local[k].kernel, many)
        return ops.relu(of_each + ops.expand_dims(of_all, 1))

    def get_config(self) -> dict[str, Any]:
        """Return what the network is made from."""
        looks = {"orders": self.orders, "n_coarse": self.n_coarse}
        return {**super().get_config(), **looks, **self.sizes}


def _window(factor: Any, n_samples: Any, rank: Any) -> Any:
    """Return what is said of a window as a whole, shape (n, N_WINDOW)."""
    inner = ops.matmul(ops.transpose(factor, (0, 2, 1)), factor)
    # 1 for a sample or one source alone, down to 1/r for white noise.
    unity = ops.sum(ops.square(inner), axis=(1, 2)) / ops.square(rank)
    n_directions = unity * 0.0 + ops.log(rank) + FIRST_LOGIT
    parts = [0.5 * ops.log(n_samples), ops.log(unity + FAINT), n_directions]
    return ops.stack(parts, axis=1)


def _dense(layer: layers.Dense, x: Any, many: bool) -> Any:
    """Return what a linear layer makes of x."""
    return _times(x, layer.kernel, many) + layer.bias


def _times(x: Any, matrix: Any, many: bool) -> Any:
    """Return x, shape (n, a, b), times a matrix.

    Of many samples as one product. Of few, as one for each, which ONNX does in one step, not ten.
    """
    return ops.matmul(x, matrix if many else ops.expand_dims(matrix, 0))


class _Patches:
    """Patches of a few sizes at some dipoles: sums over them, and their scores.

    Products with g gᵀ are taken in one of two ways that give the same: of many samples with all
    outer products at once, made anew for each batch; of few samples without them.

    Parameters
    ----------
    gains : tensor, shape (n_dipoles, n_orders, R)
    visibility : tensor, shape (n_dipoles, n_orders)
    many : bool
    """

    def __init__(self, gains: Any, visibility: Any, many: bool) -> None:
        self._n_dipoles, self._n_orders, self._n_directions = gains.shape
        self._visibility = visibility
        self._middle = gains[:, self._n_orders // 2]
        self._gains = ops.reshape(gains, (-1, self._n_directions))
        self._rows, self._columns = np.triu_indices(self._n_directions)
        self._outer = self._outer_middle = None
        if many:
            self._outer, self._outer_middle = (
                ops.take(g, self._rows, axis=1) * ops.take(g, self._columns, axis=1)
                for g in (self._gains, self._middle)
            )

    def covariance(self, share: Any = None) -> Any:
        """Return Σ γ g gᵀ / Σ γ, shape (n, R, R), of shares of shape (n, n_dipoles, n_orders).

        Without shares, all are the same, and n is 1.
        """
        if share is None:
            equal = ops.matmul(ops.transpose(self._gains), self._gains)
            return ops.expand_dims(equal / ops.trace(equal), 0)
        r, n_patches = self._n_directions, self._n_dipoles * self._n_orders
        share = share / ops.sum(share, axis=(1, 2), keepdims=True)
        if self._outer is None:
            weighted = self._gains * ops.reshape(share, (-1, n_patches, 1))
            gains = ops.expand_dims(self._gains, 0)
            return ops.matmul(ops.transpose(weighted, (0, 2, 1)), gains)
        place = np.zeros((r, r), np.int32)
        numbers = np.arange(self._rows.size)
        place[self._rows, self._columns] = place[self._columns, self._rows] = numbers
        upper = ops.matmul(ops.reshape(share, (-1, n_patches)), self._outer)
        return ops.reshape(ops.take(upper, place.ravel(), axis=1), (-1, r, r))

    def scores(self, inverse: Any, factor: Any) -> tuple[Any, Any]:
        """Return log gᵀ Σ⁻¹ Ĉ Σ⁻¹ g, and log gᵀ Σ⁻¹ g of the patches of middle size.

        Returns
        -------
        explains : tensor, shape (n, n_dipoles, n_orders)
        unexplained : tensor, shape (n, n_dipoles, 1)
        """
        if self._outer_middle is None:
            through = ops.matmul(ops.expand_dims(self._middle, 0), inverse)
            length = ops.sum(through * self._middle, axis=-1, keepdims=True)
        else:
            length = ops.expand_dims(self._quadratic(inverse, self._outer_middle), 2)
        explains = self._power(ops.matmul(inverse, factor))
        return ops.log(explains + FAINT), ops.log(length + LEAST_SHARE)

    def matched(self, factor: Any, rank: Any) -> list[Any]:
        """Return −log of the share of the EEG that a patch does not explain, and its visibility."""
        share = ops.clip(self._power(factor) / rank, 0.0, 1.0)
        matched = -ops.log(1.0 + MISFIT - share)
        return [matched, matched * 0.0 + self._visibility]

    def cosine(self, inverse: Any, factor: Any, unexplained: Any) -> Any:
        """Return the cosine of u and the patch of middle size, in the metric of Σ⁻¹."""
        left = ops.matmul(inverse, factor)
        along = ops.matmul(ops.expand_dims(self._middle, 0), left)[..., :1]
        power = ops.sum(left * factor, axis=(1, 2), keepdims=True)
        cosine = along * ops.exp(-0.5 * unexplained) / ops.sqrt(power + TINY)
        return ops.reshape(cosine, (-1, self._n_dipoles))

    def _power(self, factor: Any) -> Any:
        """Return gᵀ F Fᵀ g, shape (n, n_dipoles, n_orders)."""
        if self._outer is None:
            power = ops.sum(
                ops.square(ops.matmul(ops.expand_dims(self._gains, 0), factor)), axis=-1
            )
        else:
            covariance = ops.matmul(factor, ops.transpose(factor, (0, 2, 1)))
            power = self._quadratic(covariance, self._outer)
        return ops.reshape(power, (-1, self._n_dipoles, self._n_orders))

    def _quadratic(self, matrix: Any, outer: Any) -> Any:
        """Return gᵀ A g of symmetric matrices, from the outer products of g."""
        twice = np.where(self._rows == self._columns, 1.0, 2.0).astype(np.float32)
        r = self._n_directions
        flat = ops.reshape(matrix, (-1, r * r))
        upper = ops.take(flat, self._rows * r + self._columns, axis=1) * twice
        return ops.maximum(ops.matmul(upper, ops.transpose(outer)), 0.0)


def signed(maps: dict[str, Any]) -> Any:
    """Return the map of single samples, shape (n, n_dipoles), from what the network gives.

    The root of amplitude times probability: amplitudes alone are strongest where they should be,
    but hardly show the weaker ones of several sources, and probabilities alone show ghosts too.
    Thousands of small values far from every source add up to more than the few large ones: below a
    share of the maximum they fade, in their order.
    """
    size = ops.sqrt(maps["amplitude"] * maps["probability"])
    level = BACKGROUND * ops.max(size, axis=1, keepdims=True)
    # ONNX Runtime is slow at powers, and quick at squares.
    fourth, line = (ops.square(ops.square(x)) for x in (size, level))
    # A map of zeros stays one.
    faded = size * fourth / (fourth + line + TINY)
    return faded * ops.clip(maps["cosine"] / SURE, -1.0, 1.0)


def build_unrolled(config: NetworkConfig) -> Unrolled:
    """Return the untrained network."""
    network = Unrolled(
        config.filter_orders,
        config.n_coarse,
        config.n_layers,
        config.n_hidden,
        config.n_state,
        name="convdip",
    )
    network.build(None)
    return network
