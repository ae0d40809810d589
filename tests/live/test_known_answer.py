"""Models that load, and must not image anybody: each does one thing wrong."""

import importlib
import os
import signal
import threading
import time
from dataclasses import replace
from itertools import pairwise

import convdip
import numpy as np
import onnx
import pytest
from convdip import Imager, load_bundle
from convdip.bundle import Bundle
from convdip.errors import BundleError
from convdip.live import known_answer, network
from convdip.live.known_answer import check_answers, planted, ranks
from convdip.live.network import Network
from convdip.live.patience import GivenUpError
from convdip.live.tuning import open_network
from convdip_training.bundle_files import write_bundle
from onnx import TensorProto, helper, numpy_helper

BOTH = {"config": {"simulation": {"signs": "random"}}}


@pytest.fixture
def bundle_of(toy_head, tmp_path):
    """Return a bundle of a model on the toy head."""

    def make(model, head=toy_head, card=BOTH):
        return Bundle("toy", tmp_path, model, head, card)

    return make


@pytest.fixture
def right(inverse, toy_head):
    """The inverse that finds what is planted in the toy head."""
    return inverse(toy_head)


def graph_of(nodes, weights, n_dipoles=324, types=(TensorProto.FLOAT,) * 2):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("eeg", types[0], ["n", 31])],
        [helper.make_tensor_value_info("sources", types[1], ["n", n_dipoles])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return model.SerializeToString()


def linear(kernel, *steps, **weights):
    """A product, and what is done to it in steps: names of operators, with their second input."""
    names = ["eeg", *(f"x{i}" for i in range(len(steps))), "sources"]
    nodes = [
        helper.make_node(step, [name, *more], [after])
        for (step, *more), (name, after) in zip(
            [("MatMul", "kernel"), *steps], pairwise(names), strict=True
        )
    ]
    return graph_of(nodes, {"kernel": kernel.astype(np.float32), **weights}, kernel.shape[1])


def endless(kernel):
    """A graph that loops as long as true is true."""
    ports = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("is_on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
    ]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["is_on"], ["goes_on"]),
            helper.make_node("Abs", ["x"], ["y"]),
        ],
        "body",
        ports,
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Loop", ["", "yes", "eeg"], ["looped"], body=body),
        helper.make_node("MatMul", ["looped", "kernel"], ["sources"]),
    ]
    return graph_of(nodes, {"kernel": kernel, "yes": np.array(True)})


def test_the_shipped_models_find_what_is_planted(shipped, any_cap, any_cap_network):
    """With half of the bounds to spare, so that no other computer refuses them."""
    for bundle in (shipped, load_bundle("convdip-paper"), any_cap):
        net = any_cap_network if bundle is any_cap else Network(bundle.model, bundle.head, "cpu")
        check_answers(bundle, net)
        sources, eeg = planted(bundle.head, 16)
        maps = net(eeg @ net.of_own)
        found = ranks(bundle.head, sources, maps)
        assert found.mean() > 0.95, bundle.name
        if bundle.polarity == "both":
            assert np.mean(maps[np.arange(16), sources] > 0) > 0.9


def test_int8_finds_them_too(shipped):
    assert open_network(shipped, "cpu", "int8").precision == "int8"


def test_a_linear_inverse_finds_every_planted_source(bundle_of, right, toy_head):
    bundle = bundle_of(linear(right))
    net = open_network(bundle, "cpu", "auto")
    sources, eeg = planted(toy_head, 64)
    assert len(set(sources.tolist())) == 64
    np.testing.assert_allclose(eeg.mean(axis=1), 0, atol=1e-10)
    np.testing.assert_allclose(eeg.std(axis=1), known_answer.LEVEL_V, rtol=1e-3)
    assert ranks(toy_head, sources, net(eeg)).mean() > 0.95


def test_by_chance_a_source_is_stronger_than_half_of_the_cortex(walled_head):
    rng = np.random.default_rng(0)
    cortex = np.flatnonzero(walled_head.is_cortex)
    sources = np.tile(cortex, 20)
    found = ranks(walled_head, sources, rng.standard_normal((len(sources), 324), np.float32))
    assert found.mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(
        ranks(walled_head, cortex, np.ones((len(cortex), 324), np.float32)), 0.5
    )


@pytest.mark.parametrize(
    ("steps", "weights", "words"),
    [
        ([("Mul", "by")], {"by": np.float32(np.nan)}, "expected numbers, got NaN"),
        ([("Mul", "by")], {"by": np.float32(np.inf)}, "expected numbers, got NaN"),
        ([("Mul", "by")], {"by": np.float32(0)}, "a map of zeros for 100% of the sources"),
        (
            [("Mul", "by"), ("Add", "to")],
            {"by": np.float32(0), "to": np.float32(0.5)},
            "the same value at all dipoles",
        ),
        (
            [("Mul", "by"), ("Add", "to")],
            {"by": np.float32(0), "to": np.arange(324, dtype=np.float32)},
            "expected another map for another source, got the same map",
        ),
        ([("Mul", "by")], {"by": np.float32(1e25)}, "largest values are 1e-16 to 1e.12, got"),
        ([("Mul", "by")], {"by": np.float32(1e-25)}, "largest values are 1e-16 to 1e.12, got"),
        ([("Neg",)], {}, "the right sign in 75% of them or more, got"),
        ([("Abs",), ("Reciprocal",)], {}, "stronger than 80% of the cortex"),
    ],
)
def test_a_model_of_wrong_answers_is_refused_for_the_one_that_is_wrong(
    bundle_of, right, steps, weights, words
):
    with pytest.raises(BundleError, match=words) as refused:
        open_network(bundle_of(linear(right, *steps, **weights)), "cpu", "auto")
    assert "the model toy gives a wrong answer to sources planted" in str(refused.value)


def test_weights_that_are_not_numbers_are_refused(bundle_of, right):
    right[:, 100] = np.nan
    with pytest.raises(BundleError, match="expected numbers, got NaN or infinity for 0%"):
        open_network(bundle_of(linear(right)), "cpu", "auto")


def test_random_weights_are_refused(bundle_of):
    kernel = np.random.default_rng(0).standard_normal((31, 324))
    with pytest.raises(BundleError, match=r"stronger than 80% of the cortex .by chance 50%., got"):
        open_network(bundle_of(linear(kernel)), "cpu", "auto")


def test_a_model_of_one_polarity_need_not_know_the_other(bundle_of, right):
    negative = linear(right, ("Neg",))
    assert open_network(bundle_of(negative, card={}), "cpu", "auto").takes == "eeg"


def mixing(kernel, node, *inputs, **how):
    nodes = [
        helper.make_node("MatMul", ["eeg", "kernel"], ["x"]),
        helper.make_node(node, ["x", *inputs], ["of_all"], **how),
        helper.make_node("Sub", ["x", "of_all"], ["sources"]),
    ]
    return graph_of(nodes, {"kernel": kernel, "axes": np.array([0])})


@pytest.mark.parametrize(
    ("node", "inputs"), [("ReduceMean", ["axes"]), ("ReduceMax", ["axes"]), ("ReduceSum", [])]
)
def test_a_model_whose_maps_depend_on_the_other_samples_is_refused(bundle_of, right, node, inputs):
    model = mixing(right, node, *inputs, keepdims=1)
    with pytest.raises(BundleError, match=r"whether [13] are imaged|zeros|same map of a sample"):
        check_answers(bundle_of(model), Network(model, bundle_of(model).head, "cpu"))


def test_a_model_that_takes_but_some_numbers_of_samples_is_refused(bundle_of, right):
    """It runs for 1 and for as many as a recording has, and not for what lies between."""
    nodes = [
        helper.make_node("MatMul", ["eeg", "kernel"], ["x"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"]),
        helper.make_node("Mod", ["n", "odd"], ["rest"]),
        helper.make_node("Gather", ["table", "rest"], ["is_right"]),  # beyond the table: an error
        helper.make_node("Add", ["x", "is_right"], ["sources"]),
    ]
    weights = {"kernel": right, "zero": np.array(0), "odd": np.array(85), "table": np.zeros(2)}
    model = graph_of(nodes, {**weights, "table": np.zeros(2, np.float32)})
    with pytest.raises(BundleError, match="cannot be run on 64 samples"):
        open_network(bundle_of(model), "cpu", "auto")


def test_an_endless_loop_ends_when_its_time_is_over(bundle_of, right, monkeypatch):
    monkeypatch.setattr(network, "LOAD_S", 0.5)
    n_threads = threading.active_count()
    with pytest.raises(BundleError, match=r"longer than 0\.5 s; does it loop for ever"):
        open_network(bundle_of(endless(right)), "cpu", "auto")
    assert threading.active_count() == n_threads  # it does not go on behind


def test_a_loop_that_begins_with_the_first_source_ends_too(bundle_of, right, monkeypatch):
    """Of zeros, with which a network is warmed up, nothing is above zero."""
    monkeypatch.setattr(known_answer, "LIMIT_S", 0.5)
    nodes = [
        helper.make_node("ReduceMax", ["eeg"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "zero"], ["yes"]),
    ]
    model = onnx.load_from_string(endless(right))
    del model.graph.initializer[1]
    model.graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "zero"))
    for place, node in enumerate(nodes):
        model.graph.node.insert(place, node)
    with pytest.raises(BundleError, match="gives no answer to planted sources: it took longer"):
        open_network(bundle_of(model.SerializeToString()), "cpu", "auto")


def test_ctrl_c_is_heard_while_a_model_loops(bundle_of, right):
    """Where nobody has another answer to it than Python's own."""
    bundle = bundle_of(endless(right))
    timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        open_network(bundle, "cpu", "auto")
    timer.join()
    assert time.monotonic() - start < network.LOAD_S / 2


def test_a_service_that_is_stopped_while_its_model_loops_stops(
    bundle_of, right, toy_head, tmp_path, unique
):
    """As Ctrl-C does in the command line."""
    folder = write(tmp_path / "endless", endless(right), toy_head)
    service = convdip.Service(unique, unique, model=str(folder), provider="cpu")
    importlib.import_module("scipy.signal")  # which takes seconds on a busy computer
    timer = threading.Timer(0.5, service.stop)
    timer.start()
    start = time.monotonic()
    assert not service.open()
    timer.join()
    assert time.monotonic() - start < network.LOAD_S / 2
    with pytest.raises(GivenUpError):
        open_network(load_bundle(folder), "cpu", "auto", lambda: True)


def write(folder, model, head):
    folder.mkdir()
    head.save(folder / "head.npz")
    write_bundle(folder, {"model.onnx": model, "head.npz": (folder / "head.npz").read_bytes()}, {})
    return folder


def test_service_frames_and_imager_all_ask_before_they_image(right, toy_head, tmp_path, unique):
    folder = write(tmp_path / "silent", linear(right, ("Mul", "by"), by=np.float32(0)), toy_head)
    with pytest.raises(BundleError, match="model silent gives a wrong answer"):
        convdip.Service(unique, unique, model=str(folder), provider="cpu").open()
    with pytest.raises(BundleError, match="model silent gives a wrong answer"):
        next(convdip.frames(unique, model=str(folder), provider="cpu"))
    with pytest.raises(BundleError, match="model silent gives a wrong answer"):
        Imager(toy_head.channels, model=folder, provider="cpu")


def shuffled(values, axis, seed=0):
    return np.random.default_rng(seed).permutation(values, axis=axis)


def exchanged(head):
    """Two electrodes are taken for each other."""
    rows = np.arange(head.n_electrodes)
    one, other = head.channels.index("C3"), head.channels.index("C4")
    rows[[one, other]] = other, one
    return head.lead_field[rows]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda head: {"lead_field": shuffled(head.lead_field, 0)}, "is not that of its place"),
        (lambda head: {"electrodes_m": shuffled(head.electrodes_m, 0)}, "is not that of its place"),
        (lambda head: {"channels": head.channels[::-1]}, "mm off the places of their names"),
        (lambda head: {"lead_field": shuffled(head.lead_field, 1)}, "is not that of its place"),
        (
            lambda head: {"lead_field": np.roll(head.lead_field, head.n_left, 1)},
            "is not that of its place",
        ),
        (lambda head: {"lead_field": -head.lead_field}, "or the normals reversed"),
        (lambda head: {"normals": -head.normals}, "or the normals reversed"),
        (lambda head: {"lead_field": exchanged(head)}, r"lead field of C[34] is not"),
    ],
)
def test_a_head_whose_parts_are_of_different_ones_is_refused(shipped, change, words):
    known_answer.check_electrodes(shipped.head)
    other = replace(shipped.head, **change(shipped.head))
    with pytest.raises(BundleError, match=words):
        check_answers(replace(shipped, head=other), Network(shipped.model, other, "cpu"))


def test_a_field_of_another_cortex_with_as_many_dipoles_is_refused(shipped):
    """As if a bundle had got the head of another spacing's order: only the network can tell."""
    order = np.argsort(shipped.head.dipoles_m[:, 1])
    head = shipped.head
    moved = {
        name: getattr(head, name)[order]
        for name in ("dipoles_m", "normals", "pial_m", "inflated_m", "sulcal_depth", "atlas")
    }
    place = np.argsort(order).astype(np.int32)
    other = replace(
        head, **moved, lead_field=head.lead_field[:, order], triangles=place[head.triangles]
    )
    known_answer.check_electrodes(other)
    with pytest.raises(BundleError, match="stronger than 80% of the cortex"):
        check_answers(replace(shipped, head=other), Network(shipped.model, other, "cpu"))


@pytest.mark.parametrize("how", ["precision", "stranger"])
def test_models_that_break_the_contract_are_refused_in_one_line(toy_head, right, how):
    nodes = [helper.make_node("MatMul", ["eeg", "kernel"], ["sources"])]
    if how == "precision":
        types = (TensorProto.DOUBLE,) * 2
        model = graph_of(nodes, {"kernel": right.astype(float)}, types=types)
    else:
        nodes[0].op_type, nodes[0].domain = "Stranger", "com.example\n\x1b[2J"
        model = graph_of(nodes, {"kernel": right})
    with pytest.raises(BundleError) as refused:
        Network(model, toy_head, "cpu")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("place", ["initializer", "constant"])
@pytest.mark.parametrize("path", ["weights", "../weights", "/weights"])
def test_weights_in_another_file_are_refused(toy_head, right, tmp_path, monkeypatch, place, path):
    """ONNX Runtime would take them from where the program was started."""
    monkeypatch.chdir(tmp_path)
    right.tofile("weights")
    model = onnx.load_from_string(linear(right))
    kernel = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(kernel, path)
    kernel.ClearField("raw_data")
    if place == "constant":
        node = helper.make_node("Constant", [], ["kernel"], value=kernel)
        model.graph.node.insert(0, node)
        del model.graph.initializer[:]
    with pytest.raises(BundleError, match="cannot load the model"):
        Network(model.SerializeToString(), toy_head, "cpu")


@pytest.mark.parametrize("size", [0, 1, 100, 323])
def test_a_model_that_gives_other_sizes_than_it_says_is_refused(toy_head, right, size):
    """Its maps are written where there is room for those that were promised."""
    nodes = [
        helper.make_node("MatMul", ["eeg", "kernel"], ["x"]),
        helper.make_node("ReduceSum", ["eeg"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "size"], ["as_float"]),
        helper.make_node("Cast", ["as_float"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Reshape", ["whole", "one"], ["end"]),
        helper.make_node("Slice", ["x", "begin", "end", "one"], ["sources"]),
    ]
    weights = {"zero": np.float32(0), "size": np.float32(size), "begin": [0], "one": [1]}
    model = graph_of(nodes, {"kernel": right, **weights})
    with pytest.raises(BundleError, match="cannot be opened and run once"):
        Network(model, toy_head, "cpu")
