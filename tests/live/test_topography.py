from typing import Any

import mne
import numpy as np
import pytest
from convdip.live.montage import match_montage
from convdip.live.spline import sphere_centre, spherical_spline
from convdip.live.topography import average_reference, input_matrices


def test_average_reference_removes_any_constant():
    reference = average_reference(31)
    eeg = np.random.default_rng(0).standard_normal(31)
    np.testing.assert_allclose(reference @ (eeg + 42.0), reference @ eeg, atol=1e-12)
    assert abs((reference @ eeg).mean()) < 1e-15


def test_sphere_centre_of_points_on_a_sphere():
    points: Any = np.random.default_rng(0).standard_normal((31, 3))  # in doubles, to be exact
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    centre = np.array([0.01, -0.02, 0.03])
    np.testing.assert_allclose(sphere_centre(points * 0.09 + centre), centre, atol=1e-12)


@pytest.mark.parametrize("missing", [[], [4], [3, 8, 19, 25]])
def test_repair_leaves_good_electrodes_and_never_reads_missing_ones(shipped, missing):
    repair = spherical_spline(shipped.head.electrodes_m, missing)
    good = np.setdiff1d(np.arange(31), missing)
    np.testing.assert_array_equal(repair[good], np.eye(31)[good])
    assert not repair[:, missing].any()
    np.testing.assert_allclose(repair.sum(axis=1), 1.0, atol=1e-6)  # a constant stays


def test_repair_is_mnes_spherical_spline(shipped):
    """MNE's interpolation is the field's reference; same origin, same electrodes."""
    head = shipped.head
    missing = ["FT9", "FT10", "TP9", "TP10"]
    rng = np.random.default_rng(1)
    eeg = rng.standard_normal((31, 20)) * 1e-5
    info = mne.create_info(list(head.channels), 100.0, "eeg")
    places = dict(zip(head.channels, head.electrodes_m.astype(float), strict=True))
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    raw = mne.io.RawArray(eeg, info, verbose="error")
    raw.info["bads"] = missing
    raw.interpolate_bads(origin=tuple(sphere_centre(head.electrodes_m)), verbose="error")
    repair = spherical_spline(head.electrodes_m, [head.channels.index(m) for m in missing])
    np.testing.assert_allclose(repair @ eeg, raw.get_data(), atol=1e-5 * 1e-3)


def test_repair_is_close_on_real_topographies(shipped):
    """A lead field's columns are what EEG is made of: repaired ones must look alike."""
    head = shipped.head
    lead_field = head.lead_field.astype(float)
    missing = [head.channels.index(name) for name in ("C3", "P8")]
    repaired = spherical_spline(head.electrodes_m, missing) @ lead_field
    errors = np.linalg.norm(repaired - lead_field, axis=0) / np.linalg.norm(lead_field, axis=0)
    assert np.median(errors) < 0.1


def test_live_topography_is_the_training_topography(shipped):
    """The same EEG gives the same image, whichever way it came."""
    head = shipped.head
    rng = np.random.default_rng(2)
    volts = rng.standard_normal((5, 31)) * 1e-5
    order = rng.permutation(31)
    labels = [head.channels[place] for place in order]
    montage = match_montage(labels, ["microvolts"] * 31, head)
    to_eeg, to_topography = input_matrices(head, montage)
    stream_uv = (volts + 3e-3)[:, order] * 1e6  # on top of any offset of the reference
    stream = stream_uv[:, montage.channels] * montage.volts
    eeg = volts - volts.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(stream @ to_eeg.T, eeg, atol=1e-12)
    np.testing.assert_allclose(stream @ to_topography.T, eeg @ head.interpolation.T, atol=1e-12)
