import keras
import numpy as np
import pytest
from convdip_training.config import LossConfig
from convdip_training.losses import (
    build_loss,
    cosine,
    mse,
    sign_error,
    support_bce,
    weighted_hausdorff,
    with_signs,
)
from keras import ops


def values(loss, truth, estimate):
    return ops.convert_to_numpy(loss(*map(ops.convert_to_tensor, (truth, estimate))))


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    truth = np.zeros((3, 324), np.float32)
    truth[0, [5, 6, 7]] = [0.5, 1.0, 0.3]
    truth[1, [100, 200]] = [1.0, 0.05]  # the second is below the Hausdorff threshold
    truth[2] = rng.random(324)
    truth[2] /= truth[2].max()
    estimate = rng.uniform(0.01, 0.99, (3, 324)).astype(np.float32)
    return truth, estimate


def test_cosine(maps):
    truth, estimate = maps
    lengths = np.linalg.norm(truth, axis=1) * np.linalg.norm(estimate, axis=1)
    expected = 1 - np.einsum("ij,ij->i", truth, estimate) / lengths
    np.testing.assert_allclose(values(cosine, truth, estimate), expected, rtol=1e-4)


def test_a_sample_without_truth_teaches_nothing_and_breaks_nothing(maps):
    """A share of the dipoles may miss every source: the others' gradients stay finite."""
    truth, estimate = maps
    truth = np.concatenate([truth, np.zeros((1, 324), np.float32)])
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(324, "sigmoid")])
    network.compile("adam", cosine, jit_compile=True)
    losses = [network.train_on_batch(np.eye(4, dtype=np.float32), truth) for _ in range(20)]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(values(cosine, truth[3:], estimate[:1]), 1.0)


def test_binary_cross_entropy_of_the_support(maps):
    truth, estimate = maps
    expected = [
        -np.mean([np.log(e) if t > 0 else np.log(1 - e) for t, e in zip(ts, es, strict=True)])
        for ts, es in zip(truth, estimate, strict=True)
    ]
    np.testing.assert_allclose(values(support_bce, truth, estimate), expected, rtol=1e-4)


def test_mean_squared_error(maps):
    truth, estimate = maps
    expected = ((truth - estimate) ** 2).mean(axis=1)
    np.testing.assert_allclose(values(mse, truth, estimate), expected, rtol=1e-4)


def test_weighted_hausdorff_is_its_formula(maps, toy_head):
    """Ribera et al. 2019, written out with loops."""
    truth, estimate = maps
    d = np.linalg.norm(toy_head.dipoles_m[:, None] - toy_head.dipoles_m, axis=2) * 1e3
    furthest, tiny = d.max(), 1e-6
    expected = []
    for t, e in zip(truth, estimate, strict=True):
        p = e / e.max()
        points = np.flatnonzero(t > 0.1)
        stray = sum(p[x] * min(d[x, y] for y in points) for x in range(324)) / p.sum()
        reached = [
            min((d[x, y] + tiny) / (p[x] ** 4 + tiny / furthest) for x in range(324))
            for y in points
        ]
        expected.append(stray + np.mean(np.clip(reached, 0, furthest)))
    loss = weighted_hausdorff(toy_head.dipoles_m)
    np.testing.assert_allclose(values(loss, truth, estimate), expected, rtol=1e-3)


@pytest.mark.parametrize("name", ["cosine", "support_bce", "mse", "weighted_hausdorff"])
def test_the_truth_is_better_than_the_same_patch_elsewhere(name, toy_head):
    truth = np.zeros((1, 324), np.float32)
    truth[0, [5, 6]] = [1.0, 0.5]
    elsewhere = np.roll(truth, 150, axis=1)
    loss = build_loss(LossConfig(**{name: 1.0}), toy_head.dipoles_m)
    right, wrong = values(loss, truth, truth)[0], values(loss, truth, elsewhere)[0]
    assert right < wrong < np.inf


def test_weights_add_up(maps, toy_head):
    mixed = build_loss(LossConfig(cosine=1, support_bce=2), toy_head.dipoles_m)
    expected = values(cosine, *maps) + 2 * values(support_bce, *maps)
    np.testing.assert_allclose(values(mixed, *maps), expected, rtol=1e-5)


def test_only_the_signs_of_true_moments_count_and_large_ones_more():
    truth = np.array([[1.0, -0.5, 0.0]] * 4, np.float32)
    estimate = np.array(
        [[0.9, -0.9, -0.9], [0.9, -0.9, 0.9], [0.9, 0.9, 0.9], [-0.9, -0.9, 0.9]], np.float32
    )
    right, same, smaller_wrong, larger_wrong = values(sign_error, truth, estimate)
    assert right == same < 0.01
    assert smaller_wrong < larger_wrong
    assert larger_wrong == pytest.approx(8 * 0.9 / 1.5, rel=0.01)  # softplus of the cosine times 8


def test_magnitudes_and_signs_are_judged_apart(maps):
    truth, estimate = maps
    signed = truth * np.where(np.arange(324) % 2, -1, 1)
    both = np.stack([estimate, np.random.default_rng(1).uniform(-1, 1, (3, 324))], axis=1)
    both, signed = both.astype(np.float32), signed.astype(np.float32)
    expected = values(cosine, truth, estimate) + 0.3 * values(sign_error, signed, both[:, 1])
    np.testing.assert_allclose(values(with_signs(cosine, 0.3), signed, both), expected, rtol=1e-5)
