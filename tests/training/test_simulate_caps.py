"""Samples of any cap on any head, and a training on them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from convdip.bundle import load_bundle
from convdip.errors import ConfigError
from convdip.live.gains import N_DIRECTIONS
from convdip.live.imager import Imager
from convdip_training import simulate_caps
from convdip_training.anatomy.families import ScalpFamily
from convdip_training.config import (
    FamilyConfig,
    FitConfig,
    LossConfig,
    NetworkConfig,
    SimulationConfig,
    TrainingConfig,
    load_preset,
)
from convdip_training.experiment import Experiment
from convdip_training.export import carry_over, export
from convdip_training.fit import fit
from convdip_training.networks.transfer import transfer_config
from convdip_training.simulate_caps import CapSimulator

SKULLS = (0.004, 0.009, 0.02)
CONFIG = TrainingConfig(
    name="tiny-caps",
    family=FamilyConfig(skull_s_m=SKULLS),
    simulation=SimulationConfig(
        n_sources=(1, 2), orders=(1, 2), signs="random", other_noise=0.5, windows=0.4
    ),
    network=NetworkConfig(
        "unrolled",
        filter_orders=(1, 2),
        n_hidden=12,
        n_last=10,
        n_layers=2,
        n_state=4,
        n_coarse=60,
        output="sigmoid",
    ),
    loss=LossConfig(cosine=1.0, support_bce=2.0),
    fit=FitConfig(
        2560, batch_size=32, learning_rate=1e-2, decay="cosine", dipoles=0.4, checkpoints=4
    ),
)


@pytest.fixture(scope="module")
def family(toy_scalp_head):
    """Two shapes beside three skulls, which here only make the lead field weaker."""
    scalp = toy_scalp_head.scalp
    field = scalp.lead_field
    members = [field * weaker for weaker in (0.8, 1.0, 1.2)]
    members += [np.roll(field, 1, axis=1) * 0.3 + field * 0.7, field * 0.9]
    places_m = scalp.places_m.astype(float)
    return ScalpFamily(toy_scalp_head, np.array(members, np.float32), np.log(SKULLS), places_m)


@pytest.fixture(scope="module")
def simulator(toy_scalp_head, family):
    return CapSimulator(toy_scalp_head, CONFIG.simulation, CONFIG.network, family, 0.006)


@pytest.fixture
def experiment(toy_scalp_head, simulator, noise, tmp_path):
    made = Experiment(CONFIG, tmp_path, head=toy_scalp_head, noise=noise)
    made.cap_simulator = simulator
    return made


def test_a_batch_is_what_the_network_takes(simulator, toy_scalp_head):
    for seed in range(20):
        inputs, targets = simulator.batch(16, 100, np.random.default_rng(seed))
        rank = int(inputs["rank"][0])
        n = 100 + 60
        assert targets.shape == (16, n)
        assert targets.min() >= 0
        np.testing.assert_allclose(targets.max(axis=1), 1, atol=1e-5)
        assert inputs["gains"].shape == (n, 2, N_DIRECTIONS)
        np.testing.assert_allclose(np.linalg.norm(inputs["gains"], axis=2), 1, atol=1e-4)
        assert not inputs["gains"][..., rank:].any()
        np.testing.assert_array_equal(inputs["coarse_gains"], inputs["gains"][100:])
        assert not inputs["factor"][:, rank:].any()
        assert inputs["factor"][:, :rank].any(axis=(1, 2)).all()
        single = inputs["n_samples"] == 1
        assert not inputs["factor"][single][:, :, 1:].any()
        assert single.any()
        assert (~single).any()
        assert inputs["n_samples"].max() <= 64
        for name in ("near", "neighbours"):
            assert inputs[name].max() < 60


def test_the_same_seed_draws_the_same(simulator):
    first, again = (simulator.batch(8, 50, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[1], again[1])
    for name in first[0]:
        np.testing.assert_array_equal(first[0][name], again[0][name])


def test_caps_are_of_every_size(simulator, toy_scalp_head):
    rng = np.random.default_rng(0)
    caps = [simulator._cap(rng) for _ in range(300)]
    sizes = [len(cap) for cap in caps]
    assert min(sizes) == 18
    assert max(sizes) > 100
    assert {19, 31} <= set(sizes)
    assert all(len(set(cap.tolist())) == len(cap) for cap in caps)


def test_what_is_given_is_close_to_what_is_true(simulator, monkeypatch):
    """A strong source is seen where it is: its patch explains the EEG best, or nearly so."""
    monkeypatch.setattr(simulate_caps, "P_OWN_NOISE", 0.0)
    strong = replace(simulator.config, single=1.0, windows=0.0, trial_snr=(20, 20), orders=(1, 1))
    monkeypatch.setattr(simulator, "config", strong)
    best = []
    for seed in range(10):
        inputs, targets = simulator.batch(16, 200, np.random.default_rng(seed))
        u = inputs["factor"][:, :, 0]
        match = np.square(u @ inputs["gains"][:, 0].T)
        rows = np.arange(16)
        best.append(targets[rows, match.argmax(axis=1)])
    assert np.mean(np.concatenate(best) > 0.2) > 0.7


@pytest.mark.long
def test_it_trains_exports_and_images_any_cap(experiment, toy_scalp_head, tmp_path):
    path = fit(experiment)
    losses = [entry["loss"] for entry in json.loads(path.with_name("history.json").read_text())]
    assert losses[-1] < 0.9 * losses[0]
    card = export(experiment, tmp_path / "tiny", path)
    assert "precision" not in card
    assert "of any cap" in (tmp_path / "tiny" / "card.md").read_text()
    bundle = load_bundle(tmp_path / "tiny")
    assert bundle.takes_any_cap
    assert bundle.polarity == "both"
    for labels in (toy_scalp_head.channels, toy_scalp_head.scalp.names[::3]):
        eeg = np.random.default_rng(0).standard_normal((4, len(labels))).astype(np.float32)
        frame = Imager(labels, "uV", model=bundle, provider="cpu")(eeg)
        assert frame.moments_nam.shape == (4, toy_scalp_head.n_dipoles)
        assert np.isfinite(frame.moments_nam).all()
        assert frame.moments_nam.any()

    # To another head it is carried over as it is.
    other = replace(
        toy_scalp_head,
        scalp=replace(toy_scalp_head.scalp, lead_field=toy_scalp_head.scalp.lead_field * 2),
    )
    config = transfer_config(bundle, replace(CONFIG.head, subject="somebody"))
    assert config.start == bundle.sha256
    carried = Experiment(config, tmp_path, bundle, head=other, noise=experiment.noise)
    card = carry_over(carried, bundle, tmp_path / "carried")
    assert card["name"] == "tiny-caps-somebody"
    assert "none on this head" in card["training"]
    again = load_bundle(tmp_path / "carried")
    assert again.model == bundle.model
    half = Imager(toy_scalp_head.channels, "uV", model=again, provider="cpu")
    eeg = np.random.default_rng(1).standard_normal((4, 31)).astype(np.float32)
    whole = Imager(toy_scalp_head.channels, "uV", model=bundle, provider="cpu")
    # All gains are twice as large: the map is the same, the moments half.
    expected = whole(eeg).moments_nam
    np.testing.assert_allclose(
        2 * half(eeg).moments_nam, expected, atol=1e-2 * np.abs(expected).max()
    )


def test_the_preset_is_complete():
    preset = load_preset("convdip-anycap")
    assert preset.network.kind == "unrolled"
    assert preset.simulation.signs == "random"


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        ("loss", {"sign": 0.3}, "whose signs are not learnt"),
        ("simulation", {"repaired": 0.2}, "never interpolated"),
        ("family", {"skull_s_m": ()}, "heads that differ"),
        ("loss", {"mse": 1.0}, "no other"),
        ("simulation", {"n_times": (1, 4)}, "expected 2 ≤ low ≤ high"),
    ],
)
def test_what_it_cannot_be_trained_with_is_refused(section, change, words):
    changed = replace(getattr(CONFIG, section), **change)
    with pytest.raises(ConfigError, match=words):
        replace(CONFIG, **{section: changed})


def test_windows_are_for_this_kind_alone():
    with pytest.raises(ConfigError, match="takes single samples of one head"):
        replace(CONFIG, network=replace(CONFIG.network, kind="matched"))
