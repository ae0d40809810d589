from dataclasses import replace

import numpy as np
import pytest
from convdip.sources.patches import mesh_adjacency
from convdip_training.anatomy.families import N_PLACES, Family
from convdip_training.evaluation.alternative import FAMILY_SKULL_S_M
from convdip_training.evaluation.sets import (
    MULTI,
    NOISE,
    ROBUST,
    SINGLE,
    STRICT,
    VALIDATION,
    SampleSet,
)
from scipy.sparse.csgraph import connected_components


@pytest.fixture
def noise():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((50, 100, 31))
    noise -= noise.mean(axis=2, keepdims=True)
    return (noise / noise.std(axis=1).max(axis=1)[:, None, None]).astype(np.float32)


@pytest.fixture
def family(toy_head):
    nodes = np.log(FAMILY_SKULL_S_M)
    one = np.broadcast_to(toy_head.lead_field, (len(nodes), N_PLACES, *toy_head.lead_field.shape))
    return Family(np.array(one), nodes)


@pytest.fixture
def make(toy_head, noise):
    def build(config, seed=1, family=None, segments=noise):
        small = replace(config, orders=(1, 2))
        return SampleSet(small, seed, toy_head, toy_head, segments, family)

    return build


def test_a_sample_depends_on_seed_set_and_number_alone(make):
    first, again = make(MULTI), make(MULTI)
    for i in (5, 0, 5):
        np.testing.assert_array_equal(first[i].erp.trials, again[i].erp.trials)
        np.testing.assert_array_equal(first[i].truth, again[i].truth)
    assert not np.array_equal(first[0].truth, first[1].truth)
    assert not np.array_equal(first[0].truth, make(MULTI, seed=2)[0].truth)
    assert not np.array_equal(first[0].truth, make(NOISE)[0].truth)


def test_an_erp_is_the_papers(make, toy_head):
    """100 time points at 100 Hz, 20 trials, half a period of 5 Hz at the centre."""
    quiet = make(SINGLE, segments=np.zeros((1, 100, 31), np.float32))
    erp = quiet[0].erp
    assert erp.trials.shape == (20, 100, 31)
    strength = np.abs(erp.average).max(axis=1)
    assert strength.argmax() == erp.peak == 50
    times_s = np.arange(100) / erp.sfreq_hz
    pulse = np.where(np.abs(times_s - 0.5) <= 0.05, np.cos(2 * np.pi * 5 * (times_s - 0.5)), 0)
    np.testing.assert_allclose(strength / strength.max(), np.abs(pulse), atol=1e-6)
    assert not erp.trials[:, : erp.n_baseline].any()
    np.testing.assert_allclose(erp.trials.mean(axis=2), 0, atol=1e-12)


def test_the_snr_of_a_single_trial_is_one_and_of_the_average_4_5(make):
    samples = make(SINGLE)
    quiet = make(SINGLE, segments=np.zeros((1, 100, 31), np.float32))
    trial, average = [], []
    for i in range(30):
        peak = np.abs(quiet[i].erp.average[50]).max()
        noise = samples[i].erp.trials - quiet[i].erp.trials
        trial.append(peak / noise.std(axis=1).max(axis=1).mean())
        average.append(peak / noise.mean(axis=0).std(axis=0).max())
        assert samples[i].snr == pytest.approx(20**0.5)
    assert np.mean(trial) == pytest.approx(1.0, rel=0.02)
    assert 3.2 < np.mean(average) < 4.6  # the noisiest of 31 channels is above the mean one


def test_sources_orders_and_moments_keep_to_their_ranges(make):
    samples = [make(MULTI)[i] for i in range(60)]
    assert {s.n_sources for s in samples} == set(range(1, 11))
    assert {s.order for s in samples} == {1, 2}
    single = [make(SINGLE)[i] for i in range(40)]
    assert {s.n_sources for s in single} == {1}
    sums = np.array([s.truth.sum() for s in single])
    # A patch of 7 to 19 dipoles that fall off from 5–10 nAm.
    assert sums.min() > 5e-9
    assert sums.max() < 19 * 10e-9
    snrs = np.array([make(NOISE)[i].snr for i in range(100)])
    assert 0.5 <= snrs.min() < 1
    assert 10 < snrs.max() <= 20


def test_irregular_patches_hang_together_and_have_the_size_of_their_order(make, toy_head):
    samples = make(STRICT)
    mesh = mesh_adjacency(toy_head.triangles, toy_head.n_dipoles)
    rng = np.random.default_rng(0)
    round_ones = 0
    for order in (1, 2, 3, 4):
        for seed in (5, 200):
            at, relative = samples._irregular(seed, order, rng)
            assert len(set(at)) == at.size == 3 * order * (order + 1) + 1
            assert seed in at
            assert connected_components(mesh[at][:, at])[0] == 1
            assert relative.max() == 1.0
            assert relative.min() > 0.1
            circle, _ = samples._circular(seed, order, rng)
            round_ones += set(circle) == set(at)
    assert round_ones <= 1
    # More than a hemisphere cannot be had.
    assert samples._irregular(5, 20, rng)[0].size == toy_head.n_left


def test_validation_samples_come_from_other_caps(make, toy_head):
    """One skull, and for each sample other places of the electrodes."""
    fields = np.random.default_rng(0).standard_normal((1, N_PLACES, 31, toy_head.n_dipoles))
    family = Family(fields.astype(np.float32), np.log([0.0113]))
    quiet = np.zeros((1, 100, 31), np.float32)
    samples = make(VALIDATION, family=family, segments=quiet)
    same_sources = samples[0].erp.average[50]
    assert not np.allclose(same_sources, make(VALIDATION, segments=quiet)[0].erp.average[50])


def test_a_strict_sample_has_one_electrode_that_the_others_determine(make, family):
    """Repair makes the rank drop by one more than the average reference does."""
    strict, plain = make(STRICT, family=family), make(NOISE)
    for i in range(5):
        ranks = [
            np.linalg.matrix_rank(s[i].erp.trials.reshape(-1, 31), rtol=1e-6)
            for s in (strict, plain)
        ]
        assert ranks == [29, 30]


def test_a_robust_sample_says_how_many_electrodes_were_repaired_and_which_skull(make, family):
    samples = [make(ROBUST, family=family)[i] for i in range(40)]
    assert {sample.n_repaired for sample in samples} == {0, 1, 2, 3}
    for sample in samples[:10]:
        rank = np.linalg.matrix_rank(sample.erp.trials.reshape(-1, 31), rtol=1e-6)
        assert rank == 30 - sample.n_repaired
    skulls = np.array([sample.skull_s_m for sample in samples])
    assert skulls.min() >= 0.004
    assert skulls.max() <= 0.02
    assert np.ptp(np.log(skulls)) > 1
    assert np.isnan(make(NOISE)[0].skull_s_m)


def test_strict_moments_differ_up_to_one_to_five(make, family):
    quiet = make(STRICT, family=family, segments=np.zeros((1, 100, 31), np.float32))
    largest = np.array([quiet[i].truth.max() for i in range(80) if quiet[i].n_sources == 1])
    assert largest.max() / largest.min() > 2.5
    assert largest.max() <= 10e-9 * 1.5  # energy is kept when maps are carried over
