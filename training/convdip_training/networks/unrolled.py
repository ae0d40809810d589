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
from convdip.live.gains import N_DIRECTIONS, N_TOLD
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
# An amplitude is a probability times at most this power of e.
MOST_LOG = 6.0


@keras.saving.register_keras_serializable(package="convdip")
class Unrolled(keras.Model):  # type: ignore[misc]
    """The whole network.

    Takes a dictionary. Of the EEG:

    - ``factor``, shape (n, R, m), with Ĉ = F Fᵀ up to a factor: the whitened EEG of one sample
      (m = 1), or a square root of a window's covariance;
    - ``n_samples``, shape (n,), in the window.

    Of the electrodes, the same for all n, what `convdip.live.gains.given_of` returns. R is larger
    than ``rank``; what is beyond is 0.

    Called, it gives what training judges; `maps` gives what the service takes.

    Parameters
    ----------
    orders : sequence of int
        Neighbourhood orders of the patches that it is given gains of.
    n_coarse : int
        Dipoles that the first stages look at.
    n_stages : int
        Before the last.
    n_hidden, n_last, n_state : int
        Width of the perceptrons, of that of the last stage, and of what a dipole remembers.
    """

    def __init__(
        self,
        orders: Sequence[int],
        n_coarse: int,
        n_stages: int,
        n_hidden: int,
        n_last: int,
        n_state: int,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.orders, self.n_coarse = list(orders), n_coarse
        self.sizes = {
            "n_stages": n_stages,
            "n_hidden": n_hidden,
            "n_last": n_last,
            "n_state": n_state,
        }
        small = keras.initializers.RandomNormal(stddev=0.02)
        stages, widths = range(n_stages + 1), [*[n_hidden] * n_stages, n_last]
        self.local = [
            layers.Dense(width, use_bias=False, name=f"local_{k}") for k, width in enumerate(widths)
        ]
        self.common = [layers.Dense(width, name=f"common_{k}") for k, width in enumerate(widths)]
        self.noise = [
            layers.Dense(1, kernel_initializer="zeros", name=f"noise_{k}") for k in stages
        ]
        n_memory = n_state + len(orders)
        self.update = [
            layers.Dense(n_memory, kernel_initializer=small, name=f"update_{k}")
            for k in range(n_stages)
        ]
        self.nearby = layers.Dense(N_TOLD, name="nearby")
        self.answer = layers.Dense(2, kernel_initializer=small, name="answer")
        self.early = layers.Dense(1, name="early")

    def build(self, _: Any) -> None:
        """Make the weights, whose sizes depend on nothing that is given."""
        n_state, n_orders = self.sizes["n_state"], len(self.orders)
        n_scores, n_memory = 3 * n_orders + 1, n_state + n_orders
        for k in range(self.sizes["n_stages"] + 1):
            is_first, is_last = k == 0, k == self.sizes["n_stages"]
            n_common = N_WINDOW if is_first else N_WINDOW + 2 * n_state
            n_remembered = N_TOLD if is_last else 0 if is_first else 2 * n_memory
            self.local[k].build((None, n_scores + n_remembered))
            self.common[k].build((None, n_common + 1))
            self.noise[k].build((None, n_common))
        for layer in self.update:
            layer.build((None, self.sizes["n_hidden"]))
        self.answer.build((None, self.sizes["n_last"]))
        for layer in (self.early, self.nearby):
            layer.build((None, n_memory))

    def call(self, inputs: dict[str, Any]) -> Any:
        """Return what training judges.

        Returns
        -------
        judged : tensor, shape (n, 2, n_dipoles + n_coarse)
            Amplitudes and probabilities; then twice the probabilities that the stages before the
            last would give the coarse dipoles.
        """
        maps, memory = self._look(inputs, many=True)
        early = ops.sigmoid(_split(self.early, memory, many=True)[0] + FIRST_LOGIT)
        both = ops.stack([maps["amplitude"], maps["probability"]], axis=1)
        return ops.concatenate([both, ops.stack([early, early], axis=1)], axis=2)

    def maps(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return what the network gives.

        Returns
        -------
        maps : dict of tensor, shape (n, n_dipoles)
            ``amplitude`` and ``probability``: of the root mean square moment, without a scale, and
            that a dipole is part of a source; and ``cosine`` of the moment of a single sample:
            positive out of the cortex. All are 0 where gains are.
        """
        maps, _ = self._look(inputs, many=False)
        return {
            "amplitude": maps["amplitude"] * inputs["is_cortex"],
            "probability": maps["probability"] * inputs["is_cortex"],
            "cosine": maps["cosine"],
        }

    def _look(self, inputs: dict[str, Any], *, many: bool) -> tuple[dict[str, Any], Any]:
        """Return the maps, and what the coarse dipoles remember, shape (n, n_coarse, n_memory)."""
        rank = inputs["rank"]
        power = ops.sum(ops.square(inputs["factor"]), axis=(1, 2), keepdims=True)
        factor = inputs["factor"] * ops.sqrt(rank / (power + TINY))
        window = _window(factor, inputs["n_samples"], rank)
        few, every = (
            _Patches(inputs[f"{part}gains"], inputs[f"{part}middle"], inputs[f"{part}seen"], many)
            for part in ("coarse_", "")
        )
        memory, common, inverse, noise = self._stages(few, factor, window, inputs)
        told = ops.take(_dense(self.nearby, memory, many), inputs["near"], axis=1)
        nearby = _sum_of_few(told * inputs["near_weights"])
        explains, length = every.scores(inverse, factor)
        seen = [explains, length, nearby, *every.matched(factor, rank)]
        hidden = self._hidden(self.sizes["n_stages"], seen, common, noise)
        first, second = _split(self.answer, hidden, many)
        probability = ops.sigmoid(first + FIRST_LOGIT)
        maps = {
            "amplitude": probability * ops.exp(ops.clip(second, -MOST_LOG, MOST_LOG)),
            "probability": probability,
            "cosine": every.cosine(inverse, factor),
        }
        return maps, memory

    def _stages(
        self, few: _Patches, factor: Any, window: Any, inputs: dict[str, Any]
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
        rank, n_state, many = inputs["rank"], self.sizes["n_state"], few.many
        matched = few.matched(factor, rank)
        signal, memory, common, remembered = inputs["uniform"], None, window, list[Any]()
        for k in range(self.sizes["n_stages"]):
            inverse, noise = self._inverse(k, signal, common, rank)
            seen = [*few.scores(inverse, factor), *remembered, *matched]
            change = _dense(self.update[k], self._hidden(k, seen, common, noise), many)
            memory = change if memory is None else memory + change
            around = _sum_of_few(ops.take(memory, inputs["neighbours"], axis=1))
            remembered = [memory, around / inputs["neighbours"].shape[0]]
            state = memory[..., :n_state]
            pooled = [ops.mean(state, axis=1), ops.max(state, axis=1)]
            common = ops.concatenate([*pooled, window], axis=1)
            signal = few.covariance(ops.sigmoid(memory[..., n_state:] + FIRST_LOGIT) + LEAST_SHARE)
        inverse, noise = self._inverse(self.sizes["n_stages"], signal, common, rank)
        return memory, common, inverse, noise

    def _inverse(self, k: int, signal: Any, common: Any, rank: Any) -> tuple[Any, Any]:
        """Return Σ⁻¹, shape (n, R, R), and the share of noise in Σ, shape (n, 1)."""
        noise = LEAST_NOISE + (1 - 2 * LEAST_NOISE) * ops.sigmoid(self.noise[k](common))
        s = ops.expand_dims(noise, 2)
        return ops.linalg.inv((1 - s) * rank * signal + s * ops.eye(N_DIRECTIONS)), noise

    def _hidden(self, k: int, seen: list[Any], common: Any, noise: Any) -> Any:
        """Return what the perceptron of a stage makes of each dipole.

        The last thing seen is a 1: what is the same for all dipoles is its weight.
        """
        of_all = self.common[k](ops.concatenate([common, noise], axis=1))
        each = ops.expand_dims(of_all, 1)
        kernel = self.local[k].kernel
        kernel = ops.broadcast_to(kernel, (ops.shape(each)[0], *kernel.shape))
        weights = ops.concatenate([kernel, each], axis=1)
        return ops.relu(ops.matmul(ops.concatenate(seen, axis=2), weights))

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


# Below, what computes the same is written as ONNX Runtime is quickest at it for a single sample.


def _dense(layer: layers.Dense, x: Any, many: bool) -> Any:
    """Return what a linear layer makes of x, shape (n, n_dipoles, n_features)."""
    return _times(x, layer.kernel, many) + layer.bias


def _split(layer: layers.Dense, x: Any, many: bool) -> list[Any]:
    """Return the same, feature by feature, each of shape (n, n_dipoles)."""
    product = _times(x, layer.kernel, many)
    return [product[..., i] + layer.bias[i] for i in range(layer.units)]


def _times(x: Any, matrix: Any, many: bool) -> Any:
    """Return x, shape (n, a, b), times a matrix.

    Of many samples as one product. Of few, as one for each, which ONNX does in one step, not ten.
    """
    return ops.matmul(x, matrix if many else ops.expand_dims(matrix, 0))


def _sum_of_few(x: Any) -> Any:
    """Return the sum along the second axis, which is short, of x, shape (n, few, a, b)."""
    _, n_few, a, b = x.shape
    flat = ops.reshape(x, (-1, n_few, a * b))
    return ops.reshape(ops.matmul(ops.ones((1, 1, n_few)), flat), (-1, a, b))


class _Patches:
    """Patches of a few sizes at some dipoles: sums over them, and their scores.

    Products with g gᵀ are taken in one of two ways that give the same: of many samples with all
    outer products at once, made anew for each batch; of few samples without them.

    Parameters
    ----------
    gains : tensor, shape (n_dipoles, n_orders, R)
    middle : tensor, shape (n_dipoles, R)
        Of the patches of middle size.
    seen : tensor, shape (n_dipoles, n_orders + 1)
        Visibility, and a 1.
    many : bool
    """

    def __init__(self, gains: Any, middle: Any, seen: Any, many: bool) -> None:
        self._n_dipoles, self._n_orders, _ = gains.shape
        self._seen, self._middle, self.many = seen, middle, many
        self._gains = ops.reshape(gains, (-1, N_DIRECTIONS))
        self._rows, self._columns = np.triu_indices(N_DIRECTIONS)
        if many:
            self._outer, self._outer_middle = (
                ops.take(g, self._rows, axis=1) * ops.take(g, self._columns, axis=1)
                for g in (self._gains, self._middle)
            )

    def covariance(self, share: Any) -> Any:
        """Return Σ γ g gᵀ / Σ γ, shape (n, R, R), of shares of shape (n, n_dipoles, n_orders)."""
        r, n_patches = N_DIRECTIONS, self._n_dipoles * self._n_orders
        share = share / ops.sum(share, axis=(1, 2), keepdims=True)
        if not self.many:
            weighted = self._gains * ops.reshape(share, (-1, n_patches, 1))
            gains = ops.expand_dims(self._gains, 0)
            return ops.matmul(ops.transpose(weighted, (0, 2, 1)), gains)
        place = np.zeros((r, r), np.int32)
        numbers = np.arange(self._rows.size)
        place[self._rows, self._columns] = place[self._columns, self._rows] = numbers
        upper = ops.matmul(ops.reshape(share, (-1, n_patches)), self._outer)
        return ops.reshape(ops.take(upper, place.ravel(), axis=1), (-1, r, r))

    def scores(self, inverse: Any, factor: Any) -> list[Any]:
        """Return log gᵀ Σ⁻¹ Ĉ Σ⁻¹ g, and log gᵀ Σ⁻¹ g of the patches of middle size.

        Returns
        -------
        explains : tensor, shape (n, n_dipoles, n_orders)
        unexplained : tensor, shape (n, n_dipoles, 1)
        """
        explains = self._power(ops.matmul(inverse, factor))
        unexplained = ops.log(self._length(inverse) + LEAST_SHARE)
        return [ops.log(explains + FAINT), ops.expand_dims(unexplained, 2)]

    def matched(self, factor: Any, rank: Any) -> list[Any]:
        """Return −log of the share of the EEG that a patch leaves; its visibility, and a 1."""
        share = ops.clip(self._power(factor) / rank, 0.0, 1.0)
        n = ops.shape(factor)[0]
        return [
            -ops.log(1.0 + MISFIT - share),
            ops.broadcast_to(self._seen, (n, *self._seen.shape)),
        ]

    def cosine(self, inverse: Any, factor: Any) -> Any:
        """Return the cosine of u and the patch of middle size, in the metric of Σ⁻¹."""
        left = ops.matmul(inverse, factor)
        along = ops.matmul(ops.expand_dims(self._middle, 0), left[..., :1])
        power = ops.sum(left * factor, axis=(1, 2), keepdims=True)
        scale = (self._length(inverse) + LEAST_SHARE) * (power[:, 0] + TINY)
        return ops.reshape(along, (-1, self._n_dipoles)) / ops.sqrt(scale)

    def _length(self, inverse: Any) -> Any:
        """Return gᵀ Σ⁻¹ g of the patches of middle size, shape (n, n_dipoles)."""
        if self.many:
            return self._quadratic(inverse, self._outer_middle)
        return ops.sum(ops.matmul(ops.expand_dims(self._middle, 0), inverse) * self._middle, axis=2)

    def _power(self, factor: Any) -> Any:
        """Return gᵀ F Fᵀ g, shape (n, n_dipoles, n_orders)."""
        if self.many:
            covariance = ops.matmul(factor, ops.transpose(factor, (0, 2, 1)))
            power = self._quadratic(covariance, self._outer)
        else:
            along = ops.matmul(ops.expand_dims(self._gains, 0), factor)
            power = ops.sum(ops.square(along), axis=2)
        return ops.reshape(power, (-1, self._n_dipoles, self._n_orders))

    def _quadratic(self, matrix: Any, outer: Any) -> Any:
        """Return gᵀ A g of symmetric matrices A, shape (n, n_g), from the outer products of g."""
        twice = np.where(self._rows == self._columns, 1.0, 2.0).astype(np.float32)
        flat = ops.reshape(matrix, (-1, N_DIRECTIONS**2))
        upper = ops.take(flat, self._rows * N_DIRECTIONS + self._columns, axis=1) * twice
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
        config.n_last,
        config.n_state,
        name="convdip",
    )
    network.build(None)
    return network
