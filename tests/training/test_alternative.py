import numpy as np
import pytest
from convdip_training.anatomy.families import Family
from convdip_training.anatomy.resample import carry_to, nearest_mean, to_model


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_each_target_gets_the_mean_of_its_five_nearest_sources(rng):
    source_m, target_m = rng.random((60, 3)), rng.random((20, 3))
    transform = nearest_mean(source_m, target_m, 5)
    values = rng.random(60)
    distances = np.linalg.norm(target_m[:, None] - source_m, axis=2)
    for target in range(20):
        nearest = np.argsort(distances[target])[:5]
        assert (transform @ values)[target] == pytest.approx(values[nearest].mean())


def test_the_transform_keeps_the_energy_of_every_map(rng):
    transform = nearest_mean(rng.random((60, 3)), rng.random((20, 3)), 5)
    sources = rng.random((4, 60)) * 1e-8
    sources[3] = 0.0
    carried = to_model(sources, transform)
    assert carried.shape == (4, 20)
    np.testing.assert_allclose(carried.sum(axis=1), sources.sum(axis=1), rtol=1e-5)


def test_signs_are_carried_over_and_opposite_sources_cancel_only_where_they_meet(rng):
    transform = nearest_mean(rng.random((60, 3)), rng.random((20, 3)), 5)
    sources = rng.choice([-1.0, 1.0], (4, 60)) * rng.random((4, 60)) * 1e-8
    carried = to_model(sources, transform)
    energy = np.abs(sources).sum(axis=1)
    np.testing.assert_allclose(np.abs(carried).sum(axis=1), energy, rtol=1e-5)
    np.testing.assert_array_equal(to_model(-sources, transform), -carried)
    for signed, plain in zip(sources, carried, strict=True):
        unscaled = transform @ signed
        np.testing.assert_allclose(plain / plain[0], unscaled / unscaled[0], rtol=1e-4)


def test_nothing_is_carried_to_the_medial_wall(walled_head, rng):
    transform = carry_to(walled_head, walled_head, 5)
    sources = rng.standard_normal((3, walled_head.n_dipoles)) * walled_head.is_cortex
    carried = to_model(sources, transform)
    assert 20 < (~walled_head.is_cortex).sum() < 150
    assert not carried[:, ~walled_head.is_cortex].any()
    np.testing.assert_allclose(np.abs(carried).sum(axis=1), np.abs(sources).sum(axis=1), rtol=1e-5)


def test_a_head_of_the_family_lies_on_the_parabola_of_its_three_skulls(rng):
    nodes = np.log([0.004, 0.0113, 0.02])
    curve = rng.standard_normal((3, 2, 5, 30))
    # Lead fields that are a parabola in log σ: the family must give them at any conductivity.
    fields = [curve[0] + curve[1] * x + curve[2] * x**2 for x in nodes]
    family = Family(np.array(fields, np.float32), nodes)
    sources = np.zeros(30)
    sources[[3, 17]] = 1.0, 2.0
    places = np.array([0, 1, 1, 0, 1])
    for skull_s_m in (0.004, 0.0067, 0.0113, 0.02):
        x = np.log(skull_s_m)
        exact = (curve[0] + curve[1] * x + curve[2] * x**2)[places, np.arange(5)] @ sources
        eeg = family.project(sources, skull_s_m, places)
        np.testing.assert_allclose(eeg, exact - exact.mean(), rtol=1e-3, atol=1e-3)
