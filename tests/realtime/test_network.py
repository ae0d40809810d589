import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from realtime.errors import BundleError, ProviderError
from realtime.network import Network


def linear_model(n_inputs, n_dipoles, takes="eeg", gives="sources", batch="n"):
    """An inverse that is one matrix product, as the contract allows."""
    rng = np.random.default_rng(0)
    kernel = rng.standard_normal((n_inputs, n_dipoles)).astype(np.float32)
    weights = onnx.numpy_helper.from_array(kernel, "kernel")
    graph = helper.make_graph(
        [helper.make_node("MatMul", [takes, "kernel"], [gives])],
        "linear",
        [helper.make_tensor_value_info(takes, TensorProto.FLOAT, [batch, n_inputs])],
        [helper.make_tensor_value_info(gives, TensorProto.FLOAT, [batch, n_dipoles])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return model.SerializeToString(), kernel


def test_any_inverse_of_the_contract_runs(toy_head):
    model, kernel = linear_model(31, 324)
    network = Network(model, toy_head, "cpu")
    assert network.takes == "eeg"
    eeg = np.random.default_rng(1).standard_normal((3, 31)).astype(np.float32)
    np.testing.assert_allclose(network(eeg), eeg @ kernel, rtol=1e-4, atol=1e-5)


def test_the_shipped_network_is_non_negative_and_ignores_the_scale(shipped):
    network = Network(shipped.model, shipped.head, "cpu")
    assert network.takes == "topography"
    assert network.provider == "CPUExecutionProvider"
    topographies = np.random.default_rng(1).standard_normal((3, 77)).astype(np.float32)
    maps = network(topographies * 1e-6)
    assert maps.min() >= 0
    np.testing.assert_allclose(network(topographies * 1e-4), maps, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        linear_model(31, 100)[0],
        linear_model(32, 324)[0],
        linear_model(31, 324, batch=1)[0],
        linear_model(31, 324, takes="x")[0],
        linear_model(31, 324, gives="y")[0],
    ],
)
def test_a_model_of_another_shape_is_refused(toy_head, model):
    with pytest.raises(BundleError, match="expected one input"):
        Network(model, toy_head, "cpu")


def test_garbage_is_refused(shipped):
    with pytest.raises(BundleError, match="cannot load the model"):
        Network(shipped.model[:1000], shipped.head, "cpu")


def test_cuda_is_never_replaced_in_silence(shipped):
    try:
        network = Network(shipped.model, shipped.head, "cuda")
    except ProviderError as error:
        assert "--provider cpu" in str(error)  # noqa: PT017 (both outcomes are right)
        assert Network(shipped.model, shipped.head, "auto").provider == "CPUExecutionProvider"
    else:
        assert network.provider == "CUDAExecutionProvider"
        assert "CUDAExecutionProvider" in ort.get_available_providers()
