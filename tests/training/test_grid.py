import numpy as np
import pytest
from convdip.errors import ConfigError
from convdip_training.config import ELECTRODES
from convdip_training.grid import LAYOUT, SHAPE, interpolation_matrix


def test_electrodes_keep_their_values_at_their_places():
    images = interpolation_matrix(ELECTRODES).reshape(*SHAPE, 31)
    for index, name in enumerate(ELECTRODES):
        np.testing.assert_allclose(images[LAYOUT[name]], np.eye(31)[index], atol=1e-5)


def test_planes_are_filled_exactly():
    """A plane is biharmonic: the fill must reproduce it everywhere, corners included."""
    places = np.array([LAYOUT[name] for name in ELECTRODES])
    rows, columns = np.indices(SHAPE)
    filled = interpolation_matrix(ELECTRODES) @ (2.0 + 0.5 * places[:, 0] - 0.3 * places[:, 1])
    np.testing.assert_allclose(filled, (2.0 + 0.5 * rows - 0.3 * columns).ravel(), atol=1e-4)


def test_left_and_right_are_treated_alike():
    mirrored = [
        next(n for n, p in LAYOUT.items() if p == (row, SHAPE[1] - 1 - column))
        for row, column in (LAYOUT[name] for name in ELECTRODES)
    ]
    images = interpolation_matrix(ELECTRODES).reshape(*SHAPE, 31)
    swap = [ELECTRODES.index(name) for name in mirrored]
    np.testing.assert_allclose(images[:, ::-1], images[:, :, swap], atol=1e-5)


def test_an_electrode_without_a_place_is_named():
    with pytest.raises(ConfigError, match="Fz have no place"):
        interpolation_matrix(("Cz", "Fz"))
