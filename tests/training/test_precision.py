import json
import logging
from dataclasses import replace

import numpy as np
import onnx
import pytest
from convdip.bundle import sha256_of
from convdip.live.network import Network
from convdip_training.evaluation.form_accuracy import ERRORS, accuracy, precision_markdown
from convdip_training.evaluation.metrics import Scorer
from convdip_training.evaluation.precision import (
    FORMS,
    batch_difference,
    deviations,
    measure,
    simulated_eeg,
)
from convdip_training.evaluation.sets import SINGLE, SampleSet
from convdip_training.quantise import PrecisionError, to_fp16, to_int8
from onnx import TensorProto, helper

N_HIDDEN = 256


def hidden_layer_model(head, products=("MatMul", "MatMul"), scale=1.0):
    """A minimum norm inverse, cut into two matrix products with a rectifier between."""
    directions = np.random.default_rng(0).standard_normal((head.n_electrodes, N_HIDDEN // 2))
    gram = head.lead_field @ head.lead_field.T
    noise = 0.01 * np.trace(gram) / len(gram) * np.eye(len(gram))
    inverse = np.linalg.pinv(directions) @ np.linalg.solve(gram + noise, head.lead_field)
    inverse /= np.abs(inverse).max()  # as a network's: in 16 bits, tiny weights have fewer digits
    matrices = {
        "hidden": np.concatenate([directions, -directions], axis=1),
        "inverse": np.concatenate([inverse, -inverse]) * scale,
    }
    graph = helper.make_graph(
        [
            helper.make_node(products[0], ["eeg", "hidden"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node(products[1], ["r", "inverse"], ["sources"]),
        ],
        "two layers",
        [helper.make_tensor_value_info("eeg", TensorProto.FLOAT, ["n", head.n_electrodes])],
        [helper.make_tensor_value_info("sources", TensorProto.FLOAT, ["n", head.n_dipoles])],
        [
            onnx.numpy_helper.from_array(matrix.astype(np.float32), name)
            for name, matrix in matrices.items()
        ],
    )
    opset = helper.make_opsetid("", 18)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


@pytest.fixture
def model(toy_head):
    return hidden_layer_model(toy_head)


@pytest.fixture
def inputs(toy_head, shipped):
    return simulated_eeg(toy_head, seed=1)[::10]


@pytest.fixture
def networks(toy_head, model):
    files = {"int8": to_int8(model), "fp16": to_fp16(model), "fp32": model}
    return {form: Network(files[form], toy_head, "cpu") for form in FORMS}


def test_simulated_eeg_is_in_volts_and_ends_with_noise_alone(toy_head):
    eeg = simulated_eeg(toy_head, seed=1)
    assert eeg.shape == (5200, 31)
    assert eeg.dtype == np.float32
    assert 1e-7 < np.abs(eeg).max() < 1e-3
    np.testing.assert_array_equal(eeg, simulated_eeg(toy_head, seed=1))


def test_only_the_large_product_is_in_8_bits(model):
    graph = onnx.load_from_string(to_int8(model)).graph
    assert [node.op_type for node in graph.node] == ["MatMul", "Relu", "MatMulNBits"]
    assert [port.name for port in (*graph.input, *graph.output)] == ["eeg", "sources"]
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    assert kinds["hidden"] == TensorProto.FLOAT
    assert kinds["inverse_Q8"] == TensorProto.UINT8
    assert "inverse" not in kinds
    assert len(to_int8(model)) < 0.5 * len(model)
    assert to_int8(model) == to_int8(model)


def test_the_quantizer_is_silent_and_leaves_logging_as_it_was(model, caplog):
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    with caplog.at_level(logging.INFO):
        to_int8(model)
    assert not caplog.records
    assert logging.getLogger().handlers == handlers
    assert logging.getLogger().level == level
    assert logging.getLogger("convdip_training").isEnabledFor(logging.ERROR)


def test_forms_are_near_fp32_but_not_the_same(networks, inputs, toy_head):
    of_form = {
        form: deviations(networks[form], networks["fp32"], inputs, toy_head.dipoles_m)
        for form in FORMS
    }
    int8, fp16, itself = of_form["int8"], of_form["fp16"], of_form["fp32"]
    assert 1e-4 < int8["median_deviation"] < 0.02
    assert int8["median_deviation"] < int8["largest_deviation"] < 0.05
    assert 0 < fp16["largest_deviation"] < 0.1 * int8["largest_deviation"]
    assert int8["moved_share"] < 0.2
    assert itself["largest_deviation"] == itself["moved_share"] == 0
    assert itself["moved_mm_median"] is None


def test_deviations_are_those_of_the_maps(networks, inputs, toy_head):
    exact, int8 = networks["fp32"](inputs), networks["int8"](inputs)
    gap = np.abs(int8 - exact)
    said = deviations(networks["int8"], networks["fp32"], inputs, toy_head.dipoles_m)
    of_maximum = gap.max(axis=1) / np.abs(exact).max(axis=1)
    assert said["largest_deviation"] == pytest.approx(of_maximum.max(), rel=1e-4)
    relative = np.linalg.norm(gap, axis=1) / np.linalg.norm(exact, axis=1)
    assert said["relative_l2_median"] == pytest.approx(np.median(relative), rel=1e-4)
    moved = np.abs(exact).argmax(axis=1) != np.abs(int8).argmax(axis=1)
    assert said["moved_share"] == pytest.approx(moved.mean())


def test_maps_of_zeros_alone_are_refused(toy_head, inputs):
    nothing = Network(hidden_layer_model(toy_head, scale=0.0), toy_head, "cpu")
    with pytest.raises(PrecisionError, match="all zero, or not finite"):
        deviations(nothing, nothing, inputs, toy_head.dipoles_m)


def test_int8_maps_hardly_depend_on_the_batch(networks, inputs):
    assert batch_difference(networks["int8"], inputs[:256]) < 1e-3


def test_all_forms_are_scored_on_the_same_samples(networks, toy_head):
    noise = np.random.default_rng(0).standard_normal((20, 100, 31)).astype(np.float32)
    samples = SampleSet(
        replace(SINGLE, orders=(1, 2)), 1, toy_head, toy_head, noise / np.float32(3)
    )
    scores = accuracy(networks, (samples[i] for i in range(10)), Scorer(toy_head), "peak_error")
    assert set(scores) == set(FORMS)
    assert scores["fp32"]["auc"] > 0.7
    for form in ("int8", "fp16"):
        for name, difference in scores[form]["difference_to_fp32"].items():
            assert difference == scores[form][name] - scores["fp32"][name]
        assert abs(scores[form]["difference_to_fp32"]["auc"]) < 0.01
    assert "difference_to_fp32" not in scores["fp32"]


def test_a_model_without_large_products_is_refused(toy_head):
    for convert in (to_int8, to_fp16):
        with pytest.raises(PrecisionError, match="hold 0% of them"):
            convert(hidden_layer_model(toy_head, ("MatMul", "Gemm")))


@pytest.fixture
def table():
    scores = {
        "auc": 0.9,
        "localisation_error_mm_mean": 10.0,
        "localisation_error_mm_median": 8.0,
    }
    by = {"difference_to_fp32": dict.fromkeys(scores, -0.01234)}
    deviation = {
        "median_deviation": 0.0067,
        "largest_deviation": 0.029,
        "relative_l2_median": 0.005,
        "moved_share": 0.0,
        "moved_mm_median": None,
        "moved_mm_95": None,
    }
    common = {"bytes": 4_700_000, "batch_difference": 1.2e-6}
    form = common | deviation | {config.name: scores | by for config in ERRORS}
    fp32 = common | {config.name: scores for config in ERRORS}
    return {"data": "some samples", "int8": form, "fp16": form, "fp32": fp32}


TIMES_MS = {"int8": 0.234, "fp16": 0.6, "fp32": 0.7}


def test_the_table_for_people_says_what_was_measured(table):
    text = precision_markdown(table, TIMES_MS)
    rows = {
        cells[1].strip(): cells[2:-1]
        for line in text.splitlines()
        if (cells := line.split("|"))[1:]
    }
    assert [cell.strip() for cell in rows[""]] == ["fp32", "fp16", "int8"]
    assert rows["one sample, ms (median)"][2].strip() == "0.23"
    assert rows["the same: worst sample"][0].strip() == "–"
    assert rows["one source, either sign: AUC"][2].strip() == "0.9000 (−0.0123)"
    assert "Data: some samples." in text


def test_the_shipped_int8_form_is_made_from_the_shipped_model(shipped):
    int8 = to_int8(shipped.model)
    assert sha256_of(int8) == shipped.card["sha256"]["model-int8.onnx"]
    assert 0.3 < len(int8) / len(shipped.model) < 0.5


def test_what_the_card_says_of_a_form_is_measured_on_the_models_own_head(model, shipped, toy_head):
    files = {"int8": to_int8(model), "fp16": to_fp16(model), "fp32": model}
    bundle = replace(shipped, model=model, int8=files["int8"], head=toy_head)
    table = measure(bundle, seed=1)
    assert table == json.loads(json.dumps(table))
    assert table["data"].startswith("5,200 simulated samples on the model's own head")
    assert {form: table[form]["bytes"] for form in FORMS} == {
        form: len(file) for form, file in files.items()
    }
    assert 0 < table["fp16"]["largest_deviation"] < table["int8"]["largest_deviation"] < 0.1
    assert "largest_deviation" not in table["fp32"]
    nothing = hidden_layer_model(toy_head, scale=0.0)
    with pytest.raises(PrecisionError, match="all zero, or not finite"):
        measure(replace(bundle, model=nothing, int8=to_int8(nothing)), seed=1)
    with pytest.raises(PrecisionError, match="has no int8 form"):
        measure(replace(bundle, int8=None), seed=1)
