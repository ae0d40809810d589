from dataclasses import replace

import numpy as np
import pytest
from convdip.patches import patch_dictionary
from convdip_training.anatomy.families import Family, TrainingFamily
from convdip_training.config import SimulationConfig
from convdip_training.noise_kinds import noise_kinds
from convdip_training.simulate import Simulator

CONFIG = SimulationConfig(orders=(1, 2))


def test_sources_are_sums_of_patches_in_the_papers_ranges(toy_head, noise):
    batch = Simulator(toy_head, noise, CONFIG).batch(400, np.random.default_rng(1))
    patches = {
        s: patch_dictionary(toy_head.triangles, toy_head.dipoles_m, s).toarray() for s in (1, 2)
    }
    counts = (batch.seeds >= 0).sum(axis=1)
    assert set(counts) == {1, 2, 3, 4, 5}
    for i in np.flatnonzero(counts == 1)[:20]:
        seed = batch.seeds[i, 0]
        moment = batch.sources[i, seed]
        assert 5e-9 <= moment <= 10e-9
        expected = [patch[seed] * moment for patch in patches.values()]
        assert any(np.allclose(batch.sources[i], e, rtol=1e-4, atol=1e-14) for e in expected)
    # Where patches overlap they add up.
    assert batch.sources.max() > 10e-9


def test_eeg_is_the_projection_plus_noise_of_the_stated_snr(toy_head, noise):
    simulator = Simulator(toy_head, noise, CONFIG)
    batch = simulator.batch(2000, np.random.default_rng(2))
    signal = batch.sources @ toy_head.lead_field.T
    added = batch.eeg - signal
    peak = np.abs(signal).max(axis=1, keepdims=True)
    # 20 trials of SNR 1: noise SD is the peak over √20, for a channel of unit SD in the pool.
    relative = (added / peak).std(axis=0) * np.sqrt(20)
    np.testing.assert_allclose(relative, noise.reshape(-1, 31).std(axis=0), rtol=0.1)
    np.testing.assert_allclose(batch.eeg.mean(axis=1), 0, atol=1e-9)


def test_a_seed_gives_a_batch_and_another_another(toy_head, noise):
    simulator = Simulator(toy_head, noise, CONFIG)
    first = simulator.batch(10, np.random.default_rng(3))
    again = simulator.batch(10, np.random.default_rng(3))
    other = simulator.batch(10, np.random.default_rng(4))
    np.testing.assert_array_equal(first.eeg, again.eeg)
    assert not np.array_equal(first.eeg, other.eeg)


def test_one_source_when_one_is_asked_for(toy_head, noise):
    config = SimulationConfig(n_sources=(1, 1), orders=(1, 1))
    batch = Simulator(toy_head, noise, config).batch(50, np.random.default_rng(5))
    assert batch.seeds.shape == (50, 1)
    assert np.all(batch.sources.argmax(axis=1) == batch.seeds[:, 0])


def test_one_source_in_a_share_of_the_samples(toy_head, noise):
    config = SimulationConfig(n_sources=(2, 4), orders=(1, 2), single=0.5)
    batch = Simulator(toy_head, noise, config).batch(2000, np.random.default_rng(6))
    counts = (batch.seeds >= 0).sum(axis=1)
    assert set(counts) == {1, 2, 3, 4}
    assert np.mean(counts == 1) == pytest.approx(0.5, abs=0.05)


def test_the_snr_is_drawn_on_a_logarithmic_scale(toy_head, noise):
    config = replace(CONFIG, trial_snr=(0.1, 10.0))
    batch = Simulator(toy_head, noise, config).batch(2000, np.random.default_rng(7))
    signal = batch.sources @ toy_head.lead_field.T
    relative = np.abs(batch.eeg - signal).max(axis=1) / np.abs(signal).max(axis=1)
    # Half of the samples are below the geometric mean, an SNR of 1 a trial.
    at_one = Simulator(toy_head, noise, CONFIG).batch(2000, np.random.default_rng(7))
    one = np.abs(at_one.eeg - at_one.sources @ toy_head.lead_field.T).max(axis=1)
    one /= np.abs(at_one.sources @ toy_head.lead_field.T).max(axis=1)
    assert np.median(relative) == pytest.approx(np.median(one), rel=0.15)
    assert relative.max() > 8 * np.median(relative)
    assert relative.min() < np.median(relative) / 8


def test_patches_fall_off_as_steeply_as_asked_for(toy_head, noise):
    config = SimulationConfig(n_sources=(1, 1), orders=(2, 2), steepness=(0.5, 0.5))
    batch = Simulator(toy_head, noise, config).batch(20, np.random.default_rng(8))
    for sources, seed in zip(batch.sources, batch.seeds[:, 0], strict=True):
        # At the patch's edge, one radius from the seed.
        edge = sources[sources > 0].min() / sources[seed]
        assert edge == pytest.approx(np.exp(-0.5 * 0.5**2), rel=1e-4)


def test_a_repaired_electrode_is_what_the_others_say(toy_head, noise):
    plain = Simulator(toy_head, noise, CONFIG)
    repairing = Simulator(toy_head, noise, replace(CONFIG, repaired=0.5))
    before = plain.batch(200, np.random.default_rng(9)).eeg
    after = repairing.batch(200, np.random.default_rng(9)).eeg
    changed = np.abs(after - before).max(axis=1) > 1e-3 * np.abs(before).max(axis=1)
    assert np.mean(changed) == pytest.approx(0.5, abs=0.12)
    np.testing.assert_allclose(after.mean(axis=1), 0, atol=1e-9)


def test_sources_point_either_way_where_signs_are_random(toy_head, noise):
    config = SimulationConfig(n_sources=(1, 1), orders=(1, 1), signs="random")
    batch = Simulator(toy_head, noise * 0, config).batch(400, np.random.default_rng(12))
    at_seeds = batch.sources[np.arange(400), batch.seeds[:, 0]]
    assert np.mean(at_seeds > 0) == pytest.approx(0.5, abs=0.1)
    assert np.all(np.abs(at_seeds) >= 5e-9)
    np.testing.assert_array_equal(np.sign(batch.sources.sum(axis=1)), np.sign(at_seeds))
    np.testing.assert_allclose(batch.eeg, batch.sources @ toy_head.lead_field.T, atol=1e-9)


def test_no_source_lies_on_the_medial_wall_or_grows_across_it(toy_head, noise):
    """A wall one dipole wide parts the left sphere: nothing passes."""
    z = toy_head.dipoles_m[:, 2] - 0.02
    left = np.arange(toy_head.n_dipoles) < toy_head.n_left
    atlas = toy_head.atlas + 1
    atlas[left & (np.abs(z) < 0.011)] = 0
    head = replace(toy_head, atlas=atlas, atlas_names=("corpuscallosum-lh", *toy_head.atlas_names))
    config = SimulationConfig(n_sources=(1, 1), orders=(3, 3))
    batch = Simulator(head, noise, config).batch(600, np.random.default_rng(13))
    assert not batch.sources[:, ~head.is_cortex].any()
    seeds = batch.seeds[:, 0]
    assert head.is_cortex[seeds].all()
    there = set(np.flatnonzero(head.is_cortex))
    assert len(there - set(seeds)) < 0.3 * len(there)
    other_side = left & head.is_cortex & (z[seeds][:, None] * z < 0)
    assert not batch.sources[left[seeds][:, None] & other_side].any()


def test_other_noise_has_the_covariances_of_its_kinds(toy_head, noise):
    """On average: each part of a batch draws one of them."""
    config = replace(CONFIG, n_trials=1, other_noise=1.0, n_sources=(1, 1))
    simulator = Simulator(toy_head, noise, config)
    signal_free = []
    for seed in range(400):
        batch = simulator.batch(64, np.random.default_rng(seed))
        signal = batch.sources @ toy_head.lead_field.T
        signal_free.append((batch.eeg - signal) / np.abs(signal).max(axis=1, keepdims=True))
    added = np.concatenate(signal_free)
    np.testing.assert_allclose(added.mean(axis=1), 0, atol=1e-3)
    rng = np.random.default_rng([len(noise), 1])
    pool = np.cov(noise.reshape(-1, 31), rowvar=False)
    kinds = noise_kinds(toy_head.lead_field, toy_head.dipoles_m, pool, 512, rng)
    mean = np.mean(kinds @ kinds, axis=0)
    np.testing.assert_allclose(added.T @ added / len(added), mean, atol=0.05)


def test_samples_come_from_the_heads_of_the_family(toy_head, noise):
    """A family of one skull and two places: what is projected lies between the two."""
    rng = np.random.default_rng(10)
    moved = toy_head.lead_field + rng.normal(0, 0.1, toy_head.lead_field.shape) * np.abs(
        toy_head.lead_field
    )
    family = Family(np.array([[toy_head.lead_field, moved]], np.float32), np.log([0.006]))
    simulator = Simulator(toy_head, noise * 0, CONFIG, TrainingFamily(toy_head, family), n_heads=3)
    batch = simulator.batch(80, rng)
    own = batch.sources @ toy_head.lead_field.T
    other = batch.sources @ (moved - moved.mean(axis=0)).T
    share = np.vecdot(batch.eeg - own, other - own) / np.vecdot(other - own, other - own)
    assert len(np.unique(np.round(share, 3))) in (2, 3)  # one for each head that was drawn
    assert share.min() >= 0
    assert share.max() <= 1.2 + 1e-3
    np.testing.assert_allclose(batch.eeg, own + share[:, None] * (other - own), atol=1e-7)


def test_sources_of_a_finer_cortex_are_carried_to_the_models_dipoles(toy_head, noise):
    """The model has every third dipole of the cortex: moments spread, their sum stays."""
    rng = np.random.default_rng(11)
    names = ("dipoles_m", "normals", "pial_m", "inflated_m", "sulcal_depth", "atlas")
    coarse = replace(
        toy_head,
        **{name: getattr(toy_head, name)[::3] for name in names},
        lead_field=toy_head.lead_field[:, ::3],
        triangles=toy_head.triangles % 108,
        n_left=54,
    )
    family = Family(toy_head.lead_field[None, None].repeat(2, axis=1), np.log([0.006]))
    config = SimulationConfig(n_sources=(1, 1), orders=(2, 2))
    batch = Simulator(coarse, noise, config, TrainingFamily(toy_head, family), n_heads=1).batch(
        200, rng
    )
    assert batch.sources.shape == (200, coarse.n_dipoles)
    distances_m = np.linalg.norm(
        coarse.dipoles_m[batch.sources.argmax(axis=1)] - toy_head.dipoles_m[batch.seeds[:, 0]],
        axis=1,
    )
    spacing_m = 0.02  # of the coarse one
    assert np.median(distances_m) < spacing_m
    patches = patch_dictionary(toy_head.triangles, toy_head.dipoles_m, 2)
    whole = patches[batch.seeds[:, 0]].sum(axis=1) * 7.5e-9
    assert batch.sources.sum(axis=1).mean() == pytest.approx(whole.mean(), rel=0.1)
