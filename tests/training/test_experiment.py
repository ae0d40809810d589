import subprocess
import sys

import numpy as np
from convdip_training.config import LossConfig, SimulationConfig, TrainingConfig
from convdip_training.experiment import Experiment

CONFIG = TrainingConfig("tiny", loss=LossConfig(cosine=1.0))
SINGLE = SimulationConfig(n_sources=(1, 1))


def test_what_is_given_is_used_and_nothing_else_is_made(toy_head, noise, tmp_path):
    experiment = Experiment(CONFIG, tmp_path, head=toy_head, noise=noise)
    assert experiment.head is toy_head
    assert experiment.noise is noise
    assert experiment.family is None
    assert experiment.network_path.parent.parent == tmp_path
    assert not list(tmp_path.iterdir())


def test_a_bundles_experiment_has_its_configuration_and_its_head(shipped, tmp_path):
    experiment = Experiment.of_bundle(shipped, tmp_path)
    assert experiment.config.name == shipped.card["config"]["name"]
    assert experiment.head is shipped.head


def test_training_and_export_share_one_simulator(toy_head, noise, tmp_path):
    """It holds the heads drawn from the family: gigabytes, if there were two."""
    experiment = Experiment(CONFIG, tmp_path, head=toy_head, noise=noise)
    simulator = experiment.simulator
    assert experiment.simulator is simulator
    fewer = simulator.with_config(SINGLE)
    assert simulator.config == CONFIG.simulation
    assert np.shares_memory(fewer._noise, simulator._noise)
    seeds = fewer.batch(50, np.random.default_rng(0)).seeds
    assert np.all((seeds >= 0).sum(axis=1) == 1)


def test_an_experiment_whose_head_and_noise_are_given_needs_no_mne():
    """So that networks can be trained where only Keras is."""
    code = (
        "import sys, convdip_training.experiment, convdip_training.simulate; "
        "sys.exit('mne' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
