"""From a Keras network to ONNX, and the check that both compute the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import onnx
from convdip.errors import ConfigError, ConvDipError
from convdip.head import Head
from convdip.live.gains import (
    N_DIRECTIONS,
    N_NEAR,
    N_NEIGHBOURS,
    N_TOLD,
    Cortex,
    Gains,
    Looks,
)
from convdip.live.network import Network

from convdip_training.grid import SHAPE
from convdip_training.networks.transfer import weight_name
from convdip_training.networks.unrolled import Unrolled, signed

N_CHECKED = 1000
# Of networks with a matrix to invert, whose rounding errors grow with its condition.
N_CHECKED_GAINS, GAINS_TOLERANCE = 64, 5e-4
TOLERANCE = 1e-5
Ports = dict[str, tuple[int | None, ...]]

OPSET = 18
# ONNX itself has no inverse of a matrix, ONNX Runtime has.
MICROSOFT = "com.microsoft"
INDICES = ("neighbours", "near")


class ExportError(ConvDipError):
    """The exported model does not compute what the network computes."""


def to_onnx(network: keras.Model, head: Head) -> bytes:
    """Convert a Keras network for heads of as many dipoles, any number of samples a call."""
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"Keras runs on {keras.backend.backend()}, the ONNX converter needs TensorFlow: "
            "run 'convdip-train export' with KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf
    import tf2onnx

    # from_keras fails on some Keras 3 models, a traced function with named inputs on none.
    if isinstance(network, Unrolled):
        ports, function = _of_gains(network, head)
    else:
        ports, function = _of_image(network)
    signature = [
        tf.TensorSpec(shape, tf.int32 if name in INDICES else tf.float32, name=name)
        for name, shape in ports.items()
    ]
    proto, _ = tf2onnx.convert.from_function(
        tf.function(function),
        input_signature=signature,
        opset=OPSET,
        custom_op_handlers={"MatrixInverse": (_inverse, [])},
        extra_opset=[onnx.helper.make_opsetid(MICROSOFT, 1)],
    )
    name_weights(proto, network)
    if isinstance(network, Unrolled):
        orders = " ".join(map(str, network.orders))
        onnx.helper.set_model_props(proto, {"orders": orders, "coarse": str(network.n_coarse)})
    onnx.checker.check_model(proto)
    model: bytes = proto.SerializeToString()
    return model


def _of_image(network: keras.Model) -> tuple[Ports, Callable[..., Any]]:
    """Return the inputs of a network that takes the 7×11 image, and what it computes from them."""

    def compute(topography: Any) -> dict[str, Any]:
        return {"sources": network({"topography": topography})}

    return {"topography": (None, *SHAPE, 1)}, compute


def _of_gains(network: Unrolled, head: Head) -> tuple[Ports, Callable[..., Any]]:
    """Return the inputs of a network that is given gains, and what it computes from them.

    Any head with as many dipoles, any window: of one sample the sources have signs, of more there
    are amplitudes alone.
    """
    n_orders, r, n_dipoles = len(network.orders), N_DIRECTIONS, head.n_dipoles
    n_coarse = min(network.n_coarse, int(head.is_cortex.sum()))
    ports: Ports = {
        "factor": (None, r, None),
        "n_samples": (None,),
        "gains": (n_dipoles, n_orders, r),
        "middle": (n_dipoles, r),
        "seen": (n_dipoles, n_orders + 1),
        "coarse_gains": (n_coarse, n_orders, r),
        "coarse_middle": (n_coarse, r),
        "coarse_seen": (n_coarse, n_orders + 1),
        "uniform": (r, r),
        "rank": (1,),
        "is_cortex": (n_dipoles,),
        "neighbours": (N_NEIGHBOURS, n_coarse),
        "near": (N_NEAR, n_dipoles),
        "near_weights": (N_NEAR, n_dipoles, N_TOLD),
    }

    def compute(*inputs: Any) -> dict[str, Any]:
        maps = network.maps(dict(zip(ports, inputs, strict=True)))
        return {
            "sources": signed(maps),
            "amplitude": maps["amplitude"],
            "probability": maps["probability"],
        }

    return ports, compute


def _inverse(_: Any, node: Any, *__: Any) -> None:
    """Let ONNX Runtime invert matrices."""
    node.type, node.domain = "Inverse", MICROSOFT
    del node.attr["adjoint"]


def name_weights(proto: onnx.ModelProto, network: keras.Model) -> None:
    """Give an ONNX model's constants the names that Keras has for them, where they are equal.

    The converter makes up names of its own. What lies there transposed is marked ``.T``; what
    the converter merged into other constants has no name.
    """
    names: dict[tuple[tuple[int, ...], bytes], str] = {}
    for weight in network.weights:
        value = keras.ops.convert_to_numpy(weight)
        plain = weight_name(weight)
        for name, stored in ((plain, value), (f"{plain}.T", value.T)):
            names.setdefault((stored.shape, stored.tobytes()), name)
    renamed: dict[str, str] = {}
    for tensor in proto.graph.initializer:
        stored = onnx.numpy_helper.to_array(tensor)
        known = names.get((stored.shape, stored.tobytes()))
        if known is not None and known not in renamed.values():
            renamed[tensor.name] = known
            tensor.name = known
    for node in proto.graph.node:
        for i, old in enumerate(node.input):
            node.input[i] = renamed.get(old, old)


def check_against_keras(model: bytes, network: keras.Model, head: Head) -> float:
    """Return the largest difference on random topographies.

    Absolute where maps stay within 0 to 1, as a sigmoid's do; relative to the largest value
    of a map that goes beyond.

    Raises
    ------
    ExportError
        If it is above 1e-5, or 5e-4 for a network that is given gains.
    """
    rng = np.random.default_rng(0)
    if isinstance(network, Unrolled):
        return _check_gains(model, network, head, rng)
    amplitudes_v = 10 ** rng.uniform(-7, -4, (N_CHECKED, 1))  # 0.1–100 µV
    noise = rng.standard_normal((N_CHECKED, int(np.prod(SHAPE)))) * amplitudes_v
    topographies = noise.astype(np.float32)
    images = {"topography": topographies.reshape(-1, *SHAPE, 1)}
    by_keras = network.predict(images, verbose=0)
    by_onnx = Network(model, head, "cpu")(topographies)
    largest = np.maximum(np.abs(by_keras).max(axis=1), 1.0)
    return _small((np.abs(by_keras - by_onnx).max(axis=1) / largest).max(), TOLERANCE)


def _check_gains(model: bytes, network: Unrolled, head: Head, rng: np.random.Generator) -> float:
    """Return the largest difference on random EEG of the head's own electrodes."""
    given = _gains_of(head, network)
    rank = int(given["rank"][0])
    whitened = np.zeros((N_CHECKED_GAINS, N_DIRECTIONS), np.float32)
    whitened[:, :rank] = rng.standard_normal((N_CHECKED_GAINS, rank))
    ones = np.ones(N_CHECKED_GAINS, np.float32)
    maps = network.maps({"factor": whitened[:, :, None], "n_samples": ones, **given})
    by_keras = keras.ops.convert_to_numpy(signed(maps))
    by_onnx = Network(model, head, "cpu")(whitened, given=given)
    largest = np.abs(by_keras).max(axis=1)
    return _small((np.abs(by_keras - by_onnx).max(axis=1) / largest).max(), GAINS_TOLERANCE)


def _gains_of(head: Head, network: Unrolled) -> dict[str, Any]:
    """Return what a network is given of a head's own electrodes."""
    cortex = Cortex(head, Looks(tuple(network.orders), network.n_coarse))
    gains = Gains(cortex, head.channels, head.electrodes_m)
    return gains.without(np.zeros(head.n_electrodes, bool))[2]


def _small(difference: float, tolerance: float) -> float:
    if not difference <= tolerance:
        raise ExportError(
            f"Keras and ONNX differ by {difference:.1e} on random EEG: expected at most "
            f"{tolerance:g}; nothing was written"
        )
    return float(difference)
