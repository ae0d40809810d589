import numpy as np
import pytest

from realtime.patches import patch_dictionary
from training.config import SimulationConfig
from training.simulate import Simulator


@pytest.fixture(scope="module")
def noise():
    pool = np.random.default_rng(0).standard_normal((50, 100, 31)).astype(np.float32)
    pool -= pool.mean(axis=2, keepdims=True)
    return pool / pool.std(axis=1).max(axis=1)[:, None, None]


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
