"""Gains of any electrodes, and of fewer: what is left out is as if it had never been there."""

from dataclasses import replace

import numpy as np
import pytest
from convdip.errors import BundleError
from convdip.live import gains as gains_module
from convdip.live.cap_places import electrode_places, find_cap
from convdip.live.gains import (
    INVISIBLE,
    N_DIRECTIONS,
    Cortex,
    Gains,
    Looks,
    scalp_weights,
    spread_out,
)

LOOKS = Looks((1, 3), 200)


def of(head, names, **how):
    places = dict(zip(head.scalp.names, head.scalp.places_m.astype(float), strict=True))
    at_m = np.array([places[name] for name in names])
    return Gains(Cortex(head, LOOKS), names, at_m, **how)


def bad(names, *which):
    return np.isin(names, which)


@pytest.fixture(scope="module")
def head(any_cap):
    return any_cap.head


def test_what_is_left_out_is_as_if_it_had_never_been_there(head, monkeypatch):
    """The same likelihood of every source; the floor of the noise is switched off."""
    monkeypatch.setattr(gains_module, "LEAST_VARIANCE", 1e-9)
    rng = np.random.default_rng(0)
    for n_out in (1, 2, 5):
        out = rng.choice(head.channels, n_out, replace=False)
        fewer = [name for name in head.channels if name not in out]
        matrix, _, given = of(head, head.channels).without(bad(head.channels, *out))
        plain, _, expected = of(head, fewer).without(np.zeros(len(fewer), bool))
        assert given["rank"] == expected["rank"] == 30 - n_out
        eeg = rng.standard_normal((20, 31)).astype(np.float32)
        some = rng.choice(np.flatnonzero(head.is_cortex), 100, replace=False)
        for order in range(2):
            seen = eeg @ matrix[:, :N_DIRECTIONS] @ given["gains"][some, order].T
            kept = eeg[:, ~bad(head.channels, *out)]
            wanted = kept @ plain[:, :N_DIRECTIONS] @ expected["gains"][some, order].T
            np.testing.assert_allclose(seen, wanted, atol=2e-3 * np.abs(wanted).max())
        np.testing.assert_allclose(given["seen"][some], expected["seen"][some], atol=1e-3)


def test_what_a_bad_electrode_measures_changes_nothing(head):
    names = head.channels
    matrix, lead_field, _ = of(head, names).without(bad(names, "C3", "O2"))
    rows = bad(names, "C3", "O2")
    assert not matrix[rows].any()
    assert not lead_field[rows].any()
    assert np.abs(matrix[~rows]).min(axis=1).max() >= 0
    # What is left has its own average as reference, and so has its lead field.
    eeg = np.random.default_rng(1).standard_normal(31).astype(np.float32)
    referenced = eeg @ matrix[:, N_DIRECTIONS:]
    np.testing.assert_allclose(referenced[~rows], (eeg - eeg[~rows].mean())[~rows], atol=1e-6)
    np.testing.assert_allclose(lead_field.sum(axis=0), 0, atol=1e-2)


def test_a_constant_changes_nothing(head):
    matrix, _, _ = of(head, head.channels).without(bad(head.channels, "Pz"))
    rows = ~bad(head.channels, "Pz")
    np.testing.assert_allclose(matrix[rows].sum(axis=0), 0, atol=1e-5 * np.abs(matrix).max())


def test_noise_is_white(head):
    names = head.channels
    at = [head.scalp.names.index(name) for name in names]
    matrix, _, given = of(head, names).without(np.zeros(31, bool))
    noise = head.scalp.noise[np.ix_(at, at)]
    whitened = matrix[:, :30].T @ noise @ matrix[:, :30]
    # But for the floor: what is quiet is quieter than 1.
    assert np.diag(whitened).max() == pytest.approx(1, abs=0.02)
    off_diagonal = whitened - np.diag(np.diag(whitened))
    assert np.abs(off_diagonal).max() < 1e-3
    assert not matrix[:, 30:N_DIRECTIONS].any()
    lengths = np.linalg.norm(given["gains"], axis=2)
    np.testing.assert_allclose(lengths[head.is_cortex], 1, atol=1e-5)


def test_the_medial_wall_is_not_seen(head):
    _, _, given = of(head, head.channels).without(np.zeros(31, bool))
    wall = ~head.is_cortex
    assert wall.any()
    assert not given["gains"][wall].any()
    assert (given["seen"][wall, :-1] < INVISIBLE).all()
    assert (given["seen"][~wall] > INVISIBLE).all()
    assert (given["coarse_seen"] > INVISIBLE).all()


def test_the_coarse_dipoles_are_some_of_all(head):
    cortex = Cortex(head, LOOKS)
    gains = Gains(cortex, head.channels, head.electrodes_m)
    _, _, given = gains.without(bad(head.channels, "Cz"))
    for name in ("gains", "middle", "seen"):
        np.testing.assert_array_equal(given[f"coarse_{name}"], given[name][cortex.coarse])
    np.testing.assert_array_equal(given["middle"], given["gains"][:, len(LOOKS.orders) // 2])
    few = given["coarse_gains"].reshape(-1, N_DIRECTIONS).astype(float)
    expected = few.T @ few / len(few)
    np.testing.assert_allclose(given["uniform"], expected, atol=1e-6)


@pytest.mark.parametrize("cap", ["biosemi128", "egi64"])
def test_large_caps_keep_the_directions_that_see_the_cortex(head, cap):
    found = find_cap(cap)
    places = electrode_places(head, found)
    names = [name for name in found.electrodes if name in places]
    gains = Gains(Cortex(head, LOOKS), names, np.array([places[name] for name in names]))
    matrix, lead_field, given = gains.without(np.zeros(len(names), bool))
    assert given["rank"] == N_DIRECTIONS
    assert matrix.shape == (len(names), N_DIRECTIONS + len(names))
    eeg = lead_field[:, head.is_cortex].T
    power = np.square(eeg @ matrix[:, :N_DIRECTIONS]).sum()
    all_of_it = np.square(eeg @ gains._whitener.T).sum()
    assert power / all_of_it == pytest.approx(1, rel=1e-3)
    few = gains.without(np.arange(len(names)) < 4)
    assert few[2]["rank"] == N_DIRECTIONS - 4


def test_an_electrode_of_the_system_is_itself_and_others_lie_between(head):
    scalp = head.scalp
    places = scalp.places_m[[3, 10]].astype(float)
    weights = scalp_weights(scalp, [scalp.names[3], "elsewhere"], places)
    np.testing.assert_array_equal(weights[0], np.eye(len(scalp.names))[3])
    # A spline through a place of the system gives nearly what is there; a constant stays one.
    assert weights[1].sum() == pytest.approx(1)
    there = scalp.lead_field[10]
    error = np.linalg.norm(weights[1] @ scalp.lead_field - there) / np.linalg.norm(there)
    assert error < 0.03
    # A name is not enough: this C3 lies elsewhere.
    assert scalp_weights(scalp, ["C3"], places[:1])[0, 3] > 0.3


def test_lead_fields_between_places_are_those_there(head):
    """Every second place, from the others: a stand-in for electrodes between the 345."""
    scalp = head.scalp
    others = np.arange(0, len(scalp.names), 2)
    half = replace(
        scalp,
        names=tuple(scalp.names[i] for i in others),
        places_m=scalp.places_m[others],
        lead_field=scalp.lead_field[others],
        noise=scalp.noise[np.ix_(others, others)],
    )
    inside = [i for i in range(1, len(scalp.names), 2) if scalp.places_m[i, 2] > 0.02]
    weights = scalp_weights(half, ["?"] * len(inside), scalp.places_m[inside].astype(float))
    between, true = weights @ half.lead_field, scalp.lead_field[inside]
    error = np.linalg.norm(between - true, axis=1) / np.linalg.norm(true, axis=1)
    assert np.median(error) < 0.03
    assert error.max() < 0.1


@pytest.mark.parametrize("n_good", [0, 1, 2, 3])
def test_hardly_any_electrode_gives_no_nan(head, n_good):
    """An amplifier may send zeros on all channels: nothing is imaged, and nothing dies."""
    names = head.channels
    matrix, lead_field, given = of(head, names).without(np.arange(len(names)) >= n_good)
    for array in (matrix, lead_field, *given.values()):
        assert np.isfinite(array).all()
    assert not matrix[n_good:].any()
    assert not lead_field[n_good:].any()


def test_a_head_without_a_scalp_is_refused(shipped):
    with pytest.raises(BundleError, match="holds none but its own"):
        Cortex(shipped.head, LOOKS)


def test_points_are_spread_out():
    points = np.random.default_rng(2).uniform(size=(500, 2))
    chosen = spread_out(points, 50)
    assert len(set(chosen)) == 50
    gaps = np.linalg.norm(points[chosen][:, None] - points[chosen][None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    reach = np.linalg.norm(points[:, None] - points[chosen][None], axis=2).min(axis=1)
    # No point is farther from the chosen ones than these are from each other.
    assert reach.max() <= gaps.min()
