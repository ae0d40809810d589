"""Parts of the cortex by name, or by place."""

import struct

import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip.feedback.annotations import vertices_of
from convdip.feedback.regions import atlas_regions, find_regions
from convdip.mni import mni_mm
from hypothesis import given
from hypothesis import strategies as st


def test_the_atlas_covers_the_cortex_once(shipped):
    head = shipped.head
    regions = atlas_regions(head)
    assert len(regions) == 68
    together = np.concatenate([region.dipoles for region in regions])
    assert len(set(together.tolist())) == together.size
    np.testing.assert_array_equal(np.sort(together), np.flatnonzero(head.is_cortex))


def test_a_name_without_hemisphere_is_both(shipped):
    both = find_regions(shipped.head, ["cuneus"])
    assert [region.name for region in both] == ["cuneus-lh", "cuneus-rh"]
    [one] = find_regions(shipped.head, ["cuneus-rh"])
    np.testing.assert_array_equal(one.dipoles, both[1].dipoles)
    assert (one.dipoles >= shipped.head.n_left).all()


def test_a_sphere_is_the_cortex_within_it(shipped):
    head = shipped.head
    [sphere] = find_regions(head, ["mni:-10 -92 2 15"])
    at_mm = np.array([mni_mm(place) for place in head.dipoles_m])
    distances_mm = np.linalg.norm(at_mm - [-10, -92, 2], axis=1)
    np.testing.assert_array_equal(
        sphere.dipoles, np.flatnonzero((distances_mm <= 15) & head.is_cortex)
    )
    centre_mm = mni_mm(sphere.centroid_m(head))
    assert np.linalg.norm(centre_mm - [-10, -92, 2]) < 15


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("cuneos", "did you mean cuneus"),
        ("Oz", "no region 'Oz'"),
        ("unknown", "no region"),
        ("", "no region"),
        ("mni:1 2 3", "is no sphere"),
        ("mni:a b c d", "is no sphere"),
        ("mni:0 0 0 -5", "radius above 0"),
        ("mni:0 0 nan 5", "finite"),
        ("mni:0 0 0 inf", "finite"),
        ("mni:0 200 0 10", "the nearest is"),
    ],
)
def test_what_is_no_region_is_refused_with_what_to_do(shipped, said, message):
    with pytest.raises(ConfigError, match=message):
        find_regions(shipped.head, [said])


def annotation(path, regions, n=10_242):
    """Write what FreeSurfer would: a colour for each vertex, and a table of them."""
    colours = np.zeros(n, int)
    table = b""
    for i, (name, vertices) in enumerate(regions.items()):
        colours[vertices] = 1 + i + (7 << 8) + (9 << 16)
        text = name.encode() + b"\0"
        table += struct.pack(">2i", i, len(text)) + text + struct.pack(">4i", 1 + i, 7, 9, 0)
    source = b"made here\0"
    path.write_bytes(
        struct.pack(">i", n)
        + np.column_stack([np.arange(n), colours]).astype(">i4").tobytes()
        + struct.pack(">4i", 1, -2, len(regions), len(source))
        + source
        + struct.pack(">i", len(regions))
        + table
    )
    return path


@pytest.mark.parametrize("hemisphere", ["lh", "rh"])
def test_a_region_of_an_annotation_is_those_of_its_vertices_that_are_dipoles(
    shipped, tmp_path, hemisphere
):
    head = shipped.head
    first = head.n_left if hemisphere == "rh" else 0
    own = np.flatnonzero(head.is_cortex[first : first + 2562])[:60]
    path = annotation(
        tmp_path / f"{hemisphere}.mine.annot",
        {"Vis_1": own[:20], "Vis_2": own[20:40], "Mot_1": [*own[40:], 9000], "far": [9001]},
    )
    [one] = find_regions(head, [f"{path}:Vis_1"])
    np.testing.assert_array_equal(one.dipoles, first + own[:20])
    [both] = find_regions(head, [f"{path}:Vis_*"])
    np.testing.assert_array_equal(both.dipoles, first + own[:40])
    [motor] = find_regions(head, [f"{path}:Mot_1"])
    np.testing.assert_array_equal(motor.dipoles, first + own[40:])
    with pytest.raises(ConfigError, match="has no dipole"):
        find_regions(head, [f"{path}:far"])
    with pytest.raises(ConfigError, match="expected one of Vis_1, Vis_2"):
        find_regions(head, [f"{path}:Vis_9"])
    with pytest.raises(ConfigError, match="person's own"):
        find_regions(head, [f"{path}:Vis_1"], is_template=False)


def label(path, vertices):
    """Write a label as FreeSurfer does."""
    lines = [f"{vertex}  -1.000  2.000  3.000 0.0000000000" for vertex in vertices]
    head = "#!ascii label  , from subject fsaverage vox2ras=TkReg"
    path.write_text("\n".join([head, str(len(lines)), *lines]) + "\n")
    return path


@pytest.mark.parametrize("hemisphere", ["lh", "rh"])
def test_a_label_is_its_vertices_that_are_dipoles(shipped, tmp_path, hemisphere):
    head = shipped.head
    first = head.n_left if hemisphere == "rh" else 0
    own = np.flatnonzero(head.is_cortex[first : first + 2562])[5:25]
    path = label(tmp_path / f"{hemisphere}.mine.label", [*own[::-1], 9000, 160_000])
    [region] = find_regions(head, [str(path)])
    np.testing.assert_array_equal(region.dipoles, first + own)
    assert region.name == f"mine ({hemisphere})"
    with pytest.raises(ConfigError, match="has no dipole"):
        find_regions(head, [str(label(tmp_path / f"{hemisphere}.far.label", [9000]))])
    with pytest.raises(ConfigError, match="person's own"):
        find_regions(head, [str(path)], is_template=False)


@pytest.mark.parametrize(
    "text",
    ["", "#\n", "#\n2\n1 0 0 0 0\n", "2\n1\n2\n", "#\n1\n-1 0 0 0 0\n", "#\nx\n", "#\n1\nä",
     "#\n1\n99999999999999999999 0 0 0 0\n"],
)  # fmt: skip
def test_what_is_no_label_is_refused(shipped, tmp_path, text):
    path = tmp_path / "lh.broken.label"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is no label"):
        find_regions(shipped.head, [str(path)])
    with pytest.raises(ConfigError, match="cannot be read"):
        find_regions(shipped.head, [str(tmp_path / "lh.absent.label")])


def test_the_atlas_of_an_annotation_is_the_heads_own(shipped, recording):
    """The same atlas twice, from the head model and from a file."""
    head = shipped.head
    for side in ("lh", "rh"):
        path = recording(f"atlas/{side}.aparc.annot")
        for name in ("cuneus", "precentral", "insula"):
            [ours] = find_regions(head, [f"{name}-{side}"])
            [theirs] = find_regions(head, [f"{path}:{name}"])
            both = np.intersect1d(ours.dipoles, theirs.dipoles).size
            assert both > 0.9 * max(ours.dipoles.size, theirs.dipoles.size)


@given(st.binary(max_size=300), st.integers(0, 300))
def test_what_is_no_annotation_is_refused(tmp_path_factory, junk, cut):
    folder = tmp_path_factory.mktemp("annot")
    whole = annotation(folder / "lh.whole.annot", {"a": [1, 2]}, n=20).read_bytes()
    broken = folder / "lh.broken.annot"
    broken.write_bytes(whole[:cut] + junk)
    try:
        vertices_of(broken, "a")
    except ConfigError:
        return
    assert whole[:cut] + junk  # by chance it is one


def test_a_file_that_is_not_there_or_of_no_hemisphere_is_refused(shipped, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        find_regions(shipped.head, [f"{tmp_path}/lh.absent.annot:a"])
    with pytest.raises(ConfigError, match="begins with lh"):
        find_regions(shipped.head, [f"{tmp_path}/mine.annot:a"])
