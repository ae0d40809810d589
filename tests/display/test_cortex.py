from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from convdip.bundle import Bundle
from convdip.display.colours import ACTIVITY_MAPS, activity_table, colour_table
from convdip.display.cortex import DARK, CortexPicture, Hemispheres, draw_cortex
from convdip.display.raster import rasterise
from convdip.display.theme import THEMES
from convdip.display.view import (
    FOUR_VIEWS,
    SURFACES,
    VIEWS,
    Projection,
    best_view,
    free_camera,
    standard_camera,
    surface,
)
from convdip.head import Head
from convdip.patches import patch_dictionary


@pytest.fixture(scope="module")
def picture(shipped: Bundle) -> CortexPicture:
    return CortexPicture(shipped.head, 600, 420)


def patch(head: Head, dipole: int) -> np.ndarray:
    return patch_dictionary(head.triangles, head.dipoles_m, 5)[[dipole]].toarray()[0]


def is_coloured(pixels: np.ndarray) -> np.ndarray:
    """Whether pixels have a hue: the surface and its surroundings are nearly grey."""
    return np.ptp(pixels.astype(int), axis=-1) > 40


@pytest.mark.parametrize("name", SURFACES)
def test_what_is_active_is_hot_and_the_other_hemisphere_is_not(shipped, hand, name):
    head = shipped.head
    dipole = hand(head)
    picture = CortexPicture(head, 600, 420, name)
    pixels = picture.draw(patch(head, dipole).astype(np.float32))
    [(x, y)] = picture.places_of(dipole)
    red, _, blue = pixels[int(y), int(x)].astype(int)
    assert red > 200 > blue  # the end of the scale is yellow
    for camera, left, top, width, height in picture.cells:
        cell = pixels[top : top + height, left : left + width]
        assert is_coloured(cell).any() == (camera.name == "left, lateral"), camera.name


def test_every_dipole_on_the_outside_is_found_where_it_is_drawn(shipped, picture):
    head = shipped.head
    seen = 0
    for dipole in range(0, head.n_dipoles, 37):
        for x, y in picture.places_of(dipole):
            found = picture.dipole_at(int(x), int(y))
            distance_mm = np.linalg.norm(head.inflated_m[found] - head.inflated_m[dipole]) * 1e3
            assert distance_mm < 4
            seen += 1
    assert seen > head.n_dipoles / 37 * 0.8


def test_beside_the_cortex_there_is_no_dipole(picture):
    assert picture.dipole_at(0, 0) is None
    assert picture.dipole_at(-1, 5) is None
    assert picture.dipole_at(10**6, 5) is None


def test_a_linear_field_is_drawn_exactly():
    """Between corners values run linearly: a plane must come out as a plane."""
    corners = np.array([[1.0, 1.0], [38.0, 4.0], [7.0, 29.0]])
    seen = Projection(corners, np.zeros(3), np.ones(3), np.array([[0, 2, 1]], np.int32))
    pixels, weights = rasterise(seen, 40, 30, 3)
    y, x = np.divmod(pixels, 40)
    plane = corners @ [2.0, -3.0] + 1
    assert weights @ plane == pytest.approx(2 * (x + 0.5) - 3 * (y + 0.5) + 1, abs=1e-3)
    area = abs(np.linalg.det(corners[1:] - corners[0])) / 2
    assert pixels.size == pytest.approx(area, rel=0.05)


def test_the_nearer_triangle_covers_the_farther_one():
    square = np.array([[0.0, 0], [20, 0], [0, 20], [0, 0], [20, 0], [0, 20]])
    far, near = [0, 1, 2], [3, 4, 5]
    seen = Projection(square, np.zeros(6), np.ones(6), np.array([far, near], np.int32))
    _, weights = rasterise(seen, 20, 20, 6)
    assert not weights[:, :3].nnz or not np.asarray(weights[:, :3].sum()).any()
    assert np.allclose(np.asarray(weights[:, 3:].sum(axis=1)), 1)


def test_below_the_threshold_nothing_is_drawn(shipped, picture):
    nothing = picture.draw(np.zeros(shipped.head.n_dipoles, np.float32))
    weak = picture.draw(np.full(shipped.head.n_dipoles, 0.2, np.float32))
    assert (weak == nothing).all()
    assert is_coloured(picture.draw(np.ones(shipped.head.n_dipoles, np.float32))).any()


@pytest.mark.parametrize("name", [theme.signed_map for theme in THEMES.values()])
def test_signs_are_drawn_red_and_blue(shipped, picture, hand, name):
    head = shipped.head
    dipole = hand(head)
    [(x, y)] = picture.places_of(dipole)
    table, strength = colour_table(name), patch(head, dipole).astype(np.float32)
    drawn = {
        sign: picture.draw(sign * strength, table, is_signed=True).astype(int) for sign in (1, -1)
    }
    for sign, pixels in drawn.items():
        near = pixels[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5].reshape(-1, 3)
        end = table[-1 if sign > 0 else 0] * 255
        assert np.abs(near - end).max(axis=1).min() < 50
    hue = drawn[1][..., 0] - drawn[1][..., 2], drawn[-1][..., 0] - drawn[-1][..., 2]
    assert (hue[0][is_coloured(drawn[1])] > 0).mean() > 0.95
    assert (hue[1][is_coloured(drawn[-1])] < 0).mean() > 0.95
    nothing = picture.draw(0 * strength, table, is_signed=True)
    changed = [(pixels != nothing).any(axis=-1) for pixels in drawn.values()]
    assert (changed[0] == changed[1]).mean() > 0.999  # the threshold is one of magnitude
    assert (changed[0] | changed[1]).sum() > 50


def test_a_stale_picture_has_no_colour(shipped, picture):
    whole = np.ones(shipped.head.n_dipoles, np.float32)
    assert not is_coloured(picture.draw(whole, is_grey=True)).any()


def test_the_outline_of_a_region_lies_in_it(shipped, picture):
    head = shipped.head
    region = head.atlas_names.index("precentral-lh")
    nothing = np.zeros(head.n_dipoles, np.float32)
    before = picture.draw(nothing)
    after = picture.draw(nothing, outlined=[region])
    rows, columns = np.nonzero((before != after).any(axis=-1))
    assert rows.size > 50
    for x, y in zip(columns.tolist(), rows.tolist(), strict=True):
        assert head.atlas[picture.dipole_at(x, y)] == region


def test_the_free_camera_shows_both_hemispheres_apart(shipped):
    head = shipped.head
    above = CortexPicture(head, 400, 400, cameras=[free_camera(0, 90)])
    dipoles = [
        found
        for x in range(0, 400, 4)
        for y in range(0, 400, 4)
        if (found := above.dipole_at(x, y)) is not None
    ]
    is_left = np.array(dipoles) < head.n_left
    assert 0.4 < is_left.mean() < 0.6
    background = (np.array(DARK.background) * 255).astype(np.uint8)
    middle = above.draw(np.zeros(head.n_dipoles, np.float32))[:, 200]
    assert (middle == background).all()  # the gap


def test_normals_point_outwards(toy_head):
    mesh = surface(toy_head, "white")
    assert np.einsum("ij,ij->i", mesh.normals, toy_head.normals) == pytest.approx(1, abs=0.02)


def test_opposite_views_are_mirrored():
    ventral = (standard_camera("left", "ventral"), standard_camera("right", "ventral"))
    for seen in (*FOUR_VIEWS, *ventral, free_camera(20, 30)):
        frame = np.array([seen.right, seen.up, seen.towards])
        assert frame @ frame.T == pytest.approx(np.eye(3), abs=1e-12)
        assert np.linalg.det(frame) == pytest.approx(1)


def test_any_client_may_draw_a_map(shipped, hand):
    head = shipped.head
    pixels = draw_cortex(head, 7 * patch(head, hand(head)), 300, 200)
    assert pixels.shape == (200, 300, 3)
    assert pixels.dtype == np.uint8
    assert is_coloured(pixels).any()


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("precentral-lh", ("left", "lateral")),
        ("lateraloccipital-rh", ("right", "lateral")),
        ("posteriorcingulate-rh", ("right", "medial")),
        ("fusiform-lh", ("left", "ventral")),
    ],
)
def test_the_best_view_shows_the_maximum(shipped, region, expected):
    head = shipped.head
    inside = np.flatnonzero(head.atlas == head.atlas_names.index(region))
    offsets_m = head.dipoles_m[inside] - head.dipoles_m[inside].mean(axis=0)
    dipole = int(inside[np.linalg.norm(offsets_m, axis=1).argmin()])
    values = -7e-9 * patch(head, dipole)  # the sign plays no part
    hemisphere, view = best_view(head, values)
    assert (hemisphere, view) == expected

    draw = Hemispheres(head, 300, 220)

    def n_coloured(side, seen_from):
        return is_coloured(draw(values, side, seen_from)).sum()

    assert n_coloured(hemisphere, view) == max(n_coloured(hemisphere, each) for each in VIEWS)
    assert n_coloured("left" if hemisphere == "right" else "right", view) == 0


def test_a_hemisphere_is_drawn_above_a_quarter_of_the_whole_maps_maximum(shipped):
    head = shipped.head
    values = np.zeros(head.n_dipoles)
    values[: head.n_left], values[head.n_left :] = 1.0, 0.24
    draw = Hemispheres(head, 160, 120)
    right = draw(values, "right")
    assert right.shape == (120, 160, 3)
    assert (right[0, 0] == 255).all()
    assert not is_coloured(right).any()
    values[head.n_left :] = 0.35
    assert is_coloured(draw(values, "right")).any()


def test_drawing_needs_neither_qt_nor_a_screen():
    code = (
        "import sys, convdip.display.cortex, convdip.display.feed;"
        "sys.exit(any(m.split('.')[0] in ('PySide6', 'pyqtgraph', 'PIL') for m in sys.modules))"
    )
    env = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


# How colours look to people who lack cones of one kind (Machado, Oliveira & Fernandes 2009,
# severity 1), on linear RGB.
NO_CONES = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


@pytest.mark.parametrize("name", ACTIVITY_MAPS)
@pytest.mark.parametrize("lacking", [None, *NO_CONES])
def test_a_stronger_source_is_lighter_for_every_eye(name, lacking):
    linear = activity_table(name).astype(float) ** 2.2
    if lacking:
        linear = np.clip(linear @ np.array(NO_CONES[lacking]).T, 0, 1)
    lightness = np.cbrt(linear @ [0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > -0.002).all()
    assert lightness[-1] - lightness[64] > 0.3


@pytest.mark.parametrize("name", [theme.signed_map for theme in THEMES.values()])
@pytest.mark.parametrize("lacking", [None, *NO_CONES])
def test_a_stronger_moment_is_farther_from_the_middle_for_every_eye(name, lacking):
    linear = colour_table(name).astype(float) ** 2.2
    if lacking:
        linear = np.clip(linear @ np.array(NO_CONES[lacking]).T, 0, 1)
    lightness = np.cbrt(linear @ [0.2126, 0.7152, 0.0722])
    contrast = np.abs(lightness - lightness[127:129].mean())
    for half in (contrast[127::-1], contrast[128:]):
        assert (np.diff(half) > -0.002).all()
        assert half[-1] - half[32] > 0.25


@pytest.mark.parametrize("name", ["blue-red", "ice-fire"])
def test_both_signs_are_told_apart_by_every_eye(name):
    table = colour_table(name).astype(float)
    for matrix in NO_CONES.values():
        seen = np.clip(table**2.2 @ np.array(matrix).T, 0, 1)
        assert np.abs(seen[30] - seen[-31]).max() > 0.15
