import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from convdip.bundle import load_bundle
from convdip.errors import ConfigError
from convdip_training.anatomy.families import Family, TrainingFamily
from convdip_training.config import (
    FamilyConfig,
    FitConfig,
    HeadConfig,
    LossConfig,
    NetworkConfig,
    SimulationConfig,
    TrainingConfig,
)
from convdip_training.experiment import Experiment
from convdip_training.export import export
from convdip_training.fit import fit
from convdip_training.networks.convdip import load_network
from convdip_training.networks.transfer import (
    nearest_dipoles,
    stored_weight,
    transfer_config,
    transferred,
    weight_name,
)

CONFIG = TrainingConfig(
    name="tiny",
    family=FamilyConfig(skull_s_m=(0.006,), n_heads=4),
    simulation=SimulationConfig(
        n_sources=(1, 2), orders=(1, 2), trial_snr=(0.5, 2.0), repaired=0.2, signs="random"
    ),
    network=NetworkConfig(
        "matched",
        n_hidden=24,
        n_layers=3,
        rank=8,
        filter_orders=(1, 2),
        deflation=6,
        output="sigmoid",
    ),
    loss=LossConfig(cosine=1.0, support_bce=2.0, sign=0.3),
    fit=FitConfig(
        4096, 64, learning_rate=5e-3, decay="cosine", warm_up=4, dipoles=0.5, checkpoints=4
    ),
)


@pytest.fixture(scope="module")
def family(toy_head):
    """Two places for each electrode, the second one a little off."""
    moved = toy_head.lead_field * np.random.default_rng(1).uniform(0.9, 1.1, (31, 1))
    fields = np.array([[toy_head.lead_field, moved]], np.float32)
    return TrainingFamily(toy_head, Family(fields, np.log([0.006])))


@pytest.fixture(scope="module")
def experiment(toy_head, noise, family, tmp_path_factory):
    cache = tmp_path_factory.mktemp("runs")
    return Experiment(CONFIG, cache, head=toy_head, noise=noise, family=family)


@pytest.fixture(scope="module")
def trained(experiment):
    return fit(experiment)


@pytest.fixture(scope="module")
def bundle(trained, experiment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    export(experiment, folder)
    return load_bundle(folder)


def test_a_share_of_the_dipoles_is_enough_to_learn_from(trained, bundle):
    losses = [entry["loss"] for entry in json.loads((trained.parent / "history.json").read_text())]
    assert len(losses) == 4
    assert losses[-1] < 0.9 * losses[0]
    assert bundle.card["evaluation"]["single"]["auc"] > 0.8
    assert "own family of heads" in bundle.card["evaluation"]["data"]


def test_a_bundle_names_the_weights_that_it_holds(trained, bundle):
    network = load_network(trained)
    for weight in network.weights:
        if "misfit" in weight.path or "cortex" in weight.path:
            continue  # merged into another constant; left out, as it is 1 everywhere
        np.testing.assert_array_equal(
            stored_weight(bundle, weight_name(weight)), keras.ops.convert_to_numpy(weight)
        )
    with pytest.raises(ConfigError, match="does not name its weight 'nonesuch'"):
        stored_weight(bundle, "nonesuch")


def test_transferred_to_its_own_head_a_network_is_unchanged(trained, bundle, toy_head, noise):
    config = transfer_config(bundle, HeadConfig(subject="bert"))
    assert config.name == "tiny-bert"
    assert config.fit.n_samples == 410  # a tenth
    assert config.start == bundle.card["sha256"]["model.onnx"]
    same = transferred(bundle, config, toy_head)
    for weight, before in zip(same.weights, load_network(trained).weights, strict=True):
        if "filters" in weight.path or "misfit" in weight.path:
            continue  # from the lead field, anew
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (weight, before)))


def test_a_training_that_starts_from_a_bundle_starts_low(
    trained, bundle, toy_head, noise, family, tmp_path
):
    config = transfer_config(bundle, HeadConfig())
    from_bundle = Experiment(config, tmp_path, bundle, head=toy_head, noise=noise, family=family)
    network = fit(from_bundle)
    first, last = (
        json.loads((path.parent / "history.json").read_text())[0]["loss"]
        for path in (trained, network)
    )
    assert last < 0.95 * first


def test_heads_are_laid_over_each_other_by_their_electrodes(toy_head):
    turned = np.array([[0.9, 0.1, 0], [-0.1, 1.1, 0], [0, 0.05, 0.95]], np.float32)
    moved = replace(
        toy_head,
        electrodes_m=toy_head.electrodes_m @ turned + np.float32(0.01),
        dipoles_m=toy_head.dipoles_m @ turned + np.float32(0.01),
    )
    np.testing.assert_array_equal(nearest_dipoles(toy_head, moved), np.arange(toy_head.n_dipoles))


def test_a_model_of_one_polarity_cannot_be_transferred(bundle):
    """As the matched networks of older versions were: their cards do not say 'signs'."""
    config = {**bundle.card["config"]}
    config["simulation"] = {**config["simulation"]}
    del config["simulation"]["signs"]
    older = replace(bundle, card={**bundle.card, "config": config})
    with pytest.raises(ConfigError, match="knows sources of one polarity"):
        transfer_config(older, HeadConfig(subject="bert"))


def test_the_papers_layers_cannot_be_transferred(bundle):
    config = {**bundle.card["config"], "network": {"kind": "convdip"}}
    config["fit"] = {**config["fit"], "dipoles": 1.0}
    config["loss"] = {"cosine": 1.0}
    config["simulation"] = {**config["simulation"], "signs": "positive"}
    papers = replace(bundle, card={**bundle.card, "config": config})
    with pytest.raises(ConfigError, match="has the paper's layers"):
        transfer_config(papers, HeadConfig(subject="bert"))
