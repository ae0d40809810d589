"""The unrolled network: what it computes, in double precision and by every route."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from convdip.head import Scalp
from convdip.live.gains import N_DIRECTIONS, Cortex, Gains, Looks
from convdip.live.network import Network
from convdip_training.convert import check_against_keras, to_onnx
from convdip_training.networks import unrolled
from convdip_training.networks.unrolled import Unrolled

LOOKS = Looks((1, 3), 60)


@pytest.fixture(scope="module")
def head(walled_head):
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((31, 31))
    noise = spread @ spread.T / 31 + np.eye(31)
    scalp = Scalp(
        walled_head.channels,
        walled_head.electrodes_m,
        walled_head.lead_field,
        (noise / noise.diagonal().max()).astype(np.float32),
    )
    return replace(walled_head, scalp=scalp)


@pytest.fixture(scope="module")
def network():
    """Return a network whose weights are neither zero nor small."""
    keras.utils.set_random_seed(1)
    made = Unrolled(LOOKS.orders, LOOKS.n_coarse, n_stages=2, n_hidden=10, n_last=7, n_state=4)
    made.build(None)
    rng = np.random.default_rng(2)
    for weight in made.weights:
        weight.assign(rng.standard_normal(weight.shape) / max(1, weight.shape[0]) ** 0.5)
    return made


@pytest.fixture(scope="module")
def gains(head):
    return Gains(Cortex(head, LOOKS), head.channels, head.electrodes_m)


def given(gains, *bad):
    is_bad = np.isin(np.arange(31), bad)
    return gains.without(is_bad)[2]


def whitened(rank, n, m, seed=3):
    factor = np.zeros((n, N_DIRECTIONS, m), np.float32)
    factor[:, :rank] = np.random.default_rng(seed).standard_normal((n, rank, m))
    return {"factor": factor, "n_samples": np.full(n, m, np.float32)}


def as_arrays(maps):
    return {name: keras.ops.convert_to_numpy(value) for name, value in maps.items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def in_double_precision(network, inputs):
    """Compute the formulas of the module's docstring, one sample at a time."""
    weight = {layer.name: layer.get_weights() for layer in network._flatten_layers()}
    weight = {
        name: [w.astype(float) for w in weights] for name, weights in weight.items() if weights
    }
    every, coarse = (
        (inputs[f"{which}gains"].astype(float), inputs[f"{which}seen"][:, :-1].astype(float))
        for which in ("", "coarse_")
    )
    r, n_state = float(inputs["rank"][0]), network.sizes["n_state"]
    middle, g = len(network.orders) // 2, coarse[0]
    results = []
    for f, n_samples in zip(inputs["factor"].astype(float), inputs["n_samples"], strict=True):
        f = f * np.sqrt(r / np.square(f).sum())
        unity = np.square(f.T @ f).sum() / r**2
        window = [0.5 * np.log(n_samples), np.log(unity + 1e-4), np.log(r) - 3]
        common, memory = np.array(window), None

        def scores(g, visible, inverse, f=f):
            explains = np.square(np.einsum("dor,rs,sm->dom", g, inverse, f)).sum(axis=2)
            length = np.einsum("dr,rs,ds->d", g[:, middle], inverse, g[:, middle])
            share = np.square(np.einsum("dor,rm->dom", g, f)).sum(axis=2) / r
            matched = -np.log(1.02 - share.clip(0, 1))
            return [np.log(explains + 1e-4), np.log(length + 1e-4)[:, None], matched, visible]

        def stage(k, memory, common):
            share = np.ones(g.shape[:2])
            if memory is not None:
                share = sigmoid(memory[:, n_state:] - 3) + 1e-4
            s = 0.02 + 0.96 * sigmoid(common @ weight[f"noise_{k}"][0] + weight[f"noise_{k}"][1])
            signal = np.einsum("do,dor,dos->rs", share / share.sum(), g, g)
            inverse = np.linalg.inv((1 - s) * r * signal + s * np.eye(N_DIRECTIONS))
            kernel, bias = weight[f"common_{k}"]
            return inverse, np.concatenate([common, s]) @ kernel + bias

        for k in range(network.sizes["n_stages"]):
            inverse, of_all = stage(k, memory, common)
            seen = scores(*coarse, inverse)
            if memory is not None:
                seen[2:2] = [memory, memory[inputs["neighbours"]].mean(axis=0)]
            hidden = np.maximum(np.hstack(seen) @ weight[f"local_{k}"][0] + of_all, 0)
            change = hidden @ weight[f"update_{k}"][0] + weight[f"update_{k}"][1]
            memory = change if memory is None else memory + change
            state = memory[:, :n_state]
            common = np.concatenate([state.mean(axis=0), state.max(axis=0), window])
        last = network.sizes["n_stages"]
        inverse, of_all = stage(last, memory, common)
        told = memory @ weight["nearby"][0] + weight["nearby"][1]
        nearby = (told[inputs["near"]] * inputs["near_weights"]).sum(axis=0)
        explains, length, *rest = scores(*every, inverse)
        seen = [explains, length, nearby, *rest]
        hidden = np.maximum(np.hstack(seen) @ weight[f"local_{last}"][0] + of_all, 0)
        answer = hidden @ weight["answer"][0] + weight["answer"][1]
        probability = sigmoid(answer[:, 0] - 3)
        results.append((probability * np.exp(answer[:, 1].clip(-6, 6)), probability))
    amplitude, probability = np.array(results).swapaxes(0, 1)
    return {"amplitude": amplitude, "probability": probability}


@pytest.mark.parametrize("m", [1, 5])
@pytest.mark.parametrize("bad", [(), (3, 17)])
def test_it_computes_the_formulas(network, gains, head, m, bad):
    operator = given(gains, *bad)
    inputs = {**whitened(30 - len(bad), 4, m), **operator}
    expected = in_double_precision(network, inputs)
    found = as_arrays(network.maps(inputs))
    for name, values in expected.items():
        on_cortex = np.where(head.is_cortex, values, 0)
        np.testing.assert_allclose(found[name], on_cortex, atol=5e-4 * on_cortex.max())


def test_training_takes_another_route_to_the_same(network, gains):
    inputs = {**whitened(30, 4, 6), **given(gains)}
    cortex = inputs["is_cortex"] > 0
    plain = as_arrays(network.maps(inputs))
    trained = keras.ops.convert_to_numpy(network(inputs))
    n_dipoles = len(cortex)
    assert trained.shape == (4, 2, n_dipoles + LOOKS.n_coarse)
    for row, name in enumerate(("amplitude", "probability")):
        np.testing.assert_allclose(
            trained[:, row, :n_dipoles][:, cortex],
            plain[name][:, cortex],
            atol=1e-3 * plain[name].max(),
        )


def test_it_is_even_and_the_sign_odd(network, gains):
    inputs = {**whitened(30, 5, 1), **given(gains)}
    maps = as_arrays(network.maps(inputs))
    turned = as_arrays(network.maps({**inputs, "factor": -inputs["factor"]}))
    for name in ("amplitude", "probability"):
        np.testing.assert_array_equal(turned[name], maps[name])
    np.testing.assert_array_equal(turned["cosine"], -maps["cosine"])
    assert np.abs(maps["cosine"]).max() <= 1 + 1e-5


def test_a_window_is_its_covariance(network, gains):
    """Neither the order of samples nor any other root of the covariance changes anything."""
    inputs = {**whitened(30, 3, 6), **given(gains)}
    turn, _ = np.linalg.qr(np.random.default_rng(4).standard_normal((6, 6)))
    turned = {**inputs, "factor": (inputs["factor"] @ turn).astype(np.float32)}
    for name in ("amplitude", "probability"):
        before, after = (as_arrays(network.maps(x))[name] for x in (inputs, turned))
        np.testing.assert_allclose(after, before, atol=1e-3 * before.max())


def test_scale_changes_nothing(network, gains):
    inputs = {**whitened(30, 3, 1), **given(gains)}
    small = {**inputs, "factor": inputs["factor"] * np.float32(1e-6)}
    expected, found = (as_arrays(network.maps(x))["amplitude"] for x in (inputs, small))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)


def test_onnx_computes_the_same_with_any_electrodes_left_out(network, gains, head):
    model = to_onnx(network, head)
    assert check_against_keras(model, network, head) < 5e-4
    by_onnx = Network(model, head, "cpu")
    assert by_onnx.takes == "factor"
    assert by_onnx.cortex.looks == LOOKS
    for bad in ((), (0,), (5, 9, 30)):
        inputs = whitened(30 - len(bad), 7, 1)
        operator = given(gains, *bad)
        maps = as_arrays(network.maps({**inputs, **operator}))
        found = by_onnx(inputs["factor"][:, :, 0], given=operator)
        expected = keras.ops.convert_to_numpy(unrolled.signed(maps))
        np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())
        assert not found[:, ~head.is_cortex].any()


def test_a_saved_network_is_the_same(network, gains, tmp_path):
    network.save(tmp_path / "network.keras")
    read = keras.models.load_model(tmp_path / "network.keras")
    inputs = {**whitened(30, 2, 1), **given(gains)}
    np.testing.assert_array_equal(
        as_arrays(read.maps(inputs))["amplitude"], as_arrays(network.maps(inputs))["amplitude"]
    )
