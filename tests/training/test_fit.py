import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from convdip.bundle import load_bundle, sha256_of
from convdip.errors import ConfigError
from convdip.live.network import Network
from convdip_training.config import (
    FitConfig,
    LossConfig,
    NetworkConfig,
    SimulationConfig,
    TrainingConfig,
)
from convdip_training.convert import ExportError, check_against_keras, to_onnx
from convdip_training.experiment import Experiment
from convdip_training.export import export
from convdip_training.fit import fit
from convdip_training.networks.convdip import build_convdip, load_network
from convdip_training.quantise import to_int8
from convdip_training.simulate import Simulator

CONFIG = TrainingConfig(
    name="tiny",
    simulation=SimulationConfig(n_sources=(1, 2), orders=(1, 2)),
    network=NetworkConfig(n_hidden=32, output="sigmoid"),
    loss=LossConfig(cosine=1.0, support_bce=2.0),
    fit=FitConfig(8192, batch_size=64, learning_rate=5e-3, decay="cosine", checkpoints=8),
)


def experiment(head, noise, cache, config=CONFIG):
    return Experiment(config, cache, head=head, noise=noise)


@pytest.fixture(scope="module")
def trained(toy_head, noise, tmp_path_factory):
    return fit(experiment(toy_head, noise, tmp_path_factory.mktemp("runs")))


def test_the_layers_are_the_papers():
    network = build_convdip(NetworkConfig(), 5124)
    assert network.input_shape == (None, 7, 11, 1)
    assert network.output_shape == (None, 5124)
    names = [type(layer).__name__ for layer in network.layers[1:]]
    assert names == [
        "PeakNormalization", "Conv2D", "BatchNormalization", "Flatten", "Dense",
        "BatchNormalization", "Dense",
    ]  # fmt: skip
    weights = 8 * 9 + 8 + 616 * 512 + 512 + 512 * 5124 + 5124  # and four numbers a BN channel
    assert network.count_params() == weights + 4 * (8 + 512)
    assert network.layers[-1].activation is keras.activations.relu


def test_training_lowers_the_loss(trained):
    history = json.loads((trained.parent / "history.json").read_text())
    assert [entry["steps"] for entry in history] == list(range(16, 129, 16))
    losses = [entry["loss"] for entry in history]
    assert losses[-1] < 0.8 * losses[0]


def test_a_training_that_was_broken_off_ends_as_if_it_had_not_been(
    toy_head, noise, trained, tmp_path, monkeypatch
):
    drawn = []
    draw = Simulator.batch

    def draw_and_press_ctrl_c(*arguments):
        drawn.append(arguments)
        if len(drawn) == 40:  # in the third of eight stretches
            signal.raise_signal(signal.SIGINT)
        return draw(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Simulator, "batch", draw_and_press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            fit(experiment(toy_head, noise, tmp_path))
    [history] = tmp_path.glob("*/history.json")
    assert 1 <= len(json.loads(history.read_text())) <= 3
    assert not list(tmp_path.glob("*/network.keras"))
    resumed = fit(experiment(toy_head, noise, tmp_path))
    for mine, other in zip(
        load_network(resumed).get_weights(), load_network(trained).get_weights(), strict=True
    ):
        np.testing.assert_allclose(mine, other, atol=1e-4)


def test_a_finished_training_is_not_done_again(toy_head, noise, trained):
    before = trained.stat().st_mtime_ns
    assert fit(experiment(toy_head, noise, trained.parent.parent)) == trained
    assert trained.stat().st_mtime_ns == before


def test_a_file_that_is_no_network_is_refused(tmp_path):
    path = tmp_path / "network.keras"
    path.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="is not a network"):
        load_network(path)


def test_export_makes_a_bundle_that_computes_what_keras_computes(
    toy_head, noise, trained, tmp_path
):
    card = export(experiment(toy_head, noise, trained.parent.parent), tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.card == json.loads(json.dumps(card))
    assert card["keras_onnx_difference"] < 1e-5
    assert card["noise"].startswith("synthetic: 50 segments")  # those there are
    assert "8,192 simulated samples" in card["training"]
    assert card["config"]["fit"]["batch_size"] == 64
    assert 0.5 < card["evaluation"]["single"]["auc"] <= 1
    assert card["evaluation"]["single"]["localisation_error_mm_mean"] > 0
    text = (tmp_path / "bundle" / "card.md").read_text()
    assert "| one source |" in text

    # The int8 form is part of the bundle from the start, and the card says how far it deviates.
    assert bundle.int8 == to_int8(bundle.model)
    assert card["sha256"]["model-int8.onnx"] == sha256_of(bundle.int8)
    assert 0 < bundle.int8_deviation < 0.1
    assert "| int8 form |" in text

    topographies = np.random.default_rng(0).standard_normal((7, 77)).astype(np.float32) * 1e-5
    by_onnx = Network(bundle.model, toy_head, "cpu")(topographies)
    images = {"topography": topographies.reshape(-1, 7, 11, 1)}
    by_keras = load_network(trained).predict(images, verbose=0)
    np.testing.assert_allclose(by_onnx, by_keras, atol=1e-5)


def test_export_refuses_a_model_that_computes_something_else(trained, toy_head):
    network = load_network(trained)
    model = to_onnx(network, toy_head)
    weights = network.get_weights()
    weights[-1] = weights[-1] + 0.01
    network.set_weights(weights)
    with pytest.raises(ExportError, match="Keras and ONNX differ by"):
        check_against_keras(model, network, toy_head)


def test_every_loss_trains(toy_head, noise, tmp_path):
    short = replace(CONFIG.fit, n_samples=128, checkpoints=1)
    for loss in (LossConfig(weighted_hausdorff=1.0), LossConfig(mse=1.0)):
        config = replace(CONFIG, loss=loss, fit=short, network=NetworkConfig(n_hidden=16))
        network = load_network(fit(experiment(toy_head, noise, tmp_path, config)))
        assert all(np.isfinite(weights).all() for weights in network.get_weights())


def test_export_without_a_history_writes_nothing(toy_head, noise, trained, tmp_path):
    alone = shutil.copy(trained, tmp_path)
    with pytest.raises(ConfigError, match="no training history"):
        export(experiment(toy_head, noise, tmp_path), tmp_path / "bundle", Path(alone))
    assert not (tmp_path / "bundle").exists()


def test_another_head_or_noise_is_another_training(toy_head, noise, tmp_path):
    first = experiment(toy_head, noise, tmp_path).network_path
    assert first == experiment(toy_head, noise.copy(), tmp_path).network_path
    assert first != experiment(toy_head, noise * 2, tmp_path).network_path
    other = replace(toy_head, lead_field=toy_head.lead_field * 2)
    assert first != experiment(other, noise, tmp_path).network_path
