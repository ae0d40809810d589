from dataclasses import replace

import numpy as np
import pytest
from convdip.patches import cortex_only, mesh_adjacency
from convdip_training.anatomy.families import N_PLACES, Family
from convdip_training.config import NoiseConfig
from convdip_training.evaluation.alternative import FAMILY_SKULL_S_M
from convdip_training.evaluation.brain_noise import brain_noise
from convdip_training.evaluation.sets import (
    BRAIN_NOISE_MULTI,
    MULTI,
    MULTI_SIGNED,
    N_TRIALS,
    NOISE,
    NOISE_SIGNED,
    RECORDED_NOISE_MULTI,
    ROBUST,
    ROBUST_SIGNED,
    SINGLE,
    SINGLE_SIGNED,
    STRICT,
    STRICT_SIGNED,
    VALIDATION,
    VALIDATION_SIGNED,
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


TWINS = [
    (SINGLE_SIGNED, SINGLE),
    (MULTI_SIGNED, MULTI),
    (NOISE_SIGNED, NOISE),
    (ROBUST_SIGNED, ROBUST),
    (STRICT_SIGNED, STRICT),
    (VALIDATION_SIGNED, VALIDATION),
]


@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins[1].name)
def test_twins_differ_in_nothing_but_signs(make, family, twins):
    """With one source: the same map but for its sign, the same EEG but for that of the signal."""
    heads = family if twins[0].skulls_s_m else None
    one = [replace(config, n_sources=(1, 1)) for config in twins]
    signed, positive = (make(config, family=heads) for config in one)
    quiet = make(one[1], family=heads, segments=np.zeros((50, 100, 31), np.float32))
    signs = []
    for i in range(40):
        a, b = signed[i], positive[i]
        assert (b.truth >= 0).all()
        sign = np.sign(a.truth[np.abs(a.truth).argmax()])
        np.testing.assert_array_equal(a.truth, sign * b.truth)
        signal = quiet[i].erp.trials
        np.testing.assert_allclose(
            a.erp.trials - sign * signal, b.erp.trials - signal, atol=1e-6 * np.abs(signal).max()
        )
        for fact in ("n_sources", "order", "snr", "skull_s_m", "n_repaired", "noise_v"):
            np.testing.assert_allclose(getattr(a, fact), getattr(b, fact), rtol=1e-9)
        signs.append(sign)
    assert 8 <= signs.count(-1.0) <= 32


def test_each_of_several_sources_has_a_sign_of_its_own(make):
    signed, positive = make(MULTI_SIGNED), make(MULTI)
    mixed = 0
    for i in range(30):
        a, b = signed[i], positive[i]
        assert a.n_sources == b.n_sources
        np.testing.assert_array_equal(a.truth != 0, b.truth != 0)
        mixed += (a.truth > 0).any() and (a.truth < 0).any()
        assert np.abs(a.truth).sum() <= b.truth.sum() * (1 + 1e-5)
    assert mixed > 15


@pytest.mark.parametrize("config", [MULTI_SIGNED, MULTI, STRICT_SIGNED], ids=lambda c: c.name)
def test_no_source_lies_on_the_medial_wall_or_grows_across_it(walled_head, noise, family, config):
    heads = family if config.skulls_s_m else None
    small = replace(config, orders=(1, 3), n_sources=(1, 10))
    samples = SampleSet(small, 1, walled_head, walled_head, noise, heads)
    reached = np.zeros(walled_head.n_dipoles, bool)
    for i in range(60):
        reached |= samples[i].truth != 0
    assert not reached[~walled_head.is_cortex].any()
    assert reached[walled_head.is_cortex].mean() > 0.9
    cortex, triangles = cortex_only(walled_head)
    mesh = mesh_adjacency(triangles, cortex.size)
    for grow in (samples._circular, samples._irregular):
        for seed in range(0, cortex.size, 7):
            at, _ = grow(seed, 3, np.random.default_rng(seed))
            assert connected_components(mesh[at][:, at])[0] == 1


def test_other_noise_has_the_same_sources(make):
    for config in (BRAIN_NOISE_MULTI, RECORDED_NOISE_MULTI):
        for i in range(5):
            there, here = make(config)[i], make(MULTI_SIGNED)[i]
            np.testing.assert_array_equal(there.truth, here.truth)
            assert there.noise_v == here.noise_v


def test_brain_noise_is_one_session_a_sample(make):
    """Each segment of the pool holds the number of its session."""
    numbered = np.repeat(np.arange(3.0), N_TRIALS)[:, None, None] * np.ones((1, 100, 31))
    samples = make(BRAIN_NOISE_MULTI, segments=numbered.astype(np.float32))
    seen = set()
    for i in range(12):
        sample = samples[i]
        levels = sample.erp.trials[:, :5] / sample.noise_v
        assert np.ptp(levels) < 1e-6
        seen.add(round(levels.mean()))
    assert seen == {0, 1, 2}


def test_brain_noise_is_strong_in_some_parcels_and_a_fifth_of_it_is_white(shipped):
    head, config = shipped.head, NoiseConfig()
    n_sessions, n_segments = 6, 20
    noise = brain_noise(head, config, n_sessions, n_segments, np.random.default_rng(0))
    assert noise.shape == (n_sessions * n_segments, 100, 31)
    np.testing.assert_allclose(noise.std(axis=1).max(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(noise.mean(axis=2), 0, atol=1e-5)
    np.testing.assert_allclose(noise[:, :10].mean(axis=1), 0, atol=1e-5)
    power = np.abs(np.fft.rfft(noise, axis=1)) ** 2
    assert power[:, 33:].mean() < 0.01 * power[:, 5:30].mean()  # nothing above 30 Hz
    assert power[:, 1:4].mean() > 3 * power[:, 15:25].mean()
    sessions = noise.reshape(n_sessions, -1, 31)
    covariances = np.array([np.cov(session.T) for session in sessions])
    covariances /= np.trace(covariances, axis1=1, axis2=2)[:, None, None]
    # The weakest directions of the lead field hold white noise alone: a thirtieth of its share.
    weakest = np.linalg.eigvalsh(covariances)[:, 1:6].mean()
    assert 0.1 < 30 * weakest < 0.3


def test_each_session_of_brain_noise_has_a_covariance_of_its_own(shipped):
    noise = brain_noise(shipped.head, NoiseConfig(), 2, 200, np.random.default_rng(0))
    # Differences in time: the slowest waves, of which there are few, would hide the rest.
    quarters = np.diff(noise, axis=1).reshape(4, -1, 31)
    covariances = np.array([np.cov(quarter.T) for quarter in quarters])
    covariances /= np.trace(covariances, axis1=1, axis2=2)[:, None, None]
    within, between = (np.linalg.norm(covariances[0] - covariances[i]) for i in (1, 2))
    assert between > 2 * within


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
