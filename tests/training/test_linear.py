"""Linear inverses as bundles: the live service must give what MNE gives."""

import json
from dataclasses import replace

import numpy as np
import pytest
from convdip import Imager, load_bundle
from convdip.errors import BundleError
from convdip.live.network import Network
from convdip_training.baselines.lcmv import Lcmv
from convdip_training.baselines.linear import export_linear, simulated_erp
from convdip_training.baselines.minimum_norm import MinimumNorm
from convdip_training.evaluation.mne_speed import time_apply_inverse_raw

METHODS = ("eLORETA", "LCMV")


@pytest.fixture(scope="module")
def erp(toy_head):
    return simulated_erp(toy_head)


@pytest.fixture(scope="module")
def folders(shipped, toy_head, erp, tmp_path_factory):
    """The bundles of the toy head, made as from a model with that head."""
    folder = tmp_path_factory.mktemp("linear")
    toy_head.save(folder / "head.npz")
    return export_linear(replace(shipped, path=folder, head=toy_head), erp, folder, "simulated")


def samples_of(erp, n=20):
    """Average-referenced potentials of a trial, from its peak on."""
    return erp.trials[0, erp.peak : erp.peak + n].astype(np.float32)


@pytest.mark.parametrize("name", METHODS)
def test_the_live_service_gives_what_mne_gives(folders, toy_head, erp, name):
    solve = Lcmv(toy_head) if name == "LCMV" else MinimumNorm(toy_head, name)
    bundle = load_bundle(folders[name])
    assert bundle.name == bundle.card["name"] == name
    peaks = range(erp.peak, erp.peak + 500, 100)
    samples = erp.average[peaks] * 1e6
    live = Imager(toy_head.channels, model=bundle)(samples + 50)  # an offset is nothing
    for peak, sources in zip(peaks, live.moments_nam, strict=True):
        expected = solve(replace(erp, peak=peak))
        assert np.corrcoef(sources, expected)[0, 1] > 0.9999
    assert np.all(live.goodness_of_fit > 0.2)


def test_a_kernel_keeps_mnes_scale(folders, toy_head, erp):
    """The service does without it, other users of the file may not."""
    network = Network(load_bundle(folders["eLORETA"]).model, toy_head, "cpu")
    expected = MinimumNorm(toy_head, "eLORETA")(erp)
    found = network(erp.average[None, erp.peak].astype(np.float32))[0]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("name", METHODS)
def test_maps_are_linear_and_without_a_reference(folders, toy_head, erp, name):
    network = Network(load_bundle(folders[name]).model, toy_head, "cpu")
    one, other = samples_of(erp, 2)[:, None]
    expected = 2 * network(one) - 3 * network(other)
    close = {"rtol": 0, "atol": 1e-4 * np.abs(expected).max()}
    np.testing.assert_allclose(network(2 * one - 3 * other), expected, **close)
    np.testing.assert_allclose(network(one + one.max()), network(one), **close)
    assert expected.min() < 0 < expected.max()


def test_any_number_of_samples_goes_in_at_once(folders, toy_head, erp):
    network = Network(load_bundle(folders["LCMV"]).model, toy_head, "cpu")
    assert network.takes == "eeg"
    maps = network(samples_of(erp))
    assert maps.shape == (20, toy_head.n_dipoles)
    assert maps.dtype == np.float32
    one_by_one = np.concatenate([network(sample[None]) for sample in samples_of(erp)])
    np.testing.assert_allclose(maps, one_by_one, rtol=1e-4, atol=1e-5 * np.abs(maps).max())


def test_the_head_is_the_models_and_the_card_says_what_it_is(folders):
    for name, folder in folders.items():
        assert (folder / "head.npz").read_bytes() == (folder.parent / "head.npz").read_bytes()
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        assert card["method"].startswith(name)
        assert card["noise"] == "simulated"
        assert {"input", "output", "date", "versions"} < set(card)


def test_covariances_are_those_of_noise_and_of_sources_in_noise(erp, toy_head):
    assert np.trace(erp.data_covariance) > 1.5 * np.trace(erp.noise_covariance)
    np.testing.assert_array_equal(simulated_erp(toy_head).trials, erp.trials)
    np.testing.assert_allclose(erp.trials.mean(axis=2), 0, atol=1e-15)


def test_a_damaged_kernel_is_refused(call, folders, tmp_path):
    for file in folders["eLORETA"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model = bytearray((tmp_path / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (tmp_path / "model.onnx").write_bytes(model)
    with pytest.raises(BundleError, match="damaged or changed"):
        load_bundle(tmp_path)


def test_mne_is_timed_with_and_without_preparing_once(toy_head, erp):
    times_ms = time_apply_inverse_raw(toy_head, erp, n_unprepared=5, n_prepared=10)
    assert set(times_ms) == {"prepared", "unprepared"}
    assert min(times_ms.values()) > 0


def test_the_command_writes_both_bundles_and_tells_the_times(call, folders, tmp_path):
    done = call(
        "convdip_training",
        "rivals",
        "--model",
        folders["LCMV"],
        "--out",
        tmp_path / "new",
        "--json",
    )
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout.splitlines()[-1])
    assert list(table["bundles"]) == list(METHODS)
    for name, folder in table["bundles"].items():
        bundle = load_bundle(folder)
        assert bundle.model == load_bundle(folders[name]).model
        assert "20 simulated sessions" in bundle.card["noise"]
    assert min(table["mne_apply_inverse_raw_ms"].values()) > 0
    assert "eLORETA: kernel" in done.stderr


def test_a_file_in_the_place_of_the_folder_is_refused(call, folders, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    done = call(
        "convdip_training", "rivals", "--model", folders["LCMV"], "--out", tmp_path / "file"
    )
    assert done.returncode == 2
    assert done.stderr.startswith("convdip-train: --out is")
