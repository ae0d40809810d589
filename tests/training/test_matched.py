from dataclasses import replace

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from convdip.live.network import Network
from convdip.patches import patch_dictionary
from convdip_training.config import NetworkConfig
from convdip_training.convert import to_onnx
from convdip_training.networks.matched import (
    LEAST_VARIANCE,
    SURE,
    build_matched,
    matched_filters,
)
from convdip_training.quantise import to_int8
from convdip_training.whitening import whitening_matrix

CONFIG = NetworkConfig(
    "matched", n_hidden=24, n_layers=3, rank=8, filter_orders=(1, 2), deflation=6, output="sigmoid"
)


def build(config, head, noise):
    """Return a network that takes other sources out, as a trained one does and a new one not."""
    keras.utils.set_random_seed(0)
    network = build_matched(config, head, noise)
    shape = network.take_out.kernel.shape
    network.take_out.kernel.assign(np.random.default_rng(0).standard_normal(shape) * 0.1)
    return network


@pytest.fixture(scope="module")
def network(toy_head, noise):
    return build(CONFIG, toy_head, noise)


def images(head, eeg):
    return (eeg @ head.interpolation.T).astype(np.float32).reshape(-1, 7, 11, 1)


def test_the_whitening_makes_noise_white(noise):
    """But for the quietest directions, which stay below."""
    white = noise.reshape(-1, 31) @ whitening_matrix(noise, LEAST_VARIANCE).T
    variances = white.var(axis=0)
    assert white.shape[1] == 30
    np.testing.assert_allclose(np.corrcoef(white.T), np.eye(30), atol=1e-4)
    assert np.all((variances > 0.8) & (variances < 1.0))


def test_the_image_comes_back_as_the_whitened_eeg(network, toy_head, noise):
    eeg = np.random.default_rng(1).standard_normal((5, 31))
    eeg -= eeg.mean(axis=1, keepdims=True)
    pixels = (eeg @ toy_head.interpolation.T).astype(np.float32)
    whitened = keras.ops.convert_to_numpy(network.whitening(pixels))
    np.testing.assert_allclose(
        whitened, eeg @ whitening_matrix(noise, LEAST_VARIANCE).T, rtol=1e-3, atol=1e-4
    )


def test_a_filter_matches_its_own_patch_best(toy_head, noise):
    whitener = whitening_matrix(noise, LEAST_VARIANCE)
    filters = matched_filters(toy_head, whitener, 1)
    np.testing.assert_allclose(np.linalg.norm(filters, axis=1), 1, rtol=1e-5)
    match = filters @ filters.T
    assert np.all(match.argmax(axis=1) == np.arange(toy_head.n_dipoles))


def test_untrained_it_finds_a_patch_without_noise(toy_head, noise):
    """The filters know the lead field before any training."""
    network = build_matched(CONFIG, toy_head, noise)
    patches = patch_dictionary(toy_head.triangles, toy_head.dipoles_m, 1)
    seeds = np.arange(0, toy_head.n_dipoles, 9)
    sources = network.predict(
        {"topography": images(toy_head, patches[seeds] @ toy_head.lead_field.T * 1e-8)}, verbose=0
    )
    assert sources.shape == (len(seeds), toy_head.n_dipoles)
    assert np.mean(sources.argmax(axis=1) == seeds) > 0.8
    assert np.abs(sources).max() <= 1


def test_eeg_of_the_other_polarity_gives_exactly_the_negative_map(network, toy_head):
    by_onnx = Network(to_onnx(network, toy_head), toy_head, "cpu")
    for n in (1, 64):
        eeg = np.random.default_rng(n).standard_normal((n, 31)) * 1e-5
        topography = images(toy_head, eeg)
        for maps in (
            lambda image: network.predict({"topography": image}, verbose=0),
            lambda image: by_onnx(image.reshape(-1, 77)),
        ):
            sources = maps(topography)
            assert (sources > 0).any()
            assert (sources < 0).any()
            np.testing.assert_array_equal(maps(-topography), -sources)
            assert not maps(topography * 0).any()


def test_the_medial_wall_is_silent(toy_head, noise):
    atlas = toy_head.atlas + 1
    atlas[40:60] = 0
    head = replace(toy_head, atlas=atlas, atlas_names=("unknown-lh", *toy_head.atlas_names))
    topography = images(head, np.random.default_rng(4).standard_normal((20, 31)))
    silent = build(replace(CONFIG, background=0.1), head, noise)
    by_keras = silent.predict({"topography": topography}, verbose=0)
    by_onnx = Network(to_onnx(silent, head), head, "cpu")(topography.reshape(-1, 77))
    for sources in (by_keras, by_onnx):
        np.testing.assert_array_equal((sources != 0).all(axis=0), head.is_cortex)


def test_some_dipoles_are_those_of_all(network, toy_head):
    topography = images(toy_head, np.random.default_rng(2).standard_normal((4, 31)))
    chosen = np.array([300, 2, 77], np.int32)
    everything = network({"topography": topography})
    some = network({"topography": topography, "dipoles": chosen})
    probabilities, moments = keras.ops.convert_to_numpy(some).swapaxes(0, 1)
    np.testing.assert_allclose(
        probabilities * np.clip(moments / SURE, -1, 1),
        keras.ops.convert_to_numpy(everything)[:, chosen],
        rtol=1e-5,
        atol=1e-7,
    )


def test_in_use_the_background_fades_and_so_does_a_moment_without_a_sign(toy_head, noise):
    network = build(replace(CONFIG, background=0.2), toy_head, noise)
    topography = images(toy_head, np.random.default_rng(2).standard_normal((4, 31)))
    every = np.arange(toy_head.n_dipoles, dtype=np.int32)
    both = keras.ops.convert_to_numpy(network({"topography": topography, "dipoles": every}))
    learnt, moments = both[:, 0], both[:, 1]
    used = keras.ops.convert_to_numpy(network({"topography": topography}))
    line = 0.2 * learnt.max(axis=1, keepdims=True)
    faded = learnt**5 / (learnt**4 + line**4)
    np.testing.assert_allclose(used, faded * np.clip(moments / SURE, -1, 1), rtol=1e-4, atol=1e-9)
    np.testing.assert_array_equal(faded.argsort(axis=1), learnt.argsort(axis=1))


def test_strength_and_an_eeg_of_zeros_change_nothing_and_break_nothing(network, toy_head):
    topography = images(toy_head, np.random.default_rng(3).standard_normal((4, 31)))
    strong, weak = (network.predict({"topography": topography * v}, verbose=0) for v in (1, 1e-7))
    np.testing.assert_allclose(strong, weak, rtol=1e-4, atol=1e-7)
    nothing = network.predict({"topography": topography * 0}, verbose=0)
    assert np.isfinite(nothing).all()


def test_onnx_runtime_makes_one_operation_of_each_norm(toy_head, noise, tmp_path):
    config = replace(CONFIG, n_hidden=128)
    network = build(config, toy_head, noise)
    for norm in network.norms:  # a scale of 1, as before training, is left out altogether
        norm.scale.assign(np.linspace(0.5, 1.5, config.n_hidden))
    model = to_onnx(network, toy_head)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3  # it warns that such a file is for this machine alone
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("SimplifiedLayerNormalization") == config.n_layers

    # Two hidden layers and the embedding hold more than a tenth of the weights each.
    narrower = [node.op_type for node in onnx.load_from_string(to_int8(model)).graph.node]
    assert narrower.count("MatMulNBits") >= 2
