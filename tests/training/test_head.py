import shutil

import mne
import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.live.spline import sphere_centre
from convdip_training.anatomy.head_model import build_head
from convdip_training.anatomy.subject import find_subject
from convdip_training.config import HeadConfig


def test_the_shells_are_nested_and_closed(template):
    radii_m = []
    for name in ("inner_skull", "outer_skull", "outer_skin"):
        points, triangles = mne.read_surface(template / "bem" / f"{name}.surf", verbose="error")
        assert triangles.shape == (5120, 3)
        edges = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        assert np.all(counts == 2)  # each edge joins two triangles: no hole
        radii_m.append(points * 1e-3)
    inner, outer, skin = radii_m
    skull_mm = np.linalg.norm(outer - inner, axis=1) * 1e3
    scalp_mm = np.linalg.norm(skin - outer, axis=1) * 1e3
    upper = inner[:, 2] > inner[:, 2].mean()
    assert 3 <= skull_mm.min() <= skull_mm.max() <= 11.01
    assert 5 < np.median(skull_mm[upper]) < 8  # a skull of half a centimetre or so
    np.testing.assert_allclose(skull_mm, scalp_mm, atol=1e-3)


def test_the_cortex_lies_inside_the_skull(template):
    white = mne.read_surface(template / "surf" / "lh.white", verbose="error")[0]
    inner = mne.read_surface(template / "bem" / "inner_skull.surf", verbose="error")[0]
    centre = inner.mean(axis=0)
    directions = (inner - centre) / np.linalg.norm(inner - centre, axis=1, keepdims=True)
    offsets = white - centre
    nearest = (offsets @ directions.T).argmax(axis=1)
    shell = np.linalg.norm(inner - centre, axis=1)[nearest]
    assert np.all(np.linalg.norm(offsets, axis=1) < shell)


@pytest.mark.parametrize("lost", ["surf/rh.sulc", "label/lh.aparc.annot", "bem/outer_skin.surf"])
def test_what_lacks_of_ones_own_head_is_said_before_anything_is_solved(bert, tmp_path, lost):
    shutil.copytree(bert, tmp_path / "bert")
    (tmp_path / "bert" / lost).unlink()
    config = HeadConfig("bert", str(tmp_path), "bert-trans.fif")
    with pytest.raises(ConfigError, match=f"'bert' needs {lost} in"):
        find_subject(config, tmp_path)


@pytest.mark.parametrize("text", [None, "no transform"])
def test_a_file_that_is_no_transform_is_said_before_anything_is_solved(bert, tmp_path, text):
    trans = tmp_path / "bert-trans.fif"
    if text is not None:
        trans.write_text(text)
    with pytest.raises(ConfigError, match=r"bert-trans\.fif': expected the head↔MRI transform"):
        find_subject(HeadConfig("bert", str(bert.parent), str(trans)), tmp_path)


def test_the_lead_field_agrees_with_a_spherical_head(shipped):
    """MNE's three-sphere model is computed another way altogether: series, not surfaces."""
    head = shipped.head
    centre_m = sphere_centre(head.electrodes_m)
    radius_m = np.linalg.norm(head.electrodes_m - centre_m, axis=1).mean()
    inside = np.linalg.norm(head.dipoles_m - centre_m, axis=1) < 0.85 * radius_m
    info = mne.create_info(list(head.channels), 100.0, "eeg")
    places = dict(zip(head.channels, head.electrodes_m.astype(float), strict=True))
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"))
    with mne.use_log_level("error"):
        sphere = mne.make_sphere_model(
            centre_m, radius_m, relative_radii=(0.87, 0.93, 1.0), sigmas=(0.3, 0.006, 0.3)
        )
        positions = {
            "rr": head.dipoles_m[inside].astype(float),
            "nn": head.normals[inside].astype(float),
        }
        source_space = mne.setup_volume_source_space(pos=positions)
        identity = mne.transforms.Transform("head", "mri", np.eye(4))
        forward = mne.make_forward_solution(
            info, identity, source_space, sphere, meg=False, eeg=True, mindist=0
        )
    gain = forward["sol"]["data"].reshape(31, -1, 3)
    spherical = np.einsum("eid,id->ei", gain, head.normals[inside])
    spherical -= spherical.mean(axis=0)
    ours = head.lead_field[:, inside].astype(float)
    lengths = np.linalg.norm(ours, axis=0), np.linalg.norm(spherical, axis=0)
    correlations = np.einsum("ei,ei->i", ours, spherical) / (lengths[0] * lengths[1])
    assert inside.mean() > 0.95
    assert np.median(correlations) > 0.97
    assert 0.8 < np.median(lengths[0] / lengths[1]) < 1.25


def test_a_radial_dipole_is_most_positive_at_the_electrode_above_it(shipped):
    head = shipped.head
    outward = head.dipoles_m - sphere_centre(head.electrodes_m)
    depth_m = np.linalg.norm(outward, axis=1)
    cosines = np.einsum("ij,ij->i", outward, head.normals) / depth_m
    radial = np.flatnonzero((cosines > 0.97) & (depth_m > 0.065))
    distances_m = np.linalg.norm(head.electrodes_m[:, None] - head.dipoles_m[radial], axis=2)
    most_positive = head.lead_field[:, radial].argmax(axis=0)
    second = np.sort(distances_m, axis=0)[1]
    assert radial.size > 50
    assert np.all(distances_m[most_positive, np.arange(radial.size)] <= second)
    for region, electrode in (
        ("lateraloccipital-lh", "O1"),
        ("postcentral-rh", "C4"),
        ("rostralmiddlefrontal-lh", "F3"),
    ):
        inside = np.flatnonzero(head.atlas == head.atlas_names.index(region))
        most_radial = inside[cosines[inside].argmax()]
        assert head.channels[head.lead_field[:, most_radial].argmax()] == electrode


@pytest.mark.long
def test_the_template_s_head_is_the_shipped_one(shipped):
    head = build_head(HeadConfig())
    assert head.channels == shipped.head.channels
    np.testing.assert_allclose(head.dipoles_m, shipped.head.dipoles_m, atol=1e-6)
    difference = head.lead_field - shipped.head.lead_field
    assert np.abs(difference).max() < 1e-4 * np.abs(head.lead_field).max()


def test_a_freesurfer_subject_of_ones_own(bert, trans):
    """Surfaces, BEM, atlas and transform are the subject's."""
    head = build_head(
        HeadConfig(subject="bert", subjects_dir=str(bert.parent), trans=str(trans), spacing="ico2")
    )
    assert head.n_dipoles == 324
    assert head.triangles.shape == (640, 3)
    assert head.n_left == 162
    assert {"precentral-lh", "precentral-rh"} <= {head.atlas_names[i] for i in head.atlas}
    assert np.linalg.norm(head.dipoles_m, axis=1).max() < 0.15


def test_a_subject_without_surfaces_is_named(tmp_path):
    config = HeadConfig(subject="nobody", subjects_dir=str(tmp_path))
    with pytest.raises(ConfigError, match=r"no FreeSurfer subject at .*nobody"):
        build_head(config)


def test_a_subject_without_a_transform_is_not_given_another_head_s(template):
    config = HeadConfig(subject=template.name, subjects_dir=str(template.parent))
    with pytest.raises(ConfigError, match="expected the head↔MRI transform of 'fsaverage5'"):
        build_head(config)
