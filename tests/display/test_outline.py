from __future__ import annotations

import numpy as np
import pytest
from convdip.display.outline import Outline
from convdip.display.raster import rasterise
from convdip.display.view import FOUR_VIEWS, project, surface
from convdip.patches import patch_dictionary
from hypothesis import given
from hypothesis import strategies as st

THRESHOLD = 0.25


@pytest.fixture(scope="module")
def soften(shipped) -> Outline:
    return Outline(shipped.head.triangles, shipped.head.n_dipoles)


def neighbours_of(head, dipole):
    return np.setdiff1d(head.triangles[(head.triangles == dipole).any(axis=1)], dipole)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.7), st.booleans())
def test_peaks_keep_their_places_and_values(toy_head, seed, threshold, is_signed):
    strength = np.random.default_rng(seed).random(toy_head.n_dipoles).astype(np.float32)
    if is_signed:
        strength = 2 * strength - 1
    softened = Outline(toy_head.triangles, toy_head.n_dipoles)(strength, threshold)
    size = np.abs(strength)
    for dipole in range(toy_head.n_dipoles):
        if size[dipole] >= size[neighbours_of(toy_head, dipole)].max():
            assert softened[dipole] == pytest.approx(strength[dipole])
    assert np.abs(softened).max() == pytest.approx(size.max(), rel=1e-6)
    assert np.abs(softened).argmax() == size.argmax()


def test_what_is_even_stays_as_it_is(shipped, soften):
    for level in (0.0, 0.1, 0.5, 2.0):
        even = np.full(shipped.head.n_dipoles, level, np.float32)
        assert soften(even, THRESHOLD) == pytest.approx(even, abs=1e-6)


def test_a_single_dipole_does_not_vanish(shipped, soften, hand):
    alone = np.zeros(shipped.head.n_dipoles, np.float32)
    alone[hand(shipped.head)] = 0.3
    assert soften(alone, THRESHOLD).max() == pytest.approx(0.3)


def relative_outline(inside):
    """Return the length of an outline, in steps across and down, for the size of its area."""
    high = np.abs(np.diff(inside.astype(float), axis=0)).sum()
    wide = np.abs(np.diff(inside.astype(float), axis=1)).sum()
    return (high + wide) / np.sqrt(inside.sum())


def test_outlines_are_rounder(shipped, soften):
    """Over many patches: the outline around the same area is shorter."""
    head = shipped.head
    mesh = surface(head, "inflated")
    seen = project(mesh, FOUR_VIEWS[0], 900, 700)
    pixels, weights = rasterise(seen, 900, 700, head.n_dipoles)
    is_front = (np.arange(head.n_dipoles) < head.n_left) & (seen.facing > 0.8) & head.is_cortex
    before, after = [], []
    for dipole in np.flatnonzero(is_front)[::60]:
        patch = patch_dictionary(head.triangles, head.dipoles_m, 5)[[dipole]].toarray()[0]
        for turns, drawn in (
            (before, patch.astype(np.float32)),
            (after, soften(patch.astype(np.float32), THRESHOLD)),
        ):
            inside = np.zeros(900 * 700, bool)
            inside[pixels] = weights @ drawn > THRESHOLD
            turns.append(relative_outline(inside.reshape(700, 900)))
    assert len(before) >= 8
    assert np.mean(after) < np.mean(before)
    assert (np.array(after) < np.array(before)).mean() > 0.8
