"""Any cap, evaluated: the model as it is live, windows, and the report."""

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.live.imager import Imager
from convdip_training.anatomy.scalp_fields import everywhere
from convdip_training.baselines.erp import Erp
from convdip_training.evaluation.cap_windows import N_QUIET, N_TIMES, WindowSet, window_methods
from convdip_training.evaluation.cap_windows import window_of as seen_by
from convdip_training.evaluation.caps import CapModel, _some, caps_of, of_cap, score_caps
from convdip_training.evaluation.caps_report import caps_markdown
from convdip_training.evaluation.laboratory import Plan
from convdip_training.evaluation.metrics import METRICS


@pytest.fixture(scope="module")
def windows(any_cap):
    head = everywhere(any_cap.head)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((40, 100, head.n_electrodes)).astype(np.float32)
    return WindowSet(7, any_cap.head, head, noise)


def erp_of(eeg):
    trials = np.zeros((2, 10, eeg.size))
    trials[:, 5] = eeg - eeg.mean()
    return Erp(trials, 100.0, 4, 5, 0)


def test_caps_have_the_electrodes_that_their_names_say(any_cap):
    caps = caps_of(any_cap.head)
    sizes = [len(set(names)) for names in caps.values()]
    assert sizes == [19, 24, 31, 64, 128]
    for names in caps.values():
        head = of_cap(any_cap.head, names)
        assert head.lead_field.shape == (len(names), 5124)
        np.testing.assert_allclose(head.lead_field.mean(axis=0), 0, atol=1e-2)


@pytest.mark.parametrize("cap", ["19, clinical", "64, BioSemi"])
def test_the_model_is_what_the_service_runs(any_cap, any_cap_network, cap):
    names = caps_of(any_cap.head)[cap]
    eeg = np.random.default_rng(1).standard_normal(len(names)) * 1e-5
    live = Imager(names, "volts", model=any_cap, network=any_cap_network)(eeg[None]).moments_nam[0]
    found = CapModel(any_cap, names, any_cap_network)(erp_of(eeg))
    np.testing.assert_allclose(found * 1e9, live, atol=1e-3 * np.abs(live).max())


def test_left_out_is_not_interpolated(any_cap, any_cap_network):
    names = any_cap.head.channels
    model = CapModel(any_cap, names, any_cap_network)
    eeg = np.random.default_rng(2).standard_normal(31) * 1e-5
    erp = erp_of(eeg)
    bad = _some(erp)
    assert 1 <= len(bad) <= 3
    np.testing.assert_array_equal(bad, _some(erp))
    fewer = [name for i, name in enumerate(names) if i not in bad]
    expected = Imager(fewer, "volts", model=any_cap, network=any_cap_network)(
        np.delete(eeg, bad)[None]
    )
    left = model(erp, bad) * 1e9
    # But for the floor of the noise, which knows of all electrodes.
    assert np.corrcoef(left, expected.moments_nam[0])[0, 1] > 0.99
    assert not np.allclose(left, model.interpolating(erp, bad) * 1e9, rtol=1e-2)


def test_windows_depend_on_their_number_alone(windows):
    eeg, truth, n_sources = windows[3]
    again, same, _ = windows[3]
    np.testing.assert_array_equal(eeg, again)
    np.testing.assert_array_equal(truth, same)
    assert eeg.shape == (N_QUIET + N_TIMES, 335)
    assert 1 <= n_sources <= 10
    assert truth.min() >= 0
    # An SNR of 2 in the channel where it is largest.
    power = np.square(eeg[N_QUIET:]).mean(axis=0) / np.square(eeg[:N_QUIET]).mean(axis=0)
    assert 2.5 < power.max() < 12


def test_the_model_sees_more_in_a_window_than_its_rivals(any_cap, any_cap_network, windows):
    head = of_cap(any_cap.head, any_cap.head.channels)
    rows = [any_cap.head.scalp.names.index(name) for name in head.channels]
    methods = window_methods(any_cap.name, head.channels, head, any_cap_network)
    correlations = {name: [] for name in methods}
    for i in range(3):
        eeg, truth, _ = windows[i]
        for name, method in methods.items():
            found = method(seen_by(eeg, rows))
            assert found.shape == truth.shape
            correlations[name].append(np.corrcoef(found, truth)[0, 1])
    means = {name: np.mean(values) for name, values in correlations.items()}
    assert max(means, key=lambda name: means[name]) == any_cap.name


def test_a_model_for_one_cap_is_refused(shipped, tmp_path):
    with pytest.raises(ConfigError, match="is for one cap"):
        score_caps(Plan(shipped.path, 1, True, tmp_path, tmp_path), 1)


def test_the_report_marks_the_best_of_each_cap():
    scores = dict.fromkeys(METRICS, float("nan"))
    one, two = ({**scores, "auc": auc, "ghosts": ghosts} for auc, ghosts in ((0.9, 2), (0.8, 1)))
    sets = {"one source": {"19": {"model": one, "rival": two}, "31": {"model": two, "rival": one}}}
    text = caps_markdown({"model": "m", "n_samples": 5, "seed": 1, "sets": sets})
    assert "| 19 | model | **0.900** | 2.00 |" in text
    assert "| 19 | rival | 0.800 | **1.00** |" in text
    assert "| 31 | rival | **0.900** | 2.00 |" in text
    assert "average" not in text
