"""The model's weights in fewer bits: in int8, which can be shipped, and in fp16.

One matrix product holds most of a ConvDip's weights, and a sample waits for them to come from
memory. In int8 they are less than half as large.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from realtime.errors import ConvDipError

LARGE_SHARE = 0.5
# So many weights of a column share a scale and a zero. 16 is ONNX Runtime's least; in larger
# blocks maps are farther from fp32's, and in blocks of 128 they depend on the batch.
BLOCK_SIZE = 16
# ONNX Runtime's accuracy level for products of integers: the activations are rounded to int8
# too, block by block. With products in fp32 a sample takes ten times as long.
INTEGER_PRODUCTS = 4


class PrecisionError(ConvDipError):
    """The model has no form in fewer bits, or none that can be measured."""


def to_int8(model: bytes) -> bytes:
    """Return the model with the weights of its largest matrix product in 8 bits.

    Parameters
    ----------
    model : bytes
        The ONNX file.

    Raises
    ------
    PrecisionError
        If no matrix product holds more than half of the model's weights.
    """
    proto = onnx.load_from_string(model)
    large = _large_product(proto.graph)
    for i, node in enumerate(proto.graph.node):  # the quantizer tells nodes by their names
        node.name = node.name or f"{node.op_type}_{i}"
    others = [node.name for i, node in enumerate(proto.graph.node) if i != large]
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
    """Return the model with the same weights in 16 bits; its products remain in fp32."""
    proto = onnx.load_from_string(model)
    name = proto.graph.node[_large_product(proto.graph)].input[1]
    [weights] = [tensor for tensor in proto.graph.initializer if tensor.name == name]
    halves = numpy_helper.to_array(weights).astype(np.float16)
    weights.CopyFrom(numpy_helper.from_array(halves, f"{name}_fp16"))
    cast = onnx.helper.make_node("Cast", [weights.name], [name], to=onnx.TensorProto.FLOAT)
    proto.graph.node.insert(0, cast)
    fp16: bytes = proto.SerializeToString()
    return fp16


def _large_product(graph: Any) -> int:
    """Return the number of the node whose matrix holds more than half of the weights' bytes."""
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    matrices = {name for name, a in arrays.items() if a.dtype == np.float32 and a.ndim == 2}
    sizes = {
        i: arrays[node.input[1]].nbytes
        for i, node in enumerate(graph.node)
        if node.op_type == "MatMul" and node.input[1] in matrices
    }
    total = sum(array.nbytes for array in arrays.values())
    share = max(sizes.values(), default=0) / max(total, 1)
    if share <= LARGE_SHARE:
        raise PrecisionError(
            f"the model's largest MatMul with a constant matrix holds {share:.0%} of its weights: "
            f"expected more than {LARGE_SHARE:.0%}, or fewer bits there would gain little"
        )
    return max(sizes, key=lambda i: sizes[i])


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep the quantizer quiet: it sets up the root logger and tells of every node."""
    root, before = logging.getLogger(), logging.root.manager.disable
    holder = logging.NullHandler()  # a root logger that has a handler is left alone
    root.addHandler(holder)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(holder)
