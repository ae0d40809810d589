import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from convdip.errors import BundleError, ProviderError
from convdip.live.network import Network
from convdip.live.runtime import FixedBatches, open_session
from convdip.live.tuning import _quickest, open_network
from onnx import TensorProto, helper


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


def test_the_shipped_network_is_odd_and_ignores_the_scale(shipped):
    network = Network(shipped.model, shipped.head, "cpu")
    assert network.takes == "topography"
    assert network.provider == "CPUExecutionProvider"
    topographies = np.random.default_rng(1).standard_normal((3, 77)).astype(np.float32)
    maps = network(topographies * 1e-6)
    assert maps.min() < 0 < maps.max()
    np.testing.assert_array_equal(network(topographies * -1e-6), -maps)
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
        assert "`provider='cpu'`" in str(error)  # noqa: PT017 (both outcomes are right)
        assert Network(shipped.model, shipped.head, "auto").provider == "CPUExecutionProvider"
    else:
        assert network.provider == "CUDAExecutionProvider"
        assert "CUDAExecutionProvider" in ort.get_available_providers()


@pytest.mark.parametrize("n", [1, 3, 4, 5, 11])
def test_bound_arrays_give_what_a_plain_run_gives(shipped, n):
    """On the CPU, the way that arrays take on CUDA: fixed places, padded batches."""
    session = open_session(shipped.model, "cpu", 1)
    bound = FixedBatches(session, "topography", (7, 11, 1), 5124, (1, 4), "cpu")
    rng = np.random.default_rng(0)
    for _ in range(2):  # the second time, the places hold what was there before
        inputs = rng.standard_normal((n, 7, 11, 1)).astype(np.float32)
        maps = bound(inputs, np.empty((n, 5124), np.float32))
        [expected] = session.run(["sources"], {"topography": inputs})
        # A batch of another size sums in another order.
        np.testing.assert_allclose(maps, expected, rtol=0, atol=1e-6)


def test_maps_can_be_written_where_they_are_wanted(shipped):
    network = Network(shipped.model, shipped.head, "cpu")
    inputs = np.random.default_rng(0).standard_normal((5, 77)).astype(np.float32)
    wanted = np.full((7, 5124), np.nan, np.float32)
    network(inputs, out=wanted[1:6])
    np.testing.assert_array_equal(wanted[1:6], network(inputs))
    assert np.isnan(wanted[[0, 6]]).all()


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-5), ("int8", 1e-3)])
def test_batch_and_threads_hardly_change_a_map(shipped, precision, apart):
    """Sums are taken in another order in another batch; int8 may round another way then."""
    model = {"fp32": shipped.model, "int8": shipped.int8}[precision]
    inputs = np.random.default_rng(0).standard_normal((64, 77)).astype(np.float32)
    maps = Network(model, shipped.head, "cpu")(inputs)
    for threads in (1, 2):
        network = Network(model, shipped.head, "cpu", threads)
        for first, last in ((0, 1), (5, 7), (3, 64)):
            np.testing.assert_allclose(
                network(inputs[first:last]), maps[first:last], rtol=0, atol=apart
            )


def test_int8_is_taken_only_when_it_is_asked_for(shipped):
    """Its maps differ from fp32's by more than a thousandth, so that auto leaves it."""
    assert 1e-3 < shipped.int8_deviation < 0.1
    assert open_network(shipped, "cpu", "auto").precision == "fp32"
    network = open_network(shipped, "auto", "int8")
    assert (network.precision, network.provider) == ("int8", "CPUExecutionProvider")
    rng = np.random.default_rng(0)
    topographies = (rng.standard_normal((200, 31)) @ shipped.head.interpolation.T).astype(
        np.float32
    )
    fp32 = Network(shipped.model, shipped.head, "cpu")(topographies)
    deviation = np.abs(network(topographies) - fp32).max(axis=1) / np.abs(fp32).max(axis=1)
    assert 0 < deviation.max() < 2 * shipped.int8_deviation


@pytest.mark.parametrize("quicker", ["fp32", "int8"])
def test_auto_takes_the_quicker_of_two_precisions_whose_maps_are_the_same(
    shipped, toy_head, deep_model, quicker
):
    card = {**shipped.card, "precision": {"int8": {"largest_deviation": 1e-4}}}
    quick, slow = deep_model(toy_head, 0), deep_model(toy_head, 60)
    fp32, int8 = (quick, slow) if quicker == "fp32" else (slow, quick)
    same = replace(shipped, model=fp32, int8=int8, head=toy_head, card=card)
    assert open_network(same, "cpu", "auto").precision == quicker
    assert open_network(same, "cpu", "fp32").precision == "fp32"


def test_a_precision_that_cannot_be_had_is_an_error(shipped):
    without = replace(shipped, int8=None)
    assert without.int8_deviation == float("inf")
    with pytest.raises(BundleError, match="no int8 weights: use `precision"):
        open_network(without, "cpu", "int8")
    with pytest.raises(ProviderError, match="int8 weights run on the CPU alone"):
        open_network(shipped, "cuda", "int8")


def test_a_run_that_fails_is_done_again_on_another_session(toy_head, failing_model, inverse):
    network = Network(failing_model(toy_head), toy_head, "cpu")
    failures: list[str] = []
    network.on_failure = failures.append
    samples = np.random.default_rng(0).standard_normal((300, 31)).astype(np.float32)
    maps = np.concatenate([network(sample[None]) for sample in samples])
    np.testing.assert_allclose(maps, samples @ inverse(toy_head), atol=1e-5)
    assert len(failures) == 3
    assert all(
        "cannot be run on 1 samples: " in one and "out of data bounds" in one for one in failures
    )
    # Not again and again: one that fails so often is broken.
    images = map(network, samples[:, None])
    with pytest.raises(BundleError, match=r"out of data bounds.*; 3 times in the last"):
        list(images)


def test_without_anybody_who_is_told_a_run_that_fails_is_an_error(toy_head, failing_model):
    network = Network(failing_model(toy_head), toy_head, "cpu")
    images = map(network, np.ones((100, 1, 31), np.float32))
    with pytest.raises(
        BundleError, match=r"the model cannot be run on 1 samples: .*out of data bounds"
    ):
        list(images)


@pytest.mark.parametrize("provider", ["auto", "cuda"])
def test_a_gpu_that_is_lost_is_left_for_the_cpu(shipped, unique, provider):
    """In a process of its own, since none of its program runs on the GPU after that."""
    try:
        Network(shipped.model, shipped.head, "cuda")
    except ProviderError:
        pytest.skip("no CUDA here")
    command = [sys.executable, Path(__file__).parent / "programs" / "lose_gpu.py", unique, provider]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["before"] == "CUDAExecutionProvider"
    if provider == "cuda":  # which asked for nothing else
        assert re.match(r"ProviderError: CUDA fails: .*: CUDA failure \d+: ", found["error"])
        return
    assert found["after"] == found["stated"] == "CPUExecutionProvider"
    assert found["published"] == found["sent"]
    assert found["largest_difference"] < 1e-3
    [told] = found["events"]
    assert re.match(
        r"the model cannot be run on \d+ samples: CUDA failure \d+: [^:]+; from now on: ", told
    )
    assert told.endswith("from now on: CPUExecutionProvider, fp32, 1 thread")


def test_the_quickest_network_is_chosen(toy_head, deep_model):
    quick = Network(linear_model(31, 324)[0], toy_head, "cpu")
    slow = Network(deep_model(toy_head, 60), toy_head, "cpu")
    assert _quickest([slow, quick]) is quick
    assert _quickest([slow]) is slow
