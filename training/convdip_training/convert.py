"""From a Keras network to ONNX, and the check that both compute the same."""

from __future__ import annotations

import keras
import numpy as np
import onnx
from convdip.errors import ConfigError, ConvDipError
from convdip.head import Head
from convdip.live.network import Network

from convdip_training.grid import SHAPE
from convdip_training.networks.transfer import weight_name

N_CHECKED = 1000
TOLERANCE = 1e-5
OPSET = 18


class ExportError(ConvDipError):
    """The exported model does not compute what the network computes."""


def to_onnx(network: keras.Model) -> bytes:
    """Convert a Keras network, with any number of samples a call."""
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            f"Keras runs on {keras.backend.backend()}, the ONNX converter needs TensorFlow: "
            "run 'convdip-train export' with KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf
    import tf2onnx

    # from_keras fails on some Keras 3 models, a traced function with a named input on none.
    signature = [tf.TensorSpec((None, *SHAPE, 1), tf.float32, name="topography")]
    traced = tf.function(lambda topography: {"sources": network({"topography": topography})})
    proto, _ = tf2onnx.convert.from_function(traced, input_signature=signature, opset=OPSET)
    name_weights(proto, network)
    onnx.checker.check_model(proto)
    model: bytes = proto.SerializeToString()
    return model


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
        If it is above 1e-5.
    """
    rng = np.random.default_rng(0)
    amplitudes_v = 10 ** rng.uniform(-7, -4, (N_CHECKED, 1))  # 0.1–100 µV
    noise = rng.standard_normal((N_CHECKED, int(np.prod(SHAPE)))) * amplitudes_v
    topographies = noise.astype(np.float32)
    images = {"topography": topographies.reshape(-1, *SHAPE, 1)}
    by_keras = network.predict(images, verbose=0)
    by_onnx = Network(model, head, "cpu")(topographies)
    largest = np.maximum(np.abs(by_keras).max(axis=1), 1.0)
    difference = float((np.abs(by_keras - by_onnx).max(axis=1) / largest).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"Keras and ONNX differ by {difference:.1e} on {N_CHECKED} random topographies: "
            f"expected at most {TOLERANCE:g}; nothing was written"
        )
    return difference
