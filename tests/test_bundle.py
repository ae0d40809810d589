import json
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from convdip.bundle import load_bundle, sha256_of
from convdip.errors import BundleError
from convdip.head import Head


@pytest.fixture
def copy(shipped, tmp_path):
    return shutil.copytree(shipped.path, tmp_path / "copy")


def test_the_shipped_model_is_what_the_contract_says(shipped):
    head = shipped.head
    assert shipped.name == "convdip-fsaverage31"
    assert head.lead_field.shape == (31, 5124)
    assert head.triangles.shape == (10240, 3)
    assert head.n_left == 2562
    np.testing.assert_allclose(head.lead_field.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(head.normals, axis=1), 1, atol=1e-4)
    assert head.dipole_labels[0] == "lh-000000"
    assert head.dipole_labels[-1] == "rh-002561"
    assert {"precentral-lh", "lateraloccipital-rh"} <= set(head.atlas_names)
    assert np.all(head.dipoles_m[: head.n_left, 0].mean() < 0)


def test_a_bundle_is_found_by_path_and_by_name(shipped, copy):
    assert load_bundle(copy).sha256 == shipped.sha256
    assert load_bundle("convdip-fsaverage31").sha256 == shipped.sha256


@pytest.mark.parametrize(
    ("card", "polarity"),
    [
        ({"config": {"simulation": {"signs": "random"}}}, "both"),
        ({"config": {"simulation": {"signs": "positive"}}}, "positive"),
        ({"config": {"simulation": {"n_sources": [1, 5]}}}, "positive"),
        ({"output": "sources: 5124 dipoles, linear, both signs, no scale"}, "both"),
        ({"output": "sources: 5124 dipoles, sigmoid, no scale"}, "positive"),
        ({}, "positive"),
    ],
)
def test_the_card_says_which_signs_a_bundle_holds_for(shipped, card, polarity):
    assert replace(shipped, card=card).polarity == polarity


def test_the_papers_model_holds_for_one_polarity_and_the_default_for_both(shipped):
    assert load_bundle("convdip-paper").polarity == "positive"
    assert shipped.polarity == "both"


def test_the_strongest_dipole_lies_on_cortex_and_its_sign_plays_no_part(shipped):
    head = shipped.head
    assert np.count_nonzero(~head.is_cortex) == 513
    wall, cortex = (int(np.flatnonzero(where)[7]) for where in (~head.is_cortex, head.is_cortex))
    moments = np.random.default_rng(0).uniform(-0.5, 0.5, (3, head.n_dipoles))
    moments[:, wall] = 9.0
    moments[:, cortex] = -1.0
    assert head.strongest(moments).tolist() == [cortex] * 3
    assert head.strongest(moments[0]) == cortex


@pytest.mark.parametrize("name", ["model.onnx", "head.npz", "model-int8.onnx"])
def test_a_damaged_file_is_refused(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name} is damaged or changed: its SHA-256"):
        load_bundle(copy)


@pytest.mark.parametrize("name", ["model.onnx", "head.npz", "card.json", "model-int8.onnx"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(BundleError, match=name):
        load_bundle(copy)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(BundleError, match=r"'nonesuch'.*convdip-fsaverage31"):
        load_bundle("nonesuch")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": {}}', "\0"])
def test_a_card_that_is_no_card_is_refused(copy, text):
    (copy / "card.json").write_text(text)
    with pytest.raises(BundleError, match=r"card\.json is not a model card"):
        load_bundle(copy)


def test_a_head_model_that_is_no_head_model_is_refused(copy):
    (copy / "head.npz").write_bytes(b"not a zip file")
    card = json.loads((copy / "card.json").read_text())
    card["sha256"]["head.npz"] = sha256_of(b"not a zip file")
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(BundleError, match="not a head model"):
        load_bundle(copy)


def test_a_head_model_comes_back_as_it_was_saved(toy_head, tmp_path):
    toy_head.save(tmp_path / "head.npz")
    back = Head.load(tmp_path / "head.npz")
    for f in fields(Head):
        np.testing.assert_array_equal(getattr(back, f.name), getattr(toy_head, f.name))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_left": 0}, "n_left is 0"),
        ({"dipoles_m": np.zeros((3, 3), np.float32)}, "shape"),
        ({"triangles": np.array([[0, 1, 999]], np.int32)}, "triangles point outside"),
        ({"atlas": np.full(324, 2, np.int32)}, "atlas points outside"),
        ({"lead_field": np.full((31, 324), np.nan, np.float32)}, "not finite"),
    ],
)
def test_a_head_model_must_fit_together(toy_head, change, message):
    with pytest.raises(BundleError, match=message):
        replace(toy_head, **change)
