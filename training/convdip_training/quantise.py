"""A model's weights in reduced precision: in int8, which bundles carry, and in fp16.

One or a few matrix products hold most of a ConvDip's weights, and loading these from memory takes
most of a sample's time. In int8 they are less than half as large.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from convdip.errors import ConvDipError
from onnx import numpy_helper

# A matrix with more than this share of the weights is large; together these must hold half of them.
LARGE_SHARE = 0.1
LEAST_SHARE = 0.5
# Number of a column's weights that share scale and zero. 16 is ONNX Runtime's minimum; with larger
# blocks maps deviate more from fp32's, and with blocks of 128 they depend on the batch.
BLOCK_SIZE = 16
# ONNX Runtime's accuracy level for integer products: activations are rounded to int8 as well,
# block by block. With products in fp32 a sample takes ten times as long.
INTEGER_PRODUCTS = 4


class PrecisionError(ConvDipError):
    """The model has no reduced-precision form, or none that can be measured."""


def to_int8(model: bytes) -> bytes:
    """Return the model with the weights of its large matrix products in 8 bits.

    Parameters
    ----------
    model : bytes
        The ONNX file.

    Raises
    ------
    PrecisionError
        If large matrix products do not hold more than half of the model's weights.
    """
    proto = onnx.load_from_string(model)
    large = _large_products(proto.graph)
    for i, node in enumerate(proto.graph.node):  # the quantizer tells nodes by their names
        node.name = node.name or f"{node.op_type}_{i}"
    others = [node.name for i, node in enumerate(proto.graph.node) if i not in large]
    with _silenced():
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantizer = MatMulNBitsQuantizer(
            proto,
            bits=8,
            block_size=BLOCK_SIZE,
            is_symmetric=False,
            accuracy_level=INTEGER_PRODUCTS,
            nodes_to_exclude=others,
        )
        quantizer.process()
    int8: bytes = quantizer.model.model.SerializeToString()
    return int8


def to_fp16(model: bytes) -> bytes:
    """Return the model with these weights in 16 bits; products remain in fp32."""
    proto = onnx.load_from_string(model)
    names = {proto.graph.node[i].input[1] for i in _large_products(proto.graph)}
    for weights in proto.graph.initializer:
        if weights.name in names:
            name = weights.name
            halves = numpy_helper.to_array(weights).astype(np.float16)
            weights.CopyFrom(numpy_helper.from_array(halves, f"{name}_fp16"))
            cast = onnx.helper.make_node("Cast", [weights.name], [name], to=onnx.TensorProto.FLOAT)
            proto.graph.node.insert(0, cast)
    fp16: bytes = proto.SerializeToString()
    return fp16


def _large_products(graph: Any) -> set[int]:
    """Return the numbers of the nodes that multiply by a large matrix of constants."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    matrices = {name for name, a in arrays.items() if a.dtype == np.float32 and a.ndim == 2}
    total = max(sum(array.nbytes for array in arrays.values()), 1)
    shares = {
        i: arrays[node.input[1]].nbytes / total
        for i, node in enumerate(graph.node)
        if node.op_type == "MatMul" and node.input[1] in matrices
    }
    large = {i for i, share in shares.items() if share > LARGE_SHARE}
    together = sum(shares[i] for i in large)
    if together <= LEAST_SHARE:
        raise PrecisionError(
            f"the model's large MatMuls with a constant matrix (each more than {LARGE_SHARE:.0%} "
            f"of its weights) hold {together:.0%} of them: expected more than {LEAST_SHARE:.0%}, "
            "or fewer bits there would gain little"
        )
    return large


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep the quantizer quiet: it configures the root logger and logs every node."""
    root, before = logging.getLogger(), logging.root.manager.disable
    holder = logging.NullHandler()  # a root logger that has a handler is left alone
    root.addHandler(holder)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(holder)
