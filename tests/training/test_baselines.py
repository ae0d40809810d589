"""The baseline methods on the bundle's head: they must do what theory says."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from convdip.live.spline import spherical_spline
from convdip.live.topography import average_reference
from convdip.patches import patch_dictionary
from convdip_training.baselines.cmem import Cmem
from convdip_training.baselines.erp import Erp
from convdip_training.baselines.gamma_map import GammaMap
from convdip_training.baselines.lcmv import Lcmv
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.baselines.mne_objects import rank
from convdip_training.evaluation.methods import Model, build_methods, method_names
from convdip_training.experiment import Experiment


def erp(head, sources, rng, noise=1e-3):
    """20 trials of a pulse of these sources, with white noise of that share of its peak."""
    signal = head.lead_field @ sources
    trials = rng.standard_normal((20, 100, head.n_electrodes)) * np.abs(signal).max() * noise
    trials -= trials.mean(axis=2, keepdims=True)
    course = np.where(np.abs(np.arange(100) - 50) < 5, 1.0, 0.0)
    return Erp(trials + course[:, None] * signal, 100.0, 40, 50, 3)


def dipole(head, index):
    sources = np.zeros(head.n_dipoles)
    sources[index] = 1e-8
    return sources


@pytest.mark.parametrize("method", ["sLORETA", "eLORETA"])
def test_single_dipoles_are_found_without_error(toy_head, method):
    """Both have no localisation error for one dipole without noise (Pascual-Marqui 2002, 2007)."""
    rng = np.random.default_rng(0)
    solve = MinimumNorm(toy_head, method)
    for index in rng.integers(toy_head.n_dipoles, size=10):
        estimate = solve(erp(toy_head, dipole(toy_head, index), rng))
        assert np.abs(estimate).argmax() == index


def test_eloreta_gives_dipole_moments_that_explain_the_eeg(toy_head):
    rng = np.random.default_rng(0)
    signal = toy_head.lead_field @ dipole(toy_head, 40)
    estimate = MinimumNorm(toy_head, "eLORETA")(erp(toy_head, dipole(toy_head, 40), rng))
    explained = toy_head.lead_field @ estimate
    # λ² = 1/9 shrinks the solution; its scale is that of the moments all the same.
    assert 0.4 < explained @ signal / (signal @ signal) < 1.05


def test_the_beamformer_finds_a_dipole_in_noise(toy_head):
    rng = np.random.default_rng(0)
    solve = Lcmv(toy_head)
    for index in rng.integers(toy_head.n_dipoles, size=5):
        estimate = solve(erp(toy_head, dipole(toy_head, index), rng, noise=0.3))
        offset_m = toy_head.dipoles_m[np.abs(estimate).argmax()] - toy_head.dipoles_m[index]
        assert np.linalg.norm(offset_m) < 0.012


def test_the_beamformer_with_free_orientations_takes_their_norm(toy_head):
    """Three copies of the fixed lead field, two of them empty: what is left is the fixed one."""
    free = np.zeros((toy_head.n_electrodes, toy_head.n_dipoles, 3), np.float32)
    rng = np.random.default_rng(0)
    free[:] = toy_head.lead_field[:, :, None] * toy_head.normals
    free += np.asarray(rng.standard_normal(free.shape), np.float32) * 0.05 * free.std()
    free -= free.mean(axis=0)
    solve = Lcmv(toy_head, free.reshape(toy_head.n_electrodes, -1))
    estimate = solve(erp(toy_head, dipole(toy_head, 40), rng, noise=0.3))
    assert estimate.shape == (toy_head.n_dipoles,)
    assert estimate.min() >= 0
    offset_m = toy_head.dipoles_m[estimate.argmax()] - toy_head.dipoles_m[40]
    assert np.linalg.norm(offset_m) < 0.03


@pytest.mark.parametrize("method", ["eLORETA", "sLORETA", "dSPM", "LCMV", "cMEM", "γ-MAP"])
def test_eeg_of_the_opposite_sign_gives_the_opposite_map(toy_head, method):
    rng = np.random.default_rng(0)
    others = {"LCMV": Lcmv, "cMEM": Cmem, "γ-MAP": GammaMap}
    solve = others[method](toy_head) if method in others else MinimumNorm(toy_head, method)
    sources = dipole(toy_head, 40) - 0.7 * dipole(toy_head, 250)
    given = erp(toy_head, sources, rng, noise=0.2)
    plain = solve(given)
    turned = solve(replace(given, trials=-given.trials))
    assert plain.any()
    np.testing.assert_allclose(turned, -plain, atol=1e-5 * np.abs(plain).max())


def test_gamma_map_finds_two_patches_and_little_else(shipped):
    head = shipped.head
    rng = np.random.default_rng(0)
    patches = patch_dictionary(head.triangles, head.dipoles_m, 5)
    seeds = [int(head.dipoles_m[:, axis].argmax()) for axis in (1, 2)]  # frontmost, topmost
    truth = patches[seeds].toarray().sum(axis=0) * 1e-8
    estimate = GammaMap(head)(erp(head, truth, rng, noise=0.1))
    places_m = head.dipoles_m[np.abs(estimate) > 0.5 * np.abs(estimate).max()]
    distances_m = np.linalg.norm(places_m[:, None] - head.dipoles_m[seeds], axis=2)
    assert np.all(distances_m.min(axis=0) < 0.02)  # both are there
    assert np.all(distances_m.min(axis=1) < 0.06)  # and nothing far from them


def test_gamma_map_of_noise_alone_is_a_map_of_zeros_and_no_error(shipped):
    rng = np.random.default_rng(0)
    trials = rng.standard_normal((20, 100, 31)) * 1e-6
    trials -= trials.mean(axis=2, keepdims=True)
    estimate = GammaMap(shipped.head)(Erp(trials, 100.0, 40, 50, 3))
    assert not estimate.any()


def test_the_model_is_run_as_the_live_service_runs_it(shipped):
    from convdip import Imager

    head = shipped.head
    rng = np.random.default_rng(0)
    one = erp(head, dipole(head, 1000), rng)
    live = Imager(head.channels, unit="volts", model=shipped)(one.average[None, one.peak])
    np.testing.assert_allclose(
        Model(shipped)(one), live.moments_nam[0] * 1e-9, rtol=1e-3, atol=1e-14
    )


def test_the_rank_counts_reference_and_interpolated_electrodes(shipped):
    one = erp(shipped.head, dipole(shipped.head, 1000), np.random.default_rng(0), noise=0.3)
    assert rank(one) == {"eeg": 30}
    repair = spherical_spline(shipped.head.electrodes_m, [3, 20])
    repaired = one.trials @ (average_reference(31) @ repair).T
    assert rank(replace(one, trials=repaired)) == {"eeg": 28}


@pytest.mark.parametrize("bad", [5, 12])
def test_the_beamformer_does_not_suffer_from_a_repaired_electrode(toy_head, bad):
    """With the rank overstated it looks into a direction that holds nothing but rounding."""
    rng = np.random.default_rng(0)
    solve = Lcmv(toy_head)
    one = erp(toy_head, dipole(toy_head, 40), rng, noise=0.3)
    repair = average_reference(31) @ spherical_spline(toy_head.electrodes_m, [bad])
    repaired = replace(one, trials=one.trials @ repair.T)
    places_m = [toy_head.dipoles_m[np.abs(solve(e)).argmax()] for e in (one, repaired)]
    assert np.linalg.norm(places_m[0] - places_m[1]) < 0.025


def test_a_model_that_takes_electrodes_instead_of_images_is_run_too(shipped, toy_head):
    weights = np.random.default_rng(0).standard_normal((31, toy_head.n_dipoles))
    bundle = replace(shipped, model=linear_model(weights), head=toy_head)
    one = erp(toy_head, dipole(toy_head, 40), np.random.default_rng(0))
    estimate = Model(bundle)(one)
    expected = one.average[one.peak] @ weights
    assert abs(np.corrcoef(estimate, expected)[0, 1]) > 0.999


def linear_model(weights):
    """An inverse as the bundle's contract foresees it: EEG in, one product."""
    eeg = onnx.helper.make_tensor_value_info("eeg", onnx.TensorProto.FLOAT, [None, 31])
    shape = [None, weights.shape[1]]
    sources = onnx.helper.make_tensor_value_info("sources", onnx.TensorProto.FLOAT, shape)
    matrix = onnx.numpy_helper.from_array(weights.astype(np.float32), "inverse")
    node = onnx.helper.make_node("MatMul", ["eeg", "inverse"], ["sources"])
    graph = onnx.helper.make_graph([node], "linear", [eeg], [sources], [matrix])
    opset = [onnx.helper.make_opsetid("", 18)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()


def test_a_model_named_like_a_baseline_does_not_take_its_place(shipped):
    named = replace(shipped, name="eLORETA")
    assert method_names(named, True)[:2] == ["eLORETA (model)", "eLORETA"]


def test_all_methods_answer_to_one_signature(shipped, tmp_path):
    rng = np.random.default_rng(0)
    one = erp(shipped.head, dipole(shipped.head, 1000), rng, noise=0.1)
    methods = build_methods(shipped, Experiment.of_bundle(shipped, tmp_path), True)
    assert list(methods) == method_names(shipped, True)
    for method in methods.values():
        estimate = method(one)
        assert estimate.shape == (shipped.head.n_dipoles,)
        assert np.all(np.isfinite(estimate))
        assert estimate.any()
