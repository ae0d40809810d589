from dataclasses import replace

import pytest
from convdip.errors import ConfigError
from convdip_training.cache import fingerprint
from convdip_training.config import (
    PRESETS,
    LossConfig,
    NetworkConfig,
    TrainingConfig,
    config_of_card,
    load_preset,
)


@pytest.mark.parametrize("name", sorted(path.stem for path in PRESETS.glob("*.toml")))
def test_shipped_presets_load(name):
    config = load_preset(name)
    assert len(config.head.electrodes) == 31
    assert config.head.conductivity_s_m == (0.3, 0.006, 0.3)


def test_a_card_of_an_older_version_is_read_as_it_was():
    """The matched networks of that time were trained on sources of one polarity."""
    older = {
        "name": "x",
        "simulation": {"n_sources": [1, 10], "repaired": 0.25},
        "network": {"kind": "matched", "output": "sigmoid", "filter_orders": [2, 4]},
        "loss": {"cosine": 1.0, "support_bce": 2.0},
    }
    config = config_of_card({"config": older})
    assert config.simulation.signs == "positive"
    assert config.simulation.other_noise == 0
    assert config.network.deflation == 0


def test_the_paper_preset_holds_the_papers_numbers():
    config = load_preset("paper")
    assert config.simulation.n_sources == (1, 5)
    assert config.simulation.orders == (2, 5)
    assert config.simulation.moment_nam == (5.0, 10.0)
    assert (config.simulation.n_trials, config.simulation.trial_snr) == (20, (1.0, 1.0))
    assert (config.network.n_filters, config.network.n_hidden) == (8, 512)
    assert config.network.output == "relu"
    assert config.loss == LossConfig(weighted_hausdorff=1.0)
    assert (config.fit.batch_size, config.fit.learning_rate) == (32, 1e-3)
    assert (config.noise.band_hz, config.noise.sfreq_hz) == ((0.1, 30.0), 100.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 'x'\nseeed = 1", "unknown key 'seeed': expected one of name, seed"),
        ("name = 'x'\n[fit]\nbatch = 1", r"x.toml \[fit\]: unknown key 'batch'"),
        ("name = 'x'\n[loss]\ncosine = 'yes'", "cosine is 'yes': expected a number"),
        ("name = 'x'\nseed = 1.5\n[loss]\ncosine = 1", "seed is 1.5: expected a whole number"),
        ("seed = 1\n[loss]\ncosine = 1", "x.toml: name is not set"),
        ("name = 'x'\n[simulation]\norders = 3\n[loss]\ncosine = 1", "expected a list of 2"),
        ("name = 'x'\nhead = 3\n[loss]\ncosine = 1", "head is 3: expected a table"),
        ("name = 'x'", "all weights are 0"),
        ("name = 'x'\n[loss]\nsupport_bce = 1", "set output = 'sigmoid'"),
        (
            "name = 'x'\n[network]\noutput = 'tanh'\n[loss]\ncosine = 1",
            "output is 'tanh': expected 'relu' or",
        ),
        (
            "name = 'x'\n[simulation]\norders = [5, 2]\n[loss]\ncosine = 1",
            r"orders is \[5, 2\]",
        ),
        (
            "name = 'x'\n[simulation]\nsigns = 'random'\n[loss]\ncosine = 1",
            "kind is 'convdip', whose maps have one polarity",
        ),
        ("name = 'x'\n[loss]\nsign = 1", "all weights are 0"),
        ("name = ", "is not TOML"),
    ],
)
def test_mistakes_in_a_preset_are_named(tmp_path, text, message):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_preset(str(path))


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ConfigError, match="convdip-fsaverage31, paper, small"):
        load_preset("nonesuch")


def test_a_fingerprint_follows_the_content():
    config = TrainingConfig("x", loss=LossConfig(cosine=1.0))
    assert fingerprint(config) == fingerprint(replace(config))
    wider = replace(config, network=NetworkConfig(n_hidden=1024))
    assert fingerprint(config) != fingerprint(wider)
