import io
import json
import os
import shutil
import socket
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from convdip.bundle import load_bundle, sha256_of
from convdip.errors import BundleError
from convdip.head import Head


@pytest.fixture
def copy(shipped, tmp_path):
    return shutil.copytree(shipped.path, tmp_path / "copy")


@pytest.fixture
def light(toy_head, tmp_path):
    """A bundle of kilobytes, whose model no one opens."""
    folder = tmp_path / "light"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"a model")
    toy_head.save(folder / "head.npz")
    seal(folder)
    return folder


def seal(folder, **card):
    """Write a card with the checksums of the files that are there: what is wrong is not they."""
    digests = {path.name: sha256_of(path.read_bytes()) for path in folder.glob("*.*[xz]")}
    (folder / "card.json").write_text(json.dumps({"sha256": digests, **card}))


def with_arrays(folder, **arrays):
    """Put arrays in place of the head's own; None takes one out."""
    with np.load(folder / "head.npz") as stored:
        own = {**stored, **arrays}
    np.savez(folder / "head.npz", **{name: a for name, a in own.items() if a is not None})
    seal(folder)


def with_entries(folder, change):
    """Rewrite the head's archive, entry by entry."""
    with zipfile.ZipFile(folder / "head.npz") as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(folder / "head.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            change(archive, name, content)
    seal(folder)


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


def test_a_light_bundle_is_whole(light, toy_head):
    np.testing.assert_array_equal(load_bundle(light).head.lead_field, toy_head.lead_field)


@pytest.mark.parametrize("name", ["card.json", "model.onnx", "head.npz"])
@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device", "link to itself"])
def test_what_is_no_regular_file_is_refused_without_waiting_for_it(light, name, kind, monkeypatch):
    path = light / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(light)  # such a path may only be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(BundleError, match=rf"{name} cannot be read: "):
        load_bundle(light)


def test_links_to_regular_files_are_followed(light):
    for name in ("card.json", "model.onnx", "head.npz"):
        (light / name).rename(light / f"{name}.elsewhere")
        (light / name).symlink_to(f"{name}.elsewhere")
    assert load_bundle(light).model == b"a model"


@pytest.mark.parametrize("name", ["card.json", "model.onnx", "head.npz"])
def test_a_file_that_is_too_large_is_refused_before_it_is_read(light, name):
    with (light / name).open("r+b") as file:
        file.truncate(1 << 40)  # sparse: a terabyte of nothing
    with pytest.raises(BundleError, match=rf"{name} cannot be read: 1,099,511,627,776 bytes"):
        load_bundle(light)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_must_not_be_read_is_no_missing_one(light):
    (light / "model.onnx").chmod(0)
    with pytest.raises(BundleError, match=r"model\.onnx cannot be read: Permission denied"):
        load_bundle(light)


@pytest.mark.parametrize("model", ["a\0b", "x" * 5000, "\udce4", "a/" * 3000])
def test_what_is_no_path_is_no_model(model):
    with pytest.raises(BundleError):
        load_bundle(model)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 500 + "1" + "}" * 500, "nested more than 32 deep"),
        ('{"sha256": {}, "sha256": {}}', "'sha256' stands twice"),
        ('{"sha256": {}, "date": NaN}', "NaN is no number"),
        ('{"sha256": {}, "date": 1e999}', "too large a number"),
        ('{"sha256": {}, "date": ' + "9" * 5000 + "}", "digits"),
        ('{"sha256": [], "config": {}}', "checksums"),
        ('{"sha256": {"model.onnx": 5}}', "checksum of model.onnx is '5'"),
        ('{"sha256": {"model.onnx": null}}', "checksum of model.onnx is 'None'"),
        ('{"sha256": {"model.onnx": "' + "A" * 64 + '"}}', "64 hexadecimal digits"),
        ('"sha256"', "expected a table"),
        ("\ud800", "not a model card"),
    ],
)
def test_a_hostile_card_is_refused_for_what_is_wrong_with_it(light, card, words):
    (light / "card.json").write_bytes(card.encode("utf-8", "surrogatepass"))
    with pytest.raises(BundleError, match=rf"not a model card: .*{words}|{words}"):
        load_bundle(light)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"config": []}, "config is"),
        ({"config": {"head": 5}}, r"config\.head is '5'"),
        ({"config": {"head": {"subject": ["template"]}}}, r"config\.head\.subject is"),
        ({"config": {"simulation": {"signs": True}}}, r"config\.simulation\.signs is 'True'"),
        ({"output": None}, "output is 'None'"),
        ({"precision": "int8"}, "precision is 'int8'"),
        ({"precision": {"int8": None}}, r"precision\.int8 is 'None'"),
        ({"precision": {"int8": {"largest_deviation": "0"}}}, "deviation of int8 is '0'"),
        ({"precision": {"int8": {"largest_deviation": True}}}, "deviation of int8 is 'True'"),
        ({"precision": {"int8": {"largest_deviation": 10**400}}}, "deviation of int8 is '1000"),
    ],
)
def test_a_card_with_values_of_another_kind_is_refused(light, said, words):
    seal(light, **said)
    with pytest.raises(BundleError, match=words):
        load_bundle(light)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"lead_field": None}, "the head model has no lead_field"),
        ({"lead_field": np.zeros((31, 324), int)}, "lead_field holds int64, expected floating"),
        ({"lead_field": np.zeros((31, 324), complex)}, "lead_field holds complex128"),
        ({"lead_field": np.full((31, 324), 1e300)}, "lead_field holds values that are not finite"),
        ({"lead_field": np.full((31, 324), 1e30)}, r"lead_field goes up to 1e\+30"),
        ({"lead_field": np.zeros((31, 0), np.float32)}, r"shape \(31, 0\), expected \(31, 324\)"),
        ({"lead_field": np.zeros(31, np.float32)}, "expected 2 axes"),
        ({"dipoles_m": np.zeros((0, 3), np.float32)}, "expected"),
        ({"dipoles_m": np.full((324, 3), 60, np.float32)}, "millimetres"),
        ({"normals": np.zeros((324, 3), np.float32)}, "lengths of 0 to 0, expected 1"),
        ({"triangles": np.zeros((0, 3), np.int32)}, "triangles has shape"),
        ({"triangles": np.zeros((5, 4), np.int32)}, "triangles has shape"),
        ({"triangles": np.full((5, 3), 2**40)}, "triangles holds numbers beyond"),
        ({"triangles": np.full((5, 3), -1)}, "triangles point outside"),
        ({"atlas": np.full(324, 2**32)}, "atlas holds numbers beyond"),
        ({"atlas_names": np.array([], "U1")}, "atlas_names has 0 names"),
        ({"atlas_names": np.array(["unknown-lh", "unknown-rh"])}, "no dipole lies on cortex"),
        ({"atlas_names": np.array(["a" * 500, "b"])}, "atlas_names holds <U500"),
        ({"n_left": np.array(1.5)}, "n_left holds float64"),
        ({"n_left": np.array([5])}, "n_left has the shape"),
        ({"n_left": np.array(2**70, object)}, "n_left holds object|allow_pickle"),
        ({"channels": np.array([f"E{i}\x1b" for i in range(31)])}, "expected names"),
        ({"channels": np.array(["Cz"] * 31)}, "31 names, 1 different"),
        ({"channels": np.array([b"Cz"] * 31)}, "channels holds .S2"),
        ({"interpolation": np.zeros((76, 31), np.float32)}, "interpolation has shape"),
        ({"scalp_names": np.array(["Cz"])}, "has no scalp_places_m"),
    ],
)
def test_an_array_of_the_head_that_is_none_is_refused(light, arrays, words):
    with_arrays(light, **arrays)
    with pytest.raises(BundleError, match=words):
        load_bundle(light)


def test_noise_that_is_no_covariance_is_refused(toy_scalp_head):
    scalp = toy_scalp_head.scalp
    for noise, words in (
        (scalp.noise + np.triu(scalp.noise.max() * np.ones_like(scalp.noise), 1), "not symmetric"),
        (-scalp.noise, "no variances"),
        (0 * scalp.noise, "no variances"),
    ):
        with pytest.raises(BundleError, match=words):
            replace(toy_scalp_head, scalp=replace(scalp, noise=noise))


def test_arrays_may_lie_in_memory_in_any_order(light, toy_head):
    with_arrays(light, lead_field=np.asfortranarray(toy_head.lead_field.astype(">f8")))
    back = load_bundle(light).head.lead_field
    np.testing.assert_array_equal(back, toy_head.lead_field)
    assert back.flags.c_contiguous
    assert back.dtype == np.float32


def header(shape, descr="<f4", order=False):
    file = io.BytesIO()
    said = {"descr": descr, "fortran_order": order, "shape": shape}
    np.lib.format.write_array_header_1_0(file, said)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header((31, 50_000_000)), "lead_field has .* bytes, expected 6,200,000,000"),
        (header((-31, 324)) + bytes(31 * 324 * 4), "no header"),
        (header((2**62, 4)), "bytes, expected 73,786"),
        (header((31, 324)) + bytes(31 * 324 * 4 - 1), "bytes, expected"),
        (header((31, 324)) + bytes(31 * 324 * 4 + 1), "bytes, expected"),
        (header((31, 324), "|O") + b"cos\nsystem\n(S'true'\ntR.", "holds object|no header"),
        (header((31, 324), [("a", "<f4")]) + bytes(31 * 324 * 4), "holds no plain"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "no array"),
        (b"\x93NUMPY\x01\x00\x76\x00" + b"{" * 0x76, "no header"),
        (b"\x93NUMPY\x03\x00" + bytes(100), "no array"),
        (b"", "no array"),
    ],
)
def test_an_array_that_is_not_what_it_says_is_refused(light, content, words):
    def change(archive, name, own):
        archive.writestr(name, content if name == "lead_field.npy" else own)

    with_entries(light, change)
    with pytest.raises(BundleError, match=words):
        load_bundle(light)


def test_a_head_that_would_unpack_to_gigabytes_is_refused_before_it_does(light):
    n_bytes = 6 << 30

    def change(archive, name, own):
        if name != "lead_field.npy":
            archive.writestr(name, own)
            return
        with archive.open(name, "w", force_zip64=True) as file:
            file.write(header((31, 324)))

    with_entries(light, change)
    content = bytearray((light / "head.npz").read_bytes())
    place = content.rindex(b"lead_field.npy") - 22  # its size, in the directory
    content[place : place + 4] = (n_bytes & 0xFFFFFFFF).to_bytes(4, "little")
    (light / "head.npz").write_bytes(content)
    seal(light)
    with pytest.raises(BundleError, match="unpacks to 2,147,"):
        load_bundle(light)


def test_an_archive_whose_entries_overlap_or_are_there_twice_is_refused(light):
    def twice(archive, name, own):
        archive.writestr(name, own)
        if name == "atlas.npy":
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr(name, own)

    with_entries(light, twice)
    with pytest.raises(BundleError, match="'atlas' is there twice"):
        load_bundle(light)


def test_a_file_that_vanishes_meanwhile_is_missing(light, monkeypatch):
    read, seen = Path.resolve, []

    def vanish(path, *args, **how):
        seen.append((light / "model.onnx").unlink(missing_ok=True))
        return read(path, *args, **how)

    monkeypatch.setattr(Path, "resolve", vanish)
    with pytest.raises(BundleError, match=r"model\.onnx is missing"):
        load_bundle(light)
    assert seen
